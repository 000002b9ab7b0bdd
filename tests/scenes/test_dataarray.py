"""Lazy despeckling of DataArrays, on any scheduler."""

import json

import dask
import numpy as np
import pytest
import xarray as xr

import sardiff
from sardiff.errors import SettingsError
from sardiff.simulate import speckle


def array(bands=None, chunks=None):
    shape = (96, 80) if bands is None else (bands, 96, 80)
    data = 0.2 * speckle(shape, 4.0, np.random.default_rng(0))
    data[..., :8, :8] = np.nan
    data[..., 50, 50] = -0.01
    coords = {
        "y": 5_000_000 - 10.0 * np.arange(96) - 5,
        "x": 500_000 + 10.0 * np.arange(80) + 5,
        "spatial_ref": ((), 0, {"crs_wkt": 'LOCAL_CS["test"]', "GeoTransform": "500000 10 0 5000000 0 -10"}),
        "time": np.datetime64("2026-01-02"),
    }
    dims = ("y", "x") if bands is None else ("band", "y", "x")
    if bands is not None:
        coords["band"] = list(range(1, bands + 1))
    da = xr.DataArray(data, dims=dims, coords=coords, attrs={"grid_mapping": "spatial_ref", "note": "kept"}, name="vv")
    return da if chunks is None else da.chunk({"y": chunks, "x": chunks})


@pytest.mark.parametrize("bands", [None, 2])
@pytest.mark.parametrize("chunks", [None, 32])
def test_a_dataarray_comes_back_lazy_with_all_it_had(bands, chunks):
    da = array(bands, chunks)
    lazy = sardiff.despeckle(da, looks=4.0, values="intensity", tile=64)
    assert dask.is_dask_collection(lazy)
    assert lazy.dims == da.dims
    assert lazy.name == "vv"
    assert lazy.attrs["note"] == "kept"
    assert set(da.coords) == set(lazy.coords)
    for name in da.coords:
        xr.testing.assert_identical(lazy.coords[name].variable, da.coords[name].variable)
    result = lazy.compute(scheduler="synchronous")
    assert result.dtype == np.float32
    measured = da.values > 0
    assert np.isnan(result.values[np.isnan(da.values)]).all()
    np.testing.assert_array_equal(result.values[da.values <= 0], np.float32(-0.01))  # as it came
    assert np.log(result.values[measured]).std() < 0.5 * np.log(da.values[measured]).std()
    assert result.values[measured].mean() == pytest.approx(da.values[measured].mean(), rel=0.03)


def test_the_schedulers_agree():
    lazy = sardiff.despeckle(array(), looks=4.0, values="intensity", tile=48, device="cpu")
    one = lazy.compute(scheduler="synchronous")
    two = lazy.compute(scheduler="threads", num_workers=2)
    np.testing.assert_allclose(one, two, rtol=1e-4)


@pytest.mark.slow
def test_the_process_and_distributed_schedulers_agree():
    distributed = pytest.importorskip("distributed")
    lazy = sardiff.despeckle(array(chunks=48), looks=4.0, values="intensity", tile=48, device="cpu")
    one = lazy.compute(scheduler="synchronous")
    np.testing.assert_allclose(lazy.compute(scheduler="processes", num_workers=1), one, rtol=1e-4)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp"
        ) as cluster,
        distributed.Client(cluster),
    ):
        np.testing.assert_allclose(lazy.compute(), one, rtol=1e-4)


def test_units_of_the_result_can_be_chosen():
    da = array()
    kwargs = {"looks": 4.0, "values": "intensity", "tile": 96}
    linear = sardiff.despeckle(da, **kwargs).compute().values
    db = sardiff.despeckle(da, units="db", **kwargs).compute().values
    measured = da.values > 0
    np.testing.assert_allclose(db[measured], 10 * np.log10(linear[measured]), atol=1e-4)


def test_uncertainty_comes_as_a_second_estimate():
    result = sardiff.despeckle(array(), looks=4.0, values="intensity", uncertainty=True)
    assert result.dims == ("estimate", "y", "x")
    deviation = result.sel(estimate="standard deviation (dB)").compute().values
    measured = array().values > 0
    assert (deviation[measured] > 0).all()


def test_looks_are_estimated_when_not_given():
    rng = np.random.default_rng(0)
    da = xr.DataArray(speckle((256, 256), 1.0, rng), dims=("y", "x"))
    lazy = sardiff.despeckle(da, values="intensity")
    assert 0.8 < float(eval(lazy.attrs["SARDIFF_LOOKS"])["value"]) < 1.2


def test_a_path_needs_an_output_and_an_array_none(tmp_path):
    with pytest.raises(SettingsError, match=r"Name an output \.tif"):
        sardiff.despeckle(tmp_path / "in.tif")
    with pytest.raises(SettingsError, match="A DataArray gives a DataArray"):
        sardiff.despeckle(array(), tmp_path / "out.tif")
    with pytest.raises(SettingsError, match="There is no such"):
        sardiff.despeckle(array(), looks=1.0, values="intensity", colour="blue")


def test_the_result_of_some_bands_says_which():
    three = array(bands=3).assign_coords(band=[1, 2, 3])
    lazy = sardiff.despeckle(three[[2, 0]], looks=4, values="intensity", quality="fast")
    assert json.loads(lazy.attrs["SARDIFF_INPUT"])["bands"] == [3, 1]
    unnamed = array(bands=2).drop_vars("band", errors="ignore")
    lazy = sardiff.despeckle(unnamed, looks=4, values="intensity", quality="fast")
    assert "bands" not in json.loads(lazy.attrs["SARDIFF_INPUT"])
