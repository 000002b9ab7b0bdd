"""PPB: weighted means of pixels whose patches could be the same ground under speckle."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter

from .base import Image

__all__ = ["ppb", "threshold"]


def ppb(
    intensity: Image,
    looks: float,
    *,
    alpha: float = 0.92,
    iterations: int = 0,
    penalty: float = 0.2,
    patch: int = 7,
    window: int = 21,
) -> Image:
    """Probabilistic patch-based weights for Nakagami-Rayleigh amplitude, after Deledalle, Denis and Tupin (2009).

    The estimate is sum w(s, t) A_t^2 / sum w(s, t), with

        -log w(s, t) = sum_k ((2 L - 1) / h) log(A_s,k / A_t,k + A_t,k / A_s,k)
                       + (L / T) (R_s,k - R_t,k)^2 / (R_s,k R_t,k)

    over the pixels k of the two patches. R is the estimate of the iteration before, and the second term, by which two
    estimates differ (Kullback-Leibler, both ways), is absent at first. h is set by the alpha-quantile of the first sum
    between patches of equal ground, T to `penalty` times the pixels of a patch. Where we differ: the pixel itself
    takes the largest weight of the others, not that of being equal to itself; the window does not grow with the
    iterations.

    Parameters
    ----------
    intensity : array (rows, cols)
        Linear power, > 0.
    looks : float
        Equivalent number of looks L.
    alpha : float
        Of the quantile, in (0, 1): larger is smoother.
    iterations : int
        After the first estimate.
    penalty : float
        Smaller keeps more of the difference between estimates.
    patch, window : int
        Sides in pixels, odd.

    References
    ----------
    Deledalle, Denis and Tupin (2009), Iterative weighted maximum likelihood denoising with probabilistic patch-based
    weights, IEEE TIP 18(12).
    """
    y = np.asarray(intensity, np.float32)
    h = threshold(looks, patch, alpha)
    estimate = _weighted(y, None, h, math.inf, patch, window)
    for _ in range(iterations):
        estimate = _weighted(y, estimate, h, penalty * patch**2 / looks, patch, window)
    return estimate


@lru_cache
def threshold(looks: float, patch: int, alpha: float, draws: int = 20_000) -> float:
    """h / (2 L - 1): the alpha-quantile, less the mean, of the first sum between patches of equal ground."""
    rng = np.random.default_rng(0)
    log_ratio = np.log(rng.gamma(looks, size=(draws, patch**2)) / rng.gamma(looks, size=(draws, patch**2)))
    sums = _dissimilarity(log_ratio).sum(axis=1)
    return float(np.quantile(sums, alpha) - sums.mean())


def _dissimilarity(log_intensity_ratio: Image) -> Image:
    """log(A / B + B / A), which is at least log 2, of amplitudes."""
    half = 0.5 * abs(log_intensity_ratio)
    return half + np.log1p(np.exp(-2 * half))


def _weighted(y: Image, former: Image | None, h: float, t: float, patch: int, window: int) -> Image:
    reach = window // 2
    rows, cols = y.shape
    padded = np.pad(y, reach, mode="symmetric")
    log = np.log(padded)
    log_former = None if former is None else np.log(np.pad(former, reach, mode="symmetric"))
    total, weights, largest = np.zeros_like(y), np.zeros_like(y), np.zeros_like(y)
    inside = slice(reach, reach + rows), slice(reach, reach + cols)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down == right == 0:
                continue
            there = slice(reach + down, reach + down + rows), slice(reach + right, reach + right + cols)
            cost = _dissimilarity(log[inside] - log[there]) / h
            if log_former is not None:
                # (R - S)^2 / (R S) = 2 cosh(log R - log S) - 2
                difference = np.minimum(abs(log_former[inside] - log_former[there]), 20)
                cost = cost + (2 * np.cosh(difference) - 2) / t
            distance = uniform_filter(cost, patch, mode="reflect") * patch**2
            # The least that the first sum can be is taken away, so that weights do not underflow.
            weight = np.exp(-(distance - patch**2 * math.log(2) / h))
            total += weight * padded[there]
            weights += weight
            np.maximum(largest, weight, out=largest)
    own = np.maximum(largest, np.finfo(np.float32).tiny)
    return (total + own * y) / (weights + own)
