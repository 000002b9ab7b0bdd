import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sardiff.priors.gaussian import GaussianPrior
from sardiff.priors.mixture import GaussianMixturePrior

MIXTURE = GaussianMixturePrior((0.3, 0.5, 0.2), (-2.0, 0.5, 3.0), (0.1, 0.4, 0.02))


def density(u):
    parts = zip(MIXTURE.weights, MIXTURE.means, MIXTURE.variances, strict=True)
    return sum(w * stats.norm.pdf(u, m, math.sqrt(v)) for w, m, v in parts)


@given(sigma=st.floats(-2, 1.5).map(lambda power: 10**power), x=st.floats(-5, 6))
def test_denoiser_slope_and_posterior_by_quadrature(sigma, x):
    u = np.union1d(np.linspace(-8, 8, 60001), np.clip(x + sigma * np.linspace(-10, 10, 4001), -8, 8))
    weight = np.gradient(u) * density(u) * stats.norm.pdf(x, u, sigma)
    weight /= weight.sum()
    mean = (weight * u).sum()
    variance = (weight * (u - mean) ** 2).sum()

    at = torch.full((1, 1, 1, 1), x, dtype=torch.float64, requires_grad=True)
    d = MIXTURE.denoise(at, sigma)
    (slope,) = torch.autograd.grad(d.sum(), at)
    centre, spread = MIXTURE.posterior(at.detach(), sigma**2)
    assert d.item() == pytest.approx(mean, abs=1e-4)
    assert centre.item() == pytest.approx(mean, abs=1e-4)
    assert spread.item() == pytest.approx(variance, rel=1e-3, abs=1e-8)
    assert slope.item() * sigma**2 == pytest.approx(spread.item(), rel=1e-8)  # Tweedie, second order


def test_average_variance_is_the_error_of_the_denoiser():
    generator = np.random.default_rng(0)
    part = generator.choice(3, 200_000, p=MIXTURE.weights)
    x0 = generator.normal(np.array(MIXTURE.means)[part], np.sqrt(MIXTURE.variances)[part])
    x0 = torch.from_numpy(x0).reshape(1, 1, 400, 500)
    for sigma in (0.05, 0.4, 2.0, 20.0):
        error = x0 - MIXTURE.denoise(x0 + sigma * torch.randn_like(x0), sigma)
        assert MIXTURE.v(sigma) == pytest.approx(float(error.square().mean()), rel=0.03)


def test_one_component_is_a_gaussian():
    mixture, gaussian = GaussianMixturePrior((1.0,), (0.7,), (1.9,)), GaussianPrior(0.7, 1.9)
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(mixture.denoise(x, 0.6), gaussian.denoise(x, 0.6))
    assert mixture.v(0.6) == pytest.approx(gaussian.v(0.6))


def test_far_away_the_nearest_component_speaks_and_nothing_overflows():
    x = torch.tensor([[[[-1e4, 1e4]]]])
    d = MIXTURE.denoise(x, 1e-2)
    assert d.isfinite().all()


@pytest.mark.parametrize(
    ("weights", "means", "variances", "message"),
    [
        ((1.0,), (0.0, 1.0), (1.0,), r"must be of one length, got 1, 2 and 1"),
        ((), (), (), r"must be of one length, got 0, 0 and 0"),
        ((0.5, 0.6), (0.0, 1.0), (1.0, 1.0), r"^weights must be > 0 and sum to one"),
        ((1.0,), (0.0,), (0.0,), r"^variances must be > 0"),
    ],
)
def test_components_out_of_range_are_refused(weights, means, variances, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixturePrior(weights, means, variances)
