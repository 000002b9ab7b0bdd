"""What the solvers ask of a likelihood log p(y | x)."""

from typing import Protocol, runtime_checkable

from jaxtyping import Bool
from torch import Tensor

from sardiff.arrays import Images, PerImage

__all__ = ["Likelihood", "Pixelwise", "Proximal", "PseudoGaussian"]


@runtime_checkable
class Likelihood(Protocol):
    """How well clean images explain what was measured; one image never sways another."""

    def log_prob(self, x: Images) -> PerImage:
        """Return log p(y | x)."""
        ...

    def score(self, x: Images) -> Images:
        """Return its gradient in x."""
        ...


@runtime_checkable
class Proximal(Likelihood, Protocol):
    """A likelihood that can be traded against nearness in closed form."""

    def prox(self, z: Images, tau: float | Tensor) -> Images:
        """Return argmin_u -log p(y | u) + (u - z)^2 / (2 tau); `tau` > 0 broadcasts against z."""
        ...


@runtime_checkable
class Pixelwise(Proximal, Protocol):
    """A likelihood that is a product over pixels: everything about it is one-dimensional."""

    def hessian(self, x: Images) -> Images:
        """Return the second derivative of -log p(y | x), pixel by pixel; zero where nothing was measured."""
        ...

    def moments(self, mean: Images, variance: float | Tensor) -> tuple[Images, Images]:
        """Return mean and variance of the density proportional to N(u; mean, variance) p(y | u)."""
        ...

    def sample(self, mean: Images, variance: float | Tensor, uniform: Images) -> Images:
        """Return a draw from that density, as a function of uniform numbers in (0, 1)."""
        ...


@runtime_checkable
class PseudoGaussian(Likelihood, Protocol):
    """A likelihood that can be read, near an estimate, as one Gaussian observation of known variance."""

    @property
    def measured(self) -> Bool[Tensor, "b c h w"]:
        """Where there is a measurement."""
        ...

    def pseudo_observation(self, x: Images, power: float = 0.5) -> tuple[Images, float]:
        """Return z and its variance, such that E z = x where x is the truth; z = x where nothing was measured."""
        ...
