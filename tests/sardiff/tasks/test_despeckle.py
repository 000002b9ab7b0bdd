"""Despeckling of a few tiles: settings, holes, bands, radiometry."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.filters import gaussian

from sardiff.errors import SettingsError
from sardiff.priors.gaussian import StationaryGaussianPrior
from sardiff.simulate import correlated_speckle, landscape, speckle
from sardiff.tasks.despeckle import (
    ESTIMATES,
    MEASURED,
    METHODS,
    QUALITIES,
    Despeckle,
    DespeckleTiles,
    first_sigma,
    overlap_for,
)
from tiling import Layout, read_window

SIDE = 64


def smooth_prior():
    rows, cols = torch.meshgrid(*(torch.fft.fftfreq(SIDE, dtype=torch.float64),) * 2, indexing="ij")
    psd = 2.0 * torch.exp(-(rows**2 + cols**2) / (2 * 0.03**2)) + 1e-3
    exact = StationaryGaussianPrior(0.0, psd)

    def posterior(x, sigma, given):  # x and y together are one observation
        variance = 1 / (1 / sigma**2 + 1 / float(given.variance[0]))
        z = variance * ((0 if math.isinf(sigma) else x / sigma**2) + given.y / given.variance[0])
        mean, spectrum = exact.posterior(z, variance)
        return mean.to(x), torch.full_like(x, float(spectrum.mean()))

    return replace(exact.prior(), posterior=posterior)


def tiles_of(scene):
    layout = Layout(scene.shape[1:], tile=SIDE, overlap=0)
    return np.stack([read_window(scene, tile) for tile in layout]).astype(np.float32), list(layout)


def flat_scene(bands=1, looks=1.0, level=3.0, seed=0):
    return level * speckle((bands, SIDE, SIDE), looks, np.random.default_rng(seed))


@pytest.mark.parametrize("method", [m for m in METHODS if m != "auto"])
def test_every_method_lowers_speckle_and_keeps_radiometry(method):
    scene = flat_scene(looks=4.0)
    apply = DespeckleTiles(
        Despeckle(looks=4.0, method=method, steps=None if method in ESTIMATES else 8), smooth_prior(), "cpu"
    )
    intensity = np.exp(apply(*tiles_of(scene)))[0, 0]
    assert np.log(intensity).std() < 0.6 * np.log(scene).std()
    assert intensity.mean() == pytest.approx(scene.mean(), rel=0.05)
    assert np.mean(scene[0] / intensity) == pytest.approx(1.0, abs=0.03)


def test_what_was_not_measured_stays_so_and_sways_nobody_far_away():
    scene = flat_scene()
    holed = scene.copy()
    holed[0, :10, :10] = np.nan
    apply = DespeckleTiles(Despeckle(looks=1.0), smooth_prior(), "cpu")
    whole, cut = (apply(*tiles_of(s))[0, 0] for s in (scene, holed))
    assert np.isnan(cut[:10, :10]).all()
    assert np.isfinite(cut[10:]).all()
    assert np.isfinite(cut[:, 10:]).all()
    np.testing.assert_allclose(cut[28:48, 28:48], whole[28:48, 28:48], atol=0.05)


def test_a_tile_without_measurements_costs_no_network():
    def never(x, sigma):
        raise AssertionError("the network was asked")

    prior = smooth_prior()
    object.__setattr__(prior, "denoise", never)
    apply = DespeckleTiles(Despeckle(looks=1.0), prior, "cpu")
    out = apply(*tiles_of(np.full((2, SIDE, SIDE), np.nan, np.float32)))
    assert out.shape == (1, 2, SIDE, SIDE)
    assert np.isnan(out).all()


def test_bands_are_despeckled_one_by_one():
    scene = flat_scene(bands=2)
    scene[1] *= 100
    apply = DespeckleTiles(Despeckle(looks=1.0), smooth_prior(), "cpu")
    both = apply(*tiles_of(scene))
    only = apply(*tiles_of(scene[:1]))
    np.testing.assert_allclose(both[:, :1], only, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "samples"), [("one-pass", 1), ("scoring", 1), ("auto", 4), ("moment", 3), ("gibbs", 3)]
)
def test_uncertainty_is_a_positive_deviation_in_db_per_band(method, samples):
    settings = Despeckle(looks=2.0, method=method, samples=samples, uncertainty=True, steps=None if samples == 1 else 4)
    out = DespeckleTiles(settings, smooth_prior(), "cpu")(*tiles_of(flat_scene(bands=2, looks=2.0)))
    assert out.shape == (1, 4, SIDE, SIDE)
    deviation_db = out[:, 2:]
    assert (deviation_db > 0).all()
    assert 0.05 < np.median(deviation_db) < 5


@pytest.mark.parametrize("method", ESTIMATES)
@pytest.mark.parametrize("measured", [SIDE, 40, 6])
def test_a_gain_in_the_input_is_the_same_gain_in_the_output(method, measured):
    """With the shipped weights: absolute calibration never matters, nor beside a hole, small or large."""
    scene = flat_scene() + 0.1
    scene[..., measured:] = np.nan
    apply = DespeckleTiles(Despeckle(looks=1.0, method=method), device="cpu")
    low, high = (apply(*tiles_of(scene * gain)) for gain in (1e-4, 1e3))
    np.testing.assert_allclose((high - low)[..., :measured], math.log(1e7), atol=2e-3)


@pytest.mark.parametrize("method", ESTIMATES)
def test_ground_beside_a_hole_is_as_bright_as_elsewhere(method):
    """With the shipped weights, over many draws: what fills a hole is neither too dark nor too bright."""
    apply = DespeckleTiles(Despeckle(looks=1.0, method=method), device="cpu")
    rim = []
    for seed in range(6):
        scene = flat_scene(seed=seed)
        scene[..., :32] = np.nan
        rim.append(np.exp(apply(*tiles_of(scene))[0, 0, :, 32:35]).mean() / 3.0)
    assert 10 * math.log10(np.mean(rim)) == pytest.approx(0, abs=0.25)


def test_what_an_estimate_of_bright_structure_lacks_goes_back_to_it():
    """A network that shrinks bright pixels: their power comes back to them, where it is unsure, not to the ground."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.random((SIDE // 4, SIDE // 4)) < 0.1, np.ones((4, 4)))  # too wide to be taken for targets
    truth = np.where(blocks > 0, 30.0, 1.0)[None]
    scene = truth * speckle(truth.shape, 4.0, rng)
    log_truth = torch.from_numpy(np.log(truth))[None]
    bright = log_truth > 1

    def posterior(x, sigma, given):
        return torch.where(bright, log_truth - 0.4, log_truth).to(x), torch.where(bright, 0.5, 0.01).to(x)

    prior = replace(smooth_prior(), posterior=posterior)
    found = np.exp(DespeckleTiles(Despeckle(looks=4.0, quality="fast"), prior, "cpu")(*tiles_of(scene)))[0]
    after, before = (gaussian(image[0], 12, truncate=3, mode="constant") for image in (found, scene))
    np.testing.assert_allclose(after, before, rtol=0.03)  # without, 12 %
    assert found[truth > 1].mean() == pytest.approx(30, rel=0.08)
    assert np.median(found[truth == 1]) == pytest.approx(1, rel=0.08)


