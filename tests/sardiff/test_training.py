"""Training: batches, loss, resumption, and what comes out."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from rasterio.errors import NotGeoreferencedWarning
from skimage.io import imsave

from sardiff.errors import SettingsError
from sardiff.priors.checkpoint import load_prior
from sardiff.priors.network import LocalUNet
from sardiff.training import Train, train
from sardiff.training.calibrate import _worth
from sardiff.training.ema import Average
from sardiff.training.loss import denoising_loss, posterior_loss, random_sigmas
from sardiff.training.patches import Patches, find_images, held_out, load_images
from sardiff.training.speckled import speckled

TINY = {"widths": (8, 8), "depths": (1, 1), "mean_radius": 4, "patch": 32, "batch": 2, "held": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(4):
        coarse = rng.integers(20, 230, (6, 6, 3), dtype=np.uint8)
        imsave(folder / f"{i}.png", np.kron(coarse, np.ones((16, 16, 1), np.uint8)), check_contrast=False)
    return folder


def test_a_batch_belongs_to_its_seed_and_step(folder):
    patches = Patches(load_images(find_images([folder]), 32), 32)
    first, again, other = patches.batch(3, 0, 5), patches.batch(3, 0, 5), patches.batch(3, 0, 6)
    assert first.shape == (3, 1, 32, 32)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.isfinite(first).all()


def test_rasters_of_backscatter_are_intensity(tmp_path):
    profile = {"driver": "GTiff", "height": 40, "width": 48, "count": 1, "dtype": "float32", "nodata": float("nan")}
    pixels = np.full((1, 40, 48), -12.0, np.float32)
    pixels[:, :2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "mean.tif", "w", **profile) as raster:
            raster.write(pixels)
            raster.set_band_unit(1, "dB")
    (image,) = load_images([tmp_path / "mean.tif"], 32)
    assert image.dtype == np.float32
    assert np.nanmedian(image) == pytest.approx(10**-1.2)
    batch = Patches([image], 32).batch(8, 0, 0)
    assert torch.isfinite(batch).all()


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(SettingsError, match=r"broken\.png cannot be read as an image"):
        load_images([tmp_path / "broken.png"], 32)


def test_augmentation_covers_the_range_of_sar(folder):
    patches = Patches(load_images(find_images([folder]), 32), 32)
    span = max(float((p.amax() - p.amin()) * 10 / math.log(10)) for p in patches.batch(200, 1, 0))
    assert span > 40  # dB within one patch
    levels = patches.batch(100, 2, 0).mean(dim=(1, 2, 3))
    assert float(levels.std()) > 1.5  # ln units: absolute calibration never matters


def test_noise_levels_lie_where_speckle_does():
    sigma = random_sigmas(20_000, torch.Generator().manual_seed(0))
    assert float(sigma.min()) > 0.0099
    assert float(sigma.max()) <= 20
    assert float(sigma.log().median()) == pytest.approx(math.log(0.5), abs=0.05)


def test_the_loss_of_an_untrained_network_is_that_of_its_skip():
    network = LocalUNet(widths=(8,), depths=(1,), sigma_data=1.0, mean_radius=4)
    x0 = torch.zeros(1, 1, 64, 64)
    sigma, z = torch.tensor([1.0]), torch.randn(1, 1, 64, 64)
    m = network._local_mean(z)
    denoised = m + (z - m) / 2  # c_skip = 1/2 at sigma = sigma_data
    expected = 2 * denoised.square().mean()
    torch.testing.assert_close(denoising_loss(network, x0, sigma, z), expected)


def test_speckle_is_laid_so_that_its_mean_is_the_truth():
    x0 = torch.zeros(48, 1, 64, 64)
    seen = [speckled(x0, 0, step) for step in range(4)]
    assert torch.equal(seen[0].given.y, speckled(x0, 0, 0).given.y)
    open_sky = torch.cat([s.given.holes for s in seen]) == 0
    error = torch.cat([s.given.y - s.x0 for s in seen])
    variance = torch.cat([s.given.variance for s in seen])
    told = torch.cat([s.given.correlation for s in seen])
    assert torch.isfinite(error).all()
    assert float(error[open_sky].mean()) == pytest.approx(0, abs=0.02)  # y is debiased
    stated = (error * open_sky).square().sum(dim=(1, 2, 3)) / open_sky.sum(dim=(1, 2, 3)) / variance
    assert float(stated.log().median().exp()) == pytest.approx(1, abs=0.1)
    assert 0.3 < float((told == -1).all(dim=1).float().mean()) < 0.7
    assert float(told.max()) > 0.5
    assert 0.02 < float((~open_sky).any(dim=3).any(dim=2).float().mean()) < 0.25


def test_the_loss_of_an_untrained_posterior_is_that_of_its_skip():
    network = LocalUNet(widths=(8,), depths=(1,), sigma_data=1.0, mean_radius=4, measured=True)
    seen = speckled(torch.zeros(2, 1, 64, 64), 0, 0)
    given = replace(seen.given, holes=torch.zeros_like(seen.x0), variance=torch.ones(2))
    y = given.y
    m = network._local_mean(y)
    expected = 2 * (m + (y - m) / 2 - seen.x0).square().mean()
    surprise = 0.5 * (2 * (m + (y - m) / 2 - seen.x0).square() + 0).mean()  # variance 1/2: log of its ratio is 0
    loss = posterior_loss(network, replace(seen, given=given), torch.full((2,), torch.inf), torch.randn_like(y))
    torch.testing.assert_close(loss, expected + 0.1 * surprise)


def test_averaged_weights_follow():
    network = torch.nn.Linear(1, 1)
    average = Average(network, 0.9)
    with torch.no_grad():
        network.weight += 1
    average.update(network, 10**6)
    torch.testing.assert_close(average.weights["weight"], network.weight.detach() - 0.9)


def test_every_nth_image_is_held_out():
    assert held_out(10, 0.2).nonzero()[0].tolist() == [4, 9]
    assert not held_out(10, 0).any()


def test_training_learns_resumes_and_ends_in_a_prior(folder, tmp_path):
    losses = []
    for minutes in (0.05, 0.1):
        reports = []
        path = train([folder], tmp_path / "tiny", Train(minutes=minutes, **TINY), report=reports.append, save_every=0.5)
        losses.append((reports[0].step, reports[-1].step, [r.validation for r in reports if r.validation is not None]))
    assert losses[1][0] == losses[0][1] + 1  # it went on
    assert losses[1][2][-1] < losses[0][2][0]
    prior = load_prior(path)
    assert prior.card["training"]["steps"] == losses[1][1]
    assert len(prior.variance) == 19
    assert prior.v(0.5) < 0.25


def test_a_prior_goes_on_as_a_posterior(folder, tmp_path):
    prior = train([folder], tmp_path / "prior", Train(minutes=0.02, **TINY))
    both = {**TINY, "measured": True, "landscapes": 1}
    reports = []
    path = train([folder], tmp_path / "both", Train(minutes=0.1, **both), start=prior, report=reports.append)
    loaded = load_prior(path)
    assert loaded.posterior is not None
    training = loaded.card["training"]
    assert training["measured"] is True
    assert training["before"]["measured"] is False
    assert training["curve"][-1]["step"] == training["steps"]
    assert loaded.calibration is not None
    assert dict(loaded.calibration.intervals)[0.9] > 1
    assert reports[-1].validation < 2


def test_a_start_of_another_shape_is_refused(folder, tmp_path):
    wide = train([folder], tmp_path / "wide", Train(minutes=0.01, **{**TINY, "widths": (16, 8)}))
    with pytest.raises(SettingsError, match=r"wide\.safetensors is no start for this network"):
        train([folder], tmp_path / "mine", Train(minutes=0.01, **TINY), start=wide)


def test_state_of_other_settings_is_not_gone_on_with(folder, tmp_path):
    train([folder], tmp_path / "tiny", Train(minutes=0.02, **TINY))
    with pytest.raises(SettingsError, match=r"other settings \(rate\)"):
        train([folder], tmp_path / "tiny", Train(minutes=0.02, **{**TINY, "rate": 1e-3}))


def test_folders_without_images_are_named(tmp_path):
    with pytest.raises(SettingsError, match=r"No image .* found in"):
        find_images([tmp_path])
    with pytest.raises(SettingsError, match="neither a folder nor a file"):
        find_images([tmp_path / "nowhere"])


@pytest.mark.parametrize(("field", "value"), [("minutes", 0), ("patch", 30), ("rate", math.nan)])
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(SettingsError, match=field):
        Train(**{field: value})


def test_a_calibration_finds_what_stated_deviations_are_worth():
    """Errors twice as large as stated where little is stated, and with the tails of a Gaussian mixture."""
    rng = np.random.default_rng(0)
    stated = np.exp(rng.uniform(math.log(0.1), math.log(1.0), 400_000))
    scale = np.where(rng.random(stated.size) < 0.1, 2.0, 1.0) / math.sqrt(1.3)
    error = stated * np.where(stated < 0.3, 2.0, 1.0) * scale * rng.standard_normal(stated.size)
    worth = _worth(error, stated)
    low, high = (torch.full((1, 1, 1, 1), sigma**2) for sigma in (0.15, 0.7))
    assert float(worth(low) / low) == pytest.approx(4, rel=0.05)
    assert float(worth(high) / high) == pytest.approx(1, rel=0.05)
    calibrated = worth(torch.from_numpy(stated)[None, None, None] ** 2).sqrt().numpy().ravel()
    assert [np.mean(np.abs(error) < k * calibrated) for _, k in worth.intervals] == pytest.approx(
        [p for p, _ in worth.intervals], abs=0.005
    )
    assert dict(worth.intervals)[0.5] < 0.65
    assert dict(worth.intervals)[0.99] > 2.65
