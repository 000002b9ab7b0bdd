"""Rasters as sources: what is read, what comes back, and what is refused at the door."""

import csv
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning

from geo_io.errors import ReadError, UnsafeInput
from geo_io.read import open_raster
from geo_io.source import Source, sample, sample_windows

ROWS, COLS = 40, 56
UTM = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
INTENSITY = np.random.default_rng(0).gamma(1, 0.1, (2, ROWS, COLS)).astype(np.float32) + np.float32(1e-4)
EVERYTHING = slice(0, ROWS), slice(0, COLS)


def write(path, pixels, *, tags=None, scale=None, offset=None, mask=None, **profile):
    pixels = np.asarray(pixels)
    profile = {"driver": "GTiff", "dtype": pixels.dtype, **UTM, **profile}
    bands, rows, cols = pixels.shape
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", count=bands, height=rows, width=cols, **profile) as dataset,
    ):
        dataset.write(pixels)
        dataset.update_tags(**(tags or {}))
        if scale is not None:
            dataset.scales, dataset.offsets = [scale] * bands, [offset] * bands
        if mask is not None:
            dataset.write_mask(mask)
    return path


def vrt(path, *names, head="", source="SimpleSource", relative=1, attributes="", inside="", band=""):
    sources = "".join(
        f'<{source}><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'
        f"<SourceBand>1</SourceBand>{inside}"
        f'<SrcRect xOff="0" yOff="0" xSize="{COLS}" ySize="{ROWS}"/>'
        f'<DstRect xOff="0" yOff="0" xSize="{COLS}" ySize="{ROWS}"/></{source.split()[0]}>'
        for name in names
    )
    path.write_text(
        f'<VRTDataset rasterXSize="{COLS}" rasterYSize="{ROWS}"{attributes}>{head}'
        f'<VRTRasterBand dataType="Float32" band="1"{band}>{sources}</VRTRasterBand></VRTDataset>'
    )
    return path


