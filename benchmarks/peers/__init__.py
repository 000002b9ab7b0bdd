"""The peers: every despeckler of the comparison, one row each, and those that nobody can simply install."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rivals import boxcar, lee

from . import networks, otb
from .base import Peer, Scene, needs
from .log_domain import bm3d, homomorphic, non_local_means, total_variation
from .mulog import mulog
from .ppb import ppb
from .refined_lee import refined_lee

__all__ = ["NOT_PACKAGED", "PEERS", "Peer", "Scene"]

STRENGTHS = (0.5, 0.7, 1.0, 1.4, 2.0)
HEARD = "noise heard, times the law's"
AMPLITUDES = (10.0, 30.0, 100.0, 300.0, 1000.0)  # digital numbers: TerraSAR-X and Sentinel-1 scenes lie within
SHOWN = "mean amplitude shown, digital numbers"
NON_COMMERCIAL = "non-commercial use only"

_CLASSIC = (
    Peer(
        name="boxcar",
        source="scipy.ndimage",
        run=lambda scene, size: boxcar(scene.intensity, size),
        parameter="side, pixels",
        choices=(3, 5, 7, 9),
        takes_looks=False,
    ),
    Peer(
        name="lee",
        source="here, after Lee (1980)",
        run=lambda scene, size: lee(scene.intensity, scene.looks, size),
        parameter="side, pixels",
        choices=(5, 7, 9, 11),
    ),
    Peer(
        name="refined-lee",
        source="here, after Lee (1981)",
        run=lambda scene, size: refined_lee(scene.intensity, scene.looks, size),
        parameter="side, pixels",
        choices=(5, 7, 9, 11),
    ),
)

_TOOLBOX = tuple(
    Peer(
        name=f"otb-{name}",
        source="Orfeo ToolBox, otbcli_Despeckle",
        run=lambda scene, setting, name=name: otb.despeckle(name, scene.intensity, scene.looks, setting),
        parameter="radius, damping" if name == "frost" else "radius, pixels",
        choices=tuple((r, k) for r in (1, 2, 3, 4) for k in (0.1, 0.5, 2.0)) if name == "frost" else (1, 2, 3, 4, 5),
        licence="Apache-2.0",
        takes_looks=name != "frost",
        missing=otb.missing,
        child_peak_mb=otb.child_peak_mb,
    )
    for name in otb.FILTERS
)

_DENOISERS = (
    ("bm3d", bm3d, "bm3d", NON_COMMERCIAL),
    ("nlm", non_local_means, "scikit-image", "BSD-3-Clause"),
    ("tv", total_variation, "scikit-image", "BSD-3-Clause"),
)


def _by_denoiser(prefix: str, source: str, run: Callable[..., Any]) -> tuple[Peer, ...]:
    """One peer for each denoiser of additive noise; `source` has a place for its package."""
    return tuple(
        Peer(
            name=f"{prefix}-{name}",
            source=source.format(package),
            run=lambda scene, k, denoise=denoise: run(scene.intensity, scene.looks, denoise, k),
            parameter=HEARD,
            choices=STRENGTHS,
            licence=licence,
            missing=needs("bm3d") if package == "bm3d" else needs("skimage"),
        )
        for name, denoise, package, licence in _DENOISERS
    )


_LOGARITHM = _by_denoiser("log", "{}", homomorphic)
_MULOG = _by_denoiser("mulog", "here, after Deledalle et al. (2017), with {}", mulog)

_PPB = (
    Peer(
        name="ppb",
        source="here, after Deledalle, Denis and Tupin (2009), not iterated",
        run=lambda scene, alpha: ppb(scene.intensity, scene.looks, alpha=alpha),
        parameter="alpha, the quantile that decides h",
        choices=(0.75, 0.88, 0.92, 0.97, 0.995),
    ),
    Peer(
        name="ppb-iterated",
        source="here, after Deledalle, Denis and Tupin (2009), one iteration",
        run=lambda scene, penalty: ppb(scene.intensity, scene.looks, iterations=1, penalty=penalty),
        parameter="T a pixel",
        choices=(0.05, 0.1, 0.2, 0.5, 1.0),
    ),
)

_NETWORKS = (
    Peer(
        name="sar2sar",
        source="deepdespeckling",
        run=networks.sar2sar,
        parameter=SHOWN,
        choices=AMPLITUDES,
        licence="MIT",
        takes_looks=False,
        missing=networks.missing,
    ),
    *(
        Peer(
            name=f"merlin-{model.lower()}",
            source="deepdespeckling",
            run=partial(networks.merlin, model=model),
            parameter=SHOWN,
            # Its constants put zero at an amplitude of 1000.
            choices=(*AMPLITUDES, 3000.0, 10_000.0) if model == "Sentinel-TOPS" else AMPLITUDES,
            licence="MIT",
            takes_looks=False,
            missing=networks.missing,
        )
        for model in ("spotlight", "stripmap", "Sentinel-TOPS")
    ),
)

PEERS = {peer.name: peer for group in (_CLASSIC, _TOOLBOX, _LOGARITHM, _MULOG, _PPB, _NETWORKS) for peer in group}

NOT_PACKAGED = {
    "sar-bm3d": "compiled for Matlab, no package (Parrilli et al., 2012)",
    "nl-sar": "sources in C of its authors, no package (Deledalle et al., 2015)",
    "whu": "no package to install",
}
