"""Whole scenes with gaps: command line, masks, tiles, interruption, arrays, and what is refused."""

import json

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import sardiff
from geo_io import GeoIOError
from sardiff.errors import SettingsError
from sardiff.simulate import landscape
from sardiff.tasks.fill import Fill, FillTiles, overlap_for
from sardiff.tasks.fill_scene import FILLED_VALUES, fill_file
from sardiff.tasks.gaps import Gaps, Known
from sardiff.tasks.inputs import open_source
from sardiff.tasks.tones import measure_tones
from tiling import Layout, stream_tiles

ROWS, COLS = 96, 112
PLACE = Affine(10, 0, 4e5, 0, -10, 5.3e6)
QUICK = {"steps": 2, "samples": 1, "overlap": 32}


def ground(shape=(ROWS, COLS)):
    level = np.log(np.asarray(landscape(shape, seed=4).intensity))
    low, high = np.nanquantile(level, (0.01, 0.99))
    return np.clip(np.nan_to_num((level - low) / (high - low), nan=0.5), 0, 1)


def write(path, array, *, names=None, tags=None, **profile):
    about = {"driver": "GTiff", "count": len(array), "height": array.shape[1], "width": array.shape[2]}
    about |= {"transform": PLACE, "crs": "EPSG:32633", "dtype": array.dtype}
    with rasterio.open(path, "w", **{**about, **profile}) as dataset:
        dataset.write(array)
        dataset.descriptions = names or tuple(f"B{i + 2}" for i in range(len(array)))
        dataset.update_tags(**tags or {})
    return path


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.profile, dataset.descriptions, dataset.tags()


