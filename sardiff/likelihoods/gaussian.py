"""Additive Gaussian noise behind a linear operator; and the same seen from log-luminance."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from sardiff.arrays import Images, PerImage
from sardiff.operators import LinearOperator, iterations_for, solve_shifted
from sardiff.units import DARK, grey_from_log_luminance, log_luminance_from_grey

__all__ = ["LinearGaussian", "OfLogLuminance"]

ERROR = 0.01  # of a proximal point, as a share of how far it is from where it is sought


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """y = A x + sigma n, with n standard normal.

    Parameters
    ----------
    operator : LinearOperator
        A, of ||A|| <= 1.
    y : Images
        What was measured, in the units of x; NaN: not measured.
    sigma : float
        Standard deviation of the noise, > 0.

    Raises
    ------
    ValueError
        If `sigma` is not positive and finite.
    """

    operator: LinearOperator
    y: Images
    sigma: float

    def __post_init__(self) -> None:
        if not 0 < self.sigma < math.inf:
            raise ValueError(f"sigma must be > 0, got {self.sigma}")

    @property
    def measured(self) -> Bool[Tensor, "b c h w"]:
        """Where there is a measurement."""
        return self.y.isfinite()

    def log_prob(self, x: Images) -> PerImage:
        """Return the log-density of the measurement."""
        const = math.log(self.sigma) + math.log(2 * math.pi) / 2
        per_pixel = -0.5 * (self._residual(x) / self.sigma) ** 2 - const
        return (per_pixel * self.measured).sum(dim=(1, 2, 3))

    def score(self, x: Images) -> Images:
        """Return its gradient in x, A^T (y - A x) / sigma^2."""
        return self.operator.adjoint(self._residual(x)) / self.sigma**2

    def prox(self, z: Images, tau: float | Tensor, most: float | None = None) -> Images:
        """Return argmin_u |y - A u|^2 / (2 sigma^2) + |u - z|^2 / (2 tau), to 1 % of |u - z|.

        With u = z + sqrt(tau) v, (1 + sqrt(tau) A^T A sqrt(tau) / sigma^2) v = sqrt(tau) A^T (y - A z) / sigma^2, a
        spectrum known beforehand: Chebyshev iteration, in as many steps as `most` asks for whatever the image, so that
        tiles agree, which conjugate gradients with their inner products over a tile would only at convergence.

        Parameters
        ----------
        z : Images
        tau : float or Tensor
            > 0, in squared units of x; broadcasts against z.
        most : float, optional
            Bound of `tau`; without it, its maximum over all pixels.
        """
        variance = torch.as_tensor(tau, dtype=z.dtype, device=z.device)
        root = variance.sqrt()
        high = 1 + (float(variance.max()) if most is None else most) / self.sigma**2
        measured, sigma2 = self.measured, self.sigma**2

        def product(v: Images) -> Images:
            seen = torch.where(measured, self.operator.forward(root * v), 0.0)
            return root * self.operator.adjoint(seen) / sigma2

        pull = root * self.operator.adjoint(self._residual(z)) / sigma2
        return z + root * solve_shifted(product, pull, 1.0, high, iterations_for(1.0, high, ERROR))

    def _residual(self, x: Images) -> Images:
        return torch.where(self.measured, self.y - self.operator.forward(x), 0.0)


@dataclass(frozen=True, eq=False)
class OfLogLuminance:
    """A likelihood of grey images, as one of their log-luminance u: y = A grey(u) + sigma n.

    Blur and noise add in grey, which is linear in what was measured; priors know log-luminance.

    Parameters
    ----------
    of_grey : LinearGaussian
    """

    of_grey: LinearGaussian

    def log_prob(self, x: Images) -> PerImage:
        """Return log p(y | grey(x))."""
        return self.of_grey.log_prob(grey_from_log_luminance(x))

    def score(self, x: Images) -> Images:
        """Return its gradient in log-luminance."""
        grey = grey_from_log_luminance(x)
        return self.of_grey.score(grey) * (grey + DARK) / 2

    def prox(self, z: Images, tau: float | Tensor) -> Images:
        """Return the proximal point to first order: |u - z|^2 as |grey(u) - grey(z)|^2 over the squared slope at z.

        One Gauss-Newton step. Slopes count as at most 1, those of grey 1.7: where it is brighter, the result stays
        nearer to z.
        """
        grey = grey_from_log_luminance(z)
        slope = ((grey + DARK) / 2).clamp(max=1.0)
        most = float(torch.as_tensor(tau).max())
        return log_luminance_from_grey(self.of_grey.prox(grey, tau * slope**2, most))
