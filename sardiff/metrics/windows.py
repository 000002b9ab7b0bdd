"""Small square windows of an image: their detrended log-intensity, and how their pixels go together."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

__all__ = ["Windows", "autocorrelation", "windows"]

LAGS = 3  # how far the autocorrelation is followed, in pixels


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one image, all of one size and nearly all measured.

    Parameters
    ----------
    rows, cols : ndarray (m,), int
        Upper left corner of each window.
    size : int
        Side in pixels.
    residual : ndarray (m, size, size), float32
        Natural log of intensity less its best plane over the window. NaN: not measured.
    variance : ndarray (m,), float64
        Of the residual, over its degrees of freedom (measured pixels less three).
    stride : int
        Pixels from one window to the next.
    """

    rows: NDArray[np.int_]
    cols: NDArray[np.int_]
    size: int
    residual: NDArray[np.float32]
    variance: NDArray[np.float64]
    stride: int

    def __len__(self) -> int:
        return len(self.rows)

    def pick(self, which: NDArray[np.bool_] | NDArray[np.int_]) -> "Windows":
        """Some of the windows."""
        return Windows(
            self.rows[which], self.cols[which], self.size, self.residual[which], self.variance[which], self.stride
        )

    def of(self, image: ArrayLike) -> NDArray[np.float64]:
        """Pixels of another image of the same scene in the same windows, (m, size, size)."""
        pixels = np.asarray(image)
        if not len(self):  # nothing is cut out of an image smaller than a window
            return np.zeros((0, self.size, self.size))
        views = sliding_window_view(pixels, (self.size, self.size))
        return np.asarray(views[self.rows, self.cols], dtype=np.float64)


def windows(intensity: ArrayLike, size: int, *, at_most: int = 20_000, measured: float = 0.9) -> Windows:
    """Lay windows over an image and take the trend out of each one's log-intensity.

    Parameters
    ----------
    intensity : array (rows, cols)
        Linear; NaN, infinite, zero or negative: not measured.
    size : int
        Side of a window in pixels, >= 4.
    at_most : int
        About how many windows to lay. They lie a quarter of their size apart in small images, a half in large
        ones, further where that would be too many.
    measured : float
        Share of a window's pixels that must be measured, above one half.

    Raises
    ------
    ValueError
        If the image is not two-dimensional.
    """
    image = np.asarray(intensity, dtype=np.float32)
    if image.ndim != 2:
        raise ValueError(f"windows are laid over one band (rows, cols), got an array of shape {image.shape}")
    if min(image.shape) < size:
        none = np.zeros(0, int)
        return Windows(none, none, size, np.zeros((0, size, size), np.float32), np.zeros(0), size)
    stride = max(size // 2 if image.size > 250_000 else size // 4, 1, int(np.sqrt(image.size / at_most)))
    known = np.isfinite(image) & (image > 0)
    log = np.full(image.shape, np.nan, np.float32)
    np.log(image, out=log, where=known)
    rows, cols = (np.arange(0, side - size + 1, stride) for side in image.shape)
    rows, cols = (grid.ravel() for grid in np.meshgrid(rows, cols, indexing="ij"))
    sums = np.pad(known.astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    count = sums[rows + size, cols + size] - sums[rows, cols + size] - sums[rows + size, cols] + sums[rows, cols]
    keep = count >= measured * size**2
    rows, cols, count = rows[keep], cols[keep], count[keep]
    pixels = sliding_window_view(log, (size, size))[rows, cols].reshape(len(rows), size**2)
    holes = np.isnan(pixels)
    if holes.any():
        mean = np.where(holes, 0, pixels).sum(1, keepdims=True) / count[:, None].astype(np.float32)
        pixels = np.where(holes, mean, pixels)
    pixels = pixels - pixels.mean(1, keepdims=True)
    plane = _plane(size)
    residual = pixels - (pixels @ plane.T) @ plane
    residual[holes] = np.nan
    variance = np.nansum(residual.astype(np.float64) ** 2, axis=1) / np.maximum(count - 3, 1)
    return Windows(rows, cols, size, residual.reshape(-1, size, size), variance, stride)


@lru_cache
def _plane(size: int) -> NDArray[np.float32]:
    """Orthonormal slopes along rows and along cols, (2, size^2)."""
    ramp = np.arange(size) - (size - 1) / 2
    ramp /= np.sqrt((ramp**2).sum() * size)
    return np.stack([np.repeat(ramp, size), np.tile(ramp, size)]).astype(np.float32)


def autocorrelation(laid: Windows, lags: int = LAGS) -> NDArray[np.float64]:
    """Autocorrelation of intensity in windows, at lags 1, 2, ... along rows and along cols.

    Each window's intensity over its log-linear trend is taken less its mean; products are pooled over all windows.
    Removing three coefficients from each also removes that much of the correlated part; this is put back to first
    order in (correlation area / pixels).

    Returns
    -------
    ndarray (2, lags)
        Rows first: between a pixel and the ones below it. NaN without windows.
    """
    if not len(laid):
        return np.full((2, lags), np.nan)
    known = np.isfinite(laid.residual)
    factor = np.exp(np.where(known, laid.residual, 0)).astype(np.float64)
    weight = known.astype(np.float64)
    mean = (factor * weight).sum((1, 2), keepdims=True) / weight.sum((1, 2), keepdims=True)
    deviation = (factor / mean - 1) * weight
    power = (deviation**2).sum() / weight.sum()
    raw = np.empty((2, lags))
    for axis in (0, 1):
        moved = np.moveaxis(deviation, axis + 1, 1), np.moveaxis(weight, axis + 1, 1)
        for lag in range(1, lags + 1):
            products, pairs = ((m[:, lag:] * m[:, :-lag]).sum() for m in moved)
            raw[axis, lag - 1] = products / pairs / max(power, 1e-300)
    corrected = raw
    for _ in range(3):
        removed = min(3 * correlation_area(corrected) / laid.size**2, 0.5)
        corrected = raw * (1 - removed) + removed
    return corrected


def correlation_area(correlation: NDArray[np.float64]) -> float:
    """Pixels that vary as one: the sum of a separable autocorrelation over both axes, >= 1 (1: independent)."""
    along = 1 + 2 * np.clip(np.nan_to_num(correlation), 0, 1).sum(axis=1)
    return float(max(along.prod(), 1.0))
