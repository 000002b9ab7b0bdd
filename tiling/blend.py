"""Results of neighbouring tiles, weighted into the pixels of one core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tiling.grid import Layout, Span, Window
from tiling.window import profile

__all__ = ["blend_core"]


def blend_core(
    layout: Layout, index: tuple[int, int], results: Mapping[tuple[int, int], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """Blend the tiles that count in one core.

    Across first, then down, each time ``a + weight * (b - a)``: where tiles agree their common value comes out to the
    last bit, and only the strips along the edges are computed at all. NaN spreads from every tile that counts.

    Parameters
    ----------
    layout : Layout
        The tiles.
    index : tuple[int, int]
        The core.
    results : mapping
        For each of ``layout.contributors(*index)`` its result on ``layout.kept(i, j)``, shape (bands, rows, cols).

    Returns
    -------
    ndarray
        Shape (bands, rows, cols) of the core; a new array.
    """
    i, j = index
    rows = layout.at(i, j).core.rows
    out = _blend_across(layout, i, j, rows, results)
    for k in layout.beside(0, i):
        span, weights = profile(layout, 0, k)
        seam = span & rows
        strip = out[:, seam.within(rows)]
        strip += weights[seam.within(span), np.newaxis] * (_blend_across(layout, k, j, seam, results) - strip)
    return out


def _blend_across(
    layout: Layout, i: int, j: int, rows: Span, results: Mapping[tuple[int, int], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    # Some rows of one row of tiles, on the columns of core j.
    cols = layout.at(i, j).core.cols
    out = _cut(layout, (i, j), Window(rows, cols), results).copy()
    for k in layout.beside(1, j):
        span, weights = profile(layout, 1, k)
        seam = span & cols
        strip = out[:, :, seam.within(cols)]
        strip += weights[seam.within(span)] * (_cut(layout, (i, k), Window(rows, seam), results) - strip)
    return out


def _cut(
    layout: Layout, index: tuple[int, int], window: Window, results: Mapping[tuple[int, int], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    kept = layout.kept(*index)
    return results[index][:, window.rows.within(kept.rows), window.cols.within(kept.cols)]
