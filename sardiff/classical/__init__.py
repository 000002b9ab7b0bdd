"""Fusion without a learned prior: what newer methods are measured against, one a file."""

from collections.abc import Mapping

from sardiff.classical import atrous, brovey, gradient_transfer, guided, ihs, pyramid
from sardiff.classical.base import Classical, Fuse

__all__ = ["CLASSICAL", "Classical", "Fuse"]

CLASSICAL: Mapping[str, Classical] = {
    "ihs": Classical(
        ihs.ihs, reach=0, stride=1, injection="add",
        source="Tu et al. (2001), A new look at IHS-like image fusion methods, Information Fusion 2(3)",
    ),
    "brovey": Classical(
        brovey.brovey, reach=0, stride=1, injection="ratio",
        source="Gillespie et al. (1987), Color enhancement of highly correlated images II, Remote Sens. Environ. 22(3)",
    ),
    "pyramid": Classical(
        pyramid.pyramid, reach=pyramid.REACH, stride=pyramid.STRIDE, injection="add",
        source="Burt and Adelson (1983), The Laplacian pyramid as a compact image code, IEEE Trans. Commun. 31(4)",
    ),
    "atrous": Classical(
        atrous.atrous, reach=atrous.REACH, stride=1, injection="add",
        source="Nunez et al. (1999), Multiresolution-based image fusion with additive wavelet decomposition, "
        "IEEE TGRS 37(3)",
    ),
    "guided": Classical(
        guided.guided, reach=guided.REACH, stride=1, injection="add",
        source="Li, Kang and Hu (2013), Image fusion with guided filtering, IEEE TIP 22(7)",
    ),
    "gradient-transfer": Classical(
        gradient_transfer.gradient_transfer, reach=gradient_transfer.REACH, stride=1, injection="add",
        source="Ma et al. (2016), Infrared and visible image fusion via gradient transfer and total variation "
        "minimization, Information Fusion 31",
    ),
}  # fmt: skip
"""Methods, by their name on the command line."""
