"""A function of tiles mapped over a scene as a dask graph, each tile computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from tiling.blend import blend_core
from tiling.grid import Layout, Source, Span, Tile, Window, read_window

__all__ = ["Apply", "Batch", "TileError", "Work", "map_tiles"]

Apply: TypeAlias = Callable[[npt.NDArray[Any], Sequence[Tile]], npt.NDArray[Any]]
"""What is done to tiles: the pixels of their read windows, (tiles, bands, n, n), and the tiles, to (tiles, out_bands,
n, n). One tile must not sway another, and the array may be kept or changed. NaN is allowed; tiles that share a pixel
should agree whether it is NaN."""

Batch: TypeAlias = tuple[int, int]
"""Tiles handed to one call: row `i` of the tiles, and the n-th group in it, counted from the left."""


class TileError(Exception):
    """Work on some tiles failed; the message tells where in the scene and why, `__cause__` is what was raised."""


@dataclass(frozen=True, eq=False)
class Work:
    """What is to be done to which scene: everything a task needs, so that it can run in another process.

    Parameters
    ----------
    apply : Apply
        What is done to the tiles.
    source : Source
        Where their pixels come from; shape (bands, rows, cols). Sent to other processes by pickle.
    layout : Layout
        The tiles.
    out_bands : int
        Bands of the result, >= 1.
    dtype : dtype
        Of the result; a float.
    batch : int
        How many tiles, side by side, are handed to one call of `apply`; >= 1. Fewer at the end of a row.

    Raises
    ------
    ValueError
        If the scene and the layout differ in shape, a number is out of range, or `dtype` is not a float.
    """

    apply: Apply
    source: Source
    layout: Layout
    out_bands: int
    dtype: np.dtype[Any]
    batch: int = 1

    def __post_init__(self) -> None:
        if len(self.source.shape) != 3 or tuple(self.source.shape[1:]) != self.layout.shape:
            raise ValueError(
                f"the layout is for a scene of (rows, cols) {self.layout.shape}, "
                f"but the scene has (bands, rows, cols) {tuple(self.source.shape)}"
            )
        for name in ("out_bands", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not np.issubdtype(self.dtype, np.inexact):
            raise ValueError(f"tiles are blended by weights between 0 and 1: dtype must be a float, got {self.dtype}")

    def batches(self) -> Iterator[Batch]:
        """All batches, row by row from the top, each row from the left."""
        down, across = self.layout.counts
        return ((i, n) for i in range(down) for n in range(-(-across // self.batch)))

    def members(self, batch: Batch) -> list[tuple[int, int]]:
        """Indices of the tiles in a batch, from the left."""
        i, n = batch
        across = self.layout.counts[1]
        return [(i, j) for j in range(n * self.batch, min((n + 1) * self.batch, across))]

    def needed(self, i: int, j: int) -> list[Batch]:
        """Batches that hold the tiles which count in core (i, j), in reading order."""
        return sorted({(k, m // self.batch) for k, m in self.layout.contributors(i, j)})

    def run(self, batch: Batch) -> npt.NDArray[Any]:
        """Read and compute one batch.

        Returns
        -------
        ndarray
            Shape (tiles, out_bands, n, n): each tile's result where it counts, on ``layout.kept``.

        Raises
        ------
        TileError
            If reading or computing fails, or the result has another shape than it should.
        """
        tiles = [self.layout.at(*index) for index in self.members(batch)]
        try:
            return self._kept(np.asarray(self.apply(self._read(tiles), tiles)), len(tiles))
        except Exception as error:
            core = Window(tiles[0].core.rows, Span(tiles[0].core.cols.start, tiles[-1].core.cols.stop))
            raise TileError(f"{core}: {error or type(error).__name__}") from error

    def _read(self, tiles: Sequence[Tile]) -> npt.NDArray[Any]:
        # One read for all: side by side, their windows overlap.
        rows, cols = tiles[0].read
        cols = Span(cols.start, tiles[-1].read.cols.stop)
        pixels = read_window(self.source, Window(rows, cols))
        return np.stack([pixels[:, :, tile.read.cols.within(cols)] for tile in tiles])

    def _kept(self, results: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        expected = (count, self.out_bands, self.layout.window, self.layout.window)
        if results.shape != expected:
            raise ValueError(f"the result should have (tiles, bands, rows, cols) {expected}, it has {results.shape}")
        margin = self.layout.overlap - self.layout.ramp
        inner = slice(margin, self.layout.window - margin)
        return np.array(results[:, :, inner, inner], dtype=self.dtype, order="C")  # a copy: lets go of the margin

    def blend(self, index: tuple[int, int], batches: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Blend one core from the results of the batches that it needs, in their order."""
        results = {
            tile: result
            for batch, array in zip(self.needed(*index), batches, strict=True)
            for tile, result in zip(self.members(batch), array, strict=True)
        }
        return blend_core(self.layout, index, results)


def map_tiles(
    apply: Apply,
    source: Source,
    layout: Layout,
    *,
    out_bands: int,
    dtype: npt.DTypeLike = "float32",
    batch: int = 1,
) -> da.Array:
    """Map a function of tiles over a scene, lazily.

    Each tile is read and computed once, within one task per batch; one more task per core blends its neighbourhood. The
    graph runs on any dask scheduler; on one with other processes, `apply` and `source` travel by pickle.

    Parameters
    ----------
    apply : Apply
        What is done to the tiles.
    source : Source
        The pixels, shape (bands, rows, cols).
    layout : Layout
        The tiles, for a scene of these rows and columns.
    out_bands : int
        Bands of the result.
    dtype : dtype
        Of the result.
    batch : int
        How many tiles, side by side, are handed to one call of `apply`.

    Returns
    -------
    dask.array.Array
        Shape (out_bands, rows, cols); its chunks are the cores. Computing it raises `TileError` where `apply` or
        reading fails.
    """
    work = Work(apply, source, layout, out_bands, np.dtype(dtype), batch)
    token = tokenize(apply, source, layout, out_bands, work.dtype.str, batch)
    shared, tiles, name = f"tile-work-{token}", f"tile-{token}", f"map-tiles-{token}"
    graph: dict[Any, Any] = {shared: work}
    graph |= {(tiles, *batch_index): (Work.run, shared, batch_index) for batch_index in work.batches()}
    down, across = layout.counts
    for i in range(down):
        for j in range(across):
            parts = [(tiles, *batch_index) for batch_index in work.needed(i, j)]
            graph[name, 0, i, j] = (Work.blend, shared, (i, j), parts)
    chunks = ((out_bands,), *layout.chunks)
    return da.Array(HighLevelGraph.from_collections(name, graph), name, chunks, dtype=work.dtype)
