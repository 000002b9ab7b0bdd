"""One stretch for images that shall be compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sardiff.plot import Stretch, stretch


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_greys_keep_order_stay_within_bounds_and_do_not_depend_on_calibration(seed, gain):
    image = np.random.default_rng(seed).gamma(1, 1, (20, 30)).astype(np.float32) + 1e-3
    image[3, 4] = np.nan
    grey = stretch(image)
    known = np.isfinite(image)
    assert np.array_equal(np.isfinite(grey), known)
    assert grey[known].min() >= 0
    assert grey[known].max() <= 1
    order = np.argsort(image[known])
    assert (np.diff(grey[known][order]) >= 0).all()
    np.testing.assert_allclose(stretch(image * np.float32(gain)), grey, atol=2e-3)


def test_the_last_image_chooses_the_ends():
    ground = np.linspace(0.01, 1, 1000)  # -20 to 0 dB
    speckled = ground * np.random.default_rng(0).gamma(1, 1, 1000)
    chosen = Stretch.of(speckled, ground)
    assert chosen.low == pytest.approx(10 * np.log10(np.quantile(ground, 0.01)), abs=0.1)
    assert chosen.high == pytest.approx(10 * np.log10(np.quantile(ground, 0.995)), abs=0.01)
    np.testing.assert_array_equal(stretch(speckled, like=ground), Stretch.of(ground)(speckled))


def test_even_ground_is_not_blown_up():
    even = Stretch.of(np.full((9, 9), 0.1))
    assert (even.low, even.high) == (pytest.approx(-15), pytest.approx(-5))
    assert Stretch.of(np.full((9, 9), np.nan)) == Stretch(0, 1)
    assert Stretch.of(np.full((9, 9), np.nan), np.full(3, np.nan)) == Stretch(0, 1)


def test_low_lies_below_high():
    with pytest.raises(ValueError, match=r"^a stretch needs low < high, got 2 and 1"):
        Stretch(2, 1)
