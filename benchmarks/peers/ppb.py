"""PPB: weighted means of pixels whose patches could be the same ground under speckle."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter

from .base import Image

__all__ = ["ppb", "ppb_iterated", "threshold"]

LEVELS = ((1, 3, 1), (3, 7, 2), (5, 11, 3), (7, 21, 4))  # side of patch and window in pixels, iterations
LARGEST = 1e3  # of a pixel's share of -log w: it keeps running sums exact, and e^-1000 is nothing


def ppb(intensity: Image, looks: float, *, alpha: float = 0.88, patch: int = 7, window: int = 21) -> Image:
    """PPB without iterations: one weighted mean, alone by what was measured.

    Parameters
    ----------
    intensity : array (rows, cols)
        Linear power, > 0.
    looks : float
        Equivalent number of looks L.
    alpha : float
        Of the quantile, in (0, 1): larger is smoother.
    patch, window : int
        Sides in pixels, odd.
    """
    y, mean = _of_mean_one(intensity)
    return mean * _weighted(y, None, threshold(looks, patch, alpha), math.inf, patch, window)


def ppb_iterated(intensity: Image, looks: float, *, alpha: float = 0.92, penalty: float = 0.2) -> Image:
    """Iterated PPB, with the levels of its authors' program: patch and window grow, ten iterations in all.

    The weights of amplitude A under the Nakagami-Rayleigh law are those of the means sum w(s, t) A_t^2 / sum w(s, t):

        -log w(s, t) = sum_k ((2 L - 1) / h) log(A_s,k / A_t,k + A_t,k / A_s,k)
                       + (L / T) (R_s,k - R_t,k)^2 / (R_s,k R_t,k)

    over the pixels k of the two patches. R is the estimate of the iteration before, and the second term, by which two
    estimates differ (Kullback-Leibler, both ways), is absent at first. h is set by the alpha-quantile of the first sum
    between patches of equal ground, T to `penalty` times the pixels of a patch. The pixel itself takes the largest
    weight of the others, not that of being equal to itself.

    Parameters
    ----------
    intensity, looks, alpha
        As in `ppb`.
    penalty : float
        Smaller keeps more of the difference between estimates.

    References
    ----------
    Deledalle, Denis and Tupin (2009), Iterative weighted maximum likelihood denoising with probabilistic patch-based
    weights, IEEE TIP 18(12).
    """
    y, mean = _of_mean_one(intensity)
    estimate = None
    for patch, window, iterations in LEVELS:
        h = threshold(looks, patch, alpha)
        for _ in range(iterations):
            estimate = _weighted(y, estimate, h, penalty * patch**2 / looks, patch, window)
    return mean * estimate


@lru_cache
def threshold(looks: float, patch: int, alpha: float, draws: int = 20_000) -> float:
    """h / (2 L - 1): the alpha-quantile, less the mean, of the first sum between patches of equal ground."""
    rng = np.random.default_rng(0)
    log_ratio = np.log(rng.gamma(looks, size=(draws, patch**2)) / rng.gamma(looks, size=(draws, patch**2)))
    sums = np.logaddexp(log_ratio / 2, -log_ratio / 2).sum(axis=1)
    return float(np.quantile(sums, alpha) - sums.mean())


def _of_mean_one(intensity: Image) -> tuple[Image, float]:
    y = np.asarray(intensity, np.float64)
    mean = float(np.nanmean(y))
    return np.maximum(y / mean, 1e-20).astype(np.float32), mean


def _weighted(y: Image, former: Image | None, h: float, t: float, patch: int, window: int) -> Image:
    """The weighted means; a weight serves both pixels of its pair."""
    reach = window // 2
    rows, cols = y.shape
    padded = np.pad(y, reach, mode="symmetric")
    amplitude = np.sqrt(padded)
    inverse = 1 / amplitude
    if former is not None:
        former = np.pad(former, reach, mode="symmetric")
        former_inverse = 1 / former
    total, weights, largest = np.zeros_like(y), np.zeros_like(y), np.zeros_like(y)
    for down, right in ((i, j) for i in range(reach + 1) for j in range(-reach, reach + 1) if (i, j) > (0, 0)):
        left, over = max(right, 0), max(-right, 0)
        # The image and what lies before it by the shift, and the same shifted.
        here = slice(reach - down, reach + rows), slice(reach - left, reach + cols + over)
        there = slice(reach, reach + rows + down), slice(reach - over, reach + cols + left)
        # The least that the logarithm can be is taken away, so that weights do not underflow.
        cost = (np.log(amplitude[here] * inverse[there] + inverse[here] * amplitude[there]) - math.log(2)) / h
        if former is not None:
            cost += (former[here] * former_inverse[there] + former_inverse[here] * former[there] - 2) / t
        np.minimum(cost, LARGEST, out=cost)
        if patch > 1:
            cost = uniform_filter(cost, patch, mode="reflect") * patch**2
        weight = np.exp(-cost)
        ahead = slice(down, down + rows), slice(left, left + cols)
        behind = slice(0, rows), slice(over, over + cols)
        for part, values in ((ahead, padded[there]), (behind, padded[here])):
            total += weight[part] * values[part]
            weights += weight[part]
            np.maximum(largest, weight[part], out=largest)
    own = np.maximum(largest, np.finfo(np.float32).tiny)
    return (total + own * y) / (weights + own)