# What is read


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "interleave": "band"},
        {"BIGTIFF": "YES", "compress": "zstd", "predictor": 3},
        {"driver": "COG"},
        {"ENDIANNESS": "BIG", "blockysize": 3},
    ],
)
def test_windows_are_the_pixels(tmp_path, layout):
    source = open_raster(write(tmp_path / "a.tif", INTENSITY, **layout), values="intensity")
    assert isinstance(source, Source)
    assert source.shape == (2, ROWS, COLS)
    np.testing.assert_array_equal(source[0:2, 0:ROWS, 0:COLS], INTENSITY)
    np.testing.assert_array_equal(source[1:2, 7:19, 30:56], INTENSITY[1:2, 7:19, 30:56])
    assert source[0:2, 5:5, 0:9].shape == (2, 0, 9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("values", ["intensity", "amplitude"])
def test_real_types_are_read_and_unmeasured_pixels_come_back(tmp_path, dtype, values):
    stored = np.round(INTENSITY * 500).astype(dtype)
    stored[:, :3], stored[:, 3:5], stored[:, 9, 9] = 0, 7, 7
    if dtype not in ("uint8", "uint16"):
        stored[:, 5] = -3
    source = open_raster(write(tmp_path / "a.tif", stored, nodata=7), values=values)
    got = source[0:2, 0:ROWS, 0:COLS]
    expected = np.where(
        (stored > 0) & (stored != 7), stored.astype(float) ** (2 if values == "amplitude" else 1), np.nan
    )
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert source.metadata.nodata == 7

    encoded = source.encode(4 * got, *EVERYTHING)
    unmeasured = np.isnan(expected)
    np.testing.assert_array_equal(encoded[unmeasured], stored[unmeasured])  # as they came
    np.testing.assert_allclose(
        encoded[~unmeasured], stored[~unmeasured] * (2.0 if values == "amplitude" else 4.0), rtol=1e-5
    )


def test_encode_undoes_reading(tmp_path):
    stored = 10 * np.log10(INTENSITY)
    stored[:, 4:9, 4:9], stored[0, 20, 20] = np.nan, 0.0
    source = open_raster(write(tmp_path / "a.tif", stored), values="db")
    np.testing.assert_allclose(source.encode(source[0:2, 0:ROWS, 0:COLS], *EVERYTHING), stored, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_exact_zeros_in_decibels_are_a_border_where_floats_are_stored(tmp_path, dtype):
    stored = np.round(10 * np.log10(INTENSITY), 0 if dtype == "int16" else 3).astype(dtype)
    stored[stored == 0] = -1
    stored[:, :9] = 0  # as SNAP exports it, without nodata
    source = open_raster(write(tmp_path / "a.tif", stored), values="db")
    got = source[0:2, 0:ROWS, 0:COLS]
    if dtype == "int16":
        assert (got[:, :9] == 1).all()  # whole decibels: 0 is one of them
    else:
        assert np.isnan(got[:, :9]).all()
    assert np.isfinite(got[:, 9:]).all()
    encoded = source.encode(2 * got, *EVERYTHING)
    assert (encoded[:, :9] == 0).all() == (dtype == "float32")  # as they came
    in_amplitude = source.encode(got, *EVERYTHING, units="amplitude")
    assert np.isnan(in_amplitude[:, :9]).all() == (dtype == "float32")


def test_equations_say_nothing_about_what_is_stored(tmp_path):
    # As OPERA RTC-S1 has them.
    tags = {
        "OUTPUT_BACKSCATTER_EXPRESSION_CONVENTION": "linear backscatter intensity",
        "OUTPUT_BACKSCATTER_DECIBEL_CONVERSION_EQUATION": "backscatter_dB = 10*log10(backscatter_linear)",
    }
    source = open_raster(write(tmp_path / "a.tif", INTENSITY, tags=tags))
    assert source.values == "intensity"
    assert "EXPRESSION_CONVENTION" in source.values_reason


def test_an_infinite_nodata_stays_infinite(tmp_path):
    stored = 10 * np.log10(INTENSITY)
    stored[:, :9] = -np.inf
    source = open_raster(write(tmp_path / "a.tif", stored, nodata=-np.inf))
    assert source.metadata.nodata == -np.inf
    encoded = source.encode(source[0:2, 0:ROWS, 0:COLS], *EVERYTHING)
    assert (encoded[:, :9] == -np.inf).all()
    np.testing.assert_allclose(encoded[:, 9:], stored[:, 9:], atol=1e-5)


def test_zero_as_nodata_in_decibels_is_not_0_db(tmp_path):
    stored = 10 * np.log10(INTENSITY)
    stored[:, :10] = 0
    source = open_raster(write(tmp_path / "a.tif", stored, nodata=0.0))
    assert source.values == "db"
    got = source[0:2, 0:ROWS, 0:COLS]
    assert np.isnan(got[:, :10]).all()
    assert not np.isnan(got[:, 10:]).any()
    encoded = source.encode(np.where(np.isnan(got), got, 1), *EVERYTHING)  # a result of exactly 0 dB
    assert (encoded[:, :10] == 0).all()
    assert (encoded[:, 10:] != 0).all()
    np.testing.assert_allclose(encoded[:, 10:], 0, atol=1e-5)


def test_scale_and_offset_are_applied_and_undone(tmp_path):
    stored = np.round(-100 * 10 * np.log10(INTENSITY) + 5000).astype("int16")
    path = write(tmp_path / "a.tif", stored, scale=-0.01, offset=50.0)
    source = open_raster(path)  # statistics see decibels, where the stored numbers look like anything
    assert source.values == "db"
    got = source[0:2, 0:ROWS, 0:COLS]
    np.testing.assert_allclose(10 * np.log10(got), stored * -0.01 + 50, atol=1e-4)
    np.testing.assert_allclose(source.encode(got, *EVERYTHING), stored, atol=0.02)
    assert source.metadata.scales == (-0.01, -0.01)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_is_single_look_intensity(tmp_path, dtype):
    rng = np.random.default_rng(3)
    z = np.round(rng.normal(size=(1, ROWS, COLS)) * 90 + 1j * rng.normal(size=(1, ROWS, COLS)) * 90).astype("complex64")
    z[:, :4] = 0
    path = write(tmp_path / "a.tif", z.astype("complex128" if dtype == "complex128" else "complex64"), dtype=dtype)
    source = open_raster(path)
    assert source.values == "complex"
    got = source[0:1, 0:ROWS, 0:COLS]
    np.testing.assert_allclose(got, np.where(z == 0, np.nan, np.abs(z.astype("complex128")) ** 2), rtol=1e-6)
    np.testing.assert_array_equal(source.encode(got, *EVERYTHING), got)
    assert np.isnan(source.metadata.nodata)
    np.testing.assert_array_equal(source.stored(slice(0, 9), slice(3, 9)), z[:, 0:9, 3:9])
    with pytest.raises(ReadError, match="leave --values at auto"):
        open_raster(path, values="amplitude")


def test_a_mask_inside_hides_pixels(tmp_path):
    mask = np.full((ROWS, COLS), 255, np.uint8)
    mask[:, :8] = 0
    stored = 10 * np.log10(INTENSITY)
    stored[:, :, :8] = 0
    source = open_raster(write(tmp_path / "a.tif", stored, mask=mask))
    assert source.values == "db"
    np.testing.assert_array_equal(np.isnan(source[0:2, 0:ROWS, 0:COLS]), np.broadcast_to(mask == 0, (2, ROWS, COLS)))
    # An output has no mask: what it hid becomes nodata there.
    assert np.isnan(source.metadata.nodata)
    result = np.where(mask == 0, np.nan, np.ones((2, ROWS, COLS)))
    assert np.isnan(source.encode(result, *EVERYTHING)[:, :, :8]).all()


def test_alpha_is_a_mask_and_no_band(tmp_path):
    alpha = np.full((1, ROWS, COLS), 255, np.uint16)
    alpha[:, :8] = 0
    stored = np.concatenate([np.round(INTENSITY[:1] * 1000 + 50).astype(np.uint16), alpha])
    source = open_raster(write(tmp_path / "a.tif", stored, photometric="MINISBLACK", alpha="YES"))
    assert source.shape == (1, ROWS, COLS)
    assert np.isnan(source[0:1, 0:8, 0:COLS]).all()
    assert not np.isnan(source[0:1, 8:ROWS, 0:COLS]).any()


def test_other_units_leave_nodata_where_stored_values_would_mislead(tmp_path):
    stored = INTENSITY.copy()
    stored[:, 0], stored[:, 1], stored[:, 2] = 0, -0.01, -9999
    source = open_raster(write(tmp_path / "a.tif", stored, nodata=-9999), values="intensity")
    encoded = source.encode(source[0:2, 0:ROWS, 0:COLS], *EVERYTHING, units="db")
    assert (encoded[:, :3] == -9999).all()
    np.testing.assert_allclose(encoded[:, 3:], 10 * np.log10(INTENSITY[:, 3:]), atol=1e-5)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_tags_and_control_points_are_kept(tmp_path):
    gcps = [GroundControlPoint(r, c, 15 + c / 100, 48 - r / 100, 3.0) for r in (0, ROWS) for c in (0, COLS)]
    path = write(
        tmp_path / "a.tif",
        INTENSITY,
        tags={"ACQ": "2021-04-01"},
        crs="EPSG:4326",
        transform=None,
        gcps=gcps,
        nodata=np.nan,
    )
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("VV", "VH")
        dataset.units = ("intensity", "intensity")
        dataset.update_tags(2, look="right", STATISTICS_MEAN="3")
    source = open_raster(path)
    assert source.grid.kind == "gcps"
    assert source.grid.gcp_crs == "EPSG:4326"
    assert source.metadata.tags["ACQ"] == "2021-04-01"
    assert source.metadata.descriptions == ("VV", "VH")
    assert source.metadata.band_tags[1] == {"look": "right"}
    assert source.values == "intensity"
    assert source.values_reason.startswith("the unit of band 1 says")
    second = open_raster(path, bands=[2])
    np.testing.assert_array_equal(second[0:1, 0:5, 0:5], INTENSITY[1:, :5, :5])
    assert second.metadata.descriptions == ("VH",)
    assert second.identity != source.identity


def test_no_georeferencing_is_no_warning_of_ours(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        path = write(tmp_path / "a.tif", INTENSITY, crs=None, transform=None)
    source = open_raster(path, values="intensity")
    assert source.grid.kind == "none"
    np.testing.assert_array_equal(source[0:2, 0:4, 0:4], INTENSITY[:, :4, :4])


def test_identity_follows_the_file(tmp_path):
    path = write(tmp_path / "a.tif", INTENSITY)
    first = open_raster(path, values="intensity")
    assert open_raster(path, values="intensity").identity == first.identity
    time.sleep(0.01)
    changed = INTENSITY.copy()
    changed[0, 3, 3] = 5
    write(path, changed)
    assert open_raster(path, values="intensity").identity != first.identity
    with pytest.raises(ReadError, match="changed after it was opened"):
        first[0:2, 0:4, 0:4]


def test_a_source_travels_as_a_path_and_serves_threads_and_forks(tmp_path):
    source = open_raster(write(tmp_path / "a.tif", INTENSITY, blockysize=4, compress="deflate"), values="intensity")
    source[0:2, 0:4, 0:4]
    assert len(pickle.dumps(source)) < 10_000
    twin = pickle.loads(pickle.dumps(source))
    assert twin.identity == source.identity
    wrong = []

    def work(k):
        for n in range(30):
            top = (k * 7 + n * 3) % 36
            wrong.append(not np.array_equal(twin[0:2, top : top + 4, 0:COLS], INTENSITY[:, top : top + 4]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 120
    assert not any(wrong)
    if hasattr(os, "fork"):  # a fork made while this process is quiet
        code = (
            "import os, pickle, sys, numpy as np\n"
            "s = pickle.loads(bytes.fromhex(sys.argv[1])); a = s[0:2, 0:40, 0:56]\n"
            "pid = os.fork()\n"
            "if pid == 0: os._exit(0 if np.array_equal(s[0:2, 0:40, 0:56], a) else 3)\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        )
        run = subprocess.run([sys.executable, "-c", code, pickle.dumps(source).hex()], timeout=60, check=False)
        assert run.returncode == 0


# A sample


def test_a_sample_is_spread_and_bounded():
    for rows, cols in ((25_000, 17_000), (300, 100_000), (90_000, 400), (3000, 2100)):
        windows = sample_windows((rows, cols))
        area = sum((r.stop - r.start) * (c.stop - c.start) for r, c in windows)
        assert 1_000_000 < area <= 4_500_000
        seen = {(r.start, c.start) for r, c in windows}
        assert len(seen) == len(windows)
        assert all(0 <= r.start < r.stop <= rows and 0 <= c.start < c.stop <= cols for r, c in windows)
        assert max(r.stop for r, _ in windows) > rows / 2
        assert windows == sorted(windows, key=lambda w: (w[0].start, w[1].start))


def test_a_sample_finds_the_one_measured_corner(tmp_path):
    stored = np.zeros((1, 1500, 1600), np.float32)
    stored[:, -3:, -3:] = 1
    source = open_raster(write(tmp_path / "a.tif", stored, compress="deflate"), values="intensity")
    found = sample(source, budget=200_000)
    assert sum(np.isfinite(window.intensity).sum() for window in found) == 9
    empty = open_raster(write(tmp_path / "b.tif", stored * 0, compress="deflate"), values="intensity")
    assert sample(empty, budget=200_000) == []


# The door


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"just a note\n", "its content is text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "a JPEG image"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        (b"PK\x03\x04" + bytes(50), "a zip archive"),
        (b"II*\0" + bytes(3), "truncated or damaged"),
        (b"II*\0\xff\xff\0\0" + bytes(20), "truncated or damaged"),
        (bytes(range(256)), "not a raster"),
    ],
)
def test_strangers_are_named(tmp_path, content, said):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=rf"a\.tif .*{said}"):
        open_raster(path)


def test_missing_files_folders_and_products_are_named(tmp_path):
    with pytest.raises(ReadError, match="does not exist"):
        open_raster(tmp_path / "a.tif")
    with pytest.raises(ReadError, match="is a folder"):
        open_raster(tmp_path)
    (tmp_path / "manifest.safe").touch()
    with pytest.raises(ReadError, match="Sentinel-1 product"):
        open_raster(tmp_path)


@pytest.mark.parametrize(
    "path", ["https://example.com/a.tif", "/vsicurl/http://example.com/a.tif", "s3://bucket/a.tif"]
)
def test_addresses_are_refused(path):
    with pytest.raises(UnsafeInput, match="is not a local file"):
        open_raster(path)


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}, {"BIGTIFF": "YES"}])
@pytest.mark.parametrize("kept", [0.95, 0.6, 0.02])
def test_a_file_cut_short_is_refused(tmp_path, layout, kept):
    path = write(tmp_path / "a.tif", INTENSITY, **layout)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ReadError, match="truncated"):
        open_raster(path, values="intensity")


