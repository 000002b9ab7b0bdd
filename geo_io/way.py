"""The way from pixels of one grid to pixels of another, over the map, the globe and its date line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError, CPLE_NotSupportedError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform

from geo_io.control_points import ControlPoints
from geo_io.errors import GridMismatch
from geo_io.grid import SAME_PLACE_PX, Grid

__all__ = ["NODES", "Look", "Way", "carry", "crs_said", "through", "unwrapped", "way_between"]

Floats = NDArray[np.float64]

NODES = 5  # per side of a block: where its place in the source is computed, and not interpolated
PLAIN = 1.5  # source pixels in a target pixel, side by side: up to here the kernel stays as it is; beyond, it averages
POINTS = 1000  # control points in use, of more an even choice


@dataclass(frozen=True)
class Look:
    """What rows, or cols, of the source a block needs, and how the way there behaves.

    Parameters
    ----------
    span : range
        Those it needs.
    bend : float
        Of the way between three nodes, in pixels of the source or of the target, whichever are larger; infinite where
        it leads nowhere.
    scale : float
        Pixels of the target per pixel of the source, at most 1.
    """

    span: range
    bend: float
    scale: float

    @classmethod
    def at(cls, places: Floats, size: float, radius: int, length: int) -> Look:
        """Look at the places of nodes (NODES, NODES) on an axis of this length; NaN: the way leads nowhere."""
        known = np.isfinite(places)
        if not known.any():
            return cls(range(0), math.inf, 1.0)
        if known.all():
            steps = np.hypot(np.diff(places, axis=0)[:, :-1], np.diff(places, axis=1)[:-1])
            extent = max(1.0, float(np.median(steps)) / size * (NODES - 1))
            bend = max(float(np.abs(np.diff(places, 2, axis)).max()) for axis in (0, 1))
            margin = radius * extent + bend + 2
        else:
            extent, bend, margin = 1.0, math.inf, length
        low, high = float(places[known].min()) - margin, float(places[known].max()) + margin
        start, stop = (math.floor(min(max(edge, 0), length)) for edge in (low, high + 1))
        return cls(range(start, stop), bend / extent, 1 / extent if extent > PLAIN else 1.0)


@dataclass(frozen=True, eq=False)
class Way:
    """From pixels of the target to pixels of the source, by way of the map on which the source has its place."""

    transform: Affine  # of the target
    crs: CRS
    source_crs: CRS
    place: AffinePlace | ControlPoints
    turn: float | None  # around the globe, in units of `source_crs`, where longitudes place the source
    shape: tuple[int, int]  # of the source

    def block(self, row: float, col: float, height: float, width: float) -> Iterator[tuple[int, Floats, Floats]]:
        """Yield the rows and cols in the source of a block's nodes, NaN for none, for each turn of the globe."""
        down, right = np.meshgrid(
            np.linspace(row, row + height, NODES), np.linspace(col, col + width, NODES), indexing="ij"
        )
        x, y = through(self.transform, right, down)
        if self.crs != self.source_crs:
            x, y = carry(self.crs, self.source_crs, x.ravel(), y.ravel())
            x, y = x.reshape(down.shape), y.reshape(down.shape)
        if self.turn is None:
            yield 0, *self.place(x, y)
            return
        x = unwrapped(x, self.turn)
        for turn in (-1, 0, 1):
            yield turn, *self.place(x + turn * self.turn, y)

    def covers(self, row: float, col: float, height: float, width: float) -> tuple[NDArray[np.bool_], bool]:
        """Which nodes of a block lie in the source, and whether other points of it may."""
        inside, near = np.zeros((NODES, NODES), bool), False
        rows, cols = self.shape
        for _, down, right in self.block(row, col, height, width):
            inside |= (np.abs(down - rows / 2) <= rows / 2 + SAME_PLACE_PX) & (
                np.abs(right - cols / 2) <= cols / 2 + SAME_PLACE_PX
            )
            size = max(height, width)
            near |= bool(Look.at(down, size, 0, rows).span and Look.at(right, size, 0, cols).span)
        return inside, near


@dataclass(frozen=True)
class AffinePlace:
    """Map coordinates to rows and cols by an affine."""

    transform: Affine

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        cols, rows = through(~self.transform, x, y)
        return rows, cols