@pytest.mark.parametrize("over_db", [20.0, 40.0, 60.0])
def test_a_bright_target_stays_one_and_lights_up_nobody(over_db):
    """With the shipped prior: never brighter than measured, hardly darker, and its surroundings as they were."""
    scene = flat_scene()
    lit = scene.copy()
    lit[0, 32, 32] = 3.0 * 10 ** (over_db / 10)
    apply = DespeckleTiles(Despeckle(looks=1.0), device="cpu")
    dark, bright = (10 / math.log(10) * apply(*tiles_of(s))[0, 0] for s in (scene, lit))
    target_db = 10 * math.log10(lit[0, 32, 32])
    assert bright[32, 32] == pytest.approx(target_db, abs=0.5)
    assert np.abs(bright - dark)[:20].max() < 0.5
    assert np.isfinite(bright).all()


@pytest.mark.parametrize("looks", [1.0, 4.0])
def test_a_bright_target_casts_no_halo_over_a_landscape(looks):
    clean = landscape((160, 160), seed=3).intensity[48:112, 48:112]
    scene = (clean * speckle(clean.shape, looks, np.random.default_rng(0)))[None].astype(np.float32)
    lit = scene.copy()
    lit[0, 32, 32] = 1e4 * np.nanmean(scene)
    apply = DespeckleTiles(Despeckle(looks=looks), device="cpu")
    change = np.abs(10 / math.log(10) * (apply(*tiles_of(lit)) - apply(*tiles_of(scene)))[0, 0])
    rows, cols = np.indices(change.shape) - 32
    distance = np.hypot(rows, cols)
    for near, far in ((6, 10), (10, 16), (16, 28)):  # the network itself changes its mind a little
        assert np.median(change[(distance >= near) & (distance < far)]) < 0.1 + 0.2 / looks