def test_damaged_blocks_are_named_when_read(tmp_path):
    path = write(tmp_path / "a.tif", INTENSITY, compress="deflate", blockysize=8)
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_0_2", "TIFF", bidx=1))
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = bytes(40)
    path.write_bytes(data)
    source = open_raster(path, values="intensity")
    source[0:2, 0:8, 0:COLS]
    with pytest.raises(ReadError, match="at rows 16 to 20, columns 0 to 9 "):
        source[0:2, 16:20, 0:9]


def test_pictures_are_refused(tmp_path):
    photo = np.zeros((3, ROWS, COLS), np.uint8)
    with pytest.raises(ReadError, match="8-bit RGB picture"):
        open_raster(write(tmp_path / "a.tif", photo, photometric="RGB"))
    with pytest.raises(ReadError, match="8-bit RGB picture"):
        open_raster(write(tmp_path / "b.tif", np.concatenate([photo, photo[:1]]), photometric="RGB", alpha="YES"))
    path = write(tmp_path / "c.tif", photo[:1])
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {0: (0, 0, 0, 255), 1: (255, 0, 0, 255)})
    with pytest.raises(ReadError, match="is paletted"):
        open_raster(path, values="amplitude")


def test_an_absurd_size_is_refused(tmp_path):
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "SPARSE_OK": True, "BIGTIFF": "YES", "tiled": True}
    with rasterio.open(tmp_path / "a.tif", "w", width=1_000_000, height=1_000_000, blockxsize=16384, blockysize=16384,
                       **profile, **UTM):  # fmt: skip
        pass
    assert (tmp_path / "a.tif").stat().st_size < 200_000
    with pytest.raises(UnsafeInput, match="declares 1000000 rows of 1000000 pixels in 1 bands, 4000 GB"):
        open_raster(tmp_path / "a.tif", values="intensity")