@pytest.fixture(scope="module")
def gap():
    gap = np.zeros((ROWS, COLS), bool)
    gap[:, :7] = True  # the collar
    gap[20:36, 40:56] = True
    rows = np.arange(ROWS)
    for k in range(6):
        gap[rows, 70 + rows // 4 + k] = True
    return gap


@pytest.fixture(scope="module")
def optical(tmp_path_factory, gap):
    """Reflectance times 10,000, whole numbers; nodata 0, and one pixel missing in one band alone."""
    grey = ground()
    bands = np.stack([400 + 2500 * grey, 300 + 2000 * grey**0.9]).astype(np.uint16)
    bands[:, gap] = 0
    bands[1, 60, 20] = 0
    return write(tmp_path_factory.mktemp("fill") / "optical.tif", bands, nodata=0)


def test_one_command_fills_and_says_where(run, optical, gap, tmp_path):
    out = tmp_path / "whole.tif"
    words = ["fill", optical, out, "--steps", 2, "--samples", 2, "--overlap", 32, "--uncertainty", "--filled"]
    result = run(*words, "--progress", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["event"] == "done"
    before, about, names, _ = read(optical)
    after, profile, after_names, tags = read(out)
    assert (after.dtype, after_names, profile["nodata"]) == (np.uint16, names, 0)
    assert (profile["crs"], profile["transform"]) == (about["crs"], about["transform"])
    measured = before > 0
    np.testing.assert_array_equal(after[measured], before[measured])
    inside = gap.copy()
    inside[:, :7] = False
    assert (after[:, inside] > 0).all()
    assert (after[:, :, :7] == 0).all()
    assert after[1, 60, 20] > 0
    spread, _, _, _ = read(tmp_path / "whole_std.tif")
    assert (spread[measured] == 0).all()
    assert (spread[:, inside] > 0).mean() > 0.99
    assert np.isnan(spread[:, :, :7]).all()
    classes, about, _, _ = read(tmp_path / "whole_filled.tif")
    assert about["dtype"] == "uint8"
    assert (classes[0, inside] == FILLED_VALUES["filled"]).all()
    assert (classes[0, :, :7] == FILLED_VALUES["a gap still"]).all()
    assert (classes == FILLED_VALUES["measured"]).sum() == (~gap).sum() - 1
    settings = json.loads(tags["SARDIFF_SETTINGS"])
    assert (settings["task"], settings["solver"], settings["max_gap"]) == ("fill", "ddnm", 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole.tif", "whole_filled.tif", "whole_std.tif"]


def test_a_mask_of_classes_on_a_coarser_grid_is_filled(optical, tmp_path):
    clouds = np.full((1, ROWS // 2, COLS // 2), 4, np.uint8)
    clouds[:, 25:30, 10:16] = 9
    mask = write(tmp_path / "scl.tif", clouds, transform=PLACE @ Affine.scale(2))
    out = fill_file(optical, tmp_path / "out.tif", mask=mask, gap_classes=(8, 9), method="harmonic")
    before, after = read(optical)[0], read(out)[0]
    assert (after[:, 50:60, 20:32] != before[:, 50:60, 20:32]).mean() > 0.9
    np.testing.assert_array_equal(after[:, 80:, 20:60], before[:, 80:, 20:60])


@pytest.mark.parametrize("method", ["harmonic", "biharmonic", "diffpir"])
def test_every_method_is_nearer_than_the_mean(optical, gap, tmp_path, method):
    settings = {"steps": 6, "overlap": 32} if method == "diffpir" else {"overlap": 32}
    after = read(fill_file(optical, tmp_path / "out.tif", method=method, dtype="float32", **settings))[0]
    truth = 400 + 2500 * ground()
    hole = slice(20, 36), slice(40, 56)
    error = np.sqrt(np.mean((after[0][hole] - truth[hole]) ** 2))
    assert error < np.sqrt(np.mean((truth[~gap].mean() - truth[hole]) ** 2))


def test_what_a_gap_held_before_does_not_matter(tmp_path, gap):
    """Zeros without nodata, far below a narrow range, and a masked pixel as dark."""
    bands = (20000 + 100 * ground())[None].astype(np.uint16)
    bands[:, gap] = 0
    bands[:, 80:84, 20:24] = 1
    path, mask = write(tmp_path / "warm.tif", bands), np.zeros((1, ROWS, COLS), np.uint8)
    mask[:, 80:84, 20:24] = 1
    cover = write(tmp_path / "mask.tif", mask)
    after = read(fill_file(path, tmp_path / "out.tif", mask=cover, method="harmonic"))[0]
    assert after[:, :, 7:].min() >= 20000
    assert after.max() <= 20100


@pytest.mark.parametrize("values", ["intensity", "amplitude", "db"])
def test_backscatter_is_filled_in_its_log(tmp_path, gap, values):
    decibels = (20 * ground() - 25)[None]
    stored = {"db": decibels, "amplitude": 10 ** (decibels / 20), "intensity": 10 ** (decibels / 10)}[values]
    holed = np.where(gap, np.nan, stored).astype(np.float32)
    path = write(tmp_path / "sar.tif", holed, nodata=np.nan)
    after = read(fill_file(path, tmp_path / "out.tif", values=values, method="harmonic"))[0]
    np.testing.assert_array_equal(after[0][~gap], holed[0][~gap])
    assert np.isfinite(after[:, :, 7:]).all()
    assert np.isnan(after[:, :, :7]).all()
    found = {"db": np.asarray, "amplitude": lambda x: 20 * np.log10(x), "intensity": lambda x: 10 * np.log10(x)}[values]
    assert np.sqrt(np.nanmean((found(after)[0][gap] - decibels[0][gap]) ** 2)) < 6


@pytest.mark.parametrize("steps", [2, pytest.param(24, marks=pytest.mark.slow)])
def test_tiles_make_one_image(steps):
    shape = 128, 64
    pixels = ground(shape)[None].astype(np.float32)
    rows = np.arange(shape[0])
    for k in range(7):
        for col in range(-50, shape[1], 40):
            pixels[0, rows, np.clip(col + rows // 4 + k, 0, shape[1] - 1)] = np.nan
    known = Known(open_source(xr.DataArray(pixels, dims=("band", "y", "x")), values="physical"))
    gaps, (tones, _) = Gaps(known), measure_tones(known)
    apply = FillTiles(Fill(steps=steps), tones)
    assert apply.prior is not None

    def filled(tile):
        layout = Layout(shape, tile=tile, overlap=overlap_for(apply.prior, 64), multiple=16)
        out = np.full((1, *shape), np.nan, np.float32)
        for t, core in stream_tiles(apply, gaps, layout, out_bands=1):
            out[:, t.core.rows.slice, t.core.cols.slice] = tones.pixels(core)
        return out

    whole, parts = filled(128), filled(64)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(parts))
    assert np.nanmax(np.abs(whole - parts)) < 1e-3


def test_an_interrupted_run_goes_on_and_ends_in_the_same_file(optical, tmp_path):
    class CutError(Exception):
        pass

    def cut(now):
        if now.phase == "tiles" and now.done >= 2:
            raise CutError

    common = {"tile": 48, **QUICK, "steps": 1}
    whole, out = fill_file(optical, tmp_path / "whole.tif", **common), tmp_path / "cut.tif"
    with pytest.raises(CutError):
        fill_file(optical, out, report=cut, **common)
    assert not out.exists()
    said = []
    fill_file(optical, out, say=said.append, **common)
    assert any("Going on" in sentence for sentence in said)
    np.testing.assert_array_equal(read(whole)[0], read(out)[0])


def test_arrays_give_what_files_give(optical, tmp_path):
    before = read(optical)[0].astype(np.float32)
    da = xr.DataArray(np.where(before > 0, before, np.nan), dims=("band", "y", "x")).chunk({"y": 48})
    lazy = sardiff.fill(da, seed=5, **QUICK)
    assert lazy.chunks is not None
    out = fill_file(optical, tmp_path / "file.tif", dtype="float32", seed=5, **QUICK)
    found, wanted = lazy.compute(scheduler="synchronous").values, read(out)[0]
    np.testing.assert_allclose(found[:, :, 7:], wanted[:, :, 7:], rtol=1e-4)
    assert np.isnan(found[:, :, :7]).all()
    spread = sardiff.fill(da, uncertainty=True, **{**QUICK, "samples": 2, "steps": 1})
    assert spread.dims == ("estimate", "band", "y", "x")
    mask = xr.DataArray(np.eye(ROWS, COLS) > 0, dims=("y", "x")).astype(np.uint8)
    masked = sardiff.fill(da, mask=mask, method="harmonic").compute(scheduler="synchronous").values
    assert masked[0, 50, 50] != before[0, 50, 50]
    assert masked[0, 50, 49] == before[0, 50, 49]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"method": "harmonic", "steps": 4}, "has no steps"),
        ({"method": "biharmonic", "uncertainty": True}, "choose 'ddnm'"),
        ({"method": "diffpir", "samples": 4}, "choose 'ddnm'"),
        ({"uncertainty": True, "samples": 1}, "ask for more"),
        ({"max_gap": 0}, "from 1 to 256"),
        ({"max_gap": 1000}, "from 1 to 256"),
        ({"gap_classes": (9,)}, "--mask"),
        ({"mask": "nowhere.tif"}, "nowhere.tif"),
        ({"values": "sigma"}, "values must be one of"),
        ({"workers": 0}, "workers"),
        ({"bands": (7,)}, "has bands 1 to 2"),
        ({"tile": 8}, "at least 32"),
        ({"dtype": "int8"}, "dtype must be"),
        ({"nonsense": 1}, "no option 'nonsense'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(optical, tmp_path, settings, said):
    with pytest.raises((GeoIOError, SettingsError), match=said):
        fill_file(optical, tmp_path / "out.tif", **settings)
    assert list(tmp_path.iterdir()) == []


def test_paths_and_arrays_do_not_mix(optical):
    with pytest.raises(SettingsError, match="Name an output"):
        sardiff.fill(optical)
    with pytest.raises(SettingsError, match=r"rio.to_raster"):
        sardiff.fill(xr.DataArray(np.ones((9, 9)), dims=("y", "x")), "out.tif")
    with pytest.raises(SettingsError, match="complex"):
        sardiff.fill(xr.DataArray(np.ones((9, 9), np.complex64), dims=("y", "x")))


def told(call):
    said = []
    call(said.append)
    return " ".join(said)


def test_it_says_how_much_was_filled_and_what_counts_as_a_gap(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(100, 200, (3, 60, 80)).astype(np.uint8)
    path = write(tmp_path / "whole.tif", image)
    assert "There is no gap: the result is a copy." in told(
        lambda say: fill_file(path, tmp_path / "a.tif", method="harmonic", say=say)
    )
    image[:, 10:20, 30:40] = 0
    image[0, 50, 50] = 0
    path = write(tmp_path / "holes.tif", image)
    words = told(lambda say: fill_file(path, tmp_path / "b.tif", method="harmonic", say=say))
    assert "pixels that are 0 in every band are taken for gaps" in words
    assert f"To be filled: {100 * 100 / 4800:.3g} % of the pixels." in words
    assert "stay" not in words
    words = told(lambda say: fill_file(path, tmp_path / "c.tif", method="harmonic", max_gap=4, say=say))
    assert "To be filled: 0 %" in words
    assert "2.08 % stay gaps, in some band: wider than 4 pixels" in words
    mask = write(tmp_path / "mask.tif", (np.indices((60, 80))[1] < 40).astype(np.uint8)[None], names=("mask",))
    words = told(lambda say: fill_file(path, tmp_path / "m.tif", mask=mask, method="harmonic", max_gap=8, say=say))
    assert "To be filled: 0 %" in words  # what a mask names, and was not filled, is as it was
    path = write(tmp_path / "nodata.tif", image, nodata=0)
    assert "taken for gaps" not in told(lambda say: fill_file(path, tmp_path / "d.tif", method="harmonic", say=say))


def test_decibels_are_known_for_what_they_are(tmp_path):
    rng = np.random.default_rng(0)
    smooth = np.linspace(-20, -5, 60 * 80).reshape(1, 60, 80).astype(np.float32)
    smooth[:, 20:24] = np.nan
    path = write(tmp_path / "smooth.tif", smooth, names=("VV",))
    words = told(lambda say: fill_file(path, tmp_path / "a.tif", method="harmonic", say=say))
    assert "Values: db (" in words
    assert "speckle" not in words
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert json.loads(dataset.tags()["SARDIFF_INPUT"])["values"] == "db"
    words = told(lambda say: fill_file(path, tmp_path / "b.tif", method="harmonic", values="physical", say=say))
    assert "Values" not in words
    speckled = np.tile(smooth, (1, 4, 4)) + 10 * np.log10(rng.gamma(1, 1, (1, 240, 320)))
    path = write(tmp_path / "speckled.tif", speckled.astype(np.float32), names=("VV",))
    words = told(lambda say: fill_file(path, tmp_path / "c.tif", method="harmonic", say=say))
    assert "It looks as if it has speckle" in words


def test_what_sardiff_wrote_itself_is_known_by_its_tags(tmp_path):
    power = np.linspace(0.01, 0.3, 60 * 80).reshape(1, 60, 80).astype(np.float32)
    power[:, 20:24] = np.nan
    said = {"SARDIFF_INPUT": json.dumps({"values": "intensity", "units": None})}
    path = write(tmp_path / "clean.tif", power, names=("VV",), tags=said)
    assert "Values: intensity" in told(lambda say: fill_file(path, tmp_path / "a.tif", method="harmonic", say=say))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert json.loads(dataset.tags()["SARDIFF_INPUT"])["values"] == "intensity"


def test_floats_have_no_zeros_that_mean_a_gap(tmp_path):
    image = np.random.default_rng(0).integers(5, 200, (2, 60, 80)).astype(np.uint8)
    image[:, 10:40, 10:40] = 0
    image[0, 50, 50] = 0
    path = write(tmp_path / "zeros.tif", image)
    out = fill_file(path, tmp_path / "out.tif", method="harmonic", max_gap=8, dtype="float32")
    pixels, profile, _, _ = read(out)
    assert np.isnan(profile["nodata"])
    assert np.isnan(pixels[:, 10:40, 10:40]).all()
    assert pixels[0, 50, 50] == 0


def test_a_result_does_not_say_how_its_input_was_made(tmp_path):
    image = np.linspace(0.01, 0.3, 60 * 80).reshape(1, 60, 80).astype(np.float32)
    image[:, 20:24] = np.nan
    old = {"SARDIFF_INTERVALS": '{"90 %": 1.6}', "SARDIFF_LOOKS": "{}", "SARDIFF_SIMULATED": "seed 1", "MISSION": "S1"}
    path = write(tmp_path / "clean.tif", image, names=("VV",), tags=old)
    _, _, _, tags = read(fill_file(path, tmp_path / "out.tif", method="harmonic"))
    assert {"SARDIFF_SIMULATED", "MISSION", "SARDIFF_SETTINGS"} <= set(tags)
    assert not {"SARDIFF_INTERVALS", "SARDIFF_LOOKS"} & set(tags)
    lazy = sardiff.fill(xr.DataArray(image, dims=("band", "y", "x"), attrs=old), method="harmonic")
    assert not {"SARDIFF_INTERVALS", "SARDIFF_LOOKS"} & set(lazy.attrs)
    assert lazy.attrs["MISSION"] == "S1"


def test_what_was_complex_and_what_has_another_unit(tmp_path):
    power = np.linspace(0.01, 0.3, 60 * 80).reshape(1, 60, 80).astype(np.float32)
    said = {"SARDIFF_INPUT": json.dumps({"values": "complex", "units": None})}
    path = write(tmp_path / "clean.tif", power, names=("VV",), tags=said)
    assert "Values: intensity (as its tags say)" in told(
        lambda say: fill_file(path, tmp_path / "a.tif", method="harmonic", say=say)
    )
    degrees = write(tmp_path / "lst.tif", 100 * power - 25, names=("LST",))
    with rasterio.open(degrees, "r+") as dataset:
        dataset.units = ("degC",)
    assert "Values" not in told(lambda say: fill_file(degrees, tmp_path / "b.tif", method="harmonic", say=say))


def test_a_mask_of_another_place_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", np.random.default_rng(0).integers(5, 200, (1, 60, 80)).astype(np.uint8))
    far = Affine(10, 0, 7e5, 0, -10, 5.3e6)
    mask = write(tmp_path / "mask.tif", np.ones((1, 60, 80), np.uint8), names=("mask",), transform=far)
    with pytest.raises(GeoIOError, match="do not overlap"):
        fill_file(path, tmp_path / "out.tif", mask=mask, method="harmonic")
