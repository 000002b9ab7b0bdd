"""Separable windows whose result at a pixel is the same to the last bit, however the image is cut."""

from collections.abc import Sequence

from torch.nn import functional as F

from sardiff.arrays import Images

__all__ = ["BINOMIAL", "padded", "smoothed"]

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""The cubic B-spline at integers, which Burt and Adelson's generating kernel is too at a = 3 / 8."""


def smoothed(x: Images, window: Sequence[float], spacing: int = 1) -> Images:
    """Return the sums around each pixel, along both axes weighted by a window of odd length.

    By shifted sums, not convolutions: those order their sums by the size of the image, so that nearly equal details
    would be weighed by the tile they are in. Beyond the rims the outermost pixels go on.

    Parameters
    ----------
    spacing : int
        Pixels from one weight to the next: 2^j makes the holes of the algorithme a trous.
    """
    radius = len(window) // 2 * spacing
    for axis in (2, 3):
        wide, size = padded(x, radius, axis), x.shape[axis]
        x = window[0] * wide.narrow(axis, 0, size)
        for i, weight in enumerate(window[1:], start=1):
            x = x + weight * wide.narrow(axis, i * spacing, size)
    return x


def padded(x: Images, radius: int, axis: int) -> Images:
    """Return x with its outermost pixels repeated `radius` times along rows (axis 2) or cols (3)."""
    return F.pad(x, (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0), mode="replicate")
