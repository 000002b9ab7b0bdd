"""The Gaussian local mean around which a prior may see an image, so that absolute calibration does not matter."""

import torch
from torch import Tensor

from sardiff import blur
from sardiff.arrays import Images

__all__ = ["gaussian_window", "local_mean"]


def gaussian_window(radius: int) -> Tensor:
    """Return the weights at -radius ... radius pixels, of standard deviation `radius` / 2.5; their sum is one."""
    return blur.gaussian_window(radius, radius / 2.5)


def local_mean(x: Images, window: Tensor) -> Images:
    """Return the mean around each pixel, along both axes by `window`.

    Weights are renormalised at the tile's rim, so that a constant stays itself there too.
    """
    return blur.blurred(x, window) / blur.blurred(torch.ones_like(x[:1, :1]), window)