@pytest.mark.parametrize("bands", [[3], [0], []])
def test_bands_that_are_not_there_are_refused(tmp_path, bands):
    with pytest.raises(ReadError, match="choose"):
        open_raster(write(tmp_path / "a.tif", INTENSITY), bands=bands)


def test_all_nodata_is_refused_when_values_are_to_be_told(tmp_path):
    with pytest.raises(ReadError, match="no measured pixel"):
        open_raster(write(tmp_path / "a.tif", np.full((1, 9, 9), 5, np.float32), nodata=5))


def test_files_beside_are_not_read(tmp_path):
    path = write(tmp_path / "a.tif", INTENSITY)
    plain = open_raster(path, values="intensity")[0:2, 0:ROWS, 0:COLS]
    write(tmp_path / "a.tif.msk", np.zeros((1, ROWS, COLS), np.uint8))
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><Metadata><MDI key='units'>dB</MDI></Metadata><SRS>http://127.0.0.1:9/epsg</SRS></PAMDataset>"
    )
    source = open_raster(path, values="intensity")
    np.testing.assert_array_equal(source[0:2, 0:ROWS, 0:COLS], plain)
    assert "units" not in source.metadata.tags
    assert [note.split(" is")[0] for note in source.notes] == ["a.tif.msk", "a.tif.aux.xml"]
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><MDI key='STATISTICS_MEAN'>1</MDI></PAMDataset>")
    assert [note.split(" is")[0] for note in open_raster(path, values="intensity").notes] == ["a.tif.msk"]


