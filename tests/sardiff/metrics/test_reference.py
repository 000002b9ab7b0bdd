import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sardiff.metrics import amplitude_psnr, amplitude_ssim, bias_db, display_range, mae_db, rmse_db


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 1, (40, 50)) ** 2
    return truth * rng.gamma(4, 1 / 4, truth.shape), truth


def test_psnr_and_ssim_are_scikit_images_on_amplitudes(pair):
    y, x = pair
    a, b = np.sqrt(y), np.sqrt(x)
    assert amplitude_psnr(y, x, data_range=1) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1))
    assert amplitude_ssim(y, x, data_range=1) == pytest.approx(structural_similarity(b, a, data_range=1))
    a, b = np.minimum(a, 0.6), np.minimum(b, 0.6)
    assert amplitude_psnr(y, x, data_range=0.6, clip=True) == pytest.approx(
        peak_signal_noise_ratio(b, a, data_range=0.6)
    )


def test_unmeasured_pixels_say_nothing(pair):
    y, x = pair
    half = y.copy(), x.copy()
    half[0][:, 25:] = np.nan  # noisy here, and never seen
    half[1][:3] = -1
    left = y[3:, :25], x[3:, :25]
    for metric in (rmse_db, mae_db, bias_db):
        assert metric(*half) == pytest.approx(metric(*left))
    assert amplitude_psnr(*half, data_range=1) == pytest.approx(amplitude_psnr(*left, data_range=1))
    kept = amplitude_ssim(*half, data_range=1)
    assert kept == pytest.approx(amplitude_ssim(*left, data_range=1), abs=0.05)
    far = x.copy()
    far[:, 30:] = y[:, 30:]
    hole = far.copy()
    hole[:, 30:] = np.nan
    # Equal pixels would raise the index; unmeasured ones must not.
    assert amplitude_ssim(hole, np.where(np.isnan(hole), np.nan, x), data_range=1) == pytest.approx(1)


@given(gain_db=st.floats(-20, 20))
def test_a_constant_gain_is_its_own_bias_and_error(gain_db):
    x = np.random.default_rng(1).uniform(0.1, 1, (8, 9))
    y = x * 10 ** (gain_db / 10)
    assert bias_db(y, x) == pytest.approx(gain_db, abs=1e-9)
    assert rmse_db(y, x) == pytest.approx(abs(gain_db), abs=1e-9)
    assert mae_db(y, x) == pytest.approx(abs(gain_db), abs=1e-9)


def test_single_look_speckle_is_as_far_from_the_truth_as_theory_says():
    x = np.full((400, 400), 0.1)
    y = x * np.random.default_rng(2).exponential(size=x.shape)
    # Log-speckle of one look: mean -Euler's gamma, variance pi^2 / 6 (nepers).
    expected = 10 / math.log(10) * math.sqrt(math.pi**2 / 6 + np.euler_gamma**2)
    assert rmse_db(y, x) == pytest.approx(expected, rel=0.01)
    assert bias_db(y, x) == pytest.approx(0, abs=0.03)


def test_perfect_and_absent_answers(pair):
    _, x = pair
    nothing = np.full_like(x, np.nan)
    assert amplitude_psnr(x, x, data_range=1) == math.inf
    assert amplitude_ssim(x, x, data_range=1) == pytest.approx(1)
    for metric in (rmse_db, mae_db, bias_db):
        assert math.isnan(metric(nothing, x))
    assert math.isnan(amplitude_psnr(nothing, x, data_range=1))
    assert math.isnan(amplitude_ssim(nothing, x, data_range=1))
    assert math.isnan(display_range(nothing))


def test_display_range_is_an_amplitude_quantile():
    assert display_range(np.arange(1001.0) ** 2, share=0.9) == pytest.approx(900)


def test_wrong_input_is_refused(pair):
    y, x = pair
    with pytest.raises(ValueError, match=r"one shape, got \(40, 50\) and \(40, 49\)"):
        rmse_db(y, x[:, 1:])
    with pytest.raises(ValueError, match=r"^data_range must be > 0"):
        amplitude_psnr(y, x, data_range=0)
    with pytest.raises(ValueError, match="at least 7 x 7"):
        amplitude_ssim(y[:6], x[:6], data_range=1)
