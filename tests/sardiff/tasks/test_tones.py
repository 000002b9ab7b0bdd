import numpy as np
import pytest
import xarray as xr

from geo_io import ArraySource, ReadError
from sardiff.tasks.gaps import Known
from sardiff.tasks.tones import measure_tones


def scene(values):
    rng = np.random.default_rng(0)
    pixels = np.exp(rng.normal(0, 1, (2, 40, 40))).astype(np.float32)
    pixels[1] *= 1000
    if values == "db":
        pixels = 10 * np.log10(pixels)
    pixels[:, 3, 3] = np.nan
    return Known(ArraySource(xr.DataArray(pixels, dims=("band", "y", "x")), values))


@pytest.mark.parametrize("values", ["physical", "intensity", "amplitude", "db"])
def test_logs_and_pixels_are_inverse(values):
    known = scene(values)
    tones, _ = measure_tones(known)
    pixels = known[slice(0, 2), slice(0, 40), slice(0, 40)]
    found = tones.pixels(tones.log(pixels)) + tones.darker(pixels)
    np.testing.assert_allclose(found, pixels, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("values", ["physical", "intensity", "amplitude", "db"])
def test_a_deviation_is_how_far_stored_values_move(values):
    known = scene(values)
    tones, _ = measure_tones(known)
    log = tones.log(known[slice(0, 2), slice(10, 20), slice(10, 20)])
    h = np.float32(1e-2)

    def stored(log):
        pixels = tones.pixels(log).astype(float)
        return {"amplitude": np.sqrt, "db": lambda x: 10 * np.log10(x)}.get(values, np.asarray)(pixels)

    moved = (stored(log + h) - stored(log - h)) / 2
    np.testing.assert_allclose(tones.deviation(log, np.full_like(log, h)), moved, rtol=2e-3)


def test_gain_and_offset_of_a_band_do_not_matter():
    known = scene("physical")
    tones, _ = measure_tones(known)
    low, high = np.array(tones.ranges).T
    np.testing.assert_allclose((high - low)[1] / (high - low)[0], 1000, rtol=0.3)
    assert tones.grey_noise(float(high[0] - low[0]), 0) == pytest.approx(1)


def test_one_even_grey_is_refused():
    known = Known(ArraySource(xr.DataArray(np.ones((1, 9, 9), np.float32), dims=("band", "y", "x")), "physical"))
    with pytest.raises(ReadError, match="one even grey"):
        measure_tones(known)
