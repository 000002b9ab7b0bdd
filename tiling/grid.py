"""Tiles of a scene: every pixel in exactly one core, every read window of one size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "Source", "Span", "Tile", "Window", "read_window"]


class Source(Protocol):
    """Anything that gives its pixels by slices: a NumPy, zarr or dask array, a file.

    `source[bands, rows, cols]` takes three slices that lie inside it.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(bands, rows, cols)."""
        ...

    def __getitem__(self, index: tuple[slice, slice, slice], /) -> Any: ...


@dataclass(frozen=True)
class Span:
    """Pixels `start`, …, `stop - 1` along one axis, in scene coordinates; negative lies before the scene.

    Parameters
    ----------
    start, stop : int
        First pixel, and one past the last; `stop` is at least `start`.

    Raises
    ------
    ValueError
        If `stop` lies before `start`.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            raise ValueError(f"a span must not end before it starts, got {self}")

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"{self.start}:{self.stop}"

    def __and__(self, other: Span) -> Span:
        """The pixels of both; empty where they do not meet."""
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.stop, other.stop)))

    def grown(self, by: int) -> Span:
        """The span with `by` pixels more at each end; fewer if negative."""
        return Span(self.start - by, self.stop + by)

    def within(self, outer: Span) -> slice:
        """Where this span lies in an array that holds the pixels of `outer`."""
        return slice(self.start - outer.start, self.stop - outer.start)

    @property
    def slice(self) -> slice:
        """The span as an index into the scene."""
        return slice(self.start, self.stop)


class Window(NamedTuple):
    """A rectangle of pixels."""

    rows: Span
    cols: Span

    def __str__(self) -> str:
        return f"rows {self.rows}, cols {self.cols}"


@dataclass(frozen=True)
class Tile:
    """One tile: the pixels it answers for, and the pixels it looks at.

    Parameters
    ----------
    index : tuple[int, int]
        Row and column of the tile among the tiles; (0, 0) holds the scene's first pixel.
    core : Window
        Its own pixels, inside the scene.
    read : Window
        The pixels it needs, of one size for all tiles; reaches out of the scene at the rim.
    """

    index: tuple[int, int]
    core: Window
    read: Window


