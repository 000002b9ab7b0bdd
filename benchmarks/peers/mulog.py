"""MuLoG: a Gaussian denoiser plugged into ADMM, with the law of log-speckle as it is."""

from __future__ import annotations

import numpy as np
import torch
from rivals import Denoiser

from sardiff.likelihoods.gamma import GammaSpeckle, log_speckle_moments

from .base import Image

__all__ = ["mulog"]


def mulog(intensity: Image, looks: float, denoise: Denoiser, strength: float = 1.0, iterations: int = 6) -> Image:
    """MuLoG of one channel, with any Gaussian denoiser.

    Minimizes R(x) - log p(y | x) over log-intensity x, with p Fisher-Tippett and R whatever regularization `denoise`
    stands for. ADMM as in the paper, 6 iterations from x = y less the mean of log-speckle:
    z = denoise(x - d, 1 / sqrt(beta)), d += z - x, x = argmin_u -log p(y | u) + beta / 2 (u - z - d)^2, with
    beta = 1 + 2 / looks where log-speckle has unit variance: here it has psi_1(looks), and beta is divided by that.
    The paper takes a few Newton steps for the last; here it is exact. Returned is exp z, the denoised copy.

    Parameters
    ----------
    intensity : array (rows, cols)
        Linear power, > 0.
    looks : float
        Equivalent number of looks.
    denoise : callable
        (image, standard deviation of its noise) to image.
    strength : float
        The denoiser hears this times 1 / sqrt(beta).
    iterations : int

    References
    ----------
    Deledalle, Denis, Tabti and Tupin (2017), MuLoG, or how to apply Gaussian denoisers to multi-channel SAR speckle
    reduction?, IEEE TIP 26(9).
    """
    y = np.log(np.asarray(intensity, np.float64))
    likelihood = GammaSpeckle(torch.from_numpy(y)[None, None], looks)
    bias, variance = log_speckle_moments(looks)
    beta = (1 + 2 / looks) / variance
    x = y - bias
    z, d = x, np.zeros_like(x)
    for _ in range(iterations):
        z = denoise(x - d, strength * beta**-0.5)
        d = d + z - x
        x = likelihood.prox(torch.from_numpy(z + d)[None, None], 1 / beta)[0, 0].numpy()
    return np.exp(z)
