"""Units have inverses, and what pixels mean is told by words and statistics, or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_io.errors import ReadError
from geo_io.values import Hint, detect_values, from_intensity, to_intensity

RNG = np.random.default_rng(1)
FOUR_LOOKS = RNG.gamma(4, 0.25, (1, 256, 256)) * np.linspace(0.02, 0.4, 256)
ONE_LOOK = RNG.gamma(1, 1, (1, 256, 256)) * np.linspace(0.02, 0.4, 256)


def tag(text):
    return [[Hint("the tag KIND", text)]]


@given(
    st.lists(st.floats(2.0**-40, 2.0**27, width=32), min_size=1, max_size=20),
    st.sampled_from(["intensity", "amplitude", "db"]),
)
def test_units_have_an_inverse(values, units):
    intensity = np.array(values, np.float32)
    back = to_intensity(from_intensity(intensity, units), units)
    np.testing.assert_allclose(10 * np.log10(back / intensity), 0, atol=2e-5)


def test_what_is_a_measurement_depends_on_the_units():
    stored = np.array([0.0, -3.0, np.nan, np.inf, 2.0, -9999.0], np.float32)
    nan = np.nan
    np.testing.assert_array_equal(to_intensity(stored, "intensity"), np.float32([nan, nan, nan, nan, 2, nan]))
    np.testing.assert_array_equal(to_intensity(stored, "amplitude"), np.float32([nan, nan, nan, nan, 4, nan]))
    np.testing.assert_allclose(to_intensity(stored, "db"), [1, 10**-0.3, nan, nan, 10**0.2, nan], rtol=1e-6)
    np.testing.assert_array_equal(to_intensity(np.complex64([3 + 4j, 0, nan]), "complex"), np.float32([25, nan, nan]))


def test_the_input_is_not_changed():
    stored = np.array([0.0, 1.0], np.float32)
    to_intensity(stored, "intensity")
    assert stored.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("pixels", "dtype", "hints", "expected"),
    [
        (10 * np.log10(FOUR_LOOKS), "float32", [], "db"),
        (10 * np.log10(FOUR_LOOKS), "float32", tag("Gamma0_VV"), "db"),  # backscatter: no word on the scale
        (np.where(FOUR_LOOKS < 0.05, -9999.0, 10 * np.log10(FOUR_LOOKS)), "float32", [], "db"),  # fill, untagged
        (FOUR_LOOKS, "float32", tag("Sigma0_VV"), "intensity"),
        (FOUR_LOOKS - 0.01, "float32", tag("sigma nought, noise removed"), "intensity"),  # some negatives
        (FOUR_LOOKS, "float32", tag("Intensity_VV"), "intensity"),
        (np.sqrt(FOUR_LOOKS), "float32", tag("Amplitude_VV"), "amplitude"),
        (10 * np.log10(FOUR_LOOKS), "float32", tag("Intensity_VV_db"), "db"),
        (ONE_LOOK, "float32", [], "intensity"),  # speckle no amplitude can have
        (np.round(400 * np.sqrt(FOUR_LOOKS)), "uint16", [], "amplitude"),
        (np.round(400 * np.sqrt(FOUR_LOOKS)), "uint16", tag("gamma0, DN"), "amplitude"),
        (np.round(400 * np.sqrt(FOUR_LOOKS)), "float32", [], "amplitude"),
    ],
)  # fmt: skip
def test_pixels_are_understood(pixels, dtype, hints, expected):
    found = detect_values([pixels.astype(np.float32)], name="a.tif", dtype=dtype, hints=hints)
    assert found.values == expected
    assert found.reason


@pytest.mark.parametrize(
    ("pixels", "dtype", "hints", "said"),
    [
        (FOUR_LOOKS, "float32", [], "could be either; say --values intensity, amplitude or db"),
        (np.sqrt(ONE_LOOK), "float32", [], "could be either"),  # as rough as four looks of intensity
        (10 * np.log10(FOUR_LOOKS), "float32", tag("amplitude"), "contradicts itself"),
        (FOUR_LOOKS, "float32", tag("dB"), "contradicts itself"),
        (RNG.integers(0, 4, (1, 64, 64)), "uint8", [], "map of classes"),
        (np.round(120 * np.sqrt(FOUR_LOOKS)), "uint8", [], "could be either"),
        (np.round(1000 * np.log10(FOUR_LOOKS)), "int16", [], "like neither power nor decibels"),
        (np.round(4000 * FOUR_LOOKS), "uint16", [[Hint("the description of band 1", "B04")]], "looks optical"),
        (FOUR_LOOKS, "float32", [[Hint("the description of band 2", "localIncidenceAngle")]], "more than backscatter"),
        (FOUR_LOOKS, "float32", [[Hint("band 1", "amplitude"), Hint("band 2", "dB")]], "mixes kinds of pixels"),
        (np.full((1, 9, 9), np.nan), "float32", [], "no measured pixel"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused(pixels, dtype, hints, said):
    with pytest.raises(ReadError, match=rf"^a\.tif.*{said}"):
        detect_values([pixels.astype(np.float32)], name="a.tif", dtype=dtype, hints=hints)


def test_a_file_name_is_believed_last():
    pixels = [FOUR_LOOKS.astype(np.float32)]
    assert detect_values(pixels, name="a", dtype="float32", file_name="s1_gamma0_linear.tif").values == "intensity"
    said = detect_values(pixels, name="a", dtype="float32", hints=tag("amplitude"), file_name="intensity.tif")
    assert said.values == "amplitude"