def test_it_travels_to_other_processes():
    apply = DespeckleTiles(Despeckle(looks=1.0), device="cpu")
    scene = flat_scene()
    again = pickle.loads(pickle.dumps(apply))
    np.testing.assert_array_equal(again(*tiles_of(scene)), apply(*tiles_of(scene)))
    assert again.__dask_tokenize__() == apply.__dask_tokenize__()


def test_overlap_comes_from_the_prior_and_the_method():
    prior = DespeckleTiles(Despeckle(looks=1.0), device="cpu").prior
    scoring, sampler = (overlap_for(Despeckle(looks=1.0, method=m), prior) for m in ("scoring", "moment"))
    assert 0.75 * scoring >= prior.card["reach"]
    assert 0.75 * sampler >= 2 * prior.card["reach"]
    assert scoring % 16 == 0


def test_auto_is_what_the_prior_can_do():
    able = smooth_prior()
    unable = replace(able, posterior=None)
    one = Despeckle(looks=1.0)
    assert (one.solver(able), one.levels(able)) == ("one-pass", 1)
    assert (one.solver(unable), one.levels(unable)) == ("scoring", 3)
    assert Despeckle(looks=1.0, method="scoring").levels(able) == 2
    several = Despeckle(looks=1.0, samples=4)
    assert (several.solver(able), several.solver(unable)) == ("posterior", "moment")
    with pytest.raises(SettingsError, match="'one-pass' here, which has one step, not 7"):
        Despeckle(looks=1.0, steps=7).solver(able)
    assert Despeckle(looks=1.0, steps=7).solver(unable) == "scoring"
    for method in MEASURED:
        with pytest.raises(SettingsError, match="were not trained with measurements"):
            Despeckle(looks=1.0, method=method).solver(unable)


def test_correlated_speckle_weighs_less_in_methods_that_have_a_likelihood():
    """With the shipped prior, on even ground: told of the correlation the result is smoother, and no darker."""
    scene = 3.0 * correlated_speckle((SIDE, SIDE), np.random.default_rng(0), looks=4)[None]
    spread = {}
    for method in ("one-pass", "scoring"):
        for area in (1.0, 6.0):
            settings = Despeckle(looks=4.0, method=method, correlation=area)
            log = DespeckleTiles(settings, device="cpu")(*tiles_of(scene))[0, 0]
            assert np.exp(log).mean() == pytest.approx(scene.mean(), rel=0.05)
            spread[method, area] = log.std()
    assert spread["scoring", 6.0] < 0.6 * spread["scoring", 1.0]
    assert spread["one-pass", 6.0] == spread["one-pass", 1.0]  # it sees for itself


