import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_io.calibration import AzimuthNoise, Calibration, Lut, Noise, read_noise, read_sigma_nought
from geo_io.errors import ReadError


def lut(lines, *vectors):
    pixels, values = zip(*vectors, strict=True)
    return Lut(tuple(lines), tuple(map(np.array, pixels)), tuple(map(np.array, values)))


def test_the_table_is_bilinear_between_vectors_and_constant_beyond():
    table = lut([-4, 6], ([0.0, 10.0], [100.0, 200.0]), ([0.0, 4.0, 8.0], [300.0, 340.0, 500.0]))
    got = table.at((0, 9), (0, 12))
    # By hand. At line 1 half of each vector: pixel 2 is (120 + 320) / 2; pixel 9 is (190 + 500) / 2.
    assert got[1, 2] == 220
    assert got[1, 9] == 345
    # At line 0 six tenths of the upper vector: pixel 0 is .6 * 100 + .4 * 300.
    assert got[0, 0] == pytest.approx(180, rel=1e-15)
    # From line 6 on the lower vector alone; beyond its last pixel its last value.
    assert got[8].tolist() == [300, 310, 320, 330, 340, 380, 420, 460, 500, 500, 500, 500]


def test_a_single_vector_holds_for_all_lines():
    assert (lut([7], ([0.0], [3.0])).at((0, 20), (5, 8)) == 3).all()


@given(st.data())
def test_a_window_of_the_table_is_the_crop_of_the_whole(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    lines = np.unique(rng.integers(-20, 70, data.draw(st.integers(1, 6))))
    pixels = [np.unique([0, *rng.integers(1, 80, 5)]).astype(float) for _ in lines]
    table = lut(lines.tolist(), *((p, rng.uniform(1, 9, len(p))) for p in pixels))
    block = AzimuthNoise((3, 41), (10, 60), np.array([0.0, 9.0, 30.0]), np.array([1.0, 2.0, 0.5]))
    noise = Noise(table, (block,))
    top, left = data.draw(st.integers(0, 49)), data.draw(st.integers(0, 69))
    bottom, right = data.draw(st.integers(top + 1, 50)), data.draw(st.integers(left + 1, 70))
    whole = noise.at((0, 50), (0, 70))
    np.testing.assert_array_equal(noise.at((top, bottom), (left, right)), whole[top:bottom, left:right])


def test_azimuth_noise_multiplies_its_own_block_only():
    flat = lut([0], ([0.0], [10.0]))
    got = Noise(flat, (AzimuthNoise((1, 3), (2, 4), np.array([0.0, 4.0]), np.array([1.0, 3.0])),)).at((0, 4), (0, 5))
    expected = np.full((4, 5), 10.0)
    expected[1, 2:4], expected[2, 2:4] = 15, 20
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("dn", "power"), [(100, 10_000), (60_000, 3.6e9), (3 - 4j, 25)])
def test_sigma_nought_takes_noise_from_the_power_and_divides_by_the_square(dn, power):
    table = lut([0], ([0.0], [500.0]))
    noise = Noise(lut([0], ([0.0], [30.0])))
    numbers = np.array([[dn]], dtype=np.complex64 if isinstance(dn, complex) else np.uint16)
    assert Calibration(table, noise)(numbers, (0, 1), (0, 1))[0, 0] == np.float32((power - 30) / 250_000)
    assert Calibration(table)(numbers, (0, 1), (0, 1))[0, 0] == np.float32(power / 250_000)


def parse(text):
    return ET.fromstring(text)  # our own text


CALIBRATION = (
    "<calibration><calibrationVectorList><calibrationVector><line>{line}</line><pixel>{pixel}</pixel>"
    "<sigmaNought>{values}</sigmaNought></calibrationVector></calibrationVectorList></calibration>"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<calibration/>", "it has no vectors"),
        (CALIBRATION.format(line=0, pixel="0 40", values="1"), "has 2 pixels and 1 values"),
        (CALIBRATION.format(line=0, pixel="0 40 40", values="1 2 3"), "do not rise"),
        (CALIBRATION.format(line=0, pixel="0 40", values="1 nan"), "not finite"),
        (CALIBRATION.format(line=0, pixel="0 40", values="1 x"), "could not convert"),
        (CALIBRATION.format(line="", pixel="0", values="1"), "has no line"),
    ],
)
def test_damaged_tables_are_refused_by_name(text, said):
    with pytest.raises(ReadError, match=f"^calibration-x.xml: .*{said}.*download it again$"):
        read_sigma_nought(parse(text), "calibration-x.xml")


