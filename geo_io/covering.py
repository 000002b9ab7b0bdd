"""Where a raster covers another's grid, and a sentence for people where it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rasterio._err import CPLE_NotSupportedError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from geo_io.errors import GridMismatch
from geo_io.grid import Grid
from geo_io.way import NODES, carry, crs_said, through, unwrapped, way_between

__all__ = ["Overlap", "overlap"]

CELLS, SMALL = 1024, 8  # parts of the target that `overlap` looks at in one go, and pixels that need no closer look


@dataclass(frozen=True)
class Overlap:
    """Where a raster covers another's grid.

    Parameters
    ----------
    fraction : float
        Share of the grid's area, in (0, 1].
    rows, cols : slice
        The smallest window of the grid that holds it: to a pixel, or a few where it is large.
    """

    fraction: float
    rows: slice
    cols: slice


def overlap(target: Grid, target_name: str, source: Grid, source_name: str) -> Overlap:
    """Find where `source` covers `target`, by their grids alone: unmeasured pixels count.

    Parameters
    ----------
    target, source : Grid
        As for `Aligned`: the target has an affine and a CRS, the source either that or control points.
    target_name, source_name : str
        For messages.

    Raises
    ------
    GridMismatch
        If it covers nothing of it, with where each lies; or if one of them has no place on Earth.
    """
    way = way_between(target, target_name, source, source_name)
    rows, cols = target.shape
    height, width = float(rows), float(cols)
    cells, covered = [(0.0, 0.0)], 0.0
    inside_rows, inside_cols = [], []
    while cells:
        divide = max(height, width) > SMALL and 4 * len(cells) <= CELLS
        rest = []
        for row, col in cells:
            inside, near = way.covers(row, col, height, width)
            if near and divide and not inside.all():
                rest += [(r, c) for r in (row, row + height / 2) for c in (col, col + width / 2)]
            elif inside.any():
                covered += float(inside.mean()) * height * width
                inside_rows += (row + np.flatnonzero(inside.any(1))[[0, -1]] * height / (NODES - 1)).tolist()
                inside_cols += (col + np.flatnonzero(inside.any(0))[[0, -1]] * width / (NODES - 1)).tolist()
        cells, height, width = rest, height / 2, width / 2
    if not covered:
        raise GridMismatch(
            f"{target_name} and {source_name} do not overlap: {target_name} {_lies(target)}, and {source_name} "
            f"{_lies(source)}; choose images of one place"
        )
    return Overlap(min(1.0, covered / (rows * cols)), _around(inside_rows, rows), _around(inside_cols, cols))


def _lies(grid: Grid) -> str:
    """Say where a grid lies."""
    rows, cols = grid.shape
    if grid.transform is not None:
        down, right = np.meshgrid(np.linspace(0, rows, NODES), np.linspace(0, cols, NODES))
        x, y = (numbers.ravel() for numbers in through(grid.transform, right, down))
        crs = grid.crs
    else:
        x, y = (np.array([getattr(point, axis) for point in grid.gcps], float) for axis in "xy")
        crs = grid.gcp_crs
    words = "x", "y"
    try:
        lon, lat = carry(crs, CRS.from_epsg(4326), x, y)
        if np.isfinite(lon).any():
            x, y, words = unwrapped(lon, 360), lat, ("longitude", "latitude")
    except (CPLE_NotSupportedError, CRSError):
        pass
    ranges = (
        f"{word} {np.nanmin(numbers):.3f} to {np.nanmax(numbers):.3f}"
        for word, numbers in zip(words, (x, y), strict=True)
    )
    return f"lies at {' and '.join(ranges)} ({crs_said(crs)})"


def _around(places: Sequence[float], length: int) -> slice:
    """The whole pixels, at least one, that hold all places on an axis."""
    start = min(math.floor(min(places)), length - 1)
    return slice(start, min(length, max(start + 1, math.ceil(max(places)))))
