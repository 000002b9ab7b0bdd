"""The denoising loss, and the noise levels it is asked at."""

import math

import torch
from torch import Tensor

from sardiff.arrays import Images, PerImage
from sardiff.priors.network import LocalUNet
from sardiff.training.speckled import Speckled

__all__ = ["denoising_loss", "posterior_loss", "random_sigmas"]

VARIANCE_SHARE = 0.1  # of the variance head in the loss


def random_sigmas(count: int, generator: torch.Generator) -> PerImage:
    """Noise levels: nineteen in twenty ln sigma ~ N(ln 0.5, 0.8^2), the rest log-uniform from 0.01 to 20.

    Karras et al. (2022), Table 1, use N(-1.2, 1.2) for pixels in [-1, 1]; ours lies where log-speckle
    of one to some tens of looks does (its standard deviation is 1.28 at one look, 0.3 at ten).
    """
    normal = 0.8 * torch.randn(count, generator=generator) + math.log(0.5)
    low, high = math.log(0.01), math.log(20)
    wide = low + (high - low) * torch.rand(count, generator=generator)
    pick = torch.rand(count, generator=generator) < 0.95
    return torch.where(pick, normal.clamp(low, high), wide).exp()


def denoising_loss(network: LocalUNet, x0: Images, sigma: PerImage, z: Images) -> Tensor:
    """Mean of w(s) (D(x0 + s z; s) - x0)^2 with the EDM weight w = (s^2 + sd^2) / (s sd)^2.

    Karras et al. (2022), arXiv:2206.00364, Eq. 2 and Table 1.
    """
    s = sigma[:, None, None, None]
    denoised = network(x0 + s * z, sigma)
    weight = (s**2 + network.sigma_data**2) / (s * network.sigma_data) ** 2
    return (weight * (denoised - x0) ** 2).mean()


def posterior_loss(network: LocalUNet, seen: Speckled, sigma: PerImage, z: Images) -> Tensor:
    """The same loss for D(x0 + s z, y; s), and the likelihood of the error under the variance head.

    An image counts with the EDM weight of the noise level that x and y have together. Where sigma is infinite
    there is no x. The variance head learns from the error as it is, and sways the mean through the features they
    share alone.
    """
    s = sigma[:, None, None, None]
    x = torch.where(s.isfinite(), seen.x0 + s.nan_to_num(posinf=0.0) * z, seen.given.y)
    mean, variance = network.moments(x, sigma, seen.given)
    assert variance is not None
    together = 1 / (1 / s**2 + 1 / seen.given.variance[:, None, None, None])
    weight = (1 / together + 1 / network.sigma_data**2) * (1 - seen.given.holes)
    squared = (mean - seen.x0) ** 2
    surprise = 0.5 * ((squared.detach() / variance) + (variance * (1 / together + 1 / network.sigma_data**2)).log())
    return (weight * squared).mean() + VARIANCE_SHARE * ((1 - seen.given.holes) * surprise).mean()
