"""Weights on disk, whole or damaged."""

import json

import pytest
import torch

from sardiff.errors import PriorError
from sardiff.priors.checkpoint import SHIPPED, load_prior, measured_reach, save_prior
from sardiff.priors.network import LocalUNet


@pytest.fixture
def saved(tmp_path):
    network = LocalUNet(widths=(8, 16), depths=(1, 1), mean_radius=4)
    torch.nn.init.normal_(network.head.weight, std=0.05)
    return network, save_prior(
        tmp_path / "tiny",
        network,
        variance=[(0.1, 0.008), (1.0, 0.2)],
        licence="MIT",
        data="none",
        training={"steps": 0},
    )


def test_what_is_saved_is_what_is_loaded(saved):
    network, path = saved
    prior = load_prior(path)
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.half())
        expected = network(x, torch.tensor([0.5]))
    torch.testing.assert_close(prior.denoise(x, 0.5), expected)
    assert prior.stride == 4
    assert prior.v(1.0) == pytest.approx(0.2)
    assert prior.card["licence"] == "MIT"
    assert 0 <= prior.card["reach"] <= prior.receptive_field


@pytest.fixture
def pair(saved):
    _, path = saved
    other = LocalUNet(widths=(8, 16), depths=(1, 1), mean_radius=6, measured=True)
    settings = {"variance": [(0.1, 0.008)], "licence": "MIT", "data": "none", "training": {}}
    beside = save_prior(path.with_name("reader"), other, **settings)
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "posterior": beside.name}))
    return path, beside


def test_a_posterior_may_be_a_network_of_its_own(pair):
    path, beside = pair
    prior, alone = load_prior(path), load_prior(beside)
    assert prior.posterior is not None
    assert prior.sha256 == f"{prior.card['sha256']}+{alone.sha256}"
    assert prior.receptive_field == alone.receptive_field
    assert prior.card["reach"] >= alone.card["reach"]
    assert prior.variance != alone.variance


@pytest.mark.parametrize(
    ("posterior", "message"),
    [
        ("../reader.safetensors", "no name of a file beside it"),
        (7, "no name of a file beside it"),
        ("gone.safetensors", r"gone\.safetensors is missing"),
        ("tiny.safetensors", "does not go with"),
    ],
)
def test_a_posterior_that_does_not_fit_is_refused(pair, posterior, message):
    path, _ = pair
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "posterior": posterior}))
    with pytest.raises(PriorError, match=message):
        load_prior(path)


def test_damaged_weights_are_refused(saved):
    _, path = saved
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(PriorError, match=r"tiny\.safetensors is damaged"):
        load_prior(path)


def test_weights_written_anew_are_loaded_anew(saved):
    network, path = saved
    before = load_prior(path)
    assert load_prior(path) is before
    save_prior(path.with_suffix(""), network, variance=[(1.0, 0.3)], licence="MIT", data="none", training={})
    assert load_prior(path).v(1.0) == pytest.approx(0.3)


def test_a_missing_card_is_named(saved):
    _, path = saved
    path.with_suffix(".json").unlink()
    with pytest.raises(PriorError, match=r"tiny\.json is missing"):
        load_prior(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other/9"}, "format 'other/9'"),
        ({"config": {"widths": [8]}}, "does not hold the weights"),
        ({"config": {"widths": [8, 16], "evil": 1}}, "does not hold the weights"),
        ({"units": "db"}, "does not hold the weights"),
        ({"variance": []}, "does not hold the weights"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(saved, change, message):
    _, path = saved
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(PriorError, match=message):
        load_prior(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", "not json", "\x00"])
def test_a_card_that_is_none_is_refused(saved, content):
    _, path = saved
    path.with_suffix(".json").write_text(content)
    with pytest.raises(PriorError, match="is not the card of a prior"):
        load_prior(path)


def test_the_reach_of_a_wide_network_is_measured():
    network = LocalUNet(widths=(4,), depths=(1,), mean_radius=2)
    torch.nn.init.constant_(network.head.weight, 0.2)
    assert 1 <= measured_reach(network) <= network.receptive_field
    assert measured_reach(network, tolerance_db=1e6) == 0


def test_the_shipped_prior_denoises():
    prior = load_prior(SHIPPED)
    torch.manual_seed(1)
    clean = torch.zeros(1, 1, 96, 96)
    clean[..., 48:] = 2.0
    noisy = clean + 0.5 * torch.randn_like(clean)
    error = (prior.denoise(noisy, 0.5) - clean).square().mean()
    assert float(error) < 0.03  # of 0.25
    assert prior.v(0.5) < 0.1
