"""DiffPIR: half-quadratic splitting, a denoiser and the proximal point of the likelihood in turn."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sardiff.arrays import Images
from sardiff.likelihoods.base import Proximal
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Noise, Step, start_from

__all__ = ["diffpir"]


def diffpir(
    denoise: Denoiser,
    likelihood: Proximal,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    start: Images | None = None,
    weight: float = 15.0,
    zeta: float = 1.0,
) -> Iterator[Step]:
    """Yield the steps of DiffPIR with any likelihood that has a proximal point.

    Zhu et al. (2023), arXiv:2305.08995, Algorithm 1: x0 = prox of (s^2 / weight) times minus the
    log-likelihood at D(x; s), `weight` being the paper's lambda; then x = x0 + s' (sqrt(1 - zeta) e +
    sqrt(zeta) z), e the noise that x0 implies. Where we differ: lambda defaults to 15, not 1, which on
    images leaves less speckle. Forward passes only; its spread is too narrow to serve as uncertainty.
    """
    x = start_from(start, sigmas[0], noise)
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        x0: Images = likelihood.prox(denoise(x, sigma), sigma**2 / weight)
        implied = (x - x0) / sigma
        x = x0 + lower * (math.sqrt(1 - zeta) * implied + math.sqrt(zeta) * noise(i + 1))
        yield Step(lower, x, x0)
