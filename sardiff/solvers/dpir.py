"""DPIR: a denoiser and the proximal point of the likelihood in turn, without noise; a point estimate."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sardiff.arrays import Images
from sardiff.likelihoods.base import Proximal
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Step

__all__ = ["dpir"]


def dpir(
    denoise: Denoiser, likelihood: Proximal, sigmas: Sequence[float], *, start: Images, weight: float = 0.35
) -> Iterator[Step]:
    """Yield the steps of plug-and-play half-quadratic splitting.

    Zhang et al. (2021), arXiv:2008.13751, Algorithm 1: x = prox of (s^2 / weight) times minus the log-likelihood at
    D(x; s), with levels s that fall to that of the measurement's noise; `weight` is the paper's lambda. Where we
    differ: the denoiser comes first, `start` being the measurement, so that the last word is the measurement's.

    Parameters
    ----------
    start : Images
        Finite everywhere; taken as noisy by sigmas[0].
    """
    x = start
    for sigma, lower in pairwise(sigmas):
        x = likelihood.prox(denoise(x, sigma), sigma**2 / weight)
        yield Step(lower, x, x)