# VRTs


def test_a_vrt_in_its_folder_is_read(tmp_path):
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "a.tif", INTENSITY[:1])
    vrt(tmp_path / "sub" / "inner.vrt", "a.tif")
    for name in ("sub/a.tif", "sub/inner.vrt"):
        path = vrt(
            tmp_path / "mosaic.tif", name, head="<SRS>EPSG:32633</SRS><GeoTransform>5e5,10,0,5e6,0,-10</GeoTransform>"
        )
        source = pickle.loads(pickle.dumps(open_raster(path, values="intensity")))
        np.testing.assert_array_equal(source[0:1, 3:9, 5:50], INTENSITY[:1, 3:9, 5:50])
        assert source.grid.crs.to_epsg() == 32633
    before = source.identity
    time.sleep(0.01)
    write(tmp_path / "sub" / "a.tif", INTENSITY[1:])
    assert open_raster(path, values="intensity").identity != before


def test_what_gdal_itself_writes_is_read(tmp_path):
    from rasterio.shutil import copy

    write(tmp_path / "a.tif", INTENSITY, nodata=0.25, tags={"ACQ": "2021"})
    copy(tmp_path / "a.tif", tmp_path / "a.vrt", driver="VRT")
    source = open_raster(tmp_path / "a.vrt", values="intensity")
    np.testing.assert_array_equal(source[0:2, 0:ROWS, 0:COLS], INTENSITY)
    assert source.metadata.nodata == 0.25
    assert source.metadata.tags["ACQ"] == "2021"


