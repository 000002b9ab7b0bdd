"""MERLIN and SAR2SAR, networks of the package `deepdespeckling`, in the units that they were trained with.

Version 0.8 imports GDAL, which it does not declare, and torch >= 2.6 refuses its file of SAR2SAR. Both are got round
below; weights, tiles and arithmetic are its own.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from .base import Image, Scene

__all__ = ["merlin", "missing", "sar2sar"]

# Imported for formats and windows that nothing here uses; OpenCV wants libraries for windows that servers may lack.
_NOT_USED = {"osgeo": ("gdal",), "cv2": ()}


def missing() -> str | None:
    """Why the package cannot run here, or None."""
    if find_spec("deepdespeckling") is None:
        return "not installed: deepdespeckling"
    try:
        _classes()
    except Exception as error:  # whatever an import may raise is the reason
        return f"deepdespeckling does not start: {type(error).__name__}: {error}"
    return None


def sar2sar(scene: Scene, mean_amplitude: float) -> Image:
    """SAR2SAR, trained on amplitudes of Sentinel-1 as digital numbers, from about .2 to 24 000.

    Parameters
    ----------
    scene : Scene
    mean_amplitude : float
        The root of the mean intensity that the network is shown, in its digital numbers; undone afterwards.

    References
    ----------
    Dalsasso, Denis and Tupin (2021), SAR2SAR: a semi-supervised despeckling algorithm for SAR images, IEEE JSTARS 14.
    """
    gain = mean_amplitude / _amplitude(scene)
    with _quiet(), _numpy_scalars():
        denoiser = _classes()[1]()
        size = _patch(scene.intensity)
        found = denoiser.denoise_image(np.sqrt(scene.intensity) * gain, size, size - 2)
    return (np.asarray(found["denoised"], np.float64).reshape(scene.intensity.shape) / gain) ** 2


def merlin(scene: Scene, mean_amplitude: float, model: str) -> Image:
    """MERLIN, trained on single-look complex TerraSAR-X ("spotlight", "stripmap") or Sentinel-1 ("Sentinel-TOPS").

    `mean_amplitude` as in `sar2sar`. The package's `symetrise`, on by default, centres the spectrum of each patch.

    Dalsasso, Denis and Tupin (2022), As if by magic: self-supervised training of deep despeckling networks with MERLIN,
    IEEE TGRS 60.
    """
    gain = mean_amplitude / _amplitude(scene)
    slc = scene.single_look_complex() * gain
    with _quiet():
        import torch

        denoiser = _classes()[0](model_name=model, symetrise=True)
        size = _patch(scene.intensity)
        with torch.no_grad():  # the package leaves the graph on
            found = denoiser.denoise_image(np.stack([slc.real, slc.imag], axis=-1), size, size - 2)
    return (np.asarray(found["denoised"]["full"], np.float64).reshape(scene.intensity.shape) / gain) ** 2


def _amplitude(scene: Scene) -> float:
    return float(np.sqrt(np.nanmean(scene.intensity)))


def _patch(image: Image) -> int:
    """The package's 256, or for smaller images the largest power of two inside: at least 32, for five halvings."""
    size = min(256, 2 ** int(np.log2(min(image.shape))))
    if size < 32:
        raise ValueError(f"these networks need at least 32 x 32 pixels, got {image.shape}")
    return size


@cache
def _classes() -> tuple[Any, Any]:
    with _stand_ins(), _quiet():
        from deepdespeckling.merlin import merlin_denoiser
        from deepdespeckling.sar2sar import sar2sar_denoiser
    for module in (merlin_denoiser, sar2sar_denoiser):
        module.tqdm = list  # no bar for every image
    return merlin_denoiser.MerlinDenoiser, sar2sar_denoiser.Sar2SarDenoiser


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """Empty modules for imports that serve nothing used here."""
    added = []
    for name, members in _NOT_USED.items():
        if name in sys.modules:
            continue
        module = ModuleType(name)
        for member in members:
            setattr(module, member, ModuleType(f"{name}.{member}"))
        sys.modules[name] = module
        added.append(name)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What it prints, such as the path of its weights, goes nowhere; the level of logging stays."""
    level = logging.getLogger().level
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            yield
        finally:
            logging.getLogger().setLevel(level)


@contextlib.contextmanager
def _numpy_scalars() -> Iterator[None]:
    """Let torch >= 2.6 load the file of SAR2SAR, which holds a learning rate as a NumPy scalar beside the weights."""
    import torch

    number = np.float64(1)
    scalar, dtype = number.__reduce__()[0], number.dtype
    allowed = [(scalar, "numpy.core.multiarray.scalar"), np.dtype, type(dtype)]
    safe = getattr(torch.serialization, "safe_globals", None)  # older ones load anything
    with contextlib.nullcontext() if safe is None else safe(allowed):
        yield
