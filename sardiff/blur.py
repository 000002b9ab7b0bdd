"""Blurring by a separable window, and filling gaps by it."""

import math

import torch
from torch import Tensor

from sardiff.arrays import Images

__all__ = ["blurred", "filled", "gaussian_window"]

SCALES = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0)  # pixels: standard deviations of the windows that fill gaps
ENOUGH = 0.125  # share of a window that must be measured for its mean to count alone


def gaussian_window(radius: int, deviation: float) -> Tensor:
    """Return Gaussian weights at -radius ... radius pixels; their sum is one."""
    offsets = torch.arange(-radius, radius + 1.0, dtype=torch.float64)
    window = torch.exp(-0.5 * (offsets / max(deviation, 1e-6)) ** 2)
    return (window / window.sum()).float()


def blurred(x: Images, window: Tensor) -> Images:
    """Return the sums around each pixel, along both axes weighted by a window of odd length; zero beyond the rims.

    As products with a banded matrix on either side: for windows of tens of pixels many times faster on a CPU than
    convolutions of one channel. Never in less than float32.

    Parameters
    ----------
    x : Images
        Finite: of a NaN or an infinity whole rows and cols become NaN.
    window : Tensor
        Symmetric, of odd length.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x if x.dtype == torch.float64 else x.float()
        return _banded(window.to(x), x.shape[2]) @ x @ _banded(window.to(x), x.shape[3])


def filled(image: Images) -> Images:
    """Return images with gaps (NaN) filled by means of their surroundings, of windows as small as serve.

    Each pixel takes the mean of what a Gaussian window around it holds; where that is less than `ENOUGH` of the window,
    more and more of it from the window of twice the size.
    """
    known = image.isfinite()
    values, weights = torch.where(known, image, 0.0), known.to(image)
    out = (values.sum(dim=(2, 3), keepdim=True) / weights.sum(dim=(2, 3), keepdim=True).clamp_min(1)).expand_as(image)
    for scale in SCALES:
        window = gaussian_window(math.ceil(3 * scale), scale)
        weight = blurred(weights, window)
        mean = blurred(values, window) / weight.clamp_min(1e-6)
        out = torch.lerp(out, mean, (weight / ENOUGH).clamp(0, 1))
    return torch.where(known, image, out)


def _banded(window: Tensor, count: int) -> Tensor:
    """The symmetric (count, count) matrix that weights neighbours by a symmetric window."""
    place = torch.arange(count, device=window.device)
    lag = (place[:, None] - place[None]).abs()
    middle = len(window) // 2
    return torch.where(lag <= middle, window[(middle + lag).clamp(max=len(window) - 1)], 0.0)
