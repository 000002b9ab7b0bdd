"""Whole blurred scenes: command line, tiles, interruption, arrays, noise, and what is refused."""

import json

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from scipy.ndimage import convolve

import sardiff
from geo_io import GeoIOError
from sardiff.errors import SettingsError
from sardiff.simulate import landscape
from sardiff.tasks.deblur import Deblur, DeblurTiles, overlap_for
from sardiff.tasks.deblur_scene import deblur_file, estimate_noise
from sardiff.tasks.gaps import Known
from sardiff.tasks.inputs import open_source
from sardiff.tasks.kernels import kernel_of
from sardiff.tasks.tones import measure_tones
from tiling import Layout, stream_tiles

ROWS, COLS = 80, 96
BLUR, NOISE = "gaussian:1.2", 20.0
QUICK = {"blur": BLUR, "steps": 2, "overlap": 16}


def sharp(shape=(ROWS, COLS)):
    level = np.log(np.asarray(landscape(shape, seed=4).intensity))
    low, high = np.nanquantile(level, (0.01, 0.99))
    grey = np.clip(np.nan_to_num((level - low) / (high - low), nan=0.5), 0, 1)
    return np.stack([400 + 2500 * grey, 300 + 2000 * grey**0.9])


def blurred(image, blur=BLUR, noise=NOISE):
    kernel, rng = kernel_of(blur), np.random.default_rng(0)
    return np.stack([convolve(band, kernel, mode="reflect") for band in image]) + rng.normal(0, noise, image.shape)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.profile, dataset.descriptions, dataset.tags()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Reflectance times 10,000, whole numbers, with a hole."""
    bands = np.rint(blurred(sharp())).astype(np.uint16)
    bands[:, 30:36, 40:50] = 0
    path = tmp_path_factory.mktemp("deblur") / "scene.tif"
    about = {"driver": "GTiff", "count": 2, "height": ROWS, "width": COLS, "dtype": "uint16", "nodata": 0}
    place = Affine(10, 0, 4e5, 0, -10, 5.3e6)
    with rasterio.open(path, "w", **about, crs="EPSG:32633", transform=place) as dataset:
        dataset.write(bands)
        dataset.set_band_description(1, "B04")
    return path


def rmse(a, b):
    return float(np.sqrt(np.mean((a.astype(float) - b) ** 2)))


def test_one_command_sharpens(run, scene, tmp_path):
    out = tmp_path / "sharp.tif"
    result = run("deblur", scene, out, "--blur", BLUR, "--steps", 6, "--overlap", 32, "--progress", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["event"] == "done"
    before, about, names, _ = read(scene)
    after, profile, after_names, tags = read(out)
    assert (after.dtype, after_names, profile["nodata"]) == (np.uint16, names, 0)
    assert (profile["crs"], profile["transform"]) == (about["crs"], about["transform"])
    np.testing.assert_array_equal(after == 0, before == 0)
    seen = before > 0
    assert rmse(after[seen], sharp()[seen]) < 0.95 * rmse(before[seen], sharp()[seen])
    settings = json.loads(tags["SARDIFF_SETTINGS"])
    assert (settings["task"], settings["solver"], settings["blur"]) == ("deblur", "dpir", BLUR)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sharp.tif"]


def test_samples_have_a_spread(scene, tmp_path):
    out = deblur_file(scene, tmp_path / "out.tif", samples=2, uncertainty=True, noise=NOISE, **QUICK)
    before, (spread, about, _, tags) = read(scene)[0], read(tmp_path / "out_std.tif")
    assert about["dtype"] == "float32"
    assert (spread[before > 0] > 0).mean() > 0.99
    assert np.isnan(spread[before == 0]).all()
    assert json.loads(tags["SARDIFF_SETTINGS"])["solver"] == "diffpir"
    assert read(out)[0].dtype == np.uint16


def test_noise_is_estimated_from_what_is_blurred():
    image = blurred(sharp((256, 256)))
    image[:, 50:60, 50:60] = np.nan
    known = Known(open_source(xr.DataArray(image, dims=("band", "y", "x")), values="physical"))
    tones, windows = measure_tones(known)
    assert estimate_noise(tones, windows) == pytest.approx((NOISE, NOISE), rel=0.15)


def test_a_defect_stays_and_spoils_nothing():
    image = blurred(sharp()[:1]).astype(np.float32)
    da = xr.DataArray(image, dims=("band", "y", "x"))
    image[0, 40, 40] = 1e9
    found = sardiff.deblur(da, noise=NOISE, **QUICK).compute(scheduler="synchronous").values
    assert found[0, 40, 40] == 1e9
    found[0, 40, 40] = 1500
    assert rmse(found, sharp()[:1]) < 300


def test_decibels_count_as_what_was_blurred(tmp_path):
    truth = (20 * (sharp()[:1] - 400) / 2500 - 25).astype(np.float32)
    da = xr.DataArray(blurred(truth, noise=0.1).astype(np.float32), dims=("band", "y", "x"))
    found = sardiff.deblur(da, values="db", **{**QUICK, "steps": 6}).compute(scheduler="synchronous").values
    assert rmse(found, truth) < 0.85 * rmse(da.values, truth)


@pytest.mark.parametrize(
    ("blur", "steps", "overlap"),
    [("gaussian:1.5", 3, 96), pytest.param("motion:9,30", 12, None, marks=pytest.mark.slow)],
)
def test_tiles_make_one_image(blur, steps, overlap):
    shape = 128, 64
    image = blurred(sharp(shape)[:1], blur)
    image[:, 60:70, 30:50] = np.nan
    known = Known(open_source(xr.DataArray(image, dims=("band", "y", "x")), values="physical"))
    tones, _ = measure_tones(known)
    apply = DeblurTiles(Deblur(blur=blur, noise=(25.0,), steps=steps), tones, shape)
    low, high = tones.ranges[0]
    overlap = overlap or overlap_for(apply.prior, apply.blur.reach)

    def found(tile):
        out = np.full((1, *shape), np.nan, np.float32)
        for t, core in stream_tiles(apply, known, Layout(shape, tile=tile, overlap=overlap, multiple=16), out_bands=1):
            out[:, t.core.rows.slice, t.core.cols.slice] = tones.pixels(core)
        return out / (high - low)

    whole, parts = found(128), found(64)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(image))
    assert np.nanmax(np.abs(whole - parts)) < 1e-3


def test_an_interrupted_run_goes_on_and_ends_in_the_same_file(scene, tmp_path):
    class CutError(Exception):
        pass

    def cut(now):
        if now.phase == "tiles" and now.done >= 2:
            raise CutError

    common = {"tile": 48, **QUICK, "steps": 1}
    whole, out = deblur_file(scene, tmp_path / "whole.tif", **common), tmp_path / "cut.tif"
    with pytest.raises(CutError):
        deblur_file(scene, out, report=cut, **common)
    assert not out.exists()
    said = []
    deblur_file(scene, out, say=said.append, **common)
    assert any("Going on" in sentence for sentence in said)
    np.testing.assert_array_equal(read(whole)[0], read(out)[0])


def test_arrays_give_what_files_give(scene, tmp_path):
    before = read(scene)[0].astype(np.float32)
    da = xr.DataArray(np.where(before > 0, before, np.nan), dims=("band", "y", "x")).chunk({"y": 48})
    lazy = sardiff.deblur(da, noise=NOISE, **QUICK)
    assert lazy.chunks is not None
    out = deblur_file(scene, tmp_path / "file.tif", dtype="float32", noise=NOISE, **QUICK)
    found, wanted = lazy.compute(scheduler="synchronous").values, read(out)[0]
    seen = before > 0
    np.testing.assert_allclose(found[seen], wanted[seen], rtol=1e-4)
    assert np.isnan(found[~seen]).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"blur": "disc:3"}, "is no blur"),
        ({"blur": "gaussian:0"}, "must be > 0"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"method": "dpir", "uncertainty": True}, "point estimate"),
        ({"uncertainty": True, "samples": 1}, "ask for more"),
        ({"noise": 0.0}, "noise must be > 0"),
        ({"noise": "loud"}, "noise must be"),
        ({"values": "complex"}, "values must be one of"),
        ({"workers": 0}, "workers"),
        ({"bands": (7,)}, "has bands 1 to 2"),
        ({"overlap": 3}, "overlap must be at least"),
        ({"nonsense": 1}, "no option 'nonsense'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(scene, tmp_path, settings, said):
    with pytest.raises((GeoIOError, SettingsError), match=said):
        deblur_file(scene, tmp_path / "out.tif", **{"blur": BLUR, **settings})
    assert list(tmp_path.iterdir()) == []


def test_a_hostile_kernel_ends_in_status_2(run, scene, tmp_path):
    (tmp_path / "k.txt").write_text("1 -1 1\n")
    result = run("deblur", scene, tmp_path / "out.tif", "--blur", tmp_path / "k.txt")
    assert result.exit_code == 2
    assert "must hold numbers >= 0" in result.stderr
    assert "Traceback" not in result.stderr
