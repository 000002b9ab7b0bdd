"""The Gaussian local mean around which a prior may see an image, so that absolute calibration does not matter."""

import torch
from torch import Tensor

from sardiff.arrays import Images
from sardiff.blur import blurred, gaussian_window

__all__ = ["local_mean", "mean_window"]


def mean_window(radius: int) -> Tensor:
    """Return the weights at -radius ... radius pixels, of standard deviation `radius` / 2.5; their sum is one."""
    return gaussian_window(radius, radius / 2.5)


def local_mean(x: Images, window: Tensor) -> Images:
    """Return the mean around each pixel, along both axes by `window`.

    Weights are renormalised at the tile's rim, so that a constant stays itself there too.
    """
    return blurred(x, window) / blurred(torch.ones_like(x[:1, :1]), window)
