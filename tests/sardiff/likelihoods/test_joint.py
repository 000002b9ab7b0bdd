"""The joint energy against brute force, and its limits: speckle alone, Laplace alone."""

import numpy as np
import pytest
import torch

from sardiff.likelihoods.gamma import GammaSpeckle
from sardiff.likelihoods.joint import JointEnergy
from sardiff.likelihoods.laplace import FusionEnergy

LOOKS, SLOPE, INTERCEPT = 4.0, 1.4, -2.0


def energy(shape=(1, 1, 6, 5), seed=0, **settings):
    draw = torch.Generator().manual_seed(seed)
    optical, sar, y = (torch.rand(shape, generator=draw, dtype=torch.float64) for _ in range(3))
    log_intensity = INTERCEPT + SLOPE * y
    log_intensity[..., 0, 0] = torch.nan
    about = {"weight_optical": 0.6, "weight_sar": 0.8, "tv": 0.0, **settings}
    return JointEnergy(
        optical, sar, **about, speckle=GammaSpeckle(log_intensity, LOOKS), slope=SLOPE, intercept=INTERCEPT
    )


@pytest.mark.parametrize("tau", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("weights", [(0.6, 0.8), (0.0, 1.0), (2.0, 0.1), (1.0, 0.0)])
def test_pixel_by_pixel_the_proximal_point_is_the_best_of_all(tau, weights):
    e = energy(weight_optical=weights[0], weight_sar=weights[1])
    z = torch.full_like(e.optical, 0.4)
    found = e.prox(z, tau)
    grid = torch.linspace(-1.5, 2.5, 8001, dtype=torch.float64)
    optical, y = e.optical.reshape(-1, 1), e.speckle.y.reshape(-1, 1)
    u = INTERCEPT + SLOPE * grid
    speckle = torch.where(y.isfinite(), LOOKS * (torch.exp(y - u) + u), 0.0)
    cost = weights[0] * (grid - optical).abs() + weights[1] * speckle + (grid - 0.4) ** 2 / (2 * tau)
    best = grid[cost.argmin(dim=1)].reshape(found.shape)
    np.testing.assert_allclose(found, best, atol=6e-4)


def test_the_gradient_is_that_of_the_energy():
    e = energy(tv=0.5, edges="sar", smoothing=1e-3)
    x = torch.rand(e.optical.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(e.log_prob(x).sum(), x)
    np.testing.assert_allclose(e.score(x.detach()), gradient, atol=0.02)


def test_with_total_variation_the_proximal_point_is_a_minimum():
    e = energy(tv=0.4, edges="sar", iterations=300)
    z = torch.full_like(e.optical, 0.5)

    def cost(f):
        return float(e.energy(f) + ((f - z) ** 2).sum() / (2 * 0.2))

    found = e.prox(z, 0.2)
    draw = torch.Generator().manual_seed(1)
    for _ in range(50):
        step = torch.randn(found.shape, generator=draw, dtype=torch.float64)
        assert cost(found) <= cost(found + 0.02 * step) + 1e-6


def test_without_a_say_of_speckle_it_is_the_energy_of_the_optical_image():
    e = energy(weight_sar=0.0, tv=0.3)
    alone = FusionEnergy(e.optical, e.sar, weight_optical=0.6, weight_sar=0.0, tv=0.3)
    z = torch.full_like(e.optical, 0.5)
    np.testing.assert_allclose(e.prox(z, 0.1), alone.prox(z, 0.1), atol=1e-9)
    np.testing.assert_allclose(e.energy(z), alone.energy(z))


def test_a_slope_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="slope"):
        JointEnergy(
            *(torch.zeros(1, 1, 2, 2),) * 2,
            speckle=GammaSpeckle(torch.zeros(1, 1, 2, 2), 1.0),
            slope=0.0,
            intercept=0.0,
        )
