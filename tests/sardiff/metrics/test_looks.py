import math

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, special

from sardiff.metrics import estimate_looks
from sardiff.metrics.looks import looks_of_log_variance, polygamma, trigamma
from sardiff.simulate import correlated_speckle, landscape, speckle


@given(x=st.floats(1e-3, 1e4), order=st.integers(1, 3))
def test_polygamma_is_scipys(x, order):
    assert float(polygamma(x, order)) == pytest.approx(float(special.polygamma(order, x)), rel=1e-11)


@given(looks=st.floats(1e-2, 1e4))
def test_looks_of_log_variance_inverts_trigamma(looks):
    assert float(looks_of_log_variance(trigamma(looks))) == pytest.approx(looks, rel=1e-6)


@pytest.fixture(scope="module")
def truth():
    return landscape((640, 640), seed=2).intensity


@pytest.mark.parametrize("looks", [1, 2, 4.4, 10])
def test_looks_of_independent_speckle_on_a_landscape(truth, looks):
    estimate = estimate_looks(truth * speckle(truth.shape, looks, np.random.default_rng(7)))
    assert estimate.looks == pytest.approx(looks, rel=0.15)
    assert estimate.low < estimate.looks < estimate.high
    assert max(map(abs, estimate.lag1)) < 0.15
    assert not estimate.already_filtered


def test_looks_of_correlated_speckle_on_a_landscape(truth):
    n = correlated_speckle(truth.shape, np.random.default_rng(7), looks=5)
    estimate = estimate_looks(truth * n)
    assert estimate.looks == pytest.approx(5, rel=0.25)  # small fields leave few even windows as large as it takes
    assert all(0.5 < lag1 < 0.75 for lag1 in estimate.lag1)
    assert not estimate.already_filtered


@pytest.mark.parametrize("looks", [0.7, 1, 3, 25])
def test_looks_of_even_ground_are_sure_and_nearly_unbiased(looks):
    estimate = estimate_looks(speckle((300, 300), looks, np.random.default_rng(1)))
    assert estimate.looks == pytest.approx(looks, rel=0.04)
    assert estimate.low < looks < estimate.high
    assert estimate.certainty == "high"


@given(gain=st.floats(1e-9, 1e9))
def test_a_gain_changes_nothing(gain):
    y = speckle((64, 64), 3, np.random.default_rng(1))
    assert estimate_looks(y * np.float32(gain)).looks == pytest.approx(estimate_looks(y).looks, rel=1e-3)


def test_filtered_speckle_is_noticed():
    x = landscape((400, 400), seed=3).intensity
    y = np.nan_to_num(x, nan=0.05) * speckle(x.shape, 1, np.random.default_rng(0))
    for filtered in (ndimage.uniform_filter(y, 7), ndimage.gaussian_filter(y, 2.5)):
        estimate = estimate_looks(filtered)
        assert estimate.already_filtered
        assert "filter" in estimate.reason


def test_holes_do_no_harm():
    rng = np.random.default_rng(0)
    y = speckle((256, 256), 4.4, rng)
    y[rng.random(y.shape) < 0.04] = np.nan
    y[:, 100:140] = 0
    assert estimate_looks(y).looks == pytest.approx(4.4, rel=0.05)


@pytest.mark.parametrize("image", [np.full((64, 64), np.nan), np.ones((64, 64)), np.ones((3, 3)), np.ones((0, 0))])
def test_what_cannot_be_told_is_said(image):
    estimate = estimate_looks(image)
    assert math.isnan(estimate.looks)
    assert estimate.certainty == "low"
    assert estimate.reason.startswith("Looks cannot be told")


REAL = [  # file, looks between, lag-1 between
    ("scenes/s1_grd_slovakia_vv_dB_512.tif", (5.0, 9.5), (0.65, 0.85)),
    ("scenes/s1_grd_slovakia_vh_dB_512.tif", (4.5, 8.5), (0.65, 0.85)),
    ("scenes/s1c_rtc_alps_vv_gamma0lin_1024.tif", (3.5, 6.0), (0.55, 0.92)),
    ("slc/capella_sn6_rotterdam_vv_slc.tif", (0.85, 1.2), (-0.1, 0.1)),
    ("slc/uavsar_winnipeg_hh_c64.npy", (0.85, 1.2), (-0.1, 0.12)),
    ("stacks/opera_rtc_T137-292318-IW2_VV_21dates.tif", (4.5, 9.0), (0.0, 0.4)),
]


@pytest.mark.parametrize(("file", "looks", "lag1"), REAL, ids=[file for file, *_ in REAL])
def test_looks_of_real_scenes_are_those_measured_by_hand(shared_data, file, looks, lag1):
    path = shared_data / "sar" / file
    if path.suffix == ".npy":
        stored = np.load(path)
    else:
        with rasterio.open(path) as source:
            stored = source.read(1)
    if np.iscomplexobj(stored):
        stored = np.abs(stored) ** 2
    elif "_dB_" in file:
        stored = np.where(stored == 0, np.nan, 10 ** (stored / 10))
    estimate = estimate_looks(stored)
    assert looks[0] < estimate.looks < looks[1]
    assert all(lag1[0] < found < lag1[1] for found in estimate.lag1)
    assert not estimate.already_filtered