@dataclass(frozen=True)
class Layout:
    """How a scene is laid out in tiles: squares on a grid, each reading `overlap` pixels more on every side.

    Parameters
    ----------
    shape : tuple[int, int]
        Rows and columns of the scene, >= 1.
    tile : int
        Side of a core, in pixels, >= 1; cores at the rim are clipped to the scene. Rounded up to `multiple`.
    overlap : int
        Pixels read beyond the core on each side, >= 0. Rounded up to `multiple`.
    origin : tuple[int, int]
        A (row, col) where cores meet; any integers. Rounded down to `multiple`.
    multiple : int
        Read windows start at multiples of it in scene coordinates, and their side is one, so a network that strides
        by it treats a place alike in every tile; >= 1.

    Raises
    ------
    ValueError
        If a size is out of range.
    """

    shape: tuple[int, int]
    tile: int
    overlap: int
    origin: tuple[int, int] = (0, 0)
    multiple: int = 1

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise ValueError(f"a scene to tile needs at least one row and one column, got shape {self.shape}")
        for name, least in (("tile", 1), ("overlap", 0), ("multiple", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least} pixels, got {getattr(self, name)}")
        by = self.multiple
        object.__setattr__(self, "shape", (int(self.shape[0]), int(self.shape[1])))
        object.__setattr__(self, "tile", -(-self.tile // by) * by)
        object.__setattr__(self, "overlap", -(-self.overlap // by) * by)
        object.__setattr__(self, "origin", (self.origin[0] // by * by, self.origin[1] // by * by))

    @property
    def window(self) -> int:
        """Side of every read window, in pixels."""
        return self.tile + 2 * self.overlap

    @property
    def ramp(self) -> int:
        """How far beyond its core a tile still counts, in pixels, fading out; 0 means tiles meet at a hard edge.

        A quarter of the overlap: what remains of it, `overlap - ramp`, is how far a pixel that counts can see. At most
        a quarter of the tile, so only the two tiles at an edge meet there.
        """
        return min(self.overlap // 4, self.tile // 4)

    @property
    def counts(self) -> tuple[int, int]:
        """How many tiles there are down and across."""
        return self._count(0), self._count(1)

    @property
    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Heights and widths of the cores, as dask writes them."""
        rows, cols = (tuple(len(self._core(axis, i)) for i in range(self._count(axis))) for axis in (0, 1))
        return rows, cols

    def at(self, i: int, j: int) -> Tile:
        """Tile in row `i`, column `j` of the tiles."""
        spans = [self._nominal(0, i).grown(self.overlap), self._nominal(1, j).grown(self.overlap)]
        return Tile((i, j), Window(self._core(0, i), self._core(1, j)), Window(*spans))

    def __iter__(self) -> Iterator[Tile]:
        """All tiles, row by row from the top, each row from the left."""
        down, across = self.counts
        return (self.at(i, j) for i in range(down) for j in range(across))

    def kept(self, i: int, j: int) -> Window:
        """Where the result of tile (i, j) counts: its unclipped core grown by `ramp`; of one size for all tiles."""
        return Window(self._nominal(0, i).grown(self.ramp), self._nominal(1, j).grown(self.ramp))

    def beside(self, axis: int, i: int) -> list[int]:
        """Positions along an axis of the tiles that count in cores at position `i`, besides those at `i` itself."""
        return [k for k in (i - 1, i + 1) if 0 <= k < self._count(axis)] if self.ramp else []

    def contributors(self, i: int, j: int) -> list[tuple[int, int]]:
        """Tiles that count in core (i, j), up to nine, in reading order; also the cores where tile (i, j) counts."""
        return [(k, m) for k in sorted([i, *self.beside(0, i)]) for m in sorted([j, *self.beside(1, j)])]

    def _first(self, axis: int) -> int:
        # Where the first core starts, before clipping: the last edge of the grid at or before the scene's first pixel.
        return -(-self.origin[axis] % self.tile)

    def _count(self, axis: int) -> int:
        return -(-(self.shape[axis] - self._first(axis)) // self.tile)

    def _nominal(self, axis: int, i: int) -> Span:
        if not 0 <= i < self._count(axis):
            raise IndexError(f"{self} has {self.counts} tiles, there is none at {i} along axis {axis}")
        start = self._first(axis) + i * self.tile
        return Span(start, start + self.tile)

    def _core(self, axis: int, i: int) -> Span:
        return self._nominal(axis, i) & Span(0, self.shape[axis])


def read_window(source: Source, window: Tile | Window) -> npt.NDArray[Any]:
    """Read the pixels of a window; where it leaves the scene, the scene is mirrored at its edge, as often as needed.

    The pixel before the first is the first again, as in ``numpy.pad(mode="symmetric")``. Only pixels of the scene are
    asked for.

    Parameters
    ----------
    source : Source
        The pixels, of shape (bands, rows, cols).
    window : Tile or Window
        A tile, for its read window, or any window.

    Returns
    -------
    ndarray
        Shape (bands, rows of the window, cols of the window); may be a view of the scene.
    """
    rows, cols = window.read if isinstance(window, Tile) else window
    (row_span, row_index), (col_span, col_index) = (
        _folded(span, size) for span, size in zip((rows, cols), source.shape[1:], strict=True)
    )
    pixels = np.asarray(source[slice(0, source.shape[0]), row_span.slice, col_span.slice])
    if row_index is not None:
        pixels = pixels[:, row_index]
    if col_index is not None:
        pixels = pixels[:, :, col_index]
    return pixels


def _folded(span: Span, size: int) -> tuple[Span, npt.NDArray[np.intp] | None]:
    # The pixels to read for a span that may leave the scene, and which of them stands at each of its places.
    if span.start >= 0 and span.stop <= size:
        return span, None
    places = np.arange(span.start, span.stop) % (2 * size)
    places = np.minimum(places, 2 * size - 1 - places)
    inside = Span(int(places.min()), int(places.max()) + 1)
    return inside, places - inside.start
