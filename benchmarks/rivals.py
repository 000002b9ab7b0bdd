"""Despecklers to compare with: boxcar, Lee, and BM3D on the logarithm. Linear intensity in and out, float arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from sardiff.likelihoods.gamma import log_speckle_moments

__all__ = ["bm3d", "boxcar", "homomorphic", "lee", "log_bm3d", "shrink", "with_mean_of"]

Image = NDArray[np.floating]
Denoiser = Callable[[Image, float], Image]


def boxcar(intensity: Image, size: int) -> Image:
    """Mean of the `size` by `size` window around each pixel; mirrored at the rim."""
    return uniform_filter(np.asarray(intensity, np.float64), size, mode="reflect")


def lee(intensity: Image, looks: float, size: int = 7) -> Image:
    """Lee's filter: mean + w (pixel - mean), w the share of the local variance that speckle does not explain.

    Lee (1980), Digital image enhancement and noise filtering by use of local statistics, IEEE TPAMI 2(2), for
    multiplicative noise of variance c = 1 / looks: var x = (var y - c mean^2) / (1 + c), w = var x / var y.
    """
    y = np.asarray(intensity, np.float64)
    return shrink(y, boxcar(y, size), boxcar(y * y, size), looks)


def shrink(y: Image, mean: Image, square: Image, looks: float) -> Image:
    """Lee's estimate from the local mean and mean square."""
    variance = np.maximum(square - mean**2, 1e-30)
    c = 1 / looks
    weight = np.clip((variance - c * mean**2) / (1 + c), 0, None) / variance
    return mean + weight * (y - mean)


def bm3d(image: Image, sigma: float) -> Image:
    """BM3D against Gaussian noise, as the package `bm3d` has it (licence: non-commercial use only).

    Dabov et al. (2007), Image denoising by sparse 3-D transform-domain collaborative filtering, IEEE TIP 16(8);
    Makinen, Azzari and Foi (2020), Collaborative filtering of correlated noise, IEEE TIP 29.
    """
    from bm3d import bm3d as denoise

    # It wants values of the order of one; a shift and a gain change nothing else.
    low, high = float(image.min()), float(image.max())
    gain = max(high - low, 1e-6)
    return np.asarray(denoise((image - low) / gain, sigma_psd=sigma / gain)).reshape(image.shape) * gain + low


def homomorphic(intensity: Image, looks: float, denoise: Denoiser, strength: float = 1.0) -> Image:
    """Denoise the log-intensity, less the mean of log-speckle, as if its noise were Gaussian.

    The noise has the standard deviation of log-speckle, sqrt(psi_1(looks)); the denoiser hears `strength` times that.
    """
    bias, variance = log_speckle_moments(looks)
    log = np.log(np.asarray(intensity, np.float64)) - bias
    return np.exp(denoise(log, strength * variance**0.5))


def log_bm3d(intensity: Image, looks: float) -> Image:
    """BM3D on the log-intensity."""
    return homomorphic(intensity, looks, bm3d)


def with_mean_of(result: Image, intensity: Image) -> Image:
    """The result times the number that gives it the mean intensity of the measurement."""
    return result * (np.mean(intensity) / np.mean(result))
