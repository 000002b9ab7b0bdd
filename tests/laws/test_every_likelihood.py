"""What every likelihood keeps to; a new one joins by one line."""

import math

import pytest
import torch

from sardiff.likelihoods.base import Likelihood, Pixelwise, Proximal, PseudoGaussian
from sardiff.likelihoods.gamma import GammaSpeckle

SHAPE = (3, 2, 4, 5)


def measured():
    """Three images of two bands, some pixels of which were not measured."""
    y = torch.randn(SHAPE, dtype=torch.float64)
    y[0, 0, 0, 0] = y[2, 1, 3, :] = math.nan
    return y


LIKELIHOODS = {
    "gamma, a fraction of a look": lambda y: GammaSpeckle(y, 0.7),
    "gamma, one look": lambda y: GammaSpeckle(y, 1.0),
    "gamma, many looks": lambda y: GammaSpeckle(y, 40.5),
    "gamma, correlated speckle": lambda y: GammaSpeckle(y, 4.4, area=7.0),
}


@pytest.fixture(params=LIKELIHOODS.values(), ids=LIKELIHOODS.keys())
def make(request):
    return request.param


@pytest.fixture
def x():
    return torch.randn(SHAPE, dtype=torch.float64)


def test_score_is_the_gradient_of_log_prob(make, x):
    likelihood, x = make(measured()), x.requires_grad_()
    assert isinstance(likelihood, Likelihood)
    (gradient,) = torch.autograd.grad(likelihood.log_prob(x).sum(), x)
    torch.testing.assert_close(likelihood.score(x), gradient)


def test_an_image_does_not_feel_its_batch(make, x):
    y = measured()
    uniform = torch.rand_like(x)

    def answers(y, x, uniform):
        likelihood = make(y)
        yield likelihood.log_prob(x)
        yield likelihood.score(x)
        if isinstance(likelihood, Proximal):
            yield likelihood.prox(x, 0.3)
        if isinstance(likelihood, PseudoGaussian):
            yield likelihood.pseudo_observation(x)[0]
        if isinstance(likelihood, Pixelwise):
            yield likelihood.hessian(x)
            yield from likelihood.moments(x, 0.3)
            yield likelihood.sample(x, 0.3, uniform)

    together = list(answers(y, x, uniform))
    for i in range(SHAPE[0]):
        part = slice(i, i + 1)
        for all_of_them, alone in zip(together, answers(y[part], x[part], uniform[part]), strict=True):
            torch.testing.assert_close(all_of_them[part], alone)


def test_what_was_not_measured_says_nothing(make, x):
    y = measured()
    gap = ~y.isfinite()
    likelihood = make(y)
    elsewhere = torch.where(gap, x + 3.0, x)
    torch.testing.assert_close(likelihood.log_prob(elsewhere), likelihood.log_prob(x))
    assert (likelihood.score(x)[gap] == 0).all()
    assert (likelihood.hessian(x)[gap] == 0).all()
    assert (likelihood.prox(x, 2.0)[gap] == x[gap]).all()
    silent = make(torch.full_like(y, math.nan))
    assert (silent.log_prob(x) == 0).all()


def test_prox_solves_its_own_equation_and_does_not_stretch(make, x):
    likelihood, z = make(measured()), 2 * x
    for tau in (1e-3, 0.5, 100.0):
        u, other = likelihood.prox(z, tau), likelihood.prox(x, tau)
        torch.testing.assert_close(u, z + tau * likelihood.score(u), rtol=1e-9, atol=1e-9 * (1 + tau))
        assert ((u - other) ** 2 <= (u - other) * (z - x) + 1e-12).all()


def test_prox_goes_from_the_start_to_the_best_explanation(make, x):
    likelihood = make(measured())
    torch.testing.assert_close(likelihood.prox(x, 1e-12), x)
    far = likelihood.prox(x, 1e9)
    torch.testing.assert_close(likelihood.score(far), torch.zeros_like(x), rtol=0, atol=1e-6)


def test_hessian_is_the_derivative_of_the_score(make, x):
    likelihood, x = make(measured()), x.requires_grad_()
    (derivative,) = torch.autograd.grad(likelihood.score(x).sum(), x)
    torch.testing.assert_close(likelihood.hessian(x), -derivative)


def test_moments_agree_with_many_samples(make):
    uniform = ((torch.arange(20000, dtype=torch.float64) + 0.5) / 20000).reshape(1, 1, 100, 200)
    likelihood = make(torch.full_like(uniform, 1.2))
    mean, variance = likelihood.moments(torch.zeros_like(uniform), 0.6)
    draws = likelihood.sample(torch.zeros_like(uniform), 0.6, uniform)
    assert draws.mean().item() == pytest.approx(mean.mean().item(), abs=1e-3)
    assert draws.var().item() == pytest.approx(variance.mean().item(), rel=5e-3)


def test_a_wide_gaussian_leaves_the_mean_where_its_derivative_says(make, x):
    """Tweedie for the evidence: d log Z / d mean = (E u - mean) / variance, by finite differences of the mean."""
    likelihood, v, h = make(measured()), 0.5, 1e-4
    _, spread = likelihood.moments(x, v)
    upper, lower = likelihood.moments(x + h, v)[0], likelihood.moments(x - h, v)[0]
    torch.testing.assert_close((upper - lower) / (2 * h), spread / v, rtol=1e-4, atol=1e-6)
