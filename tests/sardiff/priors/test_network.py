"""One network, three uses: with a state, with a measurement, with both."""

import math

import pytest
import torch

from sardiff.priors.base import UNKNOWN, Given, Posterior, Prior
from sardiff.priors.checkpoint import load_prior, save_prior
from sardiff.priors.network import LocalUNet

SHAPE = (2, 1, 64, 64)
SIZES = {"widths": (8, 16), "depths": (1, 1), "mean_radius": 4}
SIGMA = torch.tensor([0.5, 1.5])
NOTHING = torch.full((2,), math.inf)


def random_network(seed=0, **more):
    torch.manual_seed(seed)
    network = LocalUNet(**SIZES, **more)
    with torch.no_grad():
        for p in network.parameters():
            p.normal_(std=0.1)
    return network.double().eval()


def given(seed=1, variance=(0.3, 1.6)):
    torch.manual_seed(seed)
    y = torch.randn(SHAPE, dtype=torch.float64)
    holes = torch.zeros(SHAPE)
    holes[..., :5] = 1
    return Given(y, torch.tensor(variance), holes, torch.tensor([[0.4, 0.1], [UNKNOWN, UNKNOWN]]))


def state(seed=2):
    torch.manual_seed(seed)
    return torch.randn(SHAPE, dtype=torch.float64)


def test_without_a_measurement_it_is_the_prior():
    network, x = random_network(measured=True), state()
    dropped = Given(given().y, NOTHING, torch.ones(SHAPE), torch.full((2, 2), UNKNOWN))
    torch.testing.assert_close(network.moments(x, SIGMA, dropped)[0], network(x, SIGMA))


def test_without_a_state_it_does_not_matter_what_stands_there():
    network = random_network(measured=True)
    first, second = (network.moments(x, NOTHING, given()) for x in (state(2), state(3)))
    torch.testing.assert_close(first, second)


def test_it_starts_as_the_prior_that_it_starts_from():
    prior, network = random_network(), LocalUNet(**SIZES, measured=True).double()
    network.start_from(prior.state_dict())
    x, seen = state(), given()
    torch.testing.assert_close(network(x, SIGMA), prior(x, SIGMA))
    alone = network.moments(x, NOTHING, seen)[0]
    torch.testing.assert_close(alone, prior(seen.y, seen.variance.sqrt()))
    together = 1 / (1 / SIGMA**2 + 1 / seen.variance)  # x and y as one Gaussian observation
    share = (together / seen.variance)[:, None, None, None]
    both = network.moments(x, SIGMA, seen)[0]
    torch.testing.assert_close(both, prior(x + share * (seen.y - x), together.sqrt()))


def test_a_larger_network_is_no_start_for_a_smaller():
    with pytest.raises(ValueError, match="in the weights to start from"):
        LocalUNet(**SIZES).double().start_from(random_network(measured=True).state_dict())


@pytest.mark.parametrize(
    "sizes", [{"widths": (12, 16)}, {"widths": (8, 16, 16), "depths": (1, 1, 1)}, {"widths": (8,), "depths": (1,)}]
)
def test_a_network_of_other_widths_or_depths_is_no_start(sizes):
    other = LocalUNet(**{**SIZES, **sizes})
    with pytest.raises(ValueError, match=r"other layers|in the weights to start from"):
        LocalUNet(**SIZES, measured=True).start_from(other.state_dict())


def test_absolute_calibration_never_matters():
    network, x, seen = random_network(measured=True), state(), given()
    mean, variance = network.moments(x, SIGMA, seen)
    brighter = Given(seen.y + 7, seen.variance, seen.holes, seen.correlation)
    moved, same = network.moments(x + 7, SIGMA, brighter)
    torch.testing.assert_close(moved, mean + 7)
    torch.testing.assert_close(same, variance)
    assert (variance > 0).all()


def test_the_measurement_is_looked_at_no_farther_than_the_receptive_field():
    network = random_network(measured=True)
    wide = 4 * -(-(2 * network.receptive_field + 24) // 4)
    torch.manual_seed(0)
    y = torch.randn(1, 1, wide, wide, dtype=torch.float64)
    touched = y.clone()
    touched[..., wide // 2, wide // 2] += 30
    ones = torch.ones(1)
    results = []
    for image in (y, touched):
        seen = Given(image, ones, torch.zeros_like(image), torch.zeros(1, 2))
        results.append(network.moments(y, ones, seen)[0])
    rows, cols = ((results[0] - results[1]).abs()[0, 0] > 0).nonzero(as_tuple=True)
    assert (rows - wide // 2).abs().max() <= network.receptive_field
    assert (cols - wide // 2).abs().max() <= network.receptive_field
    assert len(rows) > 100


def test_a_prior_alone_takes_no_measurement():
    with pytest.raises(ValueError, match="not trained with measurements"):
        random_network().moments(state(), SIGMA, given())


def test_what_is_saved_with_measurements_is_loaded_with_them(tmp_path):
    network = random_network(measured=True).float()
    path = save_prior(tmp_path / "both", network, variance=[(0.5, 0.1)], licence="MIT", data="none", training={})
    prior = load_prior(path)
    assert isinstance(prior, Prior)
    assert isinstance(prior.posterior, Posterior)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.half())
    seen = given()
    seen = Given(seen.y.float(), seen.variance, seen.holes, seen.correlation)
    torch.testing.assert_close(
        prior.posterior(seen.y, math.inf, seen), network.moments(seen.y, NOTHING, seen), rtol=1e-4, atol=1e-5
    )
