"""Refined Lee: local statistics from the half of the window on the pixel's own side of an edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rivals import boxcar, shrink
from scipy.ndimage import correlate, uniform_filter

from .base import Image

__all__ = ["refined_lee"]

# Edges between sub-windows (row, col in 0..2): what is subtracted from what, and the two sub-windows on either side.
# Each of the 8 sides has its half of the window: the pixels at which a * row + b * col >= 0, the centre's line too.
_GRADIENTS = (
    (((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)), (1, 0), (1, 2), (0, 1)),
    (((-1, -1, -1), (0, 0, 0), (1, 1, 1)), (0, 1), (2, 1), (1, 0)),
    (((-1, -1, 0), (-1, 0, 1), (0, 1, 1)), (0, 0), (2, 2), (1, 1)),
    (((0, -1, -1), (1, 0, -1), (1, 1, 0)), (0, 2), (2, 0), (1, -1)),
)
EDGE = 1.5  # variance of the window over that of speckle


def refined_lee(intensity: Image, looks: float, size: int = 7) -> Image:
    """Lee's filter in the half window that the strongest of four edges leaves on the pixel's side.

    Means of 3 x 3 sub-windows, `(size - 3) / 2` apart, show the edge. Of its two sides the one whose sub-window is
    nearer to the central one gives mean and variance; then, as in Lee's filter, var x = (var y - c mean^2) / (1 + c)
    with c = 1 / looks, and mean + (var x / var y) (pixel - mean). As in the paper, edges are looked for only where the
    variance is large: EDGE times that of speckle. Elsewhere it is Lee's filter of the whole window.

    Lee (1981), Refined filtering of image noise using local statistics, Computer Graphics and Image Processing 15(4).
    """
    if size < 5 or size % 2 == 0:
        raise ValueError(f"size must be odd and >= 5, got {size}")
    y = np.asarray(intensity, np.float64)
    side = _side(y, (size - 3) // 2)
    mean, square = np.zeros_like(y), np.zeros_like(y)
    for k, kernel in enumerate(_half_windows(size)):
        here = side == k
        if here.any():
            mean = np.where(here, correlate(y, kernel, mode="reflect"), mean)
            square = np.where(here, correlate(y * y, kernel, mode="reflect"), square)
    whole, whole_square = boxcar(y, size), boxcar(y * y, size)
    calm = whole_square - whole**2 <= EDGE * whole**2 / looks
    mean, square = np.where(calm, whole, mean), np.where(calm, whole_square, square)
    return shrink(y, mean, square, looks)


def _side(y: Image, spacing: int) -> NDArray[np.intp]:
    """Which of the eight half windows each pixel takes: twice the gradient, plus one for its second side."""
    rows, cols = y.shape
    padded = np.pad(uniform_filter(y, 3, mode="reflect"), spacing, mode="symmetric")
    means = [[padded[i * spacing :, j * spacing :][:rows, :cols] for j in range(3)] for i in range(3)]
    strengths, sides = [], []
    for mask, first, second, _ in _GRADIENTS:
        strengths.append(abs(sum(mask[i][j] * means[i][j] for i in range(3) for j in range(3))))
        centre = means[1][1]
        sides.append(abs(means[second[0]][second[1]] - centre) < abs(means[first[0]][first[1]] - centre))
    strongest = np.argmax(strengths, axis=0)
    return 2 * strongest + np.take_along_axis(np.array(sides), strongest[None], axis=0)[0]


def _half_windows(size: int) -> list[NDArray[np.float64]]:
    offsets = np.arange(size) - size // 2
    row, col = np.meshgrid(offsets, offsets, indexing="ij")
    kernels = []
    for *_, (a, b) in _GRADIENTS:
        for sign in (-1, 1):
            half = (sign * (a * row + b * col) >= 0).astype(np.float64)
            kernels.append(half / half.sum())
    return kernels