def test_quality_decides_how_many_steps_a_sampler_takes():
    prior = smooth_prior()
    levels = [Despeckle(looks=1.0, method="posterior", quality=quality).levels(prior) for quality in QUALITIES]
    assert levels == [3, 6, 12]
    assert Despeckle(looks=1.0, method="posterior", quality="best", steps=5).levels(prior) == 5


def test_the_best_quality_turns_the_image_about():
    """A prior that looks to the right: the mean of all orientations looks everywhere."""

    def posterior(x, sigma, given):
        return given.y.roll(-4, 3) / 2 + given.y / 2, torch.full_like(given.y, 0.2)

    prior = replace(smooth_prior(), posterior=posterior)
    scene = np.ones((1, SIDE, SIDE), np.float32)
    scene[0, 32, 32] = 1.5
    settings = Despeckle(looks=50.0, method="one-pass", quality="best", uncertainty=True)
    mean, deviation = DespeckleTiles(settings, prior, "cpu")(*tiles_of(scene))[0]
    around = [mean[32, 28], mean[32, 36], mean[28, 32], mean[36, 32]]
    np.testing.assert_allclose(around, around[0], atol=1e-5)
    assert around[0] > mean[32, 20] + 0.01
    assert deviation[32, 28] < deviation[10, 10]  # that they disagree takes error away


def test_a_grid_that_a_stride_leaves_goes_away_by_default():
    def posterior(x, sigma, given):
        rows, cols = torch.meshgrid(torch.arange(given.y.shape[2]), torch.arange(given.y.shape[3]), indexing="ij")
        grid = 0.05 * ((-1.0) ** rows + (-1.0) ** cols)
        return (given.y.mean() + grid).expand_as(given.y), torch.full_like(given.y, 1e-4)

    prior, scene = replace(smooth_prior(), posterior=posterior), np.ones((1, SIDE, SIDE), np.float32)
    spread = {}
    for quality in ("fast", "balanced"):
        settings = Despeckle(looks=1.0, method="one-pass", quality=quality)
        spread[quality] = DespeckleTiles(settings, prior, "cpu")(*tiles_of(scene))[0, 0].std()
    assert spread["balanced"] < 0.01 * spread["fast"]


def test_scoring_begins_with_the_one_pass_where_there_is_one():
    scene, prior = flat_scene(), smooth_prior()
    first, alone, both = (
        DespeckleTiles(Despeckle(looks=1.0, method=method, steps=steps), prior, "cpu")(*tiles_of(scene))
        for method, steps in (("scoring", 1), ("one-pass", None), ("scoring", 2))
    )
    np.testing.assert_array_equal(first, alone)
    assert 0 < np.abs(both - alone).max() < 1


def test_the_early_start_is_noisier_with_fewer_looks():
    prior = DespeckleTiles(Despeckle(looks=1.0), device="cpu").prior
    assert first_sigma(prior, 1.0) > first_sigma(prior, 4.0) > first_sigma(prior, 16.0) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"looks": 0.0}, "looks must be a number > 0, got 0"),
        ({"looks": math.nan}, "looks must be a number > 0, got nan"),
        ({"looks": 1.0, "method": "magic"}, "There is no method 'magic'"),
        ({"looks": 1.0, "steps": 0}, "steps must be >= 1, got 0"),
        ({"looks": 1.0, "samples": 0}, "samples must be >= 1, got 0"),
        ({"looks": 1.0, "seed": -1}, "seed must be from 0"),
        ({"looks": 1.0, "method": "scoring", "samples": 2}, "choose 'posterior'"),
        ({"looks": 1.0, "method": "one-pass", "samples": 2}, "choose 'posterior'"),
        ({"looks": 1.0, "correlation": 0.5}, "correlation must be from 1 to 100"),
        ({"looks": 1.0, "quality": "good"}, "There is no quality 'good'"),
        ({"looks": 1.0, "method": "gibbs", "uncertainty": True}, "ask for more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        Despeckle(**settings)
