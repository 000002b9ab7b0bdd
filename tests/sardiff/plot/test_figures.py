"""Quicklooks, by what they draw."""

import numpy as np
import pytest
import xarray as xr
from rasterio.crs import CRS

from sardiff import plot
from sardiff.errors import SettingsError
from sardiff.plot.composites import Composite
from sardiff.plot.figures import busiest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def pair():
    rng = np.random.default_rng(2)
    ground = np.full((64, 80), 0.1)
    ground[20:50, 30:60] = 1.0
    return (ground * rng.gamma(1, 1, ground.shape)).astype(np.float32), ground.astype(np.float32)


@pytest.fixture(autouse=True)
def _closed():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


def drawn(axes):
    return np.ma.filled(axes.images[0].get_array().astype(float), np.nan)


def test_a_quicklook_is_in_decibels_with_a_bar(pair):
    axes = plot.quicklook(pair[1], title="ground")
    np.testing.assert_allclose(drawn(axes), 10 * np.log10(pair[1]), rtol=1e-5)
    assert axes.get_title() == "ground"
    assert axes.figure.axes[1].get_ylabel() == "backscatter, dB"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("column", "row")
    amplitude = plot.quicklook(pair[1], units="amplitude", bar=False)
    np.testing.assert_allclose(drawn(amplitude), np.sqrt(pair[1]), rtol=1e-5)
    assert len(amplitude.figure.axes) == 1


def test_axes_are_map_coordinates_where_there_are_any(pair):
    rows, cols = pair[1].shape
    coords = {"y": 5000 - 10.0 * (np.arange(rows) + 0.5), "x": 300 + 10.0 * (np.arange(cols) + 0.5)}
    scene = xr.DataArray(pair[1], dims=("y", "x"), coords=coords, attrs={"units": "intensity"})
    axes = plot.quicklook(scene)
    assert tuple(axes.images[0].get_extent()) == (300, 300 + 10 * cols, 5000 - 10 * rows, 5000)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
    metres = scene.assign_coords(spatial_ref=0)
    metres.spatial_ref.attrs["crs_wkt"] = CRS.from_epsg(32633).to_wkt()
    assert plot.quicklook(metres).get_xlabel() == "x, m"


def test_the_ratio_is_before_over_after(pair):
    axes = plot.ratio_image(*pair)
    np.testing.assert_allclose(drawn(axes), 10 * np.log10(pair[0] / pair[1]), atol=1e-4)
    assert axes.images[0].get_clim() == (-6, 6)


def test_uncertainty_is_drawn_as_it_is_from_zero(pair):
    axes = plot.uncertainty(pair[1])
    np.testing.assert_allclose(drawn(axes), pair[1])
    assert axes.images[0].get_clim()[0] == 0


def test_before_and_after_share_one_stretch(pair):
    figure = plot.before_after(*pair, truth=pair[1], spread=pair[1])
    limits = [axes.images[0].get_clim() for axes in figure.axes[:8]]
    assert limits[0] == limits[1] == limits[2] == limits[4] == limits[6] != limits[3]
    assert [axes.get_title() for axes in figure.axes[:4]] == ["before", "after", "truth", "uncertainty of after"]
    assert len(plot.before_after(*pair).axes) == 5  # two images, two details, one bar


def test_the_other_pictures_are_drawn(pair):
    axes = plot.histogram(*pair, labels=("before", "after"))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["before", "after"]
    looks = drawn(plot.looks_map(pair[0]))
    assert looks.shape == (4, 5)
    assert plot.composite(np.stack([pair[0], pair[1]])).images[0].get_array().shape == (64, 80, 4)


def test_a_detail_lies_where_most_is_going_on():
    image = np.zeros((100, 60))
    image[70:80, 30:40] = np.arange(10) * 10
    rows, cols = busiest(image, 1, (100, 60))
    assert rows.start < 75 < rows.stop
    assert cols.start < 35 < cols.stop
    rows, cols = busiest(np.full((3, 3), np.nan), 1, (3, 3))
    assert (rows, cols) == (slice(0, 3), slice(0, 3))


def test_colours_of_two_polarisations_and_of_optical_bands():
    rng = np.random.default_rng(0)
    radar = rng.uniform(0.01, 1, (2, 30, 30)).astype(np.float32)
    radar[1, 0, 0] = np.nan
    rgb = Composite(radar, radar=True)(radar)
    assert rgb.shape == (30, 30, 3)
    assert np.isnan(rgb[0, 0]).all()
    assert np.isfinite(rgb).sum() == 3 * 899
    optical = rng.uniform(0, 3000, (4, 30, 30)).astype(np.float32)
    rgb = Composite(optical, radar=False)(optical)
    assert np.nanmin(rgb) == 0
    assert np.nanmax(rgb) == 1
    grey = Composite(optical[:1], radar=False)(optical[:1])
    assert (grey[..., 0] == grey[..., 2]).all()


def test_what_is_no_image_is_refused():
    with pytest.raises(SettingsError, match=r"^An image has \(rows, cols\)"):
        plot.quicklook(np.zeros(3))