def outside(tmp_path):
    (tmp_path / "in").mkdir()
    write(tmp_path / "secret.tif", INTENSITY[:1])
    write(tmp_path / "in" / "a.tif", INTENSITY[:1])
    (tmp_path / "in" / "link.tif").symlink_to(tmp_path / "secret.tif")
    return tmp_path / "in" / "scene.tif"


@pytest.mark.parametrize(
    ("name", "relative"),
    [
        ("../secret.tif", 1),
        ("sub/../../secret.tif", 1),
        ("{folder}/secret.tif", 0),
        ("{folder}/secret.tif", 1),
        ("link.tif", 1),
        ("/vsicurl/http://127.0.0.1:9/a.tif", 0),
        ("http://127.0.0.1:9/a.tif", 0),
        ("vrt://../secret.tif", 0),
        ("GTIFF_DIR:1:../secret.tif", 1),
        ("&lt;VRTDataset/&gt;", 0),
    ],
)
def test_a_vrt_that_reaches_out_is_refused(tmp_path, name, relative):
    path = vrt(outside(tmp_path), name.format(folder=tmp_path), relative=relative)
    with pytest.raises(UnsafeInput, match=r"outside its own folder|not a plain file"):
        open_raster(path, values="intensity")


def test_a_nested_vrt_that_reaches_out_is_refused(tmp_path):
    path = vrt(outside(tmp_path), "inner.tif")
    vrt(path.parent / "inner.tif", "../secret.tif")
    with pytest.raises(UnsafeInput, match="outside its own folder"):
        open_raster(path, values="intensity")


@pytest.mark.parametrize(
    "trick",
    [
        {"attributes": ' subClass="VRTWarpedDataset"'},
        {"band": ' subClass="VRTDerivedRasterBand"'},
        {"band": ' subClass="VRTRawRasterBand"'},
        {"inside": '<OpenOptions><OOI key="A">../secret.tif</OOI></OpenOptions>'},
        {"inside": "<sourcefilename>../secret.tif</sourcefilename>"},
        {"head": "<SRS>http://127.0.0.1:9/crs</SRS>"},
        {"head": "<SRS>/etc/passwd</SRS>"},
        {"head": "<Overview><SourceFilename>a.tif</SourceFilename></Overview>"},
        {"head": "<Group name='/'></Group>"},
        {"source": "KernelFilteredSource"},
        # GDAL takes an attribute for an element of that name, in any case.
        {"source": 'SimpleSource SourceFilename="../secret.tif"'},
        {"source": 'SimpleSource sourcefilename="../secret.tif"'},
        {"band": ' subclass="VRTRawRasterBand"'},
        {"attributes": ' SRS="http://127.0.0.1:9/crs"'},
        {"attributes": ' GeoTransform="0,1,0,0,0,1"'},
        {"head": "<Metadata format='xml'><MDI>a</MDI></Metadata>"},
    ],
)
def test_features_that_could_reach_out_are_refused(tmp_path, trick):
    with pytest.raises(UnsafeInput, match=r"scene\.tif"):
        open_raster(vrt(outside(tmp_path), "a.tif", **trick), values="intensity")


def test_two_readers_of_one_vrt_cannot_disagree(tmp_path):
    path = vrt(outside(tmp_path), "a<!-- one reader joins these -->.tif")
    write(tmp_path / "in" / "a", INTENSITY[1:])
    source = open_raster(path, values="intensity")
    np.testing.assert_array_equal(source[0:1, 0:ROWS, 0:COLS], INTENSITY[:1])  # what was checked is what is read


