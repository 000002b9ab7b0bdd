import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sardiff import units

PAIRS = [
    (units.log_from_intensity, units.intensity_from_log),
    (units.db_from_intensity, units.intensity_from_db),
    (units.amplitude_from_intensity, units.intensity_from_amplitude),
    (units.db_from_log, units.log_from_db),
]


@pytest.mark.parametrize(("there", "back"), PAIRS, ids=lambda f: f.__name__)
@given(intensity=st.floats(1e-6, 1e6))
def test_every_change_of_units_comes_back(there, back, intensity):
    assert back(there(intensity)) == pytest.approx(intensity, rel=1e-12)
    np.testing.assert_allclose(back(there(np.array([intensity]))), intensity, rtol=1e-12)
    tensor = torch.tensor([intensity], dtype=torch.float64)
    torch.testing.assert_close(back(there(tensor)), tensor)


def test_a_factor_of_ten_is_ten_decibels_and_twenty_in_amplitude():
    assert units.db_from_intensity(10.0) == pytest.approx(10)
    assert units.db_from_intensity(units.intensity_from_amplitude(10.0)) == pytest.approx(20)
    assert units.db_from_log(1.0) == pytest.approx(10 * math.log10(math.e))


@pytest.mark.parametrize("change", [units.log_from_intensity, units.db_from_intensity, units.amplitude_from_intensity])
def test_what_has_no_logarithm_was_not_measured(change):
    stored = np.array([0, -1, math.inf, -math.inf, math.nan, 1], dtype=np.float32)
    expected = [True] * 5 + [False]
    assert [math.isnan(change(float(value))) for value in stored] == expected
    in_numpy, in_torch = change(stored), change(torch.from_numpy(stored))
    assert in_numpy.dtype == np.float32
    assert in_torch.dtype == torch.float32
    np.testing.assert_array_equal(np.isnan(in_numpy), expected)
    np.testing.assert_array_equal(torch.isnan(in_torch), expected)


def test_unsigned_amplitudes_do_not_overflow():
    stored = np.array([[0, 300, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(units.intensity_from_amplitude(stored), [[math.nan, 90000.0, 65535.0**2]])


def test_power_of_complex_pixels():
    slc = np.array([3 + 4j, 0, complex(math.nan, 1)], dtype=np.complex64)
    expected = np.array([25, 0, math.nan], dtype=np.float32)
    np.testing.assert_array_equal(units.intensity_from_complex(slc), expected)
    np.testing.assert_array_equal(units.intensity_from_complex(torch.from_numpy(slc)), expected)
