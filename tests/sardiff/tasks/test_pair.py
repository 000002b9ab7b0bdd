"""What is known of a pair, against numpy on the whole; and what its pixels become."""

from types import SimpleNamespace

import numpy as np
import pytest

from geo_io import Grid, ReadError
from sardiff.errors import SettingsError
from sardiff.tasks import levels as module
from sardiff.tasks.levels import TAILS, measure_levels
from sardiff.tasks.pair import LogIntensity, Optical, Pair


class Pixels:
    """An array with a place, as a source is."""

    def __init__(self, array, name="pixels", dtype="float32", nodata=None):
        self.array = np.asarray(array, np.float32)
        self.shape, self.name, self.identity = self.array.shape, name, name
        self.grid = Grid(shape=self.shape[1:])
        self.metadata = SimpleNamespace(nodata=nodata, stored_dtype=dtype)

    def __getitem__(self, index):
        return self.array[index]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def bands(rng):
    light = rng.gamma(3.0, 400.0, (1, 70, 90))
    return (light * np.array([0.6, 1.0, 1.5])[:, None, None] + rng.normal(0, 20, (3, 70, 90))).astype(np.float32)


@pytest.fixture
def sar(rng):
    return rng.gamma(4.0, 0.02, (1, 70, 90)).astype(np.float32)


def made(bands, sar, clouds=None, classes=()):
    covered = None if clouds is None else Pixels(clouds)
    return Pair(Optical(Pixels(bands, "optical")), LogIntensity(Pixels(sar, "sar")), covered, classes)


@pytest.mark.parametrize("block", [(1024, 4096), (16, 24), (7, 90)])
def test_levels_are_those_of_the_whole_scene_however_it_is_read(bands, sar, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    bands[:, :5] = np.nan
    sar[0, :, :9] = np.nan
    levels = measure_levels(made(bands, sar))
    seen = np.isfinite(bands[0])
    light = bands.mean(axis=0)[seen]
    assert levels.luminance == pytest.approx([1 / 3] * 3)
    assert levels.optical == pytest.approx(np.quantile(light, TAILS), rel=1e-2)
    assert levels.sar == pytest.approx(np.nanquantile(np.log(sar), TAILS), rel=1e-2)
    for band, slope, offset in zip(bands, levels.slopes, levels.offsets, strict=True):
        assert (slope, offset) == pytest.approx(np.polyfit(light, band[seen], 1), rel=1e-3)
    assert (levels.both, levels.only_optical, levels.only_sar) == (65 * 81, 65 * 9, 5 * 81)


def test_the_first_component_is_that_of_the_covariance(bands, sar):
    levels = measure_levels(made(bands, sar), luminance="pca")
    values, vectors = np.linalg.eigh(np.cov(bands.reshape(3, -1)))
    first = vectors[:, np.argmax(values)]
    assert levels.luminance == pytest.approx(first / first.sum(), rel=1e-4)


def test_a_contrast_between_bands_is_no_luminance(rng, sar):
    contrast = rng.normal(0, 100, (70, 90))
    with pytest.raises(SettingsError, match="no luminance"):
        measure_levels(made(np.stack([500 + contrast, 500 - contrast]), sar), luminance="pca")


def test_clouds_say_nothing_of_the_ground_but_are_no_holes(bands, sar):
    clouds = np.zeros((1, 70, 90), np.float32)
    clouds[0, :30, :20] = 9
    bands[:, :30, :20] += 1e6
    levels = measure_levels(made(bands, sar, clouds))
    assert levels.optical[1] < 1e5
    assert levels.only_sar == 600
    grey, _ = levels.grey(made(bands, sar, clouds)[0:5, 0:70, 0:90])
    assert np.isnan(grey[:30, :20]).all()
    assert measure_levels(made(bands, sar, clouds, (3, 8))).only_sar == 0


def test_zero_in_every_band_of_whole_numbers_is_a_border():
    counts = np.array([[[0, 0, 5]], [[0, 7, 9]]])
    assert np.isnan(Optical(Pixels(counts, dtype="uint16"))[0:2, 0:1, 0:3]).tolist() == [[[True, False, False]]] * 2
    for kept in (Pixels(counts, dtype="uint16", nodata=99.0), Pixels(counts, dtype="float32")):
        assert not np.isnan(Optical(kept)[0:2, 0:1, 0:3]).any()


def test_grey_and_back(bands, sar):
    pair = made(bands, sar)
    levels = measure_levels(pair)
    pixels = pair[0:5, 0:70, 0:90]
    grey, radar = levels.grey(pixels)
    np.testing.assert_allclose(levels.physical(grey), bands.mean(axis=0), rtol=1e-4, atol=0.1)
    assert np.quantile(grey, TAILS) == pytest.approx((0, 1), abs=5e-3)
    assert np.quantile(radar, TAILS) == pytest.approx((0, 1), abs=5e-3)


@pytest.mark.parametrize("how", ["ratio", "gain"])
def test_unchanged_luminance_leaves_the_bands(bands, sar, how):
    pair = made(bands, sar)
    levels = measure_levels(pair)
    pixels = pair[0:5, 0:70, 0:90]
    grey, _ = levels.grey(pixels)
    np.testing.assert_allclose(levels.injected(pixels, grey, how), bands, rtol=2e-3, atol=1)


def test_a_ratio_keeps_the_hue_and_a_gain_the_scatter(bands, sar):
    pair = made(bands, sar)
    levels = measure_levels(pair)
    pixels = pair[0:5, 0:70, 0:90]
    grey, _ = levels.grey(pixels)
    brighter = levels.injected(pixels, grey + 0.1, "ratio")
    bright = (bands > 200).all(axis=0)
    np.testing.assert_allclose((brighter[0] / brighter[2])[bright], (bands[0] / bands[2])[bright], rtol=1e-3)
    moved = levels.injected(pixels, grey + 0.1, "gain") - bands
    steps = 0.1 * (levels.optical[1] - levels.optical[0]) * np.array(levels.slopes)
    np.testing.assert_allclose(moved.mean(axis=(1, 2)), steps, rtol=1e-2)


def test_below_a_cloud_bands_are_as_they_usually_are_at_this_luminance(bands, sar):
    clouds = np.zeros((1, 70, 90), np.float32)
    clouds[0, :30, :20] = 1
    pair = made(bands, sar, clouds)
    levels = measure_levels(pair)
    fused = np.full((70, 90), 0.5, np.float32)
    fused[0, 0] = np.nan
    found = levels.injected(pair[0:5, 0:70, 0:90], fused, "ratio")
    usual = np.array(levels.offsets) + np.array(levels.slopes) * levels.physical(np.float32(0.5))
    np.testing.assert_allclose(found[:, 5, 5], usual, rtol=1e-4)
    assert np.isnan(found[:, 0, 0]).all()


def test_an_even_image_and_two_that_never_meet_are_refused(bands, sar):
    with pytest.raises(ReadError, match="one even grey"):
        measure_levels(made(bands, np.full_like(sar, 0.1)))
    bands[:, 35:], sar[0, :35] = np.nan, np.nan
    with pytest.raises(ReadError, match="share no measured pixel"):
        measure_levels(made(bands, sar))