def test_a_table_of_zeros_cannot_calibrate():
    with pytest.raises(ValueError, match="must be > 0"):
        Calibration(lut([0], ([0.0, 1.0], [1.0, 0.0])))


def test_azimuth_noise_without_bounds_holds_everywhere():
    vector = "<line>0</line><pixel>0 9</pixel><noiseRangeLut>5 5</noiseRangeLut>"
    noise = read_noise(
        parse(
            f"<noise><noiseRangeVectorList><noiseRangeVector>{vector}</noiseRangeVector></noiseRangeVectorList>"
            "<noiseAzimuthVectorList><noiseAzimuthVector><line>0 10</line><noiseAzimuthLut>2 4</noiseAzimuthLut>"
            "</noiseAzimuthVector></noiseAzimuthVectorList></noise>"
        ),
        "noise",
    )
    assert noise.at((5, 6), (0, 3)).tolist() == [[15, 15, 15]]
    assert not noise.is_zero


@pytest.mark.parametrize("name", ["20211223T051122_20211223T051147_030148_039993_5371"])
def test_a_real_product_by_hand(shared_data, name):
    """S1B, 23 December 2021, VV: the first numbers of its files, combined with pencil and paper."""
    folder = shared_data / f"sar/safe/S1B_IW_GRDH_1SDV_{name}.SAFE/annotation/calibration"
    (calibration,) = folder.glob("calibration-*-vv-*.xml")
    (noise,) = folder.glob("noise-*-vv-*.xml")
    sigma_nought = read_sigma_nought(ET.parse(calibration).getroot(), "calibration")
    thermal = read_noise(ET.parse(noise).getroot(), "noise")
    # Pixel 30 of line 0: three quarters of the way from 663.8558 to 663.5805.
    assert sigma_nought.at((0, 1), (30, 31))[0, 0] == pytest.approx(663.649325, rel=1e-9)
    # Line 334 lies half way from line 0 to 668; azimuth noise at line 5 is half way from 1.091791 to 1.094198.
    assert thermal.along_range.at((334, 335), (0, 1))[0, 0] == pytest.approx((2375.788 + 2399.187) / 2, rel=1e-12)
    expected = (2375.788 + (2399.187 - 2375.788) * 5 / 668) * (1.091791 + 1.094198) / 2
    assert thermal.at((5, 6), (0, 1))[0, 0] == pytest.approx(expected, rel=1e-12)
    # The noise equivalent sigma nought of IW is specified at -22 dB or better.
    nesz = thermal.at((8000, 8001), (0, 26102)) / sigma_nought.at((8000, 8001), (0, 26102)) ** 2
    assert -32 < 10 * math.log10(nesz.mean()) < -22


def test_tables_agree_with_xarray_sentinel(shared_data):
    sentinel1 = pytest.importorskip("xarray_sentinel.sentinel1", reason="xarray-sentinel is not installed")
    safe = "S1B_IW_SLC__1SDV_20210401T052622_20210401T052650_026269_032297_EFA4.SAFE"
    folder = shared_data / "sar/safe" / safe / "annotation/calibration"
    (calibration,) = folder.glob("calibration-*iw1*-vv-*.xml")
    (noise,) = folder.glob("noise-*iw1*-vv-*.xml")
    rows, cols = (1490, 1530), (7990, 8090)
    at = {"line": np.arange(*rows), "pixel": np.arange(*cols)}
    theirs = sentinel1.open_calibration_dataset(calibration).sigmaNought.interp(at)
    ours = read_sigma_nought(ET.parse(calibration).getroot(), "calibration").at(rows, cols)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    along_range = sentinel1.open_noise_range_dataset(noise).noiseRangeLut.interp(at)
    along_azimuth = sentinel1.open_noise_azimuth_dataset(noise).noiseAzimuthLut.interp(line=at["line"])
    ours = read_noise(ET.parse(noise).getroot(), "noise").at(rows, cols)
    np.testing.assert_allclose(ours, along_range * along_azimuth, rtol=1e-6)
