"""Filled gaps and blurs taken out: what the numbers are by construction."""

import math

import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sardiff.metrics import compare_deblurred, compare_filled, psnr, ssim


@pytest.fixture
def ground():
    rng = np.random.default_rng(0)
    return np.cumsum(np.cumsum(rng.normal(size=(90, 110)), axis=0), axis=1) / 10 + rng.normal(size=(90, 110))


@pytest.fixture
def gap(ground):
    where = np.zeros(ground.shape, bool)
    where[30:50, 40:70] = True
    return where


def test_psnr_and_ssim_are_scikit_images(ground):
    other = ground + np.random.default_rng(1).normal(size=ground.shape)
    assert psnr(other, ground, data_range=7) == pytest.approx(peak_signal_noise_ratio(ground, other, data_range=7))
    assert ssim(other, ground, data_range=7) == pytest.approx(structural_similarity(ground, other, data_range=7))
    where = np.zeros(ground.shape, bool)
    where[20:60, 20:60] = True
    assert psnr(other, ground, data_range=7, where=where) == pytest.approx(
        peak_signal_noise_ratio(ground[where], other[where], data_range=7)
    )
    assert math.isnan(psnr(other, ground, data_range=7, where=False))
    assert math.isnan(ssim(other, ground, data_range=7, where=False))


def test_a_gap_filled_with_the_truth_is_perfect(ground, gap):
    before = np.where(gap, np.nan, ground)
    rows = compare_filled(before, ground, ground, np.ones(ground.shape), unit="dB")
    assert list(rows) == ["psnr", "ssim", "rmse", "bias", "held", "gaps", "filled", "texture", "seam"]
    assert (rows["rmse"].after, rows["bias"].after, rows["held"].after) == (0, 0, 1)
    assert rows["psnr"].after == math.inf
    assert rows["ssim"].after == pytest.approx(1)
    share = 100 * gap.mean()
    assert (rows["gaps"].before, rows["gaps"].after, rows["filled"].after) == pytest.approx((share, 0, share))
    assert rows["texture"].after == pytest.approx(1, abs=0.15)
    assert rows["seam"].after == pytest.approx(1, abs=0.2)
    assert rows["rmse"].unit == "dB"


def test_a_flat_filling_has_no_texture_and_one_that_is_off_has_seams(ground, gap):
    before = np.where(gap, np.nan, ground)
    flat = compare_filled(before, np.where(gap, ground[~gap].mean(), ground))
    assert flat["texture"].after == 0
    assert flat["seam"].after > 1.5
    off = compare_filled(before, ground + 100 * gap, ground)
    assert off["texture"].after == pytest.approx(1, abs=0.15)
    assert off["seam"].after > 20
    assert off["bias"].after == pytest.approx(100)


def test_errors_are_those_of_filled_pixels_alone_and_what_a_mask_named_counts(ground, gap):
    before = ground.copy()
    before[gap] = 1000.0  # a cloud: measured, and no gap
    after = np.where(gap, ground + 2, ground)
    rows = compare_filled(before, after, ground + np.where(gap, 0, 50))
    assert rows["rmse"].after == pytest.approx(2)
    assert rows["gaps"].before == pytest.approx(100 * gap.mean())
    assert rows["filled"].after == pytest.approx(100 * gap.mean())


def test_how_often_the_stated_spread_holds_the_truth(ground, gap):
    rng = np.random.default_rng(2)
    wide = np.kron(gap, np.ones((4, 4), bool))
    truth = np.kron(ground, np.ones((4, 4)))
    before = np.where(wide, np.nan, truth)
    after = truth + wide * rng.normal(0, 3, truth.shape)
    assert compare_filled(before, after, truth, np.full(truth.shape, 3.0))["held"].after == pytest.approx(0.9, abs=0.01)
    assert compare_filled(before, after, truth, np.full(truth.shape, 1.0))["held"].after < 0.5


def test_a_gap_that_is_left_counts_as_one(ground, gap):
    before = np.where(gap, np.nan, ground)
    rows = compare_filled(before, before, ground)
    assert rows["filled"].after == 0
    assert rows["gaps"].after == rows["gaps"].before
    assert math.isnan(rows["rmse"].after)
    assert math.isnan(rows["texture"].after)


def test_the_truth_blurred_again_leaves_the_noise(ground):
    rng = np.random.default_rng(3)
    kernel = np.array([[1, 2, 1], [2, 4, 8], [1, 2, 1.0]]) / 22
    blurred = convolve(ground, kernel, mode="constant")
    before = blurred + rng.normal(0, 0.5, ground.shape)
    before[:1], before[-1:], before[:, :1], before[:, -1:] = [np.nan] * 4
    rows = compare_deblurred(before, ground, ground, kernel=kernel, noise=0.5, unit="K")
    assert rows["residual"].after == pytest.approx(0.5, rel=0.03)
    assert rows["residual"].ideal == 0.5
    for axis in ("rows", "cols"):
        assert rows[f"residual_lag1_{axis}"].after == pytest.approx(0, abs=0.04)
    assert rows["rmse"].before > rows["rmse"].after == 0
    assert rows["step"].after == pytest.approx(rows["step"].ideal, rel=0.02)
    turned = compare_deblurred(before, ground, kernel=kernel[::-1, ::-1])
    assert turned["residual"].after > 0.55  # a convolution, not a correlation
    assert math.isnan(turned["residual"].ideal)


def test_what_a_kernel_reaches_of_holes_says_nothing(ground):
    kernel = np.ones((5, 5)) / 25
    after = ground.copy()
    after[40:42, 50:53] = np.nan
    before = convolve(ground, kernel, mode="constant")
    assert compare_deblurred(before, after, kernel=kernel)["residual"].after == pytest.approx(0, abs=1e-9)


def test_without_a_kernel_less_is_said(ground):
    assert list(compare_deblurred(ground, ground)) == ["step", "mean"]
    assert math.isnan(compare_deblurred(np.full((9, 9), np.nan), np.ones((9, 9)))["mean"].after)


@pytest.mark.parametrize("compare", [compare_filled, compare_deblurred])
def test_shapes_must_agree(compare):
    with pytest.raises(ValueError, match=r"one shape \(rows, cols\), got \(4, 4\), \(4, 5\)"):
        compare(np.ones((4, 4)), np.ones((4, 5)))
