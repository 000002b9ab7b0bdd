import pickle
import shutil
import time
import tracemalloc
import xml.etree.ElementTree as ET
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_all_start_methods, get_context

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from geo_io.errors import ReadError, UnsafeInput
from geo_io.safe import open_safe
from geo_io.source import Source

ALL = slice(None)


def only(made):
    (stem,) = made.dn
    return made.dn[stem], made.files[stem]


# The oracle: one pixel at a time, with plain numbers, straight from the XML.


def numbers(node, tag):
    return [float(word) for word in node.findtext(tag).split()]


def linear(x, xs, ys):
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    k = bisect_right(xs, x) - 1
    return ys[k] + (ys[k + 1] - ys[k]) * (x - xs[k]) / (xs[k + 1] - xs[k])


def slow_table(root, vector, table):
    vectors = [(float(v.findtext("line")), numbers(v, "pixel"), numbers(v, table)) for v in root.iter(vector)]
    return lambda row, col: linear(row, [v[0] for v in vectors], [linear(col, v[1], v[2]) for v in vectors])


def slow_sigma_nought(dn, files):
    sigma_nought = slow_table(ET.parse(files["calibration"]).getroot(), "calibrationVector", "sigmaNought")
    noise, blocks = (lambda row, col: 0.0), []
    if "noise" in files:
        root = ET.parse(files["noise"]).getroot()
        if root.find("noiseVectorList") is not None:
            noise = slow_table(root, "noiseVector", "noiseLut")
        else:
            noise, blocks = slow_table(root, "noiseRangeVector", "noiseRangeLut"), list(root.iter("noiseAzimuthVector"))
    out = np.zeros(dn.shape)
    for row, col in np.ndindex(dn.shape):
        if dn[row, col] == 0:
            continue
        taken = noise(row, col)
        for block in blocks:
            first, last = (int(block.findtext(f"{end}AzimuthLine")) for end in ("first", "last"))
            left, right = (int(block.findtext(f"{end}RangeSample")) for end in ("first", "last"))
            if first <= row <= last and left <= col <= right:
                taken *= linear(row, numbers(block, "line"), numbers(block, "noiseAzimuthLut"))
        z = complex(dn[row, col])
        out[row, col] = (z.real**2 + z.imag**2 - taken) / sigma_nought(row, col) ** 2
    return out


@pytest.mark.parametrize(
    ("asked", "noise"),
    [
        ({}, "removed"),
        ({"kind": "slc", "swaths": ("iw1",)}, "removed"),
        ({"noise": "old", "ipf": "002.72"}, "removed"),
        ({"noise": None}, "left in (the product has no noise file)"),
        ({"noise": "zero", "ipf": "002.60"}, "left in (the product annotates none)"),
    ],
)
def test_sigma_nought_agrees_with_plain_loops(make_safe, asked, noise):
    made = make_safe(**asked)
    dn, files = only(made)
    source = open_safe(made.path)
    stored = source.stored(ALL, ALL)
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored[0], slow_sigma_nought(dn, files), rtol=2e-7)
    assert source.metadata.tags["THERMAL_NOISE"] == noise
    intensity = source[:, :, :]
    np.testing.assert_array_equal(np.isnan(intensity), ~(stored > 0))
    np.testing.assert_array_equal(intensity[stored > 0], stored[stored > 0])
    assert (stored[0, :, :4] == 0).all()  # border fill is nodata
    assert ((stored[0, 3:7, 20:24] < 0).all()) == (noise == "removed")


@pytest.mark.parametrize(
    ("asked", "wanted", "said"),
    [
        ({}, False, "left in, as asked"),
        ({"noise": "old", "ipf": "002.36"}, True, "left in (IPF 002.36 did not"),
        ({"denoised": True}, True, "removed by the agency's processor"),
    ],
)
def test_noise_is_left_alone_where_it_must_be(make_safe, asked, wanted, said):
    made = make_safe(**asked)
    source = open_safe(made.path, noise=wanted)
    dn, files = only(made)
    del files["noise"]
    np.testing.assert_allclose(source.stored(ALL, ALL)[0], slow_sigma_nought(dn, files), rtol=2e-7)
    assert source.metadata.tags["THERMAL_NOISE"].startswith(said)
    assert said in source.values_reason


