"""RED-diff: variational sampling, one image moved by the measurement and by what denoising makes of it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch

from sardiff.arrays import Images
from sardiff.likelihoods.base import Likelihood
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Noise, Step

__all__ = ["reddiff"]

BETAS = (0.9, 0.99)


def reddiff(
    denoise: Denoiser,
    likelihood: Likelihood,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    start: Images,
    rate: float = 0.05,
    weight: float = 0.25,
) -> Iterator[Step]:
    """Yield the steps of RED-diff (variational diffusion sampling), a point estimate.

    Mardani et al. (2023), arXiv:2305.04391, Algorithm 1: Adam on -log p(y | mu) + weight w(s) <sg[e(x; s) - z], mu>
    with x = mu + s z, one noise level and one draw of z a step, levels falling. With w(s) = s (their "linear" choice)
    the second gradient is weight (mu - D(x; s)), since s (e - z) = mu - D. Where we differ: the likelihood is a sum
    over pixels, not a mean, so its weight does not depend on the size of the image. Moments of Adam are each pixel's
    own, so tiles agree. Forward passes only; the spread over seeds is not a posterior's.

    Parameters
    ----------
    start : Images
        Where mu begins.
    rate : float
        Of Adam, in the units of the images.
    weight : float
        lambda_0 of the paper.
    """
    mu = start
    first, second = torch.zeros_like(mu), torch.zeros_like(mu)
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        pull = weight * (mu - denoise(mu + sigma * noise(i), sigma)) - likelihood.score(mu)
        first = torch.lerp(pull, first, BETAS[0])
        second = torch.lerp(pull**2, second, BETAS[1])
        unbiased = first / (1 - BETAS[0] ** (i + 1)), second / (1 - BETAS[1] ** (i + 1))
        mu = mu - rate * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
        yield Step(lower, mu, mu)
