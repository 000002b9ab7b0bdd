import math

import numpy as np
import pytest
import torch
from scipy import stats

from sardiff.likelihoods.base import Proximal
from sardiff.likelihoods.gaussian import LinearGaussian, OfLogLuminance
from sardiff.operators import Blur, Mask
from sardiff.tasks.kernels import kernel_of
from sardiff.units import log_luminance_from_grey

SHAPE = (2, 1, 9, 8)
SIGMA = 0.3


def blur():
    return Blur(torch.from_numpy(kernel_of("motion:4,20")))


def measured():
    y = torch.randn(SHAPE, dtype=torch.float64)
    y[0, 0, 0, 0] = y[1, 0, 3, :] = math.nan
    return y


def matrix(operator):
    """The operator on one image, column by column."""
    size = SHAPE[2] * SHAPE[3]
    basis = torch.eye(size, dtype=torch.float64).reshape(size, 1, *SHAPE[2:])
    return operator.forward(basis).reshape(size, size).T


def exact(operator, y, z, tau):
    """argmin of |y - A u|^2 / 2 sigma^2 + |u - z|^2 / 2 tau by dense linear algebra, image by image."""
    a, found = matrix(operator), []
    for one, near in zip(y.reshape(len(y), -1), z.reshape(len(z), -1), strict=True):
        seen = one.isfinite()
        rows = a[seen]
        left = rows.T @ rows / SIGMA**2 + torch.eye(a.shape[1], dtype=torch.float64) / tau
        found.append(torch.linalg.solve(left, rows.T @ one[seen] / SIGMA**2 + near / tau))
    return torch.stack(found).reshape(z.shape)


def test_log_prob_is_the_density_of_scipy():
    y, x, operator = measured(), torch.randn(SHAPE, dtype=torch.float64), blur()
    density = stats.norm.logpdf(y.numpy(), operator.forward(x).numpy(), SIGMA)
    expected = np.nansum(density, axis=(1, 2, 3))
    np.testing.assert_allclose(LinearGaussian(operator, y, SIGMA).log_prob(x), expected)


@pytest.mark.parametrize("seen_from", [lambda found: found, OfLogLuminance], ids=["grey", "log-luminance"])
def test_score_is_the_gradient_of_log_prob(seen_from):
    likelihood = seen_from(LinearGaussian(blur(), measured(), SIGMA))
    assert isinstance(likelihood, Proximal)
    x = (0.3 * torch.randn(SHAPE, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(likelihood.log_prob(x).sum(), x)
    torch.testing.assert_close(likelihood.score(x), gradient)


@pytest.mark.parametrize("tau", [1e-4, 0.1, 10.0])
def test_prox_is_within_a_hundredth_of_the_exact_point(tau):
    y, z, operator = measured(), torch.randn(SHAPE, dtype=torch.float64), blur()
    found, wanted = LinearGaussian(operator, y, SIGMA).prox(z, tau), exact(operator, y, z, tau)
    assert float((found - wanted).norm()) <= 0.01 * float((wanted - z).norm())


def test_prox_to_first_order_is_a_step_of_gauss_and_newton():
    y, operator = 0.5 + 0.1 * measured(), blur()
    z = log_luminance_from_grey(0.5 + 0.1 * torch.randn(SHAPE, dtype=torch.float64))
    likelihood, tau = OfLogLuminance(LinearGaussian(operator, y, SIGMA)), 1e-3
    u = likelihood.prox(z, tau)
    torch.testing.assert_close(u, z + tau * likelihood.score(u), rtol=0, atol=0.01 * float((u - z).abs().max()))


def test_where_nothing_was_measured_nothing_is_said():
    silent = LinearGaussian(Mask(torch.ones(SHAPE, dtype=torch.bool)), torch.full(SHAPE, math.nan), SIGMA)
    x = torch.randn(SHAPE)
    assert (silent.log_prob(x) == 0).all()
    assert (silent.score(x) == 0).all()
    torch.testing.assert_close(silent.prox(x, 1.0), x)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_noise_must_be_positive(sigma):
    with pytest.raises(ValueError, match="sigma must be > 0"):
        LinearGaussian(blur(), measured(), sigma)
