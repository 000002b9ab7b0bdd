"""Despecklers to compare with: boxcar, Lee, and BM3D on the logarithm. Linear intensity in and out, float arrays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.special import polygamma, psi

__all__ = ["boxcar", "lee", "log_bm3d", "with_mean_of"]

Image = NDArray[np.floating]


def boxcar(intensity: Image, size: int) -> Image:
    """Mean of the `size` by `size` window around each pixel; mirrored at the rim."""
    return uniform_filter(np.asarray(intensity, np.float64), size, mode="reflect")


def lee(intensity: Image, looks: float, size: int = 7) -> Image:
    """Lee's filter: mean + w (pixel - mean), w the share of the local variance that speckle does not explain.

    Lee (1980), Digital image enhancement and noise filtering by use of local statistics, IEEE TPAMI 2(2), for
    multiplicative noise of variance c = 1 / looks: var x = (var y - c mean^2) / (1 + c), w = var x / var y.
    """
    y = np.asarray(intensity, np.float64)
    mean = boxcar(y, size)
    variance = np.maximum(boxcar(y * y, size) - mean**2, 1e-30)
    c = 1 / looks
    weight = np.clip((variance - c * mean**2) / (1 + c), 0, None) / variance
    return mean + weight * (y - mean)


def log_bm3d(intensity: Image, looks: float) -> Image:
    """BM3D on the log-intensity, less the mean of log-speckle, psi(looks) - ln looks; sigma^2 = psi_1(looks)."""
    from bm3d import bm3d

    log = np.log(np.asarray(intensity, np.float64)) - (psi(looks) - math.log(looks))
    # bm3d wants values of the order of one; a shift and a gain change nothing else.
    low, high = log.min(), log.max()
    gain = max(high - low, 1e-6)
    clean = bm3d((log - low) / gain, sigma_psd=math.sqrt(float(polygamma(1, looks))) / gain)
    return np.exp(np.asarray(clean).reshape(log.shape) * gain + low)


def with_mean_of(result: Image, intensity: Image) -> Image:
    """The result times the number that gives it the mean intensity of the measurement."""
    return result * (np.mean(intensity) / np.mean(result))
