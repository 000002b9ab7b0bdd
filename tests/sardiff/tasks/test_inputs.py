"""What a task is given, and how many looks it has."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from geo_io import ArraySource, ReadError, SceneWriter, WriteError
from geo_io.write import require_space
from sardiff.errors import SettingsError
from sardiff.simulate import landscape, speckle
from sardiff.tasks.despeckle_scene import despeckle
from sardiff.tasks.inputs import measure_looks, open_source, paths_of, settle_looks
from sardiff.tasks.scene import Output, restore_scene, scene_layout


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


@pytest.mark.parametrize("looks", [0, -1, float("nan"), float("inf"), "many", None])
def test_looks_that_are_none_are_refused(looks):
    with pytest.raises(SettingsError, match="looks must be 'auto' or a number > 0"):
        settle_looks(source(np.ones((8, 8), np.float32)), looks)


def test_a_scene_without_measurements_is_refused():
    with pytest.raises(ReadError, match="holds no measurement"):
        settle_looks(source(np.full((64, 64), np.nan, np.float32)), "auto")


def test_options_of_products_are_refused_for_rasters(tmp_path):
    with pytest.raises(SettingsError, match=r"is not a Sentinel-1 product: leave out --polarisation vv"):
        open_source(tmp_path / "scene.tif", polarisation="vv")


def test_options_of_files_are_refused_for_arrays():
    da = xr.DataArray(np.ones((8, 8), np.float32), dims=("y", "x"))
    for options in ({"bands": (1,)}, {"polarisation": "vv"}, {"swath": "iw1"}):
        with pytest.raises(SettingsError, match=rf"{next(iter(options))}=.* is for files"):
            open_source(da, values="intensity", **options)


def test_bands_of_products_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"one band each: leave out --bands"):
        open_source(tmp_path / "a.SAFE", bands=(2,))


def test_what_is_no_scene_is_named():
    with pytest.raises(SettingsError, match=r"^A scene is a path or an xarray\.DataArray, not ndarray\.$"):
        open_source(np.ones((8, 8), np.float32))
    opened = source(np.ones((8, 8), np.float32))
    assert open_source(opened) is opened


def test_a_product_of_one_look_needs_no_estimate():
    one = source(np.ones((64, 64), np.float32))
    one.nominal_looks = 1.0
    assert settle_looks(one, "auto").reason == "single-look complex data have one look"


def test_no_result_is_written_over_what_is_read(tmp_path):
    manifest = tmp_path / "S1.SAFE" / "manifest.safe"
    assert paths_of(str(manifest)) == (manifest, manifest.parent)
    opened = source(np.ones((8, 8), np.float32))
    opened.files = (tmp_path / "part.tif",)
    assert paths_of(tmp_path / "mosaic.vrt", opened) == (tmp_path / "mosaic.vrt", tmp_path / "part.tif")
    assert paths_of(opened) == ()


@pytest.mark.parametrize(("stride", "multiple"), [(8, 16), (16, 16), (24, 48), (32, 32)])
def test_tiles_are_multiples_of_blocks_and_of_the_stride_and_no_more(stride, multiple):
    assert scene_layout((5000, 5000), tile=1, overlap=0, stride=stride).tile == multiple


def test_a_vrt_is_not_despeckled_over_its_own_source(tmp_path):
    from rasterio.shutil import copy

    part, mosaic = tmp_path / "part.tif", tmp_path / "mosaic.vrt"
    pixels = xr.DataArray(np.random.default_rng(0).gamma(4, 0.1, (64, 64)).astype(np.float32), dims=("y", "x"))
    with SceneWriter(part, grid=ArraySource(pixels, "intensity").grid, bands=1, block=64, metadata=None, nodata=None,
                     fingerprint={}) as writer:  # fmt: skip
        writer.write(0, 0, pixels.values[None])
        writer.finish({})
    copy(part, mosaic, driver="VRT")
    before = part.read_bytes()
    with pytest.raises(WriteError, match="are the same file"):
        despeckle(mosaic, part, looks=4, values="intensity", overwrite=True)
    assert part.read_bytes() == before


def test_of_two_results_neither_gets_its_name_when_one_is_taken_meanwhile(tmp_path):
    scene = source(np.ones((32, 32), np.float32))
    paths = tmp_path / "mean.tif", tmp_path / "spread.tif"
    outputs = [Output(path, slice(0, 1), lambda pixels, rows, cols: pixels, None, None) for path in paths]

    def meanwhile(progress):
        paths[1].write_bytes(b"someone else's")

    with pytest.raises(WriteError, match=r"spread\.tif was made by someone else"):
        restore_scene(
            scene,
            lambda pixels, tiles: pixels,
            scene_layout((32, 32), tile=32, overlap=0, stride=8),
            outputs,
            out_bands=1,
            fingerprint={},
            tags={},
            report=meanwhile,
        )
    assert not paths[0].exists()
    assert paths[1].read_bytes() == b"someone else's"


def test_room_is_asked_for_all_results_together(tmp_path, monkeypatch):
    scene = source(np.ones((32, 32), np.float32))
    outputs = [Output(tmp_path / f"{k}.tif", slice(0, 1), lambda *core: core[0], None, None) for k in range(2)]
    layout = scene_layout((32, 32), tile=32, overlap=0, stride=8)
    one = require_space(tmp_path / "0.tif", bands=1, shape=(32, 32), block=32)
    monkeypatch.setattr("geo_io.write.shutil.disk_usage", lambda folder: SimpleNamespace(free=1.5 * one))
    with pytest.raises(WriteError, match=r"1\.tif: .* of the other results"):
        restore_scene(scene, lambda pixels, tiles: pixels, layout, outputs, out_bands=1, fingerprint={}, tags={})
