"""Priors whose denoiser is known exactly: white, stationary, and the log of an inverse gamma.

They need no weights: first steps, and the oracle of every solver test.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sardiff.arrays import Images, PerImage
from sardiff.priors.base import Prior, level, tabulate

__all__ = ["GaussianPrior", "InverseGammaPrior", "StationaryGaussianPrior"]


@dataclass(frozen=True)
class GaussianPrior:
    """White Gaussian images: every pixel is N(mean, variance), whatever the others are.

    Parameters
    ----------
    mean, variance : float
        Of natural-log intensity; `variance` > 0.
    bands : int
        Bands of the images.

    Raises
    ------
    ValueError
        If `variance` is not positive.
    """

    mean: float = 0.0
    variance: float = 1.0
    bands: int = 1

    def __post_init__(self) -> None:
        if not self.variance > 0:
            raise ValueError(f"variance must be > 0, got {self.variance}")

    def denoise(self, x: Images, sigma: float | PerImage) -> Images:
        """Return D = m + V / (V + sigma^2) (x - m)."""
        return self.mean + self.variance / (self.variance + level(sigma, x) ** 2) * (x - self.mean)

    def v(self, sigma: float) -> float:
        """Return the variance of x_0 given x_0 + sigma z."""
        return self.variance * sigma**2 / (self.variance + sigma**2)

    def posterior(self, y: Images, noise_variance: float) -> tuple[Images, float]:
        """Return the exact mean, and variance of every pixel, given y = x_0 + N(0, noise_variance)."""
        sigma = math.sqrt(noise_variance)
        return self.denoise(y, sigma), self.v(sigma)

    def prior(self) -> Prior:
        """Return the record that solvers take."""
        return Prior(self.denoise, self.bands, 0, 1, tabulate(self.v), name=f"N({self.mean:g}, {self.variance:g})")


@dataclass(frozen=True, eq=False)
class StationaryGaussianPrior:
    """Gaussian images whose covariance depends on the lag alone, periodic on the image's own grid.

    Parameters
    ----------
    mean : float
        Natural-log intensity.
    psd : Tensor
        (h, w), eigenvalues of the covariance, >= 0, on the grid of `torch.fft.fft2`, with S(-f) = S(f): the
        covariance at a lag is `ifft2(psd)` there, and `psd.mean()` the variance of a pixel. Every band alike.
    bands : int
        Bands of the images.

    Raises
    ------
    ValueError
        If `psd` is not of this kind.
    """

    mean: float
    psd: Tensor
    bands: int = 1

    def __post_init__(self) -> None:
        if self.psd.ndim != 2 or not bool((self.psd >= 0).all()) or not bool(self.psd.max() > 0):
            raise ValueError(f"psd must be (h, w), >= 0 and not all zero, got shape {tuple(self.psd.shape)}")
        mirrored = self.psd.flip(0, 1).roll((1, 1), (0, 1))
        if not torch.allclose(mirrored, self.psd):
            raise ValueError("psd must be symmetric, S(-f) = S(f), for the images to be real")

    def denoise(self, x: Images, sigma: float | PerImage) -> Images:
        """Return D = m + S (S + sigma^2)^-1 (x - m)."""
        psd = self.psd.to(x)
        return self.mean + _filter(psd / (psd + level(sigma, x) ** 2), x - self.mean)

    def v(self, sigma: float) -> float:
        """Return the variance of a pixel of x_0 given x_0 + sigma z."""
        return float(self._spectrum(sigma**2).mean())

    def posterior(self, y: Images, noise_variance: float) -> tuple[Images, Tensor]:
        """Return the exact mean, and the (h, w) eigenvalues of the covariance, given y = x_0 + N(0, noise_variance).

        The mean of the eigenvalues is the variance of every pixel.
        """
        return self.denoise(y, math.sqrt(noise_variance)), self._spectrum(noise_variance)

    def sample(self, normal: Images) -> Images:
        """Return images of this prior from white standard normal ones."""
        return self.mean + _filter(self.psd.to(normal).sqrt(), normal)

    def prior(self) -> Prior:
        """Return the record that solvers take; every pixel sees the whole image."""
        whole = max(self.psd.shape)
        return Prior(self.denoise, self.bands, whole, 1, tabulate(self.v), name="stationary Gaussian")

    def _spectrum(self, noise_variance: float) -> Tensor:
        return self.psd * noise_variance / (self.psd + noise_variance)


@dataclass(frozen=True)
class InverseGammaPrior:
    """White images whose linear intensity is inverse gamma, so that gamma speckle has an exact posterior.

    x_0 = log t with t ~ InvGamma(a, b), of density proportional to exp(-a x_0 - b e^(-x_0)). The denoiser is a
    one-dimensional integral, tabulated for each noise level in float64 and interpolated by Hermite's cubic with
    the exact slope, variance / sigma^2, at the nodes; straight lines outside 12 standard deviations.

    Parameters
    ----------
    a, b : float
        Shape and scale, > 0. E x_0 = log b - digamma(a), Var x_0 = trigamma(a).
    bands : int
        Bands of the images.

    Raises
    ------
    ValueError
        If `a` or `b` is not positive.
    """

    a: float
    b: float
    bands: int = 1

    def __post_init__(self) -> None:
        if not (self.a > 0 and self.b > 0):
            raise ValueError(f"a and b must be > 0, got {self.a} and {self.b}")

    @property
    def mean(self) -> float:
        """Mean of natural-log intensity."""
        return math.log(self.b) - _digamma(self.a)

    @property
    def variance(self) -> float:
        """Variance of natural-log intensity."""
        return _trigamma(self.a)

    def denoise(self, x: Images, sigma: float | PerImage) -> Images:
        """Return D(x; sigma) from the table; differentiable."""
        if isinstance(sigma, Tensor) and sigma.numel() > 1:
            pairs = zip(x.split(1), sigma.tolist(), strict=True)
            return torch.cat([self._interpolate(image, s) for image, s in pairs])
        return self._interpolate(x, float(sigma))

    def v(self, sigma: float) -> float:
        """Return the variance of x_0 given x_0 + sigma z, on average over both."""
        table = _table(self.a, self.b, sigma)
        return float((table.weight * table.variance).sum())

    def posterior(self, y: Images, looks: float) -> tuple[Images, float]:
        """Return the exact mean, and variance of every pixel, given log-intensity y with gamma speckle of `looks`."""
        mean = torch.log(self.b + looks * y.exp()) - _digamma(self.a + looks)
        return mean, _trigamma(self.a + looks)

    def prior(self) -> Prior:
        """Return the record that solvers take."""
        return Prior(self.denoise, self.bands, 0, 1, tabulate(self.v), name=f"log InvGamma({self.a:g}, {self.b:g})")

    def _interpolate(self, x: Images, sigma: float) -> Images:
        table = _table(self.a, self.b, sigma)
        start, step = float(table.x[0]), float(table.x[1] - table.x[0])
        last = table.x.numel() - 1
        place = (x - start) / step
        cell = place.detach().floor().clamp(0, last - 1).long()
        t = (place - cell).clamp(0, 1)
        value, slope = table.mean.to(x), table.variance.to(x) / sigma**2
        d0, d1, s0, s1 = value[cell], value[cell + 1], slope[cell] * step, slope[cell + 1] * step
        inside = d0 + t * (s0 + t * (3 * (d1 - d0) - 2 * s0 - s1 + t * (2 * (d0 - d1) + s0 + s1)))
        outside = place - place.clamp(0, last)
        return inside + outside * torch.where(place < 0, s0, s1)


@dataclass(frozen=True, eq=False)
class _Table:
    """Mean and variance of x_0 given x = x_0 + sigma z, at nodes x, and the share of x around each of them."""

    x: Tensor
    mean: Tensor
    variance: Tensor
    weight: Tensor


@lru_cache(maxsize=512)
def _table(a: float, b: float, sigma: float, *, nodes: int = 961, points: int = 401) -> _Table:
    """Integrate by the trapezoidal rule around each mode; the integrand has vanished at both ends."""
    spread = 12 * math.sqrt(_trigamma(a) + sigma**2)
    centre = math.log(b) - _digamma(a)
    x = torch.linspace(centre - spread, centre + spread, nodes, dtype=torch.float64)

    flat = math.log(b / a)  # where the prior's own density is highest; the mode lies between it and x
    low, high = x.clamp_max(flat), x.clamp_min(flat)
    for _ in range(60):
        middle = (low + high) / 2
        rising = a - b * torch.exp(-middle) + (middle - x) / sigma**2 > 0
        low, high = torch.where(rising, low, middle), torch.where(rising, middle, high)
    mode = (low + high) / 2

    # D(t) = wall (e^-t - 1 + t) + t^2 / (2 sigma^2) is how far the log-density falls from its mode to mode + t.
    # Bounds outside D = drop on either side; the smallest wall keeps its product with the largest e^-t finite.
    wall, drop = (b * torch.exp(-mode)).clamp_min(1e-300), 36.0
    ratio = drop / wall
    left = -torch.minimum(torch.sqrt(2 * drop / (wall + 1 / sigma**2)), torch.log1p(ratio + torch.sqrt(2 * ratio)))
    right = torch.minimum(torch.full_like(wall, sigma * math.sqrt(2 * drop)), 1 + ratio)
    t = left[:, None] + torch.linspace(0, 1, points, dtype=torch.float64) * (right - left)[:, None]
    density = torch.exp(-wall[:, None] * (torch.expm1(-t) + t) - t**2 / (2 * sigma**2))
    mass = density.sum(1)
    first = (density * t).sum(1) / mass
    variance = (density * (t - first[:, None]) ** 2).sum(1) / mass

    log_peak = -a * mode - wall - (mode - x) ** 2 / (2 * sigma**2)
    marginal = torch.softmax(log_peak + torch.log(mass * (right - left)), 0)
    return _Table(x, mode + first, variance, marginal)


def _filter(gain: Tensor, x: Images) -> Images:
    return torch.fft.ifft2(gain * torch.fft.fft2(x)).real


def _digamma(x: float) -> float:
    return float(torch.digamma(torch.tensor(x, dtype=torch.float64)))


def _trigamma(x: float) -> float:
    return float(torch.special.polygamma(1, torch.tensor(x, dtype=torch.float64)))
