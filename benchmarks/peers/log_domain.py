"""Denoisers for Gaussian noise, and their use on the logarithm of speckled intensity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sardiff.likelihoods.gamma import log_speckle_moments

from .base import Image

__all__ = ["bm3d", "homomorphic", "non_local_means", "total_variation"]

Denoiser = Callable[[Image, float], Image]


def bm3d(image: Image, sigma: float) -> Image:
    """BM3D as the package `bm3d` has it (licence: non-commercial use only).

    Dabov et al. (2007), Image denoising by sparse 3-D transform-domain collaborative filtering, IEEE TIP 16(8);
    Makinen, Azzari and Foi (2020), Collaborative filtering of correlated noise, IEEE TIP 29.
    """
    from bm3d import bm3d as denoise

    # It wants values of the order of one; a shift and a gain change nothing else.
    low, high = float(image.min()), float(image.max())
    gain = max(high - low, 1e-6)
    return np.asarray(denoise((image - low) / gain, sigma_psd=sigma / gain)).reshape(image.shape) * gain + low


def non_local_means(image: Image, sigma: float) -> Image:
    """Non-local means of scikit-image: 5 x 5 patches, 21 x 21 window, h = .7 sigma.

    Buades, Coll and Morel (2005), A non-local algorithm for image denoising, CVPR; Darbon et al. (2008), Fast nonlocal
    filtering applied to electron cryomicroscopy, ISBI.
    """
    from skimage.restoration import denoise_nl_means

    return np.asarray(
        denoise_nl_means(image, patch_size=5, patch_distance=10, h=0.7 * sigma, sigma=sigma, fast_mode=True)
    )


def total_variation(image: Image, sigma: float) -> Image:
    """Total variation of scikit-image, weight sigma.

    Rudin, Osher and Fatemi (1992), Nonlinear total variation based noise removal algorithms, Physica D 60; Chambolle
    (2004), An algorithm for total variation minimization and applications, J. Math. Imaging and Vision 20.
    """
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(image, weight=sigma))


def homomorphic(intensity: Image, looks: float, denoise: Denoiser, strength: float = 1.0) -> Image:
    """Denoise the log-intensity, less the mean of log-speckle, as if its noise were Gaussian.

    The noise has the standard deviation of log-speckle, sqrt(psi_1(looks)); the denoiser hears `strength` times that.
    """
    bias, variance = log_speckle_moments(looks)
    log = np.log(np.asarray(intensity, np.float64)) - bias
    return np.exp(denoise(log, strength * variance**0.5))
