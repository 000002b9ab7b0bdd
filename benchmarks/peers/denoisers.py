"""Denoisers of Gaussian noise, beside the BM3D of `rivals.py`."""

from __future__ import annotations

import numpy as np

from .base import Image

__all__ = ["non_local_means", "total_variation"]


def non_local_means(image: Image, sigma: float) -> Image:
    """Non-local means of scikit-image: 7 x 7 patches, 21 x 21 window, h = .7 sigma.

    Buades, Coll and Morel (2005), A non-local algorithm for image denoising, CVPR; Darbon et al. (2008), Fast nonlocal
    filtering applied to electron cryomicroscopy, ISBI.
    """
    from skimage.restoration import denoise_nl_means

    return np.asarray(
        denoise_nl_means(image, patch_size=7, patch_distance=10, h=0.7 * sigma, sigma=sigma, fast_mode=True)
    )


def total_variation(image: Image, sigma: float) -> Image:
    """Total variation of scikit-image, weight sigma, iterated until it stands: its own limits stop far too early.

    Rudin, Osher and Fatemi (1992), Nonlinear total variation based noise removal algorithms, Physica D 60; Chambolle
    (2004), An algorithm for total variation minimization and applications, J. Math. Imaging and Vision 20.
    """
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(image, weight=sigma, eps=1e-6, max_num_iter=400))
