"""Moment matching: the posterior covariance of the prior, sigma^2 J, kept whole."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch

from sardiff.arrays import Images
from sardiff.likelihoods.gamma import GammaSpeckle
from sardiff.operators import solve_shifted
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Noise, Step, renoise, start_from

__all__ = ["moment"]


def moment(
    denoise: Denoiser,
    likelihood: GammaSpeckle,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    start: Images | None = None,
    eta: float = 1.0,
    iterations: int = 2,
    power: float = 0.5,
) -> Iterator[Step]:
    """Yield the steps of moment-matching posterior sampling with gamma speckle.

    After Rozet et al. (2024), arXiv:2405.13712, section 3.2 (MMPS): p(x0 | x_s) is taken as
    N(D, V) with V = s^2 J, by one vector-Jacobian product for each product with V. Where we differ:
    the measurement is speckle, entered as its scoring observation z of variance tau^2 around the last
    estimate (one Newton step with the Fisher information in place of the Hessian, if power = 1), so
    (tau^2 + V) w = z - D and x0 = D + V w. And the linear system is solved by Chebyshev iteration on the
    spectrum [tau^2, tau^2 + s^2], known beforehand since 0 <= J <= 1: conjugate gradients with fixed
    coefficients, so that no inner product over a tile couples its pixels.

    Parameters
    ----------
    start : Images, optional
        A cheap reconstruction (see `scoring`); then sigmas[0] may be two or three times its error.
    iterations : int
        Chebyshev iterations a level: one product with V less than so many, and one for V w.
    """
    x = start_from(start, sigmas[0], noise)
    estimate = start
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        with torch.enable_grad():
            state = x.detach().requires_grad_()
            mean = denoise(state, sigma)

        def covariance(w: Images, mean: Images = mean, state: Images = state, variance: float = sigma**2) -> Images:
            (product,) = torch.autograd.grad(mean, state, w, retain_graph=True)
            return variance * product

        mean0 = mean.detach()
        z, tau2 = likelihood.pseudo_observation(mean0 if estimate is None else estimate, power)
        measured = likelihood.measured
        gap = torch.where(measured, z - mean0, 0.0)
        w = solve_shifted(lambda v: torch.where(measured, covariance(v), 0.0), gap, tau2, tau2 + sigma**2, iterations)  # noqa: B023
        estimate = (mean0 + covariance(w)).detach()
        del mean, state
        x = renoise(x, estimate, sigma, lower, eta, noise(i + 1))
        yield Step(lower, x, estimate)
