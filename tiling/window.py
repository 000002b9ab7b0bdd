"""Weights of the tiles: smooth, and at every pixel of the scene they sum to one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tiling.grid import Layout, Span

__all__ = ["profile"]


@lru_cache(maxsize=4096)
def profile(layout: Layout, axis: int, i: int) -> tuple[Span, npt.NDArray[np.float64]]:
    """Weight of the tiles at position `i` along one axis; a tile's weight is the product of its two profiles.

    One in the middle of the core, and a raised cosine that passes one half at each edge shared with another tile and
    reaches zero `layout.ramp` pixels beyond it. At the rim of the scene it stays one.

    Parameters
    ----------
    layout : Layout
        The tiles.
    axis : int
        0 down the rows, 1 across the columns.
    i : int
        Position of the tile along the axis.

    Returns
    -------
    span : Span
        The pixels of the scene where the tile counts.
    weights : ndarray
        Its weight at each of them, in (0, 1]; shape (len(span),), read-only.
    """
    ramp = layout.ramp
    nominal = layout.kept(i, 0).rows if axis == 0 else layout.kept(0, i).cols
    weights = np.ones(len(nominal))
    rise = (1 + np.sin(np.pi / 2 * (np.arange(2 * ramp) + 0.5 - ramp) / max(ramp, 1))) / 2
    if i - 1 in layout.beside(axis, i):
        weights[: 2 * ramp] = rise
    if i + 1 in layout.beside(axis, i):
        weights[len(weights) - 2 * ramp :] = 1 - rise
    core = layout.at(i, 0).core.rows if axis == 0 else layout.at(0, i).core.cols
    span = core.grown(ramp) & Span(0, layout.shape[axis])
    weights = weights[span.within(nominal)]
    weights.flags.writeable = False
    return span, weights
