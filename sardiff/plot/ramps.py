"""Colours of what is not grey, and pictures small enough to be part of a page."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["RAMPS", "colour_map", "coloured_uri", "ramp", "rgb_uri"]

RAMPS: dict[str, tuple[str, ...]] = {
    "grey": ("#000000", "#ffffff"),
    "doubt": ("#0b0b24", "#37185a", "#7b2a6b", "#bb455e", "#e8754a", "#f8b25f", "#fdedb5"),
    "change": ("#1c4a8a", "#5a8cc4", "#b3cbe4", "#f3f1ee", "#eabda3", "#cd7655", "#8f301e"),
    "looks": ("#0a1430", "#184a70", "#2c8084", "#57a878", "#a5cd72", "#f4eb90"),
}
"""Colours from low to high, evenly spaced: lightness rises, or in "change" falls to both sides of the middle."""

SHADES = 255  # of a picture; one more says that nothing was measured


@lru_cache
def ramp(name: str) -> NDArray[np.uint8]:
    """Return the shades of a ramp from low to high, (SHADES, 3), red, green and blue."""
    anchors = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in RAMPS[name]], float)
    at = np.linspace(0, len(anchors) - 1, SHADES)
    bands = [np.interp(at, np.arange(len(anchors)), anchors[:, band]) for band in range(3)]
    return np.rint(np.stack(bands, axis=1)).astype(np.uint8)


def colour_map(name: str) -> Any:
    """Return a ramp as a colour map of matplotlib; what was not measured is transparent."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(f"sardiff {name}", RAMPS[name]).with_extremes(bad=(0, 0, 0, 0))


def coloured_uri(shares: NDArray[np.floating[Any]], name: str) -> str:
    """Return a PNG as a data URI, without loss but for rounding to `SHADES`.

    Parameters
    ----------
    shares : array (rows, cols)
        0 to 1 along the ramp; NaN: not measured, transparent.
    name : str
        Of `RAMPS`.
    """
    known = np.isfinite(shares)
    index = np.where(known, np.rint(np.clip(np.nan_to_num(shares), 0, 1) * (SHADES - 1)) + 1, 0).astype(np.uint8)
    image = Image.fromarray(index)
    image.putpalette(bytes(3) + ramp(name).tobytes())
    return _uri(image, "PNG", transparency=0, optimize=False, compress_level=9)


def rgb_uri(rgb: NDArray[np.floating[Any]]) -> str:
    """Return a colour picture as a data URI, a WebP with a loss that is not seen.

    Parameters
    ----------
    rgb : array (rows, cols, 3)
        0 to 1; NaN: not measured, transparent.
    """
    known = np.isfinite(rgb).all(axis=2)
    bytes_ = np.rint(np.clip(np.nan_to_num(rgb), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(np.dstack([bytes_, np.where(known, 255, 0).astype(np.uint8)]))
    return _uri(image, "WEBP", quality=90, method=4)


def _uri(image: Image.Image, kind: str, **options: Any) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
