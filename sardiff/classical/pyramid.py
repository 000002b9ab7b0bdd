"""The Laplacian pyramid: at every scale the more active detail."""

import torch

from sardiff.arrays import Images
from sardiff.classical.activity import fused_detail
from sardiff.classical.filters import BINOMIAL, padded, smoothed

__all__ = ["LEVELS", "REACH", "STRIDE", "pyramid"]

LEVELS = 4
STRIDE = 2**LEVELS
REACH = 5 * STRIDE - 4  # pixels: 3 STRIDE - 2 down to the coarsest detail, STRIDE for its activity, STRIDE - 2 back up


def pyramid(optical: Images, sar: Images, weight: float = 0.5) -> Images:
    """Return the image whose Laplacian pyramid has the more active detail of both, and the weighted mean as its base.

    Burt and Adelson (1983), The Laplacian pyramid as a compact image code, IEEE Trans. Communications 31(4), with
    a = 3 / 8; details by `fused_detail`. The base is (1 - weight) optical + weight sar: .5 is the textbook, 0 and 1
    give back the sources.

    Decimation is ours: scikit-image's pyramids resize, by a factor that depends on the size of the image, and commute
    with no shift at all. This one commutes with shifts by multiples of `STRIDE`.
    """
    details = []
    for _ in range(LEVELS):
        low_optical, low_sar = _reduced(optical), _reduced(sar)
        details.append(fused_detail(optical - _expanded(low_optical, optical), sar - _expanded(low_sar, sar), weight))
        optical, sar = low_optical, low_sar
    fused = (1 - weight) * optical + weight * sar
    for detail in reversed(details):
        fused = _expanded(fused, detail) + detail
    return fused


def _reduced(x: Images) -> Images:
    """Burt and Adelson's REDUCE: every other pixel of the smoothed image, from the first on."""
    return smoothed(x, BINOMIAL)[:, :, ::2, ::2]


def _expanded(x: Images, like: Images) -> Images:
    """Their EXPAND, to the size of `like`: the weights of pixels upon the coarse ones, and of pixels between."""
    for axis in (2, 3):
        wide, size = padded(x, 1, axis), x.shape[axis]
        before, upon, after = (wide.narrow(axis, i, size) for i in range(3))
        pairs = torch.stack(((before + 6 * upon + after) / 8, (upon + after) / 2), dim=axis + 1)
        x = pairs.flatten(axis, axis + 1).narrow(axis, 0, like.shape[axis])
    return x
