"""Decoupled Gibbs: pixel by pixel a draw from prior times likelihood, with the prior's calibrated variance."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from sardiff.arrays import Images
from sardiff.likelihoods.base import Pixelwise
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Noise, Step, start_from

__all__ = ["gibbs"]


def gibbs(
    denoise: Denoiser,
    likelihood: Pixelwise,
    sigmas: Sequence[float],
    noise: Noise,
    uniform: Noise,
    *,
    variance: Callable[[float], float],
    start: Images | None = None,
) -> Iterator[Step]:
    """Yield the steps of decoupled Gibbs sampling.

    A relative of DAPS (Zhang et al. 2024, arXiv:2407.01521, Algorithm 1), with two changes: the draw is
    centred on D(x; s) in place of an ODE's end, with the calibrated variance v(s) in place of s^2; and
    it is exact, since speckle is pixelwise: u ~ N(u; D, v) p(y | u), then x = u + s' z. Exact for scalar
    problems; on images a variance per pixel lets speckle through, as the posterior is far from diagonal.
    """
    x = start_from(start, sigmas[0], noise)
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        mean = denoise(x, sigma)
        u: Images = likelihood.sample(mean, mean.new_full((), variance(sigma)).expand_as(mean), uniform(i + 1))
        x = u + lower * noise(i + 1)
        yield Step(lower, x, u)
