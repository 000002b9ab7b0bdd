"""One raster seen on another's grid: lazily, in windows of bounded memory, every pixel resampled once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject

from geo_io.errors import GridMismatch
from geo_io.grid import Grid, same_grid, unplaced_is_no_news
from geo_io.way import NODES, Look, Way, way_between

__all__ = ["Aligned", "Raster"]

Kernel = Literal["nearest", "bilinear", "cubic"]
RADIUS = {"nearest": 1, "bilinear": 1, "cubic": 2}  # pixels, of the source or of the target, whichever are larger

BLOCK = 128  # target pixels: the lattice of blocks belongs to the grid, so that a pixel does not feel its window
BENT = 0.02  # by how much of a pixel the way through three nodes may bend in a block; one that bends more is divided
FINE = 32  # target pixels: from here down GDAL's own care is enough (an eighth of a source pixel), unless
WILD = 0.3  # it bends by more than this: near a pole, or the rim of a projection
LEAST = 2  # target pixels: what bends that much in so small a block is left NaN
VALUES = 1 << 22  # read from the source at once, all bands together
MOST = 1 << 25  # that a single pixel of the target may need
MAJORITY = 0.5 - 1e-3  # of the kernel's weight


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
        object.__setattr__(
            self, "_way", way_between(self.grid, "the grid to align with", self.source.grid, self.source.name)
        )
        object.__setattr__(self, "_same", (rows, cols) == (0, 0) and same_grid(self.grid, self.source.grid))

    _way: Way = field(init=False, repr=False)
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
            looks = Look.at(down, size, radius, height), Look.at(right, size, radius, width)
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


def _hull(spans: Sequence[range]) -> range:
    return range(min(span.start for span in spans), max(span.stop for span in spans))


def _range(part: slice, length: int) -> range:
    start, stop, step = part.indices(length)
    if step != 1:
        raise ValueError(f"windows are read without steps, got {part}")
    return range(start, max(start, stop))


def _slice(span: range) -> slice:
    return slice(span.start, span.stop)
