import numpy as np
import pytest

from geo_io import ArraySource
from sardiff.tasks.gaps import Gaps, Known, narrow

xr = pytest.importorskip("xarray")


def source(pixels, values="physical"):
    return ArraySource(xr.DataArray(pixels, dims=("band", "y", "x")), values)


def window(gaps, rows, cols):
    return gaps[slice(0, gaps.shape[0]), slice(*rows), slice(*cols)]


@pytest.mark.parametrize("widest", [1, 2, 5, 8])
def test_narrow_is_where_no_larger_square_fits(widest):
    rng = np.random.default_rng(widest)
    gap = np.pad(rng.random((30, 33)) < 0.9, 12, constant_values=True)
    wide, side = np.zeros_like(gap), widest + 1
    for row in range(gap.shape[0] - side + 1):
        for col in range(gap.shape[1] - side + 1):
            if gap[row : row + side, col : col + side].all():
                wide[row : row + side, col : col + side] = True
    inner = slice(12, -12), slice(12, -12)
    found = narrow(gap, np.zeros_like(gap), widest)
    np.testing.assert_array_equal(found[inner], (gap & ~wide)[inner])


def test_stripes_and_holes_are_filled_the_collar_and_what_is_wide_are_not():
    pixels = np.ones((1, 120, 150), np.float32)
    pixels[:, :, 60:68] = np.nan  # a stripe from rim to rim
    pixels[:, 30:46, 20:36] = np.nan  # a hole
    pixels[:, :, :9] = np.nan  # the collar
    pixels[:, 50:100, 90:140] = np.nan  # too wide
    wanted = window(Gaps(Known(source(pixels)), 16), (0, 120), (0, 150))[1].astype(bool)
    expected = np.zeros_like(wanted)
    expected[:, 60:68] = expected[30:46, 20:36] = True
    np.testing.assert_array_equal(wanted, expected)


def test_a_window_sees_what_the_whole_scene_does():
    rng = np.random.default_rng(0)
    pixels = np.where(rng.random((2, 90, 80)) < 0.9, np.nan, 1.0).astype(np.float32)
    pixels[:, :40] = np.where(rng.random((2, 40, 80)) < 0.3, np.nan, 1.0)
    gaps = Gaps(Known(source(pixels)), 5)
    whole = window(gaps, (0, 90), (0, 80))
    for rows, cols in (((0, 30), (0, 30)), ((30, 60), (41, 80)), ((55, 90), (10, 11))):
        part = window(gaps, rows, cols)
        np.testing.assert_array_equal(part, whole[:, slice(*rows), slice(*cols)])
    assert 0 < whole[2:].mean() < 1


def test_a_mask_and_zeros_in_every_band_are_gaps():
    pixels = np.full((2, 20, 20), 7, np.uint8)
    pixels[:, 3, 3] = 0
    pixels[0, 5, 5] = 0  # dark in one band alone
    classes = np.zeros((1, 20, 20), np.uint8)
    classes[:, 10, 10], classes[:, 12, 12] = 3, 4
    for chosen, expected in (((), {(3, 3), (10, 10), (12, 12)}), ((4,), {(3, 3), (12, 12)})):
        known = Known(source(pixels), source(classes), chosen)
        missing = np.isnan(known[slice(0, 2), slice(0, 20), slice(0, 20)])
        assert set(zip(*np.nonzero(missing[0]), strict=True)) == expected
        np.testing.assert_array_equal(missing[0], missing[1])
