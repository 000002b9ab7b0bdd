"""Known shifts are found, strangers have nothing in common, and the sign is that of `Aligned`."""

import math

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from scipy import ndimage

from geo_io import Grid, open_raster
from geo_io.align import Aligned
from sardiff.metrics import combine, local_shifts
from sardiff.metrics.registration import RELIABLE
from sardiff.simulate import correlated_speckle, landscape

CONTRASTS = {
    "inverted": lambda x: -x,
    "folded": lambda x: np.abs(x + 0.2),
    "shuffled": lambda x: np.interp(x, np.linspace(-3, 3, 9), [0.3, -1, 0.8, 1.2, -0.4, 0.1, -1.3, 1, 0]),
}


def ground(seed, side=330):
    """Log-intensity of a landscape, all of it measured."""
    scene = landscape((side, side), seed=seed)
    log = np.log(np.where(scene.measured, scene.intensity, np.nanmedian(scene.intensity)))
    return (log - log.mean()) / log.std()


def radar(x, seed):
    """As a despeckler leaves it, a cheap one."""
    return ndimage.gaussian_filter(x + np.log(correlated_speckle(x.shape, np.random.default_rng(seed), looks=4)), 1.2)


def light(x, contrast, shift, seed):
    """Another sensor's look, moved; with details that the radar does not see."""
    own = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=x.shape), 2)
    look = ndimage.gaussian_filter(CONTRASTS[contrast](x), 0.6)
    return ndimage.shift(look / look.std() + 0.5 * own / own.std(), shift, order=3, mode="nearest")


def pair(seed, contrast, shift, side=330):
    x, inner = ground(seed, side), np.s_[16:-16, 16:-16]
    return light(x, contrast, shift, seed + 1)[inner], radar(x, seed + 2)[inner]


# Known shifts


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.5, -0.75), (-3.2, 2.6), (9.3, 14.1)])
def test_a_known_shift_is_found_by_a_fraction_of_a_pixel(contrast, shift):
    found = combine(local_shifts(*pair(3, contrast, shift)))
    assert found.reliable, found.reason
    assert found.confidence > 0.5
    # A contrast that is not monotonic moves edges a little, wherever the images lie.
    assert found.shift == pytest.approx(shift, abs=0.35 if contrast == "shuffled" else 0.2)
    assert found.spread < 1
    assert found.windows == 16
    assert found.agreeing >= 8


def test_a_shift_larger_than_the_limit_is_not_found():
    reference, moving = pair(3, "inverted", (0, 14))
    assert combine(local_shifts(reference, moving, limit=16)).shift == pytest.approx((0, 14), abs=0.25)
    beyond = combine(local_shifts(reference, moving, limit=8))
    assert beyond.confidence < 0.3


def test_windows_tell_where_they_are_and_what_they_found():
    reference, moving = pair(5, "folded", (2.0, -1.0))
    shifts = local_shifts(reference, moving, window=128, origin=(1000, 2000))
    assert [(s.row - 1000, s.col - 2000) for s in shifts[:4]] == [(0, 0), (0, 57), (0, 113), (0, 170)]
    sure = [s for s in shifts if s.confidence >= 0.5]
    assert len(sure) > 4
    for s in sure:
        assert (s.shift_rows, s.shift_cols) == pytest.approx((2, -1), abs=0.8)
    assert all(0 <= s.confidence < 1 for s in shifts)


def test_parts_measured_one_after_another_say_what_the_whole_says():
    reference, moving = pair(7, "inverted", (-1.25, 3.5), side=420)
    parts = []
    for row in (0, 194):
        for col in (0, 194):
            part = np.s_[row : row + 194, col : col + 194]
            parts += local_shifts(reference[part], moving[part], origin=(row, col))
    assert combine(parts).shift == pytest.approx(combine(local_shifts(reference, moving)).shift, abs=0.15)


def test_a_small_image_is_one_window():
    reference, moving = pair(3, "inverted", (1.0, 2.0), side=150)
    (only,) = local_shifts(reference, moving)
    assert only.correlation.shape == (49, 49)
    assert (only.shift_rows, only.shift_cols) == pytest.approx((1, 2), abs=0.5)


# The sign


class Pixels:
    def __init__(self, image, grid):
        self.image, self.grid, self.name, self.shape = image[None].astype(np.float32), grid, "pixels", (1, *image.shape)

    def __getitem__(self, index):
        return self.image[index]


