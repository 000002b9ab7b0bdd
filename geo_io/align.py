"""One raster seen on another's grid: lazily, in windows of bounded memory, every pixel resampled once."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from affine import Affine
from numpy.polynomial.legendre import legvander2d
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError, CPLE_NotSupportedError
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import CRSError
from rasterio.warp import reproject, transform

from geo_io.errors import GridMismatch
from geo_io.grid import SAME_PLACE_PX, Grid, same_grid, unplaced_is_no_news

__all__ = ["Aligned", "Overlap", "Raster", "overlap"]

Kernel = Literal["nearest", "bilinear", "cubic"]
RADIUS = {"nearest": 1, "bilinear": 1, "cubic": 2}  # pixels, of the source or of the target, whichever are larger

BLOCK = 128  # target pixels: the lattice of blocks belongs to the grid, so that a pixel does not feel its window
NODES = 5  # per side of a block: where its place in the source is computed, and not interpolated
BENT = 0.02  # by how much of a pixel the way through three nodes may bend in a block; one that bends more is divided
FINE = 32  # target pixels: from here down GDAL's own care is enough (an eighth of a source pixel), unless
WILD = 0.3  # it bends by more than this: near a pole, or the rim of a projection
LEAST = 2  # target pixels: what bends that much in so small a block is left NaN
PLAIN = 1.5  # source pixels in a target pixel, side by side: up to here the kernel stays as it is; beyond, it averages
VALUES = 1 << 22  # read from the source at once, all bands together
MOST = 1 << 25  # that a single pixel of the target may need
MAJORITY = 0.5 - 1e-3  # of the kernel's weight

DEGREE = 5  # of the polynomials that control points are first fitted with
POINTS = 1000  # control points in use, of more an even choice
RIM = 1.1  # half widths from the middle: beyond, what bends stays as it is there
CELLS, SMALL = 1024, 8  # parts of the target that `overlap` looks at in one go, and pixels that need no closer look

Floats = NDArray[np.float64]


class Raster(Protocol):
    """What can be aligned: every `Source`, and other pixels that have a place."""

    @property
    def shape(self) -> tuple[int, int, int]: ...  # noqa: D102
    @property
    def grid(self) -> Grid: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Pixels (bands, rows, cols) of a window inside; NaN: not measured."""
        ...


