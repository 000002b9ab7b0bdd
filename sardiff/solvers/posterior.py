"""Samples of the posterior by a denoiser that was trained with the measurement: forward passes only."""

from collections.abc import Iterator, Sequence

from sardiff.arrays import Images
from sardiff.likelihoods.gamma import GammaSpeckle
from sardiff.priors.base import Posterior
from sardiff.solvers.base import Noise, Step
from sardiff.solvers.ddim import heun
from sardiff.solvers.one_pass import measurement

__all__ = ["posterior_samples"]


def posterior_samples(
    posterior: Posterior,
    likelihood: GammaSpeckle,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    start: Images,
    variance: Images,
) -> Iterator[Step]:
    """Yield the steps of Heun's method for p(x_0 | y), whose denoiser E[x_0 | x, y] the network is.

    Karras et al. (2022), arXiv:2206.00364, Algorithm 1, on the posterior instead of the prior: no likelihood is
    weighed against anything, so there is nothing to tune. Ours: it begins at x ~ N(E[x_0 | y], sigma^2 +
    Var[x_0 | y]), pixel by pixel, what p(x | y) is up to the skewness and correlation of p(x_0 | y), which
    noise of `sigmas[0]` hides.

    Parameters
    ----------
    start, variance : Images
        Mean and variance of `one_pass`, finite everywhere.
    """
    given = measurement(likelihood, start)
    first = sigmas[0]
    wider = (first**2 + variance).sqrt() - first
    yield from heun(lambda x, sigma: posterior(x, sigma, given)[0], sigmas, noise, start=start + wider * noise(0))
