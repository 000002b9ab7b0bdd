import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sardiff.simulate import Cover, ImpulseResponse, correlated_speckle, landscape, speckle


@given(looks=st.floats(0.6, 40))
def test_speckle_is_gamma_of_mean_one(looks):  # an oracle: scipy
    n = speckle((60, 70), looks, np.random.default_rng(3))
    assert n.dtype == np.float32
    assert stats.kstest(n.ravel(), stats.gamma(looks, scale=1 / looks).cdf).pvalue > 1e-4


@pytest.mark.parametrize("looks", [0, -1, math.nan, math.inf])
def test_speckle_looks_must_be_positive(looks):
    with pytest.raises(ValueError, match=r"^looks must be > 0 and finite"):
        speckle((2, 2), looks, np.random.default_rng(0))


RESPONSES = [
    ImpulseResponse(looks=1, bandwidth=(1, 0.8)),
    ImpulseResponse(looks=4),
    ImpulseResponse(looks=3, bandwidth=(0.6, 0.3), hamming=0.54),
    ImpulseResponse(looks=2, bandwidth=(0.4, 0.9), hamming=1, multilook=(3, 2)),
]


@pytest.mark.parametrize("response", RESPONSES, ids=str)
def test_correlated_speckle_has_the_moments_and_the_correlation_its_response_foretells(response):
    rng = np.random.default_rng(5)
    n = correlated_speckle(
        (500, 460),
        rng,
        looks=response.looks,
        bandwidth=response.bandwidth,
        hamming=response.hamming,
        multilook=response.multilook,
    ).astype(np.float64)
    assert n.shape == (500, 460)
    assert n.mean() == pytest.approx(1, abs=0.02)
    assert 1 / n.var() == pytest.approx(response.enl, rel=0.06)
    z = n - 1
    for axis in (0, 1):
        for lag in (1, 2, 3):
            a = z[lag:] * z[:-lag] if axis == 0 else z[:, lag:] * z[:, :-lag]
            assert a.mean() / z.var() == pytest.approx(response.correlation(lag, axis), abs=0.03)


def test_correlation_of_an_unweighted_band_is_a_squared_sinc():  # closed form
    response = ImpulseResponse(bandwidth=(0.5, 0.25), hamming=1)
    for lag in (1, 2, 3, 5):
        assert response.correlation(lag, 0) == pytest.approx(np.sinc(0.5 * lag) ** 2, abs=2e-3)
        assert response.correlation(lag, 1) == pytest.approx(np.sinc(0.25 * lag) ** 2, abs=2e-3)
    assert response.enl == pytest.approx(4)


def test_the_default_response_resembles_a_sentinel_1_grd():
    lags = [ImpulseResponse().correlation(lag, 0) for lag in (1, 2, 3)]
    assert 0.6 < lags[0] < 0.8
    assert 0.15 < lags[1] < 0.4
    assert lags[2] < 0.15


def test_opposite_rims_of_correlated_speckle_are_strangers():
    n = correlated_speckle((4000, 40), np.random.default_rng(1), looks=1, bandwidth=(1, 0.2))
    assert abs(np.corrcoef(n[:, 0], n[:, -1])[0, 1]) < 0.06
    assert np.corrcoef(n[:, 0], n[:, 1])[0, 1] > 0.8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"looks": 0}, "whole number"),
        ({"looks": 1.5}, "whole number"),
        ({"bandwidth": (0, 1)}, "shares"),
        ({"bandwidth": (0.5, 1.1)}, "shares"),
        ({"hamming": 0.3}, "hamming"),
        ({"multilook": (0, 1)}, "multilook"),
    ],
)
def test_an_impossible_response_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        ImpulseResponse(**wrong)


@pytest.fixture(scope="module")
def scene():
    return landscape((768, 640), seed=4)


def test_a_landscape_is_made_of_all_covers_in_their_order_of_brightness(scene):
    inside = scene.measured
    share = np.bincount(scene.cover.ravel(), minlength=5) / scene.cover.size
    assert (share > 0.004).all()
    assert share[Cover.FIELD] > 0.4
    median = [np.median(scene.intensity[inside & (scene.cover == cover)]) for cover in Cover]
    assert median[Cover.WATER] < median[Cover.ROAD] < median[Cover.FIELD] < median[Cover.FOREST]
    town = scene.intensity[inside & (scene.cover == Cover.URBAN)]
    assert np.quantile(town, 0.99) > 10 * median[Cover.FIELD]


def test_backscatter_stays_in_range_and_the_rim_is_not_measured(scene):
    assert scene.intensity.dtype == np.float32
    np.testing.assert_array_equal(np.isfinite(scene.intensity), scene.measured)
    db = 10 * np.log10(scene.intensity[scene.measured])
    assert db.min() >= -26.001
    assert db.max() <= 15.001
    assert 0.8 < scene.measured.mean() < 0.97
    rim = np.concatenate([scene.measured[[0, -1]].ravel(), scene.measured[:, [0, -1]].ravel()])
    assert not rim.any()


def test_slopes_that_face_the_sensor_are_brighter(scene):
    rise = np.gradient(scene.elevation_m, scene.step_m, axis=1)
    wood = scene.measured & (scene.cover == Cover.FOREST)
    facing, away = wood & (rise > 0.1), wood & (rise < -0.1)
    assert min(facing.sum(), away.sum()) > 100
    assert np.median(scene.intensity[facing]) > 1.3 * np.median(scene.intensity[away])


@pytest.mark.parametrize(("shape", "step_m"), [((32, 200), 10.0), ((90, 64), 2.0), ((64, 64), 100.0)])
def test_landscapes_come_in_any_size_and_step_and_repeat(shape, step_m):
    one, same, other = (landscape(shape, seed, step_m) for seed in (7, 7, 8))
    assert one.intensity.shape == shape
    assert one.measured.any()
    np.testing.assert_array_equal(one.intensity, same.intensity)
    assert not np.array_equal(one.intensity, other.intensity, equal_nan=True)


@pytest.mark.parametrize(("shape", "step_m"), [((8, 100), 10.0), ((64, 64), 0.0), ((64, 64), math.nan)])
def test_impossible_landscapes_are_refused(shape, step_m):
    with pytest.raises(ValueError, match=r"at least 32 rows|step_m must be"):
        landscape(shape, 0, step_m)
