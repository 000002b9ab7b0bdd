"""What a task is given, and how many looks it has."""

import numpy as np
import pytest
import xarray as xr

from geo_io import ArraySource, ReadError
from sardiff.errors import SettingsError
from sardiff.simulate import landscape, speckle
from sardiff.tasks.inputs import measure_looks, open_source, settle_looks


def source(data):
    return ArraySource(xr.DataArray(data, dims=("y", "x"), name="scene"), "intensity")


@pytest.mark.parametrize("looks", [1.0, 4.4])
def test_looks_are_estimated_from_a_sample(looks):
    clean = landscape((384, 384), seed=1).intensity
    data = clean * speckle(clean.shape, looks, np.random.default_rng(0))
    found = settle_looks(source(data), "auto")
    assert found.value == pytest.approx(looks, rel=0.2)
    assert found.value >= 1
    assert "estimated" in found.reason


def test_a_product_has_one_look_at_least():
    rough = np.exp(np.random.default_rng(0).normal(0, 0.7, (256, 256))) * speckle(
        (256, 256), 1.0, np.random.default_rng(1)
    )
    assert measure_looks(source(rough.astype(np.float32))).looks < 1
    found = settle_looks(source(rough.astype(np.float32)), "auto")
    assert found.value == 1
    assert "no product has less than one look" in found.reason


def test_complex_data_have_one_look():
    slc = xr.DataArray(np.ones((8, 8), np.complex64), dims=("y", "x"))
    assert settle_looks(ArraySource(slc), "auto").value == 1


@pytest.mark.parametrize("looks", [0, -1, float("nan"), float("inf"), "many"])
def test_looks_that_are_none_are_refused(looks):
    with pytest.raises(SettingsError, match="looks must be 'auto' or a number > 0"):
        settle_looks(source(np.ones((8, 8), np.float32)), looks)


def test_a_scene_without_measurements_is_refused():
    with pytest.raises(ReadError, match="holds no measurement"):
        settle_looks(source(np.full((64, 64), np.nan, np.float32)), "auto")


def test_options_of_products_are_refused_for_rasters(tmp_path):
    with pytest.raises(SettingsError, match=r"is not a Sentinel-1 product: leave out --polarisation vv"):
        open_source(tmp_path / "scene.tif", polarisation="vv")