@dataclass(frozen=True, eq=False)
class Aligned:
    """A raster as it looks on another grid; slices like an array, and reads what a window needs.

    Where pixels of the grid lie in the source is computed by PROJ at nodes a few pixels apart, in blocks that belong to
    the grid; GDAL resamples between them. So a pixel is the same, to rounding, in whatever window it is read. On
    the source's own grid, unmoved, pixels pass through unchanged.

    A pixel is measured where its centre lies in the source and at least half of the kernel's weight falls on measured
    pixels, by which it is then averaged; unmeasured ones are not mixed in. Where a pixel of the grid is more than one
    and a half times as large as one of the source, the kernel grows with it: "bilinear" and "cubic" then average.

    A source placed by control points alone (every Sentinel-1 GRD) is placed by a polynomial with a thin plate spline
    through what it leaves: exact at the points. Between them nothing is known of the relief, which displaces radar
    images by about its height.

    Parameters
    ----------
    source : Raster
        Anything with `shape` (bands, rows, cols), `grid` and `name` that gives float32 pixels by slices, NaN where not
        measured.
    grid : Grid
        The grid to see it on: an affine with a CRS.
    resampling : {"nearest", "bilinear", "cubic"}
        The kernel.
    shift : tuple of float
        (rows, cols): how far the content is moved, in pixels of `grid`; positive is down and right.

    Raises
    ------
    GridMismatch
        If one of them has no place on Earth, the grid no affine, or there is no way from one CRS to the other; while
        reading, if one pixel of the grid holds millions of the source.
    ValueError
        If there is no such kernel, or the shift is not finite.
    """

    source: Raster
    grid: Grid
    resampling: Kernel = field(default="bilinear", kw_only=True)
    shift: tuple[float, float] = field(default=(0.0, 0.0), kw_only=True)

    def __post_init__(self) -> None:
        if self.resampling not in get_args(Kernel):
            raise ValueError(f"resampling must be one of {', '.join(get_args(Kernel))}, got {self.resampling!r}")
        rows, cols = (float(pixels) for pixels in self.shift)
        if not (math.isfinite(rows) and math.isfinite(cols)):
            raise ValueError(f"shift must be two finite numbers of pixels, got {self.shift}")
        object.__setattr__(self, "shift", (rows, cols))
        object.__setattr__(self, "_way", _way(self.grid, "the grid to align with", self.source.grid, self.source.name))
        object.__setattr__(self, "_same", (rows, cols) == (0, 0) and same_grid(self.grid, self.source.grid))

    _way: _Way = field(init=False, repr=False)
    _same: bool = field(init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(bands, rows, cols)."""
        return (self.source.shape[0], *self.grid.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels: float32."""
        return np.dtype(np.float32)

    @property
    def name(self) -> str:
        """The source's, for messages."""
        return self.source.name

    @property
    def identity(self) -> str:
        """Fingerprint of the source (its `identity`, or else its name) and of all that decides the pixels here."""
        grid = self.grid
        said = getattr(self.source, "identity", self.source.name), self.source.shape, self.resampling, self.shift
        where = grid.shape, tuple(grid.transform or ()), "" if grid.crs is None else grid.crs.to_wkt()
        return hashlib.sha256(repr((said, where)).encode()).hexdigest()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the source reads, as far as it says so."""
        return tuple(getattr(self.source, "files", ()))

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Pixels (bands, rows, cols) of a window inside the grid; NaN: not measured, or outside the source."""
        bands, rows, cols = (_range(part, length) for part, length in zip(index, self.shape, strict=True))
        if self._same:
            return self.source[_slice(bands), _slice(rows), _slice(cols)]
        out = np.full((len(bands), len(rows), len(cols)), np.nan, np.float32)
        if out.size:
            pieces = [
                piece
                for row in range(rows.start // BLOCK * BLOCK, rows.stop, BLOCK)
                for col in range(cols.start // BLOCK * BLOCK, cols.stop, BLOCK)
                for piece in self._pieces(row, col, BLOCK)
                if all(piece.inside(rows, cols))
            ]
            pieces.sort(key=lambda piece: piece.turn)  # what lies a turn of the globe apart is not read together
            self._fill(out, pieces, bands, rows, cols)
        return out

    def _pieces(self, row: int, col: int, size: int) -> Iterator[_Piece]:
        """Yield parts of a block in which the way is smooth and needs little of the source; none if it leads away."""
        bands, height, width = self.source.shape
        radius = RADIUS[self.resampling]
        pieces = []
        for turn, down, right in self._way.block(row - self.shift[0], col - self.shift[1], size, size):
            looks = _Look.at(down, size, radius, height), _Look.at(right, size, radius, width)
            spans = looks[0].span, looks[1].span
            if not all(spans):
                continue
            bend = max(looks[0].bend, looks[1].bend)
            needed = len(spans[0]) * len(spans[1])
            too_much = needed * bands > VALUES and size > 1
            if too_much or (bend > BENT and size > FINE) or (bend > WILD and size > LEAST):
                half = size // 2
                for part in (0, half):
                    yield from self._pieces(row + part, col, half)
                    yield from self._pieces(row + part, col + half, half)
                return
            if needed * bands > MOST:
                raise GridMismatch(
                    f"one pixel of the grid to align with needs {len(spans[0])} x {len(spans[1])} pixels of "
                    f"{self.name}: bring that to a coarser grid first, such as with gdalwarp -r average -tr"
                )
            if bend <= WILD:
                pieces.append(_Piece(row, col, size, turn, down, right, spans, (looks[0].scale, looks[1].scale)))
        yield from pieces

    def _fill(self, out: NDArray[np.float32], pieces: Sequence[_Piece], bands: range, rows: range, cols: range) -> None:
        """Read what the pieces need, together if it is not too much, and put them in their places."""
        if not pieces:
            return
        down, right = (_hull([piece.source[axis] for piece in pieces]) for axis in (0, 1))
        if len(down) * len(right) * len(bands) > VALUES and len(pieces) > 1:
            half = len(pieces) // 2
            self._fill(out, pieces[:half], bands, rows, cols)
            self._fill(out, pieces[half:], bands, rows, cols)
            return
        pixels = np.asarray(self.source[_slice(bands), _slice(down), _slice(right)], np.float32)
        known = np.isfinite(pixels)
        if not known.any():
            return
        whole = bool(known.all())
        if not whole:
            pixels = np.concatenate([np.where(known, pixels, 0), known.astype(np.float32)])
        for piece in pieces:
            r, c = piece.inside(rows, cols)
            warped = piece.warp(pixels, (down.start, right.start), r, Resampling[self.resampling])
            warped = warped[:, :, c.start - piece.col : c.stop - piece.col]
            if not whole:
                values, share = warped[: len(bands)], warped[len(bands) :]
                measured = share >= MAJORITY
                warped = np.divide(values, share, out=np.full_like(values, np.nan), where=measured)
            part = out[:, r.start - rows.start : r.stop - rows.start, c.start - cols.start : c.stop - cols.start]
            np.copyto(part, warped, where=np.isnan(part))


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
    way = _way(target, target_name, source, source_name)
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


@dataclass(frozen=True, eq=False)
class _Piece:
    """A block of the target, and where its nodes lie in the source: rows `down` and cols `right`, (NODES, NODES)."""

    row: int
    col: int
    size: int
    turn: int
    down: Floats
    right: Floats
    source: tuple[range, range]  # rows and cols it needs
    scale: tuple[float, float]  # target pixels per source pixel, down and right, at most 1

    def inside(self, rows: range, cols: range) -> tuple[range, range]:
        """The piece's part of a window."""
        return (
            range(max(self.row, rows.start), min(self.row + self.size, rows.stop)),
            range(max(self.col, cols.start), min(self.col + self.size, cols.stop)),
        )

    def warp(
        self, pixels: NDArray[np.float32], origin: tuple[int, int], rows: range, kernel: Resampling
    ) -> NDArray[np.float32]:
        """Resample whole rows of the piece from `pixels`, the source from `origin` on; NaN beyond the source.

        GDAL places pixels on a line between the ends of a row, or of a half of it: a row that was cut would differ.
        """
        y, x = np.meshgrid(*[np.linspace(0, self.size, NODES)] * 2, indexing="ij")
        places = (y, x, self.down - origin[0], self.right - origin[1])
        nodes = zip(*(numbers.ravel().tolist() for numbers in places), strict=True)
        out = np.full((len(pixels), len(rows), self.size), np.nan, np.float32)
        with unplaced_is_no_news():  # of which rasterio warns, and not thread by thread
            reproject(
                np.ascontiguousarray(pixels),
                out,
                gcps=[GroundControlPoint(row=down, col=right, x=x, y=y) for y, x, down, right in nodes],
                src_crs=_plane(),
                dst_crs=_plane(),
                dst_transform=Affine.translation(0, rows.start - self.row),
                dst_nodata=np.nan,
                resampling=kernel,
                warp_mem_limit=2048,  # MB: beyond, GDAL would cut rows
                SRC_METHOD="GCP_POLYNOMIAL",
                MAX_GCP_ORDER=3,
                XSCALE=self.scale[1],
                YSCALE=self.scale[0],
                SAMPLE_GRID="YES",
                SRC_FILL_RATIO_HEURISTICS="NO",  # cuts rows too
            )
        return out


@lru_cache(1)
def _plane() -> CRS:
    """Pixels of a block: no place on Earth, so that GDAL sees nothing to project."""
    return CRS.from_wkt('LOCAL_CS["pixels",UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]')


@dataclass(frozen=True)
class _Look:
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
    def at(cls, places: Floats, size: float, radius: int, length: int) -> _Look:
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
class _Way:
    """From pixels of the target to pixels of the source, by way of the map on which the source has its place."""

    transform: Affine  # of the target
    crs: CRS
    source_crs: CRS
    place: _Affine | _Points
    turn: float | None  # around the globe, in units of `source_crs`, where longitudes place the source
    shape: tuple[int, int]  # of the source

    def block(self, row: float, col: float, height: float, width: float) -> Iterator[tuple[int, Floats, Floats]]:
        """Yield the rows and cols in the source of a block's nodes, NaN for none, for each turn of the globe."""
        down, right = np.meshgrid(
            np.linspace(row, row + height, NODES), np.linspace(col, col + width, NODES), indexing="ij"
        )
        x, y = _apply(self.transform, right, down)
        if self.crs != self.source_crs:
            x, y = _carry(self.crs, self.source_crs, x.ravel(), y.ravel())
            x, y = x.reshape(down.shape), y.reshape(down.shape)
        if self.turn is None:
            yield 0, *self.place(x, y)
            return
        x = _unwrapped(x, self.turn)
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
            near |= bool(_Look.at(down, size, 0, rows).span and _Look.at(right, size, 0, cols).span)
        return inside, near


@dataclass(frozen=True)
class _Affine:
    """Map coordinates to rows and cols by an affine."""

    transform: Affine

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        cols, rows = _apply(~self.transform, x, y)
        return rows, cols


@dataclass(frozen=True, eq=False)
class _Points:
    """Map coordinates to rows and cols by control points, exact at each of them.

    An affine, Legendre polynomials, and a thin plate spline through what these leave. A spline alone is off by two
    pixels between the points of a Sentinel-1 scene on flat ground, polynomials alone by what relief does.
    """

    centre: Floats  # of the points, in map coordinates
    spread: Floats
    middle: Floats  # in pixels
    half: Floats
    affine: Floats
    degree: int
    polynomials: Floats
    knots: Floats
    spline: Floats

    @classmethod
    def fit(cls, x: Floats, y: Floats, pixels: Floats) -> _Points:
        """Fit to map coordinates (n,) and the rows and cols there (n, 2).

        Raises
        ------
        LinAlgError
            If the points lie on a line, or are too few.
        """
        places = np.stack([x, y], -1)
        centre, spread = _middle_and_half(places)
        middle, half = _middle_and_half(pixels)
        goal = (pixels - middle) / half
        plane = _affine_terms((places - centre) / spread)
        affine, _, rank, _ = np.linalg.lstsq(plane, goal, rcond=1e-6)
        if rank < 3:
            raise np.linalg.LinAlgError("points on a line")
        about = plane @ affine  # the rows and cols themselves, but for what bends: from -1 to 1
        terms = (_terms(about, degree) for degree in range(DEGREE, 0, -1))
        degree, chosen = next(
            (DEGREE - k, matrix)
            for k, matrix in enumerate(terms)
            if k == DEGREE - 1 or (2 * matrix.shape[1] <= len(matrix) and np.linalg.cond(matrix) < 100)
        )
        polynomials = np.asarray(np.linalg.lstsq(chosen, goal - about, rcond=1e-6)[0])
        _, distinct = np.unique(about.round(9), axis=0, return_index=True)
        knots, left = about[distinct], (goal - about - chosen @ polynomials)[distinct]
        plane = _affine_terms(knots)
        system = np.block([[_bumps(knots, knots), plane], [plane.T, np.zeros((3, 3))]])
        spline = np.linalg.solve(system, np.concatenate([left, np.zeros((3, 2))]))
        return cls(centre, spread, middle, half, np.asarray(affine, float), degree, polynomials, knots, spline)

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        places = np.stack([x.ravel(), y.ravel()], -1)
        about = _affine_terms((places - self.centre) / self.spread) @ self.affine
        near = np.clip(about, -RIM, RIM)
        rest = _terms(near, self.degree) @ self.polynomials
        rest += np.hstack([_bumps(near, self.knots), _affine_terms(near)]) @ self.spline
        rows, cols = ((about + rest) * self.half + self.middle).T
        return rows.reshape(x.shape), cols.reshape(x.shape)


def _middle_and_half(points: Floats) -> tuple[Floats, Floats]:
    low, high = points.min(0), points.max(0)
    if not (high > low).all():
        raise np.linalg.LinAlgError("points on a line")
    return (low + high) / 2, (high - low) / 2


def _affine_terms(points: Floats) -> Floats:
    return np.insert(points, 0, 1.0, axis=1)


def _terms(points: Floats, degree: int) -> Floats:
    """Legendre polynomials of two variables, up to a total degree."""
    keep = np.add.outer(range(degree + 1), range(degree + 1)) <= degree
    return np.asarray(legvander2d(points[:, 0], points[:, 1], [degree, degree])[:, keep.ravel()], float)


def _bumps(points: Floats, knots: Floats) -> Floats:
    """Thin plate spline of each knot at each point: r^2 log r, but for a factor of two."""
    squared = ((points[:, None] - knots[None]) ** 2).sum(-1)
    return squared * np.log(squared, out=np.zeros_like(squared), where=squared > 0)


def _way(target: Grid, target_name: str, source: Grid, source_name: str) -> _Way:
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
        place: _Affine | _Points = _Affine(source.transform)
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
    way = _Way(target.transform, target.crs, crs, place, turn, source.shape)
    try:
        next(way.block(0, 0, 1, 1))
    except (CPLE_NotSupportedError, CRSError) as error:
        raise GridMismatch(
            f"there is no way from the CRS of {target_name} ({_crs_said(target.crs)}) to that of {source_name} "
            f"({_crs_said(crs)}): set the right one with gdal_edit -a_srs EPSG:..."
        ) from error
    return way


def _without_crs(name: str) -> GridMismatch:
    return GridMismatch(f"{name} has no CRS: set the one of its map with gdal_edit -a_srs EPSG:... {name}")


def _around_points(grid: Grid, crs: CRS, name: str) -> tuple[CRS, _Points]:
    """Fit the control points on a map around them, where neither the date line nor a pole disturbs."""
    points = np.array([(p.x, p.y, p.row, p.col) for p in grid.gcps], float)
    if len(points) > POINTS:
        points = points[np.random.default_rng(0).permutation(len(points))[:POINTS]]
    x, y = points[:, 0], points[:, 1]
    around = crs
    if crs.is_geographic:
        x = _unwrapped(x, _turn(crs))
        around = CRS.from_wkt(
            f'PROJCS["around the points",{crs.to_wkt(version="WKT1_GDAL")},PROJECTION["Azimuthal_Equidistant"],'
            f'PARAMETER["latitude_of_center",{y.mean()}],PARAMETER["longitude_of_center",{x.mean()}],'
            f'PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1]]'
        )
        x, y = _carry(crs, around, x, y)
    try:
        if len(points) < 3 or not np.isfinite([x, y]).all():
            raise np.linalg.LinAlgError("too few points")
        return around, _Points.fit(x, y, points[:, 2:])
    except np.linalg.LinAlgError as error:
        raise GridMismatch(
            f"the {len(points)} control points of {name} do not place it, being too few or on a line: take the file "
            f"as it was delivered"
        ) from error


def _carry(source: CRS, target: CRS, x: Floats, y: Floats) -> tuple[Floats, Floats]:
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
        parts = _carry(source, target, x[:half], y[:half]), _carry(source, target, x[half:], y[half:])
        there = np.concatenate(parts, axis=1)
    there[:, ~np.isfinite(there).all(0)] = np.nan
    return there[0], there[1]


def _apply(affine: Affine, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    a, b, c, d, e, f = tuple(affine)[:6]
    return a * x + b * y + c, d * x + e * y + f


def _turn(crs: CRS) -> float:
    """A turn around the globe, in the units of a geographic CRS: 360 degrees."""
    return float(2 * math.pi / crs.units_factor[1])


def _unwrapped(longitudes: Floats, turn: float) -> Floats:
    """Without a jump at the date line: each less than half a turn from the first."""
    known = longitudes[np.isfinite(longitudes)]
    return (longitudes - known[0] + turn / 2) % turn - turn / 2 + known[0] if known.size else longitudes


def _lies(grid: Grid) -> str:
    """Say where a grid lies."""
    rows, cols = grid.shape
    if grid.transform is not None:
        down, right = np.meshgrid(np.linspace(0, rows, NODES), np.linspace(0, cols, NODES))
        x, y = (numbers.ravel() for numbers in _apply(grid.transform, right, down))
        crs = grid.crs
    else:
        x, y = (np.array([getattr(point, axis) for point in grid.gcps], float) for axis in "xy")
        crs = grid.gcp_crs
    words = "x", "y"
    try:
        lon, lat = _carry(crs, CRS.from_epsg(4326), x, y)
        if np.isfinite(lon).any():
            x, y, words = _unwrapped(lon, 360), lat, ("longitude", "latitude")
    except (CPLE_NotSupportedError, CRSError):
        pass
    ranges = (
        f"{word} {np.nanmin(numbers):.3f} to {np.nanmax(numbers):.3f}"
        for word, numbers in zip(words, (x, y), strict=True)
    )
    return f"lies at {' and '.join(ranges)} ({_crs_said(crs)})"


def _crs_said(crs: CRS | None) -> str:
    """The code of a CRS, or its name."""
    if crs is None:
        return "no CRS"
    if (code := crs.to_epsg()) is not None:
        return f"EPSG:{code}"
    named = re.match(r'\w+\["([^"]+)"', crs.to_wkt())
    return named[1] if named else crs.to_string()


def _around(places: Sequence[float], length: int) -> slice:
    """The whole pixels, at least one, that hold all places on an axis."""
    start = min(math.floor(min(places)), length - 1)
    return slice(start, min(length, max(start + 1, math.ceil(max(places)))))


def _hull(spans: Sequence[range]) -> range:
    return range(min(span.start for span in spans), max(span.stop for span in spans))


def _range(part: slice, length: int) -> range:
    start, stop, step = part.indices(length)
    if step != 1:
        raise ValueError(f"windows are read without steps, got {part}")
    return range(start, max(start, stop))


def _slice(span: range) -> slice:
    return slice(span.start, span.stop)