def test_a_window_is_the_crop_of_the_whole(make_safe):
    source = open_safe(make_safe(shape=(300, 70)).path)  # more rows than are calibrated at once
    stored = source.stored(ALL, ALL)

    @given(st.tuples(st.integers(0, 299), st.integers(1, 300)), st.tuples(st.integers(0, 69), st.integers(1, 70)))
    def law(rows, cols):
        r, c = slice(rows[0], rows[0] + rows[1]), slice(cols[0], cols[0] + cols[1])
        np.testing.assert_array_equal(source.stored(r, c), stored[:, r, c])

    law()
    assert source.stored(slice(5, 5), ALL).shape == (1, 0, 70)
    with pytest.raises(ValueError, match="step 1"):
        source.stored(slice(0, 10, 2), ALL)


def test_it_is_a_source_with_the_products_own_words(make_safe):
    made = make_safe(polarisations=("vv", "vh"))
    source = open_safe(made.path, polarisation="VH")
    assert isinstance(source, Source)
    assert (source.shape, source.dtype, source.values) == ((1, 60, 90), np.float32, "intensity")
    assert "IW VH" in source.values_reason
    assert source.nominal_looks == 5
    assert source.files[0] == made.path
    assert open_safe(made.path / "manifest.safe", polarisation="VH").files == source.files
    assert source.files[1].parent == made.path / "measurement"
    metadata = source.metadata
    assert (metadata.descriptions, metadata.units, metadata.nodata) == (("sigma0_vh",), ("1",), 0.0)
    assert metadata.tags["PRODUCT"] == made.path.stem
    assert metadata.tags["TIFFTAG_DATETIME"] == "2021:12:23 05:11:22"
    said = [metadata.tags[key] for key in ("PLATFORM", "MODE", "ORBIT_PASS", "ABSOLUTE_ORBIT", "IPF_VERSION")]
    assert said == ["SENTINEL-1B", "IW", "DESCENDING", "30148", "003.40"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # when the product is made
@pytest.mark.parametrize("in_tiff", [True, False])
def test_ground_control_points_are_kept_from_the_tiff_or_the_annotation(make_safe, in_tiff):
    made = make_safe(gcps_in_tiff=in_tiff)
    grid = open_safe(made.path).grid
    assert (grid.kind, grid.crs, grid.transform, grid.gcp_crs.to_epsg()) == ("gcps", None, None, 4326)
    assert len(grid.gcps) == 12
    last = grid.gcps[-1]
    assert (last.row, last.col) == (59, 89)
    np.testing.assert_allclose((last.x, last.y, last.z), (15 - 0.0089 + 0.00118, 42 + 0.0059 + 0.00089, 69), rtol=1e-12)


def test_folder_manifest_zip_and_renamed_folder_are_one_product(make_safe, tmp_path):
    made = make_safe()
    reference = open_safe(made.path)
    renamed = tmp_path / "no ending"
    shutil.copytree(made.path, renamed)
    for path in (made.path / "manifest.safe", made.zipped(tmp_path / "product.zip"), renamed, str(made.path)):
        source = open_safe(path)
        np.testing.assert_array_equal(source.stored(ALL, ALL), reference.stored(ALL, ALL))
        assert source.grid == reference.grid
    assert open_safe(tmp_path / "product.zip").metadata.tags["PRODUCT"] == made.path.stem


def test_what_was_measured_comes_out_as_the_result_and_the_rest_as_it_was(make_safe):
    source = open_safe(make_safe().path)
    rows, cols = slice(0, 20), slice(0, 30)
    stored, intensity = source.stored(rows, cols), source[:, rows, cols]
    np.testing.assert_array_equal(source.encode(intensity, rows, cols), stored)
    result = np.full_like(intensity, 0.1)
    result[0, 15, 15] = np.nan
    encoded = source.encode(result, rows, cols)
    measured = stored > 0
    assert (stored < 0).any()
    np.testing.assert_array_equal(encoded[~measured], stored[~measured])
    assert encoded[0, 15, 15] == 0  # no result is nodata
    assert (np.delete(encoded[measured], 0) <= np.float32(0.1)).all()
    in_db = source.encode(np.where(measured, 1.0, np.nan), rows, cols, units="db")
    assert (in_db[~measured] == 0).all()  # a negative power would be a fine figure in dB
    assert (in_db[measured] != 0).all()  # and 0 dB must not be nodata
    assert np.abs(in_db).max() < 1e-30


def test_nodata_of_the_measurement_is_nodata(make_safe):
    made = make_safe(nodata=1)
    stored = open_safe(made.path).stored(ALL, ALL)
    assert (stored[0, 3:7, 20:24] == 0).all()
    assert (stored >= 0).all()


def read_part(job):
    source, rows = job
    return source.stored(rows, ALL)


def test_it_reads_in_threads_and_in_other_processes(make_safe):
    source = open_safe(make_safe().path)
    whole = source.stored(ALL, ALL)
    parts = [slice(k, k + 7) for k in range(0, 60, 7)]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda rows: source.stored(rows, ALL), parts))
    np.testing.assert_array_equal(np.concatenate(threaded, axis=1), whole)
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.identity, copy.grid, copy.metadata) == (source.identity, source.grid, source.metadata)
    np.testing.assert_array_equal(copy.stored(ALL, ALL), whole)


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking with threads about, which is the point
def test_a_forked_child_opens_the_file_anew(make_safe):
    source = open_safe(make_safe().path)
    whole = source.stored(ALL, ALL)
    with get_context("fork").Pool(2) as pool:
        parts = pool.map(read_part, [(source, slice(0, 30)), (source, slice(30, 60))])
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_identity_holds_from_run_to_run_and_changes_with_what_decides_the_pixels(make_safe, tmp_path):
    made = make_safe(polarisations=("vv", "vh"))
    (files, _) = made.files.values()

    def identity(**asked):
        return open_safe(made.path, **{"polarisation": "vv", **asked}).identity

    first = identity()
    assert identity() == first
    assert len({first, identity(polarisation="vh"), identity(noise=False)}) == 3
    text = files["calibration"].read_text()
    files["calibration"].write_text(text.replace("<sigmaNought>", "<sigmaNought> ").replace("e+02", "e+01", 1))
    second = identity()
    assert second != first
    with rasterio.open(files["measurement"], "r+") as dataset:
        dataset.write(np.full((1, 90), 7, np.uint16), 1, window=((10, 11), (0, 90)))
    assert identity() not in (first, second)


