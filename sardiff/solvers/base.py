"""What every solver yields, and the one way from a noise level to the next."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from sardiff.arrays import Images
from sardiff.errors import SardiffError

__all__ = ["Noise", "Step", "finite", "last", "renoise", "start_from"]

Noise: TypeAlias = Callable[[int], Images]
"""Standard normal noise of a step, the shape of the images; the same step gives the same noise."""


@dataclass(frozen=True)
class Step:
    """Where a solver has come to: the noise level reached, the state there, the clean image it points to."""

    sigma: float
    x: Images
    x0: Images


def last(steps: Iterable[Step]) -> Step:
    """Run to the end and return the last step.

    Raises
    ------
    SardiffError
        If the result is not finite.
    """
    step: Step | None = None
    for step in steps:  # noqa: B007
        pass
    if step is None:
        raise SardiffError("The solver was given no noise level; ask for at least one step.")
    finite(step.x0)
    return step


def finite(x0: Images) -> Images:
    """Return x0 as it is.

    Raises
    ------
    SardiffError
        If it is not finite.
    """
    if not torch.isfinite(x0).all():
        raise SardiffError(
            "The solver diverged: its result is not finite. Take more steps, less strength or method 'scoring'."
        )
    return x0


def renoise(x: Images, x0: Images, sigma: float, lower: float, eta: float, z: Images | None) -> Images:
    """Step from level `sigma` to `lower` when the clean image is believed to be `x0`.

    x' = x0 + sqrt(lower^2 - c^2) (x - x0) / sigma + c z, with c = eta lower sqrt(1 - (lower / sigma)^2):
    eta = 0 is DDIM (Song et al. 2021, arXiv:2010.02502, Eq. 12), eta = 1 the ancestral step of DDPM
    (Ho et al. 2020, arXiv:2006.11239, Eq. 7), both in the variance-exploding notation x = x0 + sigma n.
    """
    c = eta * lower * math.sqrt(max(0.0, 1 - (lower / sigma) ** 2))
    x_next = x0 + math.sqrt(max(0.0, lower**2 - c**2)) / sigma * (x - x0)
    return x_next if c == 0 or z is None else x_next + c * z


def start_from(start: Images | None, sigma: float, noise: Noise) -> Images:
    """The first state: `start` (zeros without one) and noise of `sigma`.

    With a cheap reconstruction as `start`, sigma need only exceed its error by two or three times:
    Chung et al. (2022), Come-Closer-Diffuse-Faster, arXiv:2112.05146, Theorem 1.
    """
    z = noise(0)
    return sigma * z if start is None else start + sigma * z
