"""Edges that a fused image keeps of its sources, and how much it varies from pixel to pixel."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sardiff.metrics.grey import Grey, ScenePart, greys, owned, windowed

__all__ = [
    "average_gradient",
    "edges_kept",
    "frequency_of",
    "gradient_of",
    "qabf",
    "ratio",
    "spatial_frequency",
    "step_sums",
]


def qabf(a: ArrayLike, b: ArrayLike, f: ArrayLike, *, released: bool = False) -> float:
    """Edge information that F keeps of its sources, Q^AB/F; more is better.

    Strength g and orientation alpha = atan(s_y / s_x) of edges by Sobel's operator. For a source and F, G is the
    smaller strength over the larger, A = 1 - |difference of alpha| / (pi / 2), Q = .9994 / (1 + exp(-15 (G - .5)))
    * .9879 / (1 + exp(-22 (A - .8))); then Q^AB/F = sum(Q^AF g_A + Q^BF g_B) / sum(g_A + g_B).

    Parameters
    ----------
    a, b, f : array (rows, cols)
        Grey, 0 to 255; NaN in any: pixels with one among their 3 x 3 do not count.
    released : bool
        As the MATLAB program that most tables were made with: where both strengths are equal, G is that strength
        instead of 1 (much too low where images are scaled to 0 to 1), and beyond the rim there is zero, so that the rim
        itself is an edge. By default G = 1 there, and pixels at the rim do not count.

    Returns
    -------
    float
        0 to .975, which is F equal to both sources; NaN if the sources have no edge or no pixel counts.

    References
    ----------
    Xydeas and Petrovic (2000), Objective image fusion performance measure, Electronics Letters 36(4), eq. 1 to 8.
    """
    a, b, f = greys(a=a, b=b, f=f)
    if released:
        a, b, f = (np.pad(image, 1) for image in (a, b, f))
    return ratio(edges_kept(a, b, f, ScenePart.whole(f.shape), released=released))


def edges_kept(a: Grey, b: Grey, f: Grey, part: ScenePart, *, released: bool = False) -> NDArray[np.float64]:
    """Sums over the pixels of a part's core: edges kept, and edges there were, (2,)."""
    own = owned(part, 1)
    known = np.isfinite(windowed(f, np.ones(3))[own])
    first, second, fused = (_sobel(x, own, known) for x in (a, b, f))
    sums = np.zeros(2)
    for source in (first, second):
        sums += (_kept(source, fused, released) * source.strength).sum(), source.strength.sum()
    return sums


def spatial_frequency(f: ArrayLike) -> float:
    """Spatial frequency, sqrt(RF^2 + CF^2): RF and CF are root mean squares of differences along and across rows.

    Parameters
    ----------
    f : array (rows, cols)
        Grey, 0 to 255; NaN in either of two neighbours: they do not count.

    Returns
    -------
    float
        In greys, >= 0, more is taken for better, though noise raises it as detail does; NaN without neighbours.

    References
    ----------
    Eskicioglu and Fisher (1995), Image quality measures and their performance, IEEE Trans. Communications 43(12).
    Means run over the pairs of neighbours, not over all pixels.
    """
    (f,) = greys(f=f)
    return frequency_of(step_sums(f, ScenePart.whole(f.shape)))


def average_gradient(f: ArrayLike) -> float:
    """Average gradient, the mean of sqrt((d_row^2 + d_col^2) / 2) over differences to the next row and column.

    Parameters
    ----------
    f : array (rows, cols)
        Grey, 0 to 255; NaN in any of the three pixels: they do not count.

    Returns
    -------
    float
        In greys, >= 0, more is taken for better, though noise raises it as detail does; NaN if no pixel counts.

    References
    ----------
    Cui, Feng, Xu, Li and Chen (2015), Detail preserved fusion of visible and infrared images using regional saliency
    extraction and multi-scale image decomposition, Optics Communications 341.
    """
    (f,) = greys(f=f)
    return gradient_of(step_sums(f, ScenePart.whole(f.shape)))


def step_sums(f: Grey, part: ScenePart) -> NDArray[np.float64]:
    """Sums and counts, (3, 2): squared steps from row to row, from column to column, and gradients.

    A step belongs to the part in whose core it starts.
    """
    own = owned(part, 0)
    rows, cols = f[1:] - f[:-1], f[:, 1:] - f[:, :-1]
    gradient = np.sqrt((rows[:, :-1] ** 2 + cols[:-1] ** 2) / 2)
    maps = (rows[own] ** 2, cols[own] ** 2, gradient[own])
    return np.array([(np.nansum(values), np.isfinite(values).sum()) for values in maps], dtype=np.float64)


def frequency_of(sums: NDArray[np.float64]) -> float:
    """Spatial frequency from `step_sums`."""
    return math.sqrt(ratio(sums[0]) + ratio(sums[1]))


def gradient_of(sums: NDArray[np.float64]) -> float:
    """Average gradient from `step_sums`."""
    return ratio(sums[2])


def ratio(sums: NDArray[np.float64]) -> float:
    """One sum over another; NaN over nothing."""
    part, whole = (float(value) for value in sums)
    return part / whole if whole > 0 else math.nan


class _Edges(NamedTuple):
    strength: NDArray[np.float64]
    angle: NDArray[np.float64]  # (-pi / 2, pi / 2]


def _sobel(x: Grey, own: tuple[slice, slice], known: NDArray[np.bool_]) -> _Edges:
    """Edges in the known pixels of a part, (n,)."""
    if min(x.shape) < 3:
        return _Edges(np.zeros(0), np.zeros(0))
    across, down = x[:, :-2] - x[:, 2:], x[2:] - x[:-2]
    # To the left and downwards, as MATLAB's conv2 has it: where s_x is 0 the angle is pi / 2, whatever the sign of s_y,
    # so the sign of the others decides how far away that is.
    s_x = (across[:-2] + 2 * across[1:-1] + across[2:])[own][known]
    s_y = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:])[own][known]
    upright = s_x == 0
    angle = np.where(upright, np.pi / 2, np.arctan(s_y / np.where(upright, 1, s_x)))
    return _Edges(np.hypot(s_x, s_y), angle)


def _kept(source: _Edges, fused: _Edges, released: bool) -> NDArray[np.float64]:
    """Q of Xydeas and Petrovic, eq. 6."""
    small, large = np.minimum(source.strength, fused.strength), np.maximum(source.strength, fused.strength)
    same = small == large
    strength = np.where(same, small if released else 1, small / np.where(large > 0, large, 1))
    orientation = 1 - np.abs(source.angle - fused.angle) / (np.pi / 2)
    of_strength = 0.9994 / (1 + np.exp(-15 * (strength - 0.5)))
    of_orientation = 0.9879 / (1 + np.exp(-22 * (orientation - 0.8)))
    return np.asarray(of_strength * of_orientation)
