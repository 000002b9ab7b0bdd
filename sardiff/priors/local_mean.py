"""The Gaussian local mean around which a prior may see an image, so that absolute calibration does not matter."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sardiff.arrays import Images

__all__ = ["gaussian_window", "local_mean"]


def gaussian_window(radius: int) -> Tensor:
    """Return the weights at -radius ... radius pixels, of standard deviation `radius` / 2.5; their sum is one."""
    offsets = torch.arange(-radius, radius + 1.0, dtype=torch.float64)
    window = torch.exp(-0.5 * (offsets / max(radius / 2.5, 1e-6)) ** 2)
    return (window / window.sum()).float()


def local_mean(x: Images, window: Tensor) -> Images:
    """Return the mean around each pixel, along both axes by `window`.

    Weights are renormalised at the tile's rim, so that a constant stays itself there too.
    """
    r = window.numel() // 2
    bands = x.shape[1]
    w = window.to(x)
    with torch.autocast(x.device.type, enabled=False):
        ones = torch.ones_like(x[:1, :1])
        mass = F.conv2d(F.conv2d(ones, w[None, None, None, :], padding=(0, r)), w[None, None, :, None], padding=(r, 0))
        flat = x.reshape(-1, 1, *x.shape[2:])
        rows = F.conv2d(flat, w[None, None, None, :], padding=(0, r))
        both = F.conv2d(rows, w[None, None, :, None], padding=(r, 0))
        return both.reshape(-1, bands, *x.shape[2:]) / mass
