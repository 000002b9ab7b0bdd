"""A function of tiles mapped over a scene, the cores handed out in reading order, in bounded memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.base import tokenize

from tiling.blend import blend_core
from tiling.grid import Layout, Source, Tile
from tiling.map import Apply, Batch, Work

__all__ = ["stream_tiles"]


def stream_tiles(
    apply: Apply,
    source: Source,
    layout: Layout,
    *,
    out_bands: int,
    dtype: npt.DTypeLike = "float32",
    batch: int = 1,
    workers: int = 1,
    skip: AbstractSet[tuple[int, int]] = frozenset(),
    get: Callable[..., Any] | None = None,
) -> Iterator[tuple[Tile, npt.NDArray[Any]]]:
    """Yield the blended cores of a scene, row by row from the top, each row from the left.

    The same pixels as `map_tiles`. Batches are read and computed in that order by `workers` threads, which run at most
    ``2 * workers`` batches ahead of what has been asked for; a core comes out as soon as its right and lower neighbours
    are done. About two rows of tile results are held at a time. Closing the iterator drops what has not begun and does
    not wait for what has; Python does when it exits, so an `apply` that takes long should watch a flag of its own.

    Parameters
    ----------
    apply : Apply
        What is done to the tiles; called from several threads at once if `workers` > 1.
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
    workers : int
        How many batches are computed at once, >= 1.
    skip : set of tuple[int, int]
        Cores that are not wanted. A batch in which no tile is needed is not computed; the others are computed whole,
        so that a core comes out the same to the last bit whatever is skipped.
    get : callable, optional
        A dask scheduler, ``get(graph, key)``, that computes the batches: ``dask.get``, ``dask.multiprocessing.get``, or
        `get` of a ``distributed.Client``, with as many `workers` as batches should be under way. `apply` and `source`
        travel with each batch. By default they are computed right in the threads.

    Yields
    ------
    tile : Tile
        Whose core it is.
    core : ndarray
        Its pixels, shape (out_bands, rows, cols) of the core.

    Raises
    ------
    ValueError
        At once, if the scene and the layout differ in shape or a number is out of range.
    TileError
        While iterating, if `apply` or reading fails.
    """
    work = Work(apply, source, layout, out_bands, np.dtype(dtype), batch)
    if workers < 1:
        raise ValueError(f"workers must be >= 1, got {workers}")
    return _stream(work, workers, skip, work.run if get is None else _through(get, work))


def _stream(
    work: Work, workers: int, skip: AbstractSet[tuple[int, int]], run: Callable[[Batch], npt.NDArray[Any]]
) -> Iterator[tuple[Tile, npt.NDArray[Any]]]:
    layout = work.layout
    wanted = [tile for tile in layout if tile.index not in skip]
    uses = Counter(index for tile in wanted for index in layout.contributors(*tile.index))
    ahead = (batch for batch in work.batches() if any(index in uses for index in work.members(batch)))
    running: deque[tuple[Batch, Future[npt.NDArray[Any]]]] = deque()
    results: dict[tuple[int, int], npt.NDArray[Any]] = {}
    pool = ThreadPoolExecutor(workers, thread_name_prefix="tiles")

    def start_more() -> None:
        while len(running) < 2 * workers and (batch := next(ahead, None)) is not None:
            running.append((batch, pool.submit(run, batch)))

    try:
        for tile in wanted:
            contributors = layout.contributors(*tile.index)
            start_more()
            while any(index not in results for index in contributors):
                batch, future = running.popleft()
                for index, result in zip(work.members(batch), future.result(), strict=True):
                    if index in uses:
                        results[index] = result
                start_more()
            core = blend_core(layout, tile.index, results)
            for index in contributors:
                uses[index] -= 1
                if not uses[index]:
                    del results[index]
            yield tile, core
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _through(get: Callable[..., Any], work: Work) -> Callable[[Batch], npt.NDArray[Any]]:
    name = f"tile-{tokenize(work.apply, work.source, work.layout, work.out_bands, work.dtype.str, work.batch)}"

    def run(batch: Batch) -> npt.NDArray[Any]:
        key = (name, *batch)
        return np.asarray(get({key: (Work.run, work, batch)}, key))

    return run
