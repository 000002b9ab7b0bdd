"""RED-diff and DDFM where the answer is known."""

import numpy as np
import pytest
import torch

from sardiff.likelihoods.laplace import FusionEnergy
from sardiff.priors.gaussian import GaussianPrior
from sardiff.priors.schedule import karras
from sardiff.solvers import ddfm, last, reddiff

SHAPE = (1, 1, 8, 8)


def noise(step):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


class Measured:
    """y = x + s n."""

    def __init__(self, y, s):
        self.y, self.s = y, s

    def log_prob(self, x):
        return -((x - self.y) ** 2).sum(dim=(1, 2, 3)) / (2 * self.s**2)

    def score(self, x):
        return (self.y - x) / self.s**2


def identity(x, sigma):
    return x


def test_reddiff_finds_the_measurement_where_the_prior_says_nothing():
    y = 0.7 + 0.2 * noise(99)
    step = last(
        reddiff(
            identity, Measured(y, 0.5), karras(0.1, 0.001, 300), noise, start=torch.zeros(SHAPE).double(), weight=0.0
        )
    )
    np.testing.assert_allclose(step.x0, y, atol=0.02)


@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0])
def test_reddiff_weighs_the_measurement_against_the_prior(weight):
    prior = GaussianPrior(0.0, 0.25)
    y = torch.ones(SHAPE).double()
    step = last(
        reddiff(prior.denoise, Measured(y, 1.0), karras(0.5, 0.4999, 600), noise, start=y, rate=0.02, weight=weight)
    )
    # At a level s the prior pulls with weight (mu - D) = weight s^2 / (v + s^2) mu, the measurement with 1 - mu.
    pull = weight * 0.25 / (0.25 + 0.25)
    assert float(step.x0.mean()) == pytest.approx(1 / (1 + pull), abs=0.06)


def test_ddfm_takes_what_one_source_says_alone():
    optical = 0.5 + 0.1 * noise(7)
    energy = FusionEnergy(optical, torch.zeros(SHAPE).double(), weight_optical=1.0, weight_sar=0.0, tv=0.0)
    step = last(ddfm(identity, energy, karras(0.3, 0.03, 4), noise, start=torch.zeros(SHAPE).double()))
    np.testing.assert_allclose(step.x0, optical, atol=1e-6)


def test_the_step_of_ddfm_never_raises_the_energy():
    energy = FusionEnergy(noise(1), noise(2), weight_optical=0.6, weight_sar=0.4, tv=0.3, edges="sar", iterations=400)
    x = noise(3)
    before = float(energy.energy(x))
    for _ in range(5):
        x = energy.em(x)
        after = float(energy.energy(x))
        assert after <= before + 0.02 * abs(before)
        before = after
