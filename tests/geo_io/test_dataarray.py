import pickle

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from geo_io.dataarray import ArraySource, grid_of, to_dataarray
from geo_io.errors import ReadError
from geo_io.grid import Grid
from geo_io.source import Source

# rioxarray still multiplies transforms by `*`.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

UTM = CRS.from_epsg(32633)
NORTH_UP = Affine(10 / 3, 0, 5e5 + 1 / 3, 0, -10 / 3, 5.1e6)
EVERYTHING = (slice(None), slice(None), slice(None))


def speckle(shape=(40, 50), seed=0):
    return np.random.default_rng(seed).gamma(1.0, size=shape).astype(np.float32)


def placed(data, transform=NORTH_UP, crs=UTM, **kwargs):
    """A DataArray by the conventions, made by hand."""
    rows, cols = data.shape[-2:]
    coords = {
        "y": transform.f + transform.e * (np.arange(rows) + 0.5),
        "x": transform.c + transform.a * (np.arange(cols) + 0.5),
        "spatial_ref": xr.Variable((), 0, {"crs_wkt": crs.to_wkt(), "GeoTransform": gdal_text(transform)}),
    }
    if data.ndim == 3:
        coords["band"] = [f"V{'VH'[k]}" for k in range(len(data))]
    return xr.DataArray(data, dims=("band", "y", "x")[-data.ndim :], coords=coords, **kwargs)


def gdal_text(transform):
    return " ".join(f"{number:.17g}" for number in transform.to_gdal())


def test_grid_agrees_with_rioxarray_for_files_it_opens(tmp_path):
    rioxarray = pytest.importorskip("rioxarray")
    import rasterio

    for transform in (NORTH_UP, Affine(1e-4, 0, 16 / 3, 0, 1e-4, 5 / 3), Affine(3.1, 0.7, 5e5, 0.6, -3.2, 5.1e6)):
        with rasterio.open(
            tmp_path / "a.tif", "w", driver="GTiff", height=40, width=50, count=2, dtype="float32", nodata=-9.0,
            crs=UTM, transform=transform,
        ) as d:  # fmt: skip
            d.write(speckle((2, 40, 50)))
            expected = Grid.from_dataset(d)
        with rioxarray.open_rasterio(tmp_path / "a.tif") as da:
            assert grid_of(da) == expected
            cut = da[:, 7:30, 11:]  # GeoTransform still tells of the whole
            back = grid_of(cut)
            assert back.crs == cut.rio.crs
            assert back.transform is not None
            if not transform.b:
                corner = transform @ (11, 7) if hasattr(Affine, "__matmul__") else transform * (11, 7)
                assert (back.transform.c, back.transform.f) == pytest.approx(corner, rel=1e-12)
                assert tuple(back.transform) == pytest.approx(tuple(cut.rio.transform()), rel=1e-12)
                assert (back.transform.a, back.transform.e) == (transform.a, transform.e)
            source = ArraySource(da, "intensity")
            assert source.metadata.nodata == -9.0
        with rioxarray.open_rasterio(tmp_path / "a.tif", masked=True) as da:
            assert np.isnan(ArraySource(da, "intensity").metadata.nodata)


def test_a_result_stands_where_its_input_stands(tmp_path):
    pytest.importorskip("rioxarray")
    da = placed(speckle((2, 40, 50)), name="sigma0", attrs={"long_name": ("VV", "VH"), "_FillValue": -1.0, "orbit": 15})
    da.encoding = {"grid_mapping": "spatial_ref", "dtype": "int16", "scale_factor": 0.1}
    out = to_dataarray(np.ones((2, 40, 50), np.float32), da, attrs={"made_by": "us"})
    assert out.rio.crs == da.rio.crs == UTM
    assert out.rio.transform() == da.rio.transform()
    assert out.rio.nodata == da.rio.nodata
    xr.testing.assert_identical(out.coords.to_dataset(), da.coords.to_dataset())
    assert (out.name, out.dims, out.attrs) == (da.name, da.dims, {**da.attrs, "made_by": "us"})
    out.rio.to_raster(tmp_path / "o.tif")  # nothing of the input's encoding spoils it
    import rasterio

    with rasterio.open(tmp_path / "o.tif") as d:
        assert (d.dtypes[0], d.crs, d.nodata) == ("float32", UTM, -1.0)
        assert d.transform.almost_equals(NORTH_UP)
        assert (d.read() == 1).all()


def test_control_points_of_rioxarray_are_read():
    pytest.importorskip("rioxarray")
    places = [(row, col) for row in (0, 40) for col in (0, 25, 50)]
    points = [GroundControlPoint(row=r, col=c, x=16 + c / 7, y=48 - r / 9, z=r / 3) for r, c in places]
    da = xr.DataArray(speckle(), dims=("y", "x")).rio.write_gcps(points, CRS.from_epsg(4326))
    assert grid_of(da) == Grid((40, 50), gcps=tuple(points), gcp_crs=CRS.from_epsg(4326))