def test_a_source_knows_every_file_it_reads(tmp_path):
    write(tmp_path / "a.tif", INTENSITY[:1])
    vrt(tmp_path / "inner.vrt", "a.tif")
    source = open_raster(vrt(tmp_path / "mosaic.vrt", "inner.vrt"), values="intensity")
    assert {path.name for path in source.files} == {"mosaic.vrt", "inner.vrt", "a.tif"}
    assert open_raster(tmp_path / "a.tif", values="intensity").files == (tmp_path / "a.tif",)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("<GeoTransform>0,0,0,0,0,0</GeoTransform>", "onto a line"),
        ("<GeoTransform>nan,1,0,0,0,1</GeoTransform>", "is not finite"),
        ('<Metadata domain="RPC"><MDI key="LINE_OFF">1</MDI></Metadata>', "RPCs without"),
        ('<Metadata domain="RPC"><MDI key="LINE_OFF">abc</MDI></Metadata>', "georeferencing that is damaged"),
        (20_000 * "<Metadata>" + 20_000 * "</Metadata>", "nests its elements too deeply"),
    ],
)
def test_damaged_heads_of_vrts_are_named(tmp_path, head, said):
    with pytest.raises(ReadError, match=rf"scene\.tif .*{said}"):
        open_raster(vrt(outside(tmp_path), "a.tif", head=head), values="intensity")


def test_a_scale_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(ReadError, match="a band with scale nan and offset 0"):
        open_raster(write(tmp_path / "a.tif", INTENSITY, scale=np.nan, offset=0.0), values="intensity")


def test_damaged_vrts_are_named(tmp_path):
    path = outside(tmp_path)
    with pytest.raises(ReadError, match="which is missing"):
        open_raster(vrt(path, "gone.tif"), values="intensity")
    path.write_text("<VRTDataset rasterXSize='3'")
    with pytest.raises(ReadError, match="not well-formed"):
        open_raster(path)
    path.write_text("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><VRTDataset><SRS>&e;</SRS></VRTDataset>")
    with pytest.raises(UnsafeInput, match="entities"):
        open_raster(path)
    with pytest.raises(UnsafeInput, match="circle"):
        open_raster(vrt(path, "scene.tif"))
    data = (path.parent / "a.tif").read_bytes()
    (path.parent / "a.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(ReadError, match=r"a\.tif is truncated"):
        open_raster(vrt(path, "a.tif"), values="intensity")


def test_a_directory_of_absurd_counts_costs_nothing(tmp_path):
    entries = struct.pack("<HHII", 273, 4, 0xFFFFFFFF, 8) + struct.pack("<HHII", 279, 4, 0xFFFFFFFF, 8)
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4))
    with pytest.raises(ReadError, match="truncated or damaged"):
        open_raster(tmp_path / "a.tif")


def test_a_tag_of_no_values_is_no_tag(tmp_path):
    # NewSubfileType with a count of 0, then width and height.
    entries = b"".join(struct.pack("<HHII", *entry) for entry in ((254, 4, 0, 0), (256, 3, 1, 16), (257, 3, 1, 16)))
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + entries + bytes(4000))
    with pytest.raises(ReadError, match=r"a\.tif"):
        open_raster(tmp_path / "a.tif", values="intensity")


def test_an_interleaved_block_counts_with_all_its_bands(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", INTENSITY, interleave="pixel", blockysize=16)
    apart = write(tmp_path / "b.tif", INTENSITY, interleave="band", blockysize=16)
    monkeypatch.setattr("geo_io.check.LARGEST_BLOCK", 16 * COLS * 4)
    open_raster(apart, values="intensity")
    with pytest.raises(UnsafeInput, match="too large to decode"):
        open_raster(path, values="intensity")


# Real files


def test_real_rasters_are_understood(shared_data):
    folder = shared_data / "sar"
    with (folder / "manifest.csv").open(newline="") as table:
        truth = {row["file"]: row["values"] for row in csv.DictReader(table)}
    understood = {
        "dB": "db",
        "linear": "intensity",
        "DN": "amplitude",
        "complex64": "complex",
        "8-bit amplitude": "amplitude",
    }
    refused = {"reflectance", "TOA", "class", "8-bit RGB", "8-bit, 99"}
    for name, said in truth.items():
        if not name.endswith((".tif", ".tiff")):
            continue
        kind = next((kind for start, kind in understood.items() if said.startswith(start)), None)
        if kind is None:
            assert said.startswith(tuple(refused))
            with pytest.raises(ReadError):
                open_raster(folder / name)
        else:
            source = open_raster(folder / name)
            assert source.values == kind, (name, source.values_reason)
            assert sum(np.isfinite(window.intensity).mean() for window in sample(source, budget=100_000)) > 0.5