def test_a_measurement_that_changes_while_it_is_read_is_noticed(make_safe):
    made = make_safe()
    source = open_safe(made.path)
    _, files = only(made)
    copy = pickle.loads(pickle.dumps(source))
    files["measurement"].write_bytes(files["measurement"].read_bytes() + b"\0")
    with pytest.raises(ReadError, match="changed after it was opened"):
        copy.stored(ALL, ALL)


# The door.


def refused(made, match, error=ReadError, **asked):
    with pytest.raises(error, match=match) as caught:
        open_safe(made.path, **asked)
    assert str(made.path) in str(caught.value)


def test_a_choice_that_is_left_open_is_asked_for(make_safe):
    made = make_safe(kind="slc", swaths=("iw1", "iw2"), polarisations=("vh", "vv"))
    refused(made, "polarisation VH and VV; choose one, like --polarisation vv$")
    refused(made, "swath IW1 and IW2; choose one, like --swath iw1$", polarisation="vv")
    refused(made, "holds no polarisation hh; choose among VH and VV$", polarisation="hh")
    refused(made, "holds no swath IW3; choose among IW1 and IW2$", polarisation="vv", swath="IW3")
    assert "IW2 VH" in open_safe(made.path, polarisation="Vh", swath="IW2").values_reason


def test_of_a_partial_download_what_is_there_is_taken(make_safe):
    made = make_safe(polarisations=("vh", "vv"))
    next(files for stem, files in made.files.items() if "-vh-" in stem)["measurement"].unlink()
    assert "IW VV" in open_safe(made.path).values_reason
    refused(made, r"measurement/s1b-iw-grd-vh-\S+\.tiff is missing; download", polarisation="vh")


@pytest.mark.parametrize("lost", ["measurement", "product", "calibration", "noise"])
def test_a_missing_file_is_named(make_safe, lost):
    made = make_safe()
    _, files = only(made)
    files[lost].unlink()
    refused(made, f"{files[lost].name} is missing")
    if lost == "noise":
        assert "as asked" in open_safe(made.path, noise=False).values_reason