@given(
    a=st.floats(1e-4, 100), e=st.floats(-100, -1e-4), c=st.floats(-1e6, 1e6), f=st.floats(-1e6, 1e6),
    top=st.integers(0, 37), left=st.integers(0, 47), double=st.booleans(),
)  # fmt: skip
def test_a_cut_out_lies_where_its_pixels_lie(a, e, c, f, top, left, double):
    whole = placed(speckle(), Affine(a, 0, c, 0, e, f))
    if not double:
        whole = whole.drop_vars("spatial_ref")
    back = grid_of(whole[top:, left:]).transform
    tolerance = 1e-5 * max(abs(a), abs(e)) + 1e-9 * max(abs(c), abs(f))
    assert back.c == pytest.approx(c + a * left, abs=tolerance)
    assert back.f == pytest.approx(f + e * top, abs=tolerance)
    assert (back.a, back.e) == pytest.approx((a, e), rel=1e-3)


def test_missing_or_irregular_coordinates_are_no_grid():
    bare = xr.DataArray(speckle(), dims=("y", "x"))
    assert grid_of(bare).kind == "none"
    irregular = placed(speckle()).drop_vars("spatial_ref")
    irregular = irregular.assign_coords(x=np.cumsum(1.0 + np.arange(50)))
    assert grid_of(irregular).kind == "none"
    alone = placed(speckle()).drop_vars(["x", "y"])  # GeoTransform is enough
    assert grid_of(alone) == Grid((40, 50), crs=UTM, transform=NORTH_UP)
    rough = placed(speckle(), Affine(1e-4, 0, 16, 0, -1e-4, 48), CRS.from_epsg(4326)).drop_vars("spatial_ref")
    rough = rough.assign_coords(x=rough.x.astype(np.float32), y=rough.y.astype(np.float32))
    assert grid_of(rough).kind == "affine"
    with pytest.raises(ReadError, match="GeoTransform is damaged"):
        grid_of(alone.assign_coords(spatial_ref=xr.Variable((), 0, {"GeoTransform": "0 0 0 0 0 0"})))
    one_row = placed(speckle((1, 50)))
    assert grid_of(one_row).transform == NORTH_UP


@pytest.mark.parametrize("values", ["intensity", "amplitude", "db"])
@pytest.mark.parametrize("bands", [0, 2])
@pytest.mark.parametrize("lazy", [False, True])
def test_pixels_go_to_intensity_and_back(values, bands, lazy):
    power = speckle((bands, 40, 50) if bands else (40, 50))
    stored = {"intensity": power, "amplitude": np.sqrt(power), "db": 10 * np.log10(power)}[values].astype(np.float64)
    stored[..., 0, 0], stored[..., 0, 1], stored[..., 1, 1] = -9999, np.nan, np.inf
    da = placed((stored - 3) / 0.5, attrs={"_FillValue": (-9999 - 3) / 0.5, "scale_factor": 0.5, "add_offset": 3.0})
    source = ArraySource(da.chunk(x=20) if lazy else da, values)
    assert isinstance(source, Source)
    assert source.shape == (bands or 1, 40, 50)
    everywhere = source[EVERYTHING]
    measured = np.isfinite(stored) & (stored != -9999)
    measured = measured.reshape(source.shape)
    np.testing.assert_array_equal(np.isfinite(everywhere), measured)
    np.testing.assert_allclose(everywhere[measured], power.reshape(source.shape)[measured], rtol=1e-4, atol=1e-6)
    window = slice(3, 20), slice(10, 33)
    np.testing.assert_array_equal(source[(slice(0, 1), *window)], everywhere[:1, 3:20, 10:33])

    encoded = source.encode(everywhere, slice(None), slice(None))
    np.testing.assert_allclose(encoded, source.stored(slice(None), slice(None)), rtol=1e-4, atol=1e-4)
    assert (encoded[:, 0, 0] == np.float32(da.attrs["_FillValue"])).all()
    in_db = source.encode(everywhere, slice(None), slice(None), "db")
    np.testing.assert_allclose(in_db[measured] * 0.5 + 3, 10 * np.log10(everywhere[measured]), rtol=1e-4, atol=1e-4)


def test_scales_of_rioxarray_are_applied_band_by_band():
    stored = np.round(1000 * speckle((2, 40, 50)) + 1).astype(np.uint16)
    da = placed(stored, attrs={"scales": (0.1, 0.2), "offsets": (0.0, 3.0)})
    source = ArraySource(da, "intensity")
    expected = stored * np.array([0.1, 0.2])[:, None, None] + np.array([0.0, 3.0])[:, None, None]
    np.testing.assert_allclose(source[EVERYTHING], expected, rtol=1e-6)
    np.testing.assert_allclose(source.encode(source[EVERYTHING], *EVERYTHING[1:]), stored, rtol=1e-5)
    with pytest.raises(ReadError, match="1 bands, and 2 numbers in its attribute scales"):
        ArraySource(da[:1], "intensity")
    with pytest.raises(ReadError, match=r"scales \(0\.0, 0\.0\)"):
        ArraySource(placed(stored, attrs={"scale_factor": 0}), "intensity")


