"""How often each value occurs in a whole scene, counted strip by strip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DB_BINS", "Histogram"]

DB_BINS = np.arange(-80.0, 80.25, 0.25)
"""Edges for backscatter in decibels."""


class Histogram:
    """Counts between edges; what lies beyond the first or last edge is counted in the bin beside it.

    Parameters
    ----------
    edges : array (bins + 1,)
        Rising, evenly spaced.
    """

    def __init__(self, edges: NDArray[np.floating[Any]] = DB_BINS) -> None:
        self.edges = np.asarray(edges, np.float64)
        self.counts = np.zeros(len(self.edges) - 1, np.int64)

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Count values of any shape; NaN: not measured."""
        found = values[np.isfinite(values)]
        width = (self.edges[-1] - self.edges[0]) / len(self.counts)
        place = np.clip((found - self.edges[0]) / width, 0, len(self.counts) - 1).astype(np.int64)
        self.counts += np.bincount(place, minlength=len(self.counts))

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middle of each bin."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def share(self) -> NDArray[np.float64]:
        """Of all that was counted, in each bin."""
        return self.counts / max(int(self.counts.sum()), 1)

    def quantile(self, share: float) -> float:
        """Return the value below which this share lies, to the width of a bin; NaN where nothing was counted."""
        total = np.cumsum(self.counts)
        return float(self.centres[np.searchsorted(total, share * total[-1])]) if total[-1] else float("nan")