def test_moved_by_what_was_measured_they_match():
    reference, moving = pair(4, "folded", (2.4, -3.7))
    grid = Grid(reference.shape, CRS.from_epsg(32633), Affine(10, 0, 5e5, 0, -10, 5e6))
    found = combine(local_shifts(reference, moving))
    moved = Aligned(Pixels(moving, grid), grid, resampling="cubic", shift=found.shift)[:, :, :][0]
    assert np.isnan(moved).any()  # what came in from outside
    left = combine(local_shifts(reference, moved))
    assert math.hypot(*found.shift) > 4
    assert math.hypot(*left.shift) < 0.25
    assert left.reliable


# Unrelated images


def test_strangers_have_nothing_in_common():
    confidence = []
    grounds = [ground(seed, 288) for seed in range(4)]
    for k in range(12):
        reference, moving = light(grounds[k % 4], "inverted", (0, 0), k), radar(grounds[(k + 1) % 4], k)
        confidence.append(combine(local_shifts(np.rot90(reference, k // 4), moving)).confidence)
    assert np.median(confidence) < 0.05
    assert max(confidence) < RELIABLE + 0.05
    noise = np.random.default_rng(0).normal(size=(2, 300, 300))
    found = combine(local_shifts(*noise))
    assert not found.reliable
    assert "too few edges in common" in found.reason


def test_parts_that_move_apart_have_no_common_shift():
    reference, moving = pair(3, "inverted", (3.0, 0.0))
    other, moving_other = pair(4, "inverted", (-3.0, 1.0))
    shifts = local_shifts(reference, moving) + local_shifts(other, moving_other)
    found = combine(shifts)
    assert found.spread > 1.5
    assert "shifted in different ways" in found.reason


# What was not measured


def test_holes_neither_break_nor_bias():
    reference, moving = pair(6, "inverted", (2.5, -4.0))
    rows, cols = np.indices(reference.shape)
    clouds, swath = np.hypot(rows - 80, cols - 200) < 45, rows - 0.3 * cols > 230
    found = combine(local_shifts(np.where(clouds, np.nan, reference), np.where(swath, np.nan, moving)))
    assert found.shift == pytest.approx((2.5, -4), abs=0.25)
    assert found.reliable


def test_without_pixels_in_common_nothing_is_said():
    image = ground(3, 200)
    left, right = image.copy(), image.copy()
    left[:, 80:], right[:, :120] = np.nan, np.nan
    for a, b in ((left, right), (np.full((200, 200), np.nan), image), (image[:3, :3], image[:3, :3])):
        found = combine(local_shifts(a, b))
        assert (found.shift, found.confidence, found.windows) == ((0, 0), 0, 0)
        assert math.isnan(found.spread)
        assert found.reason == "no part of the scene is large enough and measured in both images"
    assert local_shifts(image, np.ones_like(image)) == []


# Real pairs


@pytest.mark.parametrize("name", ["38D_378R_2_3", "433D_629L_3_1"])
def test_sentinel_pairs_lie_a_pixel_or_two_apart(shared_data, name):
    """Still speckled, and the more so found in despeckled ones."""
    folder = shared_data / "sar/pairs/terramind"
    sar = open_raster(folder / f"{name}_s1rtc_dB.tif", values="db")
    optical = open_raster(folder / f"{name}_s2l2a.tif", values="intensity", bands=[2, 3, 4])[:, :, :].mean(0)
    log = np.log(sar[:, :, :])
    found = combine([shift for band in log for shift in local_shifts(optical, band)])
    assert found.reliable
    assert found.confidence > 0.5
    assert math.hypot(*found.shift) < 2.5
    by = (4.3, -2.6)
    moved = np.log(Aligned(sar, sar.grid, shift=by)[:, :, :])
    again = combine([shift for band in moved for shift in local_shifts(optical, band)])
    assert np.add(again.shift, by) == pytest.approx(found.shift, abs=0.2)


# The door


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"images of one shape \(rows, cols\), got \(40, 40\) and \(40, 41\)"):
        local_shifts(np.ones((40, 40)), np.ones((40, 41)))
    with pytest.raises(ValueError, match="window must be >= 32"):
        local_shifts(np.ones((40, 40)), np.ones((40, 40)), window=16)