def way_between(target: Grid, target_name: str, source: Grid, source_name: str) -> Way:
    """Check that both have a place, and that a way leads from one to the other."""
    if target.transform is None:
        by = {"gcps": "control points alone", "rpcs": "RPCs alone", "none": "nothing"}[target.kind]
        raise GridMismatch(
            f"{target_name} is placed by {by}, and another image can be brought onto an affine grid only: geocode it "
            f"first, such as with gdalwarp -tps -t_srs, or choose the other image's grid"
        )
    if target.crs is None:
        raise _without_crs(target_name)
    if source.transform is not None:
        if source.crs is None:
            raise _without_crs(source_name)
        crs = source.crs
        place: AffinePlace | ControlPoints = AffinePlace(source.transform)
    elif source.gcps:
        if source.gcp_crs is None:
            raise _without_crs(source_name)
        crs, place = _around_points(source, source.gcp_crs, source_name)
    elif source.rpcs is not None:
        raise GridMismatch(
            f"{source_name} is placed by RPCs alone, which need heights: orthorectify it first, such as with "
            f"gdalwarp -rpc -to RPC_DEM=dem.tif"
        )
    else:
        raise GridMismatch(
            f"{source_name} has no georeferencing, so nobody knows where it lies: set it with "
            f"gdal_edit -a_srs EPSG:... -a_ullr ..., or choose a file that has one"
        )
    turn = _turn(crs) if source.transform is not None and crs.is_geographic else None
    way = Way(target.transform, target.crs, crs, place, turn, source.shape)
    try:
        next(way.block(0, 0, 1, 1))
    except (CPLE_NotSupportedError, CRSError) as error:
        raise GridMismatch(
            f"there is no way from the CRS of {target_name} ({crs_said(target.crs)}) to that of {source_name} "
            f"({crs_said(crs)}): set the right one with gdal_edit -a_srs EPSG:..."
        ) from error
    return way


def _without_crs(name: str) -> GridMismatch:
    return GridMismatch(f"{name} has no CRS: set the one of its map with gdal_edit -a_srs EPSG:... {name}")


def _around_points(grid: Grid, crs: CRS, name: str) -> tuple[CRS, ControlPoints]:
    """Fit the control points on a map around them, where neither the date line nor a pole disturbs."""
    points = np.array([(p.x, p.y, p.row, p.col) for p in grid.gcps], float)
    if len(points) > POINTS:
        points = points[np.random.default_rng(0).permutation(len(points))[:POINTS]]
    x, y = points[:, 0], points[:, 1]
    around = crs
    if crs.is_geographic:
        x = unwrapped(x, _turn(crs))
        around = CRS.from_wkt(
            f'PROJCS["around the points",{crs.to_wkt(version="WKT1_GDAL")},PROJECTION["Azimuthal_Equidistant"],'
            f'PARAMETER["latitude_of_center",{y.mean()}],PARAMETER["longitude_of_center",{x.mean()}],'
            f'PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1]]'
        )
        x, y = carry(crs, around, x, y)
    try:
        if len(points) < 3 or not np.isfinite([x, y]).all():
            raise np.linalg.LinAlgError("too few points")
        return around, ControlPoints.fit(x, y, points[:, 2:])
    except np.linalg.LinAlgError as error:
        raise GridMismatch(
            f"the {len(points)} control points of {name} do not place it, being too few or on a line: take the file "
            f"as it was delivered"
        ) from error


def carry(source: CRS, target: CRS, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coordinates (n,) in another CRS; NaN where that has none.

    Which of several transformations between two datums is best, PROJ decides for all points of a call together: each
    block of a grid is a call of its own, whatever window it is needed for.
    """
    try:
        there = np.array(transform(source, target, x, y)[:2], float)
    except CPLE_NotSupportedError:
        raise
    except CPLE_BaseError:  # of one point, and it does not say of which
        if len(x) == 1:
            return np.array([np.nan]), np.array([np.nan])
        half = len(x) // 2
        parts = carry(source, target, x[:half], y[:half]), carry(source, target, x[half:], y[half:])
        there = np.concatenate(parts, axis=1)
    there[:, ~np.isfinite(there).all(0)] = np.nan
    return there[0], there[1]


def through(affine: Affine, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coordinates, of any shape, carried through an affine."""
    a, b, c, d, e, f = tuple(affine)[:6]
    return a * x + b * y + c, d * x + e * y + f


def _turn(crs: CRS) -> float:
    """A turn around the globe, in the units of a geographic CRS: 360 degrees."""
    return float(2 * math.pi / crs.units_factor[1])


def unwrapped(longitudes: Floats, turn: float) -> Floats:
    """Without a jump at the date line: each less than half a turn from the first."""
    known = longitudes[np.isfinite(longitudes)]
    return (longitudes - known[0] + turn / 2) % turn - turn / 2 + known[0] if known.size else longitudes


def crs_said(crs: CRS | None) -> str:
    """The code of a CRS, or its name."""
    if crs is None:
        return "no CRS"
    if (code := crs.to_epsg()) is not None:
        return f"EPSG:{code}"
    named = re.match(r'\w+\["([^"]+)"', crs.to_wkt())
    return named[1] if named else crs.to_string()
