"""A prior with several modes, pixel by pixel, whose denoiser is known exactly."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sardiff.arrays import Images, PerImage
from sardiff.priors.base import Prior, level, tabulate

__all__ = ["GaussianMixturePrior"]


@dataclass(frozen=True)
class GaussianMixturePrior:
    """White images: every pixel is N(means[k], variances[k]) with probability weights[k].

    Parameters
    ----------
    weights : tuple of float
        > 0, summing to one.
    means, variances : tuple of float
        Of natural-log intensity, one a component; variances > 0.
    bands : int
        Bands of the images.

    Raises
    ------
    ValueError
        If the three differ in length or are out of range.
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    variances: tuple[float, ...]
    bands: int = 1

    def __post_init__(self) -> None:
        if not len(self.weights) == len(self.means) == len(self.variances) >= 1:
            raise ValueError(
                "weights, means and variances must be of one length, "
                f"got {len(self.weights)}, {len(self.means)} and {len(self.variances)}"
            )
        if not (all(w > 0 for w in self.weights) and math.isclose(sum(self.weights), 1, rel_tol=1e-6)):
            raise ValueError(f"weights must be > 0 and sum to one, got {self.weights}")
        if not all(variance > 0 for variance in self.variances):
            raise ValueError(f"variances must be > 0, got {self.variances}")

    def denoise(self, x: Images, sigma: float | PerImage) -> Images:
        """Return D(x; sigma): the components' own denoisers, weighted by how likely each made x."""
        share, mean, _ = self._components(x, level(sigma, x) ** 2)
        return (share * mean).sum(0)

    def v(self, sigma: float) -> float:
        """Return the variance of x_0 given x_0 + sigma z, on average over both, by quadrature."""
        nodes = torch.linspace(-9, 9, 721, dtype=torch.float64)
        density = torch.exp(-(nodes**2) / 2) / torch.exp(-(nodes**2) / 2).sum()
        total = 0.0
        for weight, mean, variance in zip(self.weights, self.means, self.variances, strict=True):
            x = (mean + math.sqrt(variance + sigma**2) * nodes).reshape(1, 1, 1, -1)
            _, spread = self.posterior(x, sigma**2)
            total += weight * float((density * spread.flatten()).sum())
        return total

    def posterior(self, y: Images, noise_variance: float) -> tuple[Images, Images]:
        """Return the exact mean and variance of every pixel given y = x_0 + N(0, noise_variance)."""
        share, mean, variance = self._components(y, y.new_full((1, 1, 1, 1), noise_variance))
        centre = (share * mean).sum(0)
        return centre, (share * (variance + (mean - centre) ** 2)).sum(0)

    def prior(self) -> Prior:
        """Return the record that solvers take."""
        name = f"mixture of {len(self.weights)} Gaussians"
        return Prior(self.denoise, self.bands, 0, 1, tabulate(self.v), name=name)

    def _components(self, x: Images, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return probability, mean and variance of every component given x; components come first."""
        weight, mean, variance = (x.new_tensor(p).reshape(-1, 1, 1, 1, 1) for p in self._parameters())
        total = variance + noise
        log_share = weight.log() - 0.5 * total.log() - 0.5 * (x - mean) ** 2 / total
        return torch.softmax(log_share, 0), mean + variance / total * (x - mean), variance * noise / total

    def _parameters(self) -> tuple[tuple[float, ...], ...]:
        return self.weights, self.means, self.variances