def test_a_measurement_cut_short_is_named_when_opened(make_safe):
    made = make_safe()
    _, files = only(made)
    whole = files["measurement"].read_bytes()
    files["measurement"].write_bytes(whole[: len(whole) // 2])
    refused(made, r"\.tiff.* (truncated|not a whole TIFF)")
    files["measurement"].write_bytes(b"<VRTDataset/>")
    refused(made, r"\.tiff is not a whole TIFF")


def test_a_measurement_of_another_size_or_kind_is_refused(make_safe, tmp_path):
    made = make_safe()
    _, files = only(made)
    files["product"].write_text(files["product"].read_text().replace("Lines>60<", "Lines>61<"))
    refused(made, "has 60 lines of 90 samples, its annotation says 61 of 90")
    gcps, crs = open_safe(make_safe(tmp_path / "other").path).grid.gcps, "EPSG:4326"
    where = {"width": 90, "height": 60, "gcps": gcps, "crs": crs}
    with rasterio.open(files["measurement"], "w", driver="GTiff", count=2, dtype="uint8", **where):
        pass
    refused(made, "has 2 bands of uint8; a Sentinel-1 measurement has one")


def test_a_measurement_of_absurd_size_is_refused(make_safe, monkeypatch):
    monkeypatch.setattr("geo_io.check.LARGEST_BYTES", 1000)
    monkeypatch.setattr("geo_io.check.MOST_INFLATED", 0)
    with pytest.raises(UnsafeInput, match=r"\.tiff declares 60 rows of 90 pixels"):
        open_safe(make_safe().path)


def test_a_single_look_complex_product_says_that_it_has_one_look(make_safe):
    assert open_safe(make_safe(kind="slc", swaths=("iw1",)).path).nominal_looks == 1


def test_sidecars_of_a_measurement_are_not_read(make_safe):
    made = make_safe()
    before = open_safe(made.path).stored(ALL, ALL)
    _, files = only(made)
    aside = files["measurement"].with_name(files["measurement"].name + ".aux.xml")
    aside.write_text('<PAMDataset><PAMRasterBand band="1"><NoDataValue>1</NoDataValue></PAMRasterBand></PAMDataset>')
    np.testing.assert_array_equal(open_safe(made.path).stored(ALL, ALL), before)


# Real products: real annotation, mock pixels.

GRD = "S1B_IW_GRDH_1SDV_20211223T051122_20211223T051147_030148_039993_5371.SAFE"
SLC = "S1B_IW_SLC__1SDV_20210401T052622_20210401T052650_026269_032297_EFA4"


def test_a_real_product_opens_quickly_and_reads_windows_without_the_rest(shared_data):
    started = time.perf_counter()
    source = open_safe(shared_data / "sar/safe" / GRD)
    assert source.shape == (1, 16705, 26102)
    assert len(source.grid.gcps) == 210
    tracemalloc.start()
    window = source.stored(slice(16_500, 16_705), slice(8_800, 9_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert window.shape == (1, 205, 200)
    assert not window.any()  # the mock holds zeros
    assert peak < 20e6
    assert time.perf_counter() - started < 5
    assert source.metadata.tags["RELATIVE_ORBIT"] == "22"


def test_a_real_slc_product_and_its_zip_agree(shared_data):
    sources = [
        open_safe(shared_data / f"sar/safe/{SLC}{ending}", polarisation="vh", swath="iw2")
        for ending in (".SAFE", ".zip")
    ]
    assert sources[0].grid == sources[1].grid
    rows, cols = slice(1500, 1560), slice(12_000, 12_030)
    a, b = (source.stored(rows, cols) for source in sources)
    np.testing.assert_array_equal(a, b)
    # The mock's pixels have power 1 or 4, far below noise of about 400: sigma nought is about minus the noise.
    assert (a < 0).all()
    assert "IW2 VH" in sources[0].values_reason
    assert sources[0].metadata.tags["ORBIT_PASS"] == "DESCENDING"


@pytest.mark.parametrize("zipped", ["20150203T043109_20150203T043134_004454_00574F_FEC3"])
def test_a_real_zip_without_measurements_says_so(shared_data, zipped):
    with pytest.raises(ReadError, match=r"measurement/s1a-iw-grd-vv\S+ is missing"):
        open_safe(shared_data / f"sar/safe/S1A_IW_GRDH_1SDV_{zipped}.zip", polarisation="vv")
