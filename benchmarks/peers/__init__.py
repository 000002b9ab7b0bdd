"""The peers: every despeckler of the comparison, one row each, and those that nobody can simply install."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from rivals import bm3d, boxcar, homomorphic, lee

from . import networks, otb
from .base import Image, Peer, Scene, needs
from .denoisers import non_local_means, total_variation
from .mulog import mulog
from .ppb import ppb, ppb_iterated
from .refined_lee import refined_lee

__all__ = ["NOT_PACKAGED", "PEERS", "Peer", "Scene"]

STRENGTHS = (0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 2.8)
HEARD = "noise heard, times the law's"
AMPLITUDES = (
    10.0,
    20.0,
    40.0,
    70.0,
    100.0,
    200.0,
    400.0,
    1000.0,
)  # digital numbers: TerraSAR-X and Sentinel-1 scenes lie within
SHOWN = "mean amplitude shown, digital numbers"
NON_COMMERCIAL = "non-commercial use only"

_CLASSIC = (
    Peer(
        name="boxcar",
        source="scipy.ndimage",
        run=lambda scene, size: boxcar(scene.intensity, size),
        parameter="side, pixels",
        choices=(3, 5, 7, 9, 11),
        takes_looks=False,
    ),
    Peer(
        name="lee",
        source="here, after Lee (1980)",
        run=lambda scene, size: lee(scene.intensity, scene.looks, size),
        parameter="side, pixels",
        choices=(5, 7, 9, 11, 13),
    ),
    Peer(
        name="refined-lee",
        source="here, after Lee (1981)",
        run=lambda scene, size: refined_lee(scene.intensity, scene.looks, size),
        parameter="side, pixels",
        choices=(5, 7, 9, 11, 13),
    ),
)


def _by_toolbox(name: str, scenes: Sequence[Scene], setting: Any) -> list[Image]:
    return otb.despeckle(name, [scene.intensity for scene in scenes], scenes[0].looks, setting)


_TOOLBOX = tuple(
    Peer(
        name=f"otb-{name}",
        source="Orfeo ToolBox, otbcli_Despeckle",
        run=lambda scene, setting, name=name: _by_toolbox(name, [scene], setting)[0],
        run_all=partial(_by_toolbox, name),
        parameter="damping" if name == "frost" else "radius, pixels",
        choices=(8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.1) if name == "frost" else (1, 2, 3, 4, 5, 6),
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


def _by_denoiser(
    prefix: str, source: str, run: Callable[..., Any], efforts: Mapping[str, int] = MappingProxyType({})
) -> tuple[Peer, ...]:
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
            effort=efforts.get(name, 0),
        )
        for name, denoise, package, licence in _DENOISERS
    )


_LOGARITHM = _by_denoiser("log", "{}", homomorphic, {"bm3d": 1})
_MULOG = _by_denoiser("mulog", "here, after Deledalle et al. (2017), with {}", mulog, {"bm3d": 2, "nlm": 1, "tv": 1})

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
        source="here, after Deledalle, Denis and Tupin (2009), ten iterations",
        run=lambda scene, penalty: ppb_iterated(scene.intensity, scene.looks, penalty=penalty),
        parameter="T a pixel",
        choices=(0.05, 0.1, 0.2, 0.4, 0.8, 1.6),
        effort=1,
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
            serves=Scene.is_single_look,
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