def test_what_was_measured_throughout_is_not_read_again(monkeypatch):
    source = ArraySource(placed(speckle()), "intensity")
    intensity = source[EVERYTHING]
    monkeypatch.setattr(ArraySource, "_read", None)
    np.testing.assert_array_equal(source.encode(intensity, *EVERYTHING[1:]), intensity)


def test_exact_zeros_in_decibels_are_a_border_where_floats_are_stored():
    stored = np.round(10 * np.log10(speckle() + 1e-3))
    stored[:9], stored[9:] = 0, np.where(stored[9:] == 0, -1, stored[9:])
    source = ArraySource(placed(stored.astype(np.float32)), "db")
    intensity = source[EVERYTHING]
    assert np.isnan(intensity[:, :9]).all()
    assert np.isfinite(intensity[:, 9:]).all()
    np.testing.assert_allclose(source.encode(intensity, *EVERYTHING[1:])[0], stored, atol=1e-5)
    assert np.isfinite(ArraySource(placed(stored.astype(np.int16)), "db")[EVERYTHING]).all()


def test_complex_pixels_are_single_looks():
    z = speckle() + 1j * speckle(seed=1)
    z[0, 0] = 0
    z[1, 0] = np.nan
    source = ArraySource(placed(z.astype(np.complex64)))
    assert source.values == "complex"
    intensity = source[EVERYTHING]
    np.testing.assert_allclose(intensity[0, 2:], np.abs(z[2:]) ** 2, rtol=1e-5)
    assert np.isnan(intensity[0, :2, 0]).all()
    out = source.encode(intensity, slice(None), slice(None))
    np.testing.assert_array_equal(out, intensity)
    assert source.stored(slice(0, 1), slice(None)).dtype == np.complex64


def test_values_are_detected_from_what_the_array_says():
    assert ArraySource(placed(speckle(), attrs={"units": "dB"}) * 0 - 12 + 5 * placed(speckle())).values == "db"
    equation = {"DB_CONVERSION_EQUATION": "dB = 10*log10(linear)", "stored": "linear"}
    assert ArraySource(placed(speckle((200, 200)), attrs=equation)).values == "intensity"
    source = ArraySource(placed(speckle((200, 200)), attrs={"units": "linear power"}))
    assert source.values == "intensity"
    assert "linear power" in source.values_reason


def test_identity_follows_the_pixels_and_survives_pickling():
    da = placed(speckle())
    other = da.copy(deep=True)
    other[3, 4] += 1
    same, changed = ArraySource(da, "intensity"), ArraySource(other, "intensity")
    assert same.identity == ArraySource(da.copy(deep=True), "intensity").identity != changed.identity
    lazy = ArraySource(da.chunk(x=25), "intensity")
    assert lazy.identity == ArraySource(da.chunk(x=25), "intensity").identity
    back = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(back[EVERYTHING], lazy[EVERYTHING])
    assert (back.grid, back.metadata, back.identity) == (lazy.grid, lazy.metadata, lazy.identity)


def test_only_the_window_is_computed():
    import dask.array

    def must_not_run(block):
        raise AssertionError("computed")

    quiet = dask.array.from_array(speckle((1, 64, 64)), chunks=(1, 32, 32))
    refusing = quiet.map_blocks(must_not_run, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    loud = dask.array.concatenate([quiet, refusing], 1)
    da = placed(loud)
    source = ArraySource(da, "intensity")
    assert source[:, 10:60, 20:30].shape == (1, 50, 10)
    out = to_dataarray(loud, da)
    assert out.chunks == da.chunks  # as lazy as it came
    assert source.identity


def test_strange_arrays_are_refused_with_a_sentence():
    with pytest.raises(ReadError, match=r"take one variable of a Dataset"):
        ArraySource(placed(speckle()).to_dataset(name="a"))
    with pytest.raises(ReadError, match=r"DataArray 'a' has dimensions .*transpose"):
        ArraySource(placed(speckle((2, 40, 50))).rename("a").transpose("y", "x", "band"))
    with pytest.raises(ReadError, match=r"transpose"):
        ArraySource(placed(speckle()).T)
    with pytest.raises(ReadError, match=r"is empty"):
        ArraySource(placed(speckle())[:0])
    with pytest.raises(ReadError, match=r"is of <U1; give numbers"):
        ArraySource(placed(speckle()).astype("U1"))
    with pytest.raises(ReadError, match=r"values='complex' does not fit"):
        ArraySource(placed(speckle()), "complex")
    with pytest.raises(ValueError, match=r"must have shape \(1, 40, 50\), got \(40, 50\)"):
        to_dataarray(speckle(), placed(speckle()))
