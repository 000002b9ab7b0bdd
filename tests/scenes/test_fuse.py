"""Whole pairs: command line, grids that differ, interruption, arrays, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.warp import transform_bounds

import sardiff
from geo_io import GeoIOError, GridMismatch
from sardiff.errors import SettingsError
from sardiff.simulate import landscape, speckle
from sardiff.tasks.fuse_scene import fuse_file
from sardiff.tasks.fused import MASK_VALUES

ROWS, COLS = 150, 170
UTM, LONLAT = "EPSG:32633", "EPSG:4326"
LEFT, TOP = 400000.0, 5300000.0


def from_origin(left, top, width, height):
    return Affine(width, 0, left, 0, -height, top)


def ground(seed, shape=(ROWS, COLS)):
    level = np.log(np.asarray(landscape(shape, seed=seed).intensity))
    low, high = np.nanquantile(level, (0.01, 0.99))
    return np.clip(np.nan_to_num((level - low) / (high - low), nan=0.5), 0, 1)


def write(path, array, transform, crs=UTM, **profile):
    array = np.asarray(array)
    names = profile.pop("names", ())
    about = {"driver": "GTiff", "count": len(array), "height": array.shape[1], "width": array.shape[2]}
    with rasterio.open(path, "w", **about, dtype=array.dtype, transform=transform, crs=crs, **profile) as dataset:
        dataset.write(array)
        for i, name in enumerate(names, start=1):
            dataset.set_band_description(i, name)
    return path


@pytest.fixture(scope="module")
def sar(tmp_path_factory):
    """Decibels at 10 m, of four looks."""
    intensity = 10 ** (1.2 * ground(3) - 1.6) * speckle((ROWS, COLS), 4.0, np.random.default_rng(0))
    path = tmp_path_factory.mktemp("pair") / "sar.tif"
    place = from_origin(LEFT, TOP, 10, 10)
    return write(path, 10 * np.log10(intensity)[None].astype(np.float32), place, names=["VV"], nodata=np.nan)


@pytest.fixture(scope="module")
def optical(sar):
    """Reflectance times 10,000 at 10 m on the same grid, of which the first columns are a border of zeros."""
    grey = ground(4)
    bands = np.stack([400 + 2500 * grey, 500 + 2200 * grey**1.1, 300 + 2000 * grey**0.9]).astype(np.uint16)
    bands[:, :, :7] = 0
    return write(sar.with_name("optical.tif"), bands, from_origin(LEFT, TOP, 10, 10), names=["B04", "B03", "B02"])


@pytest.fixture(scope="module")
def elsewhere(sar):
    """The same ground on a grid of geographic coordinates, coarser and larger than the SAR image."""
    west, south, east, north = transform_bounds(UTM, LONLAT, LEFT, TOP - 10 * ROWS, LEFT + 10 * COLS, TOP)
    step = 1.5e-4
    shape = int((north - south) / step) + 20, int((east - west) / step) + 20
    bands = np.stack([0.1 + 0.3 * ground(5, shape), 0.1 + 0.2 * ground(5, shape)]).astype(np.float32)
    place = from_origin(west - 10 * step, north + 10 * step, step, step)
    return write(sar.with_name("elsewhere.tif"), bands, place, LONLAT)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.profile, dataset.descriptions, dataset.tags()


def test_one_command_makes_bands_spread_and_mask(run, sar, optical, tmp_path):
    out = tmp_path / "fused.tif"
    words = ["fuse", sar, optical, out, "--steps", 2, "--samples", 2, "--uncertainty", "--mask", "--progress", "json"]
    result = run(*words)
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[-1]["event"] == "done"
    assert {event["phase"] for event in events if event["event"] == "progress"} >= {
        "despeckle",
        "measure",
        "tiles",
        "done",
    }
    fused, profile, names, tags = read(out)
    before, _, _, _ = read(optical)
    assert fused.shape == before.shape
    assert fused.dtype == np.uint16
    assert names == ("B04", "B03", "B02")
    assert profile["crs"] == rasterio.CRS.from_string(UTM)
    assert (fused[:, :, :7] == 0).all()
    assert json.loads(tags["SARDIFF_SETTINGS"])["task"] == "fuse"
    said = json.loads(tags["SARDIFF_INPUT"])
    assert (said["sar"]["name"], said["optical"]["name"]) == ("sar.tif", "optical.tif")
    assert (said["sar"]["bands"], said["optical"]["bands"]) == ([1], [1, 2, 3])
    assert np.abs(fused[:, :, 7:].astype(float) - before[:, :, 7:]).mean() > 20
    spread, _, _, _ = read(tmp_path / "fused_std.tif")
    assert np.nanmedian(spread) > 0
    mask, about, _, _ = read(tmp_path / "fused_mask.tif")
    assert about["dtype"] == "uint8"
    assert (mask[0, :, :7] == MASK_VALUES["neither"]).all()
    assert (mask[0, :, 7:] == MASK_VALUES["both"]).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fused.tif", "fused_mask.tif", "fused_std.tif"]


def test_grids_may_differ(sar, elsewhere, tmp_path):
    for grid, like in (("optical", elsewhere), ("sar", sar)):
        out = fuse_file(sar, elsewhere, tmp_path / f"{grid}.tif", grid=grid, method="brovey", quality="fast", mask=True)
        fused, profile, _, _ = read(out)
        _, wanted, _, _ = read(like)
        assert fused.shape == (1, wanted["height"], wanted["width"])
        assert profile["transform"].almost_equals(wanted["transform"])
        assert profile["crs"] == wanted["crs"]
        assert fused.dtype == np.float32
        mask, _, _, _ = read(tmp_path / f"{grid}_mask.tif")
        if grid == "sar":
            assert (mask == MASK_VALUES["both"]).mean() > 0.99
        else:  # the optical image reaches farther
            assert (mask[0, :5] == MASK_VALUES["optical alone"]).all()
            assert 0.5 < (mask == MASK_VALUES["both"]).mean() < 0.95


def test_clouds_are_filled_and_told(sar, optical, tmp_path):
    clouds = np.zeros((1, ROWS, COLS), np.uint8)
    clouds[:, 30:70, 60:110] = 9
    mask = write(tmp_path / "clouds.tif", clouds, from_origin(LEFT, TOP, 10, 10))
    bright = read(optical)[0].copy()
    bright[:, 30:70, 60:110] = 9999
    hidden = write(tmp_path / "cloudy.tif", bright, from_origin(LEFT, TOP, 10, 10))
    common = {"quality": "fast", "steps": 2}
    out = fuse_file(sar, hidden, tmp_path / "a.tif", cloud_mask=mask, cloud_classes=(8, 9), mask=True, **common)
    fused, _, _, _ = read(out)
    assert fused[:, 30:70, 60:110].max() < 6000
    told, _, _, _ = read(tmp_path / "a_mask.tif")
    assert (told[0, 30:70, 60:110] == MASK_VALUES["SAR alone"]).all()


@pytest.mark.parametrize("tile", [64, 160])
def test_the_image_does_not_depend_on_tiles_and_workers(sar, optical, tmp_path, tile):
    whole = fuse_file(sar, optical, tmp_path / "whole.tif", method="pyramid", dtype="float32", quality="fast")
    parts = fuse_file(
        sar, optical, tmp_path / "parts.tif", method="pyramid", dtype="float32", quality="fast", tile=tile, workers=2
    )
    a, b = read(whole)[0], read(parts)[0]
    np.testing.assert_allclose(a, b, atol=1e-3 * np.nanmax(a))


def test_an_interrupted_run_goes_on_and_ends_in_the_same_file(sar, optical, tmp_path):
    class CutError(Exception):
        pass

    common = {"method": "pyramid", "quality": "fast", "tile": 64, "dtype": "float32"}
    whole = fuse_file(sar, optical, tmp_path / "whole.tif", **common)

    def cut(phase, share):
        def report(now):
            if now.phase == phase and (now.done / now.total if phase == "tiles" else now.share) >= share:
                raise CutError

        return report

    out = tmp_path / "cut.tif"
    for phase, share in (("despeckle", 0.0), ("measure", 1.0), ("tiles", 0.4)):
        with pytest.raises(CutError):
            fuse_file(sar, optical, out, report=cut(phase, share), **common)
        assert not out.exists()
    said = []
    fuse_file(sar, optical, out, say=said.append, **common)
    assert any("Going on" in sentence for sentence in said)
    np.testing.assert_array_equal(read(whole)[0], read(out)[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.tif", "whole.tif"]


def array(path):
    pixels, profile, _, _ = read(path)
    rows, cols = (np.arange(n) + 0.5 for n in pixels.shape[1:])
    place = profile["transform"]
    reference = xr.DataArray(0, attrs={"crs_wkt": rasterio.CRS.from_user_input(profile["crs"]).to_wkt()})
    coords = {"y": place.f + rows * place.e, "x": place.c + cols * place.a, "spatial_ref": reference}
    return xr.DataArray(pixels, dims=("band", "y", "x"), coords=coords)


def test_arrays_give_what_files_give(sar, optical, tmp_path):
    light = array(optical).assign_coords(band=["red", "green", "blue"]).chunk({"y": 64})
    lazy = sardiff.fuse(array(sar).chunk({"y": 64}), light, method="brovey", values="db", quality="fast", tile=64)
    assert lazy.chunks is not None
    assert list(lazy.band.values) == ["red", "green", "blue"]
    found = lazy.compute(scheduler="synchronous").values
    out = fuse_file(sar, optical, tmp_path / "file.tif", method="brovey", dtype="float32", quality="fast")
    wanted = read(out)[0]
    np.testing.assert_allclose(found[:, :, 7:], wanted[:, :, 7:], rtol=2e-3)
    assert np.isnan(found[:, :, :7]).all()


def test_arrays_have_an_estimate_and_its_spread(sar, optical):
    found = sardiff.fuse(
        array(sar), array(optical), values="db", despeckled=True, steps=1, samples=2, uncertainty=True
    ).compute(scheduler="synchronous")
    assert found.dims == ("estimate", "band", "y", "x")
    assert np.isfinite(found.values[:, :, :, 7:]).all()


def moved(path, to, east=0.0, north=0.0, crs=UTM):
    pixels, profile, _, _ = read(path)
    place = profile["transform"]
    return write(to, pixels, from_origin(place.c + east, place.f + north, 10, 10), crs)


@pytest.mark.parametrize("east", [1e5, 10.0 * (COLS - 1)], ids=["far away", "one column"])
def test_scenes_that_hardly_meet_are_refused(sar, optical, tmp_path, east):
    other = moved(optical, tmp_path / "other.tif", east=east)
    with pytest.raises(GridMismatch, match=r"do not overlap|too few to fuse"):
        fuse_file(sar, other, tmp_path / "out.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["other.tif"]


def test_what_has_no_place_is_refused(run, sar, optical, tmp_path):
    other = moved(optical, tmp_path / "other.tif", crs=None)
    result = run("fuse", sar, other, tmp_path / "out.tif")
    assert result.exit_code == 2
    assert "other.tif" in result.stderr
    assert "Traceback" not in result.stderr


def test_one_optical_band_gives_luminance(sar, optical, tmp_path):
    out = fuse_file(sar, optical, tmp_path / "out.tif", bands=(1,), method="brovey", quality="fast")
    fused, _, names, _ = read(out)
    assert fused.shape[0] == 1
    assert names == ("fused luminance",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cloud": True}, "share no measured pixel"),
        ({"method": "joint", "despeckled": True}, "leave --despeckled out"),
        ({"mode": "sepia"}, "no mode"),
        ({"inject": "hope"}, "no way"),
        ({"workers": 0}, "workers"),
        ({"uncertainty": True, "method": "brovey"}, "has no steps"),
        ({"uncertainty": "out.tif"}, "different names"),
        ({"tile": 8}, "at least 32"),
        ({"bands": (7,)}, "has bands 1 to 3"),
        ({"nonsense": 1}, "no option 'nonsense'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(sar, optical, tmp_path, settings, said):
    if settings.pop("cloud", False):
        clouds = write(tmp_path / "clouds.tif", np.ones((1, ROWS, COLS), np.uint8), from_origin(LEFT, TOP, 10, 10))
        settings = {"cloud_mask": clouds}
    if isinstance(settings.get("uncertainty"), str):
        settings = {"uncertainty": tmp_path / settings["uncertainty"]}
    with pytest.raises((GeoIOError, SettingsError), match=said):
        fuse_file(sar, optical, tmp_path / "out.tif", **{"quality": "fast", **settings})
    assert not (tmp_path / "out.tif").exists()


def test_joint_needs_the_sar_grid(sar, elsewhere, tmp_path):
    with pytest.raises(SettingsError, match="--grid sar"):
        fuse_file(sar, elsewhere, tmp_path / "out.tif", method="joint", quality="fast")
    out = fuse_file(sar, elsewhere, tmp_path / "out.tif", method="joint", grid="sar", steps=1)
    assert np.isfinite(read(out)[0]).mean() > 0.99


def test_paths_and_arrays_do_not_mix(sar, optical):
    with pytest.raises(
        SettingsError, match=r"^sar must be a path or an xarray.DataArray with coordinates, not ndarray"
    ):
        sardiff.fuse(np.ones((64, 64)), np.ones((3, 64, 64)))
    with pytest.raises(SettingsError, match="two paths or two DataArrays"):
        sardiff.fuse(sar, array(optical))
    with pytest.raises(SettingsError, match=r"Name an output"):
        sardiff.fuse(sar, optical)
    with pytest.raises(SettingsError, match=r"rio.to_raster"):
        sardiff.fuse(array(sar), array(optical), Path("out.tif"))


def test_bright_pixels_stay_bright_where_nodata_is_the_largest_number(tmp_path, sar):
    grey = ground(4)
    bands = np.stack([np.clip(255 * grey**0.5, 0, 254)] * 3).astype(np.uint8)
    bands[:, :20, :20] = 254
    bands[:, -9:] = 255
    path = write(tmp_path / "bytes.tif", bands, from_origin(LEFT, TOP, 10, 10), nodata=255)
    out = fuse_file(sar, path, tmp_path / "out.tif", method="brovey", quality="fast", weight=0.9)
    fused, profile, _, _ = read(out)
    assert profile["nodata"] == 255
    assert (fused[:, -9:] == 255).all()
    assert (fused[:, :-9] < 255).all()
    assert fused[:, :-9].max() == 254
    assert fused[:, :20, :20].min() > 0


def test_dark_outliers_stay_dark(tmp_path, sar):
    bands = np.full((1, ROWS, COLS), 4000, np.uint16)
    bands += (1500 * ground(4)).astype(np.uint16)
    bands[:, 60:66, 60:66] = 1000
    path = write(tmp_path / "lake.tif", bands, from_origin(LEFT, TOP, 10, 10))
    out = fuse_file(sar, path, tmp_path / "out.tif", method="brovey", quality="fast", weight=0.0)
    np.testing.assert_allclose(read(out)[0], bands, rtol=1e-4)


@pytest.mark.parametrize("grid", ["optical", "sar"])
@pytest.mark.parametrize("method", ["brovey", "joint"])
def test_misregistration_is_measured_and_corrected(tmp_path, grid, method):
    size, rows, cols = 256, 3, -2
    big = ground(8, (size + 16, size + 16))
    still, moved_away = big[8:-8, 8:-8], big[8 + rows : size + 8 + rows, 8 + cols : size + 8 + cols]
    decibels = (12 * moved_away - 20)[None] + np.random.default_rng(0).normal(0, 0.3, (1, size, size))
    place = from_origin(LEFT, TOP, 10, 10)
    radar = write(tmp_path / "radar.tif", decibels.astype(np.float32), place)
    light = write(tmp_path / "light.tif", (1000 + 3000 * still)[None].astype(np.float32), place)
    said = []
    common = {"values": "db", "grid": grid, "despeckled": method != "joint", "register": True, "say": said.append}
    extra = {"steps": 1, "looks": 100.0} if method == "joint" else {}
    out = fuse_file(radar, light, tmp_path / "out.tif", method=method, **common, **extra)
    shift = json.loads(read(out)[3]["SARDIFF_REGISTRATION"])
    assert shift["applied"]
    assert shift["shift"] == pytest.approx([rows, cols], abs=0.3)
    assert any("is moved by" in sentence for sentence in said)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_luminance_of_arrays_can_be_written(sar, optical, tmp_path):
    pytest.importorskip("rioxarray")
    light = array(optical)
    light.attrs["long_name"] = ("B04", "B03", "B02")
    found = sardiff.fuse(array(sar), light, method="brovey", values="db", despeckled=True, mode="intensity")
    found.rio.to_raster(tmp_path / "out.tif")
    assert read(tmp_path / "out.tif")[2] == ("fused luminance",)


def test_an_intermediate_of_other_settings_is_not_taken(sar, optical, tmp_path):
    class CutError(Exception):
        pass

    def cut(now):
        if now.phase == "tiles":
            raise CutError

    common = {"method": "brovey", "quality": "fast", "dtype": "float32"}
    out = tmp_path / "out.tif"
    with pytest.raises(CutError):
        fuse_file(sar, optical, out, looks=1.0, report=cut, **common)
    fuse_file(sar, optical, out, looks=50.0, **common)
    clean = fuse_file(sar, optical, tmp_path / "clean.tif", looks=50.0, **common)
    np.testing.assert_array_equal(read(out)[0], read(clean)[0])


def test_the_grid_file_is_no_output(sar, optical, tmp_path):
    like = moved(optical, tmp_path / "like.tif")
    with pytest.raises(GeoIOError, match="same file"):
        fuse_file(sar, optical, like, grid=like, overwrite=True)


def test_a_swapped_pair_is_told_so(run, sar, optical, tmp_path):
    result = run("fuse", optical, sar, tmp_path / "out.tif", "--method", "ihs")
    assert result.exit_code == 2
    assert "swapped?" in result.stderr
    rgb = tmp_path / "rgb.tif"
    about = {"driver": "GTiff", "count": 3, "height": 64, "width": 64, "dtype": "uint8", "photometric": "RGB"}
    with rasterio.open(rgb, "w", **about, crs=UTM, transform=rasterio.Affine(10, 0, 4e5, 0, -10, 5e6)) as dataset:
        dataset.write(np.random.default_rng(0).integers(0, 255, (3, 64, 64), dtype=np.uint8))
    result = run("fuse", rgb, sar, tmp_path / "out.tif", "--method", "ihs")
    assert result.exit_code == 2
    assert "is an RGB picture, not backscatter: name the SAR image first" in result.stderr
