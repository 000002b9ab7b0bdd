"""What files say of each other: a scene before and after a task, or two sources and their fusion, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io import Raster, ReadError, from_intensity, require_same, sample
from sardiff.metrics import (
    Comparison,
    FusionStatistics,
    ScenePart,
    compare,
    compare_deblurred,
    compare_filled,
    scene_parts,
    to_grey8,
)
from sardiff.tasks.result import Compared

__all__ = ["FusionScore", "Picture", "Score", "mean_band", "score_band", "score_fusion"]

LARGEST = 2048  # pixels: side of the part that is scored, where a scene is larger
FUSION_TILE = 1024  # pixels: side of what is in memory at once, of the three images of a fusion
QUANTILES = (0.01, 0.99)  # of an image, that become black and white


@dataclass(frozen=True)
class Score:
    """A band before and after a task.

    Parameters
    ----------
    rows : dict
        Name to `Comparison`, in the order to print.
    window : tuple of slice
        (rows, cols) of the part that was scored.
    whole : bool
        Whether that is the whole scene.
    """

    rows: dict[str, Comparison]
    window: tuple[slice, slice]
    whole: bool


def score_band(compared: Compared, band: int = 0, *, looks: float | Literal["auto"] = "auto") -> Score:
    """Compare a band of a scene, counted from 0, before and after despeckling, filling or deblurring; of a large scene
    the middle.

    Parameters
    ----------
    looks : float or "auto"
        Equivalent number of looks before despeckling; estimated by default.

    Raises
    ------
    ReadError
        If no pixel was measured in all of them; of a filled image after, and in the truth.
    """
    rows, cols = window = _part(compared.before.grid.shape)
    rasters = {role: getattr(compared, role) for role in ("before", "after", "truth", "spread", "filled")}
    before, after, truth, spread, filled = (
        None if raster is None else raster[slice(band, band + 1), rows, cols][0] for raster in rasters.values()
    )
    assert before is not None
    assert after is not None
    needed = [image for image in (after, truth) if image is not None]
    needed += [] if compared.task == "fill" else [before]
    if not np.logical_and.reduce([np.isfinite(image) for image in needed]).any():
        raise ReadError(
            f"{compared.before.name} and {compared.after.name} share no measured pixel in rows {rows.start} to "
            f"{rows.stop}, columns {cols.start} to {cols.stop}"
        )
    if compared.task == "fill":
        new = None if filled is None else filled == 1
        table = compare_filled(before, after, truth, spread, filled=new, unit=compared.unit)
    elif compared.task == "deblur":
        noise = None if compared.noise is None else compared.noise[band]
        table = compare_deblurred(before, after, truth, kernel=compared.kernel, noise=noise, unit=compared.unit)
    else:
        table = compare(before, after, truth, None if looks == "auto" else looks)
    return Score(table, window, (rows.stop - rows.start, cols.stop - cols.start) == compared.before.grid.shape)


def _part(shape: tuple[int, int]) -> tuple[slice, slice]:
    """The middle of a scene, or all of it."""
    down, across = (
        slice((length - side) // 2, (length - side) // 2 + side) for length in shape for side in (min(length, LARGEST),)
    )
    return down, across


@dataclass(frozen=True)
class Picture:
    """A raster as 8-bit grey: the mean of its measured bands, in dB or as it is, from `low` to `high`."""

    source: Raster
    in_db: bool
    low: float
    high: float

    @classmethod
    def of(cls, source: Raster, *, in_db: bool) -> Picture:
        """Find the range of a raster, from a sample of it.

        Raises
        ------
        ReadError
            If nothing was measured, or all of it is one grey.
        """
        greys = [mean_band(window.intensity, in_db).ravel() for window in sample(source)]  # type: ignore[arg-type]
        measured = np.concatenate([grey[np.isfinite(grey)] for grey in greys]) if greys else np.empty(0)
        if not measured.size:
            raise ReadError(f"{source.name} holds no measured pixel: choose another file")
        low, high = (float(q) for q in np.quantile(measured, QUANTILES))
        if not low < high:
            raise ReadError(
                f"{source.name} is {low:.6g} from its 1 % to its 99 % quantile, which is no picture to compare: "
                f"check that it is the right file"
            )
        return cls(source, in_db, low, high)

    def __getitem__(self, window: tuple[slice, slice]) -> NDArray[Any]:
        """8-bit greys of (rows, cols), as floats; NaN: not measured."""
        rows, cols = window
        pixels = self.source[slice(0, self.source.shape[0]), rows, cols]
        return to_grey8(mean_band(pixels, self.in_db), self.low, self.high)


@dataclass(frozen=True)
class FusionScore:
    """Two sources and their fusion.

    Parameters
    ----------
    pictures : tuple of Picture
        A (optical), B (SAR) and F, as they were compared.
    pixels : int
        How many were measured in all three.
    metrics : dict
        As `FusionStatistics.metrics` gives them.
    window : tuple of slice
        (rows, cols) of the part that was judged.
    whole : bool
        Whether that is the whole scene.
    """

    pictures: tuple[Picture, Picture, Picture]
    pixels: int
    metrics: dict[str, float]
    window: tuple[slice, slice]
    whole: bool


def score_fusion(
    optical: Raster, sar: Raster, fused: Raster, *, in_db: bool, at_most: int | None = None
) -> FusionScore:
    """Judge a fused image tile by tile: sums of the tiles add up to those of the scene.

    Parameters
    ----------
    optical, sar, fused : rasters
        On one grid.
    in_db : bool
        Whether the SAR image is backscatter, to be compared in dB.
    at_most : int, optional
        Pixels along a side, about, of the middle of the scene that is judged; by default all of it is.

    Raises
    ------
    ReadError
        If no pixel was measured in all three, or one of them is no picture.
    GridMismatch
        If they lie on different grids.
    """
    for other in (sar, fused):
        require_same(optical.name, optical.grid, other.name, other.grid)
    a, b, f = Picture.of(optical, in_db=False), Picture.of(sar, in_db=in_db), Picture.of(fused, in_db=False)
    shape = optical.grid.shape
    parts = [part for part in scene_parts(shape, FUSION_TILE) if at_most is None or _in_the_middle(part, at_most)]
    total = reduce(add, (FusionStatistics.of(a[part.read], b[part.read], f[part.read], part) for part in parts))
    if not total.pixels:
        names = ", ".join((optical.name, sar.name))
        raise ReadError(f"{names} and {fused.name} share no measured pixel: check that they show one place")
    rows, cols = (
        slice(min(span.start for span in spans), max(span.stop for span in spans))
        for spans in ([part.rows for part in parts], [part.cols for part in parts])
    )
    whole = (rows.stop - rows.start, cols.stop - cols.start) == shape
    return FusionScore((a, b, f), total.pixels, total.metrics(), (rows, cols), whole)


def _in_the_middle(part: ScenePart, side: int) -> bool:
    """Whether a part of a scene touches the square of this side in its middle."""
    return all(
        span.start < (length + side) / 2 and span.stop > (length - side) / 2
        for span, length in zip((part.rows, part.cols), part.shape, strict=True)
    )


def mean_band(pixels: NDArray[Any], in_db: bool) -> NDArray[Any]:
    """Mean of the measured bands of (bands, rows, cols), in dB or as they are; NaN where there is none."""
    values = from_intensity(pixels, "db") if in_db else pixels
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0, dtype=np.float64)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
