"""A result beside its input: which bands go together, in which units, and what tags may not do."""

import json

import numpy as np
import pytest
import rasterio

from geo_io import GridMismatch
from sardiff.errors import SettingsError
from sardiff.provenance import digest
from sardiff.tasks.kernels import kernel_of
from sardiff.tasks.result import Filled, held_bands, open_compared

ALL = slice(0, 30)


def write(path, pixels, *, task=None, names=None, nodata=None, scales=None, origin=0, **tags):
    pixels = np.asarray(pixels)
    kept = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    place = rasterio.Affine(10, 0, 4e5 + origin, 0, -10, 5e6)
    with rasterio.open(
        path, "w", **kept, dtype=pixels.dtype, nodata=nodata, crs="EPSG:32633", transform=place
    ) as dataset:
        dataset.write(pixels)
        if names:
            dataset.descriptions = names
        if scales:
            dataset.scales = scales
        said = {"settings": {"task": task, **tags.pop("settings", {})}} if task else {}
        dataset.update_tags(**{f"SARDIFF_{k.upper()}": json.dumps(v) for k, v in {**said, **tags}.items()})
    return path


@pytest.fixture
def bands():
    """Five bands (rows, cols), each its number, and a little of its place."""
    return np.stack([np.full((30, 30), k, np.float32) + np.arange(30, dtype=np.float32) / 100 for k in range(1, 6)])


def first_of(raster):
    return [int(raster[slice(b, b + 1), ALL, ALL].mean()) for b in range(raster.shape[0])]


def test_tags_tell_which_bands_a_result_holds(bands, tmp_path):
    before = write(tmp_path / "a.tif", bands)
    after = write(tmp_path / "b.tif", bands[[3, 2, 1]], task="fill", input={"values": "physical", "bands": [4, 3, 2]})
    found = open_compared(before, after, truth=before)
    assert found.task == "fill"
    assert found.bands == (4, 3, 2)
    for raster in (found.before, found.after, found.truth):
        assert first_of(raster) == [4, 3, 2]
    found = open_compared(before, after, bands=(2, 4))
    assert first_of(found.before) == first_of(found.after) == [2, 4]
    with pytest.raises(SettingsError, match=r"holds band 4, 3, 2 of .*a.tif, not band 1"):
        open_compared(before, after, bands=(1,))


def test_without_tags_their_number_must_tell(bands, tmp_path):
    before = write(tmp_path / "a.tif", bands)
    same = write(tmp_path / "b.tif", bands, task="deblur")
    assert first_of(open_compared(before, same, bands=(5, 1)).after) == [5, 1]
    two = write(tmp_path / "c.tif", bands[[4, 0]], task="deblur")
    found = open_compared(before, two, bands=(5, 1))
    assert first_of(found.before) == first_of(found.after) == [5, 1]
    with pytest.raises(SettingsError, match=r"c.tif has 2 bands, and .*a.tif 5: choose the same of both with --bands"):
        open_compared(before, two)
    with pytest.raises(SettingsError, match=r"other.tif has 4 bands"):
        open_compared(before, two, bands=(5, 1), truth=write(tmp_path / "other.tif", bands[:4]))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("B02", "B03", "B04", "B08", "B11"), (3, 2, 1)),
        (("blue", "green", "Red", "NIR", "SWIR"), (3, 2, 1)),
        (("B8", "B4, surface reflectance", "B3", "B2", "QA"), (2, 3, 4)),
        (("B1", "B2", "B40", "B30", "B20"), (1, 2, 3)),
        (None, (1, 2, 3)),
    ],
)
def test_of_many_bands_those_that_are_named_for_colours_are_shown(bands, tmp_path, names, expected):
    before = write(tmp_path / "a.tif", bands, names=names)
    after = write(tmp_path / "b.tif", bands, task="fill")
    assert open_compared(before, after, most=3).bands == expected
    assert open_compared(before, after, most=1).bands == (1,)
    assert open_compared(before, after).bands == (1, 2, 3, 4, 5)


def test_backscatter_is_compared_in_decibels_and_so_is_its_spread(tmp_path):
    power = np.full((1, 30, 30), 0.25, np.float32)
    for values, stored, spread in (
        ("intensity", power, 0.025),
        ("amplitude", np.sqrt(power), 0.025),
        ("db", None, 0.4),
    ):
        stored = 10 * np.log10(power) if stored is None else stored
        before = write(tmp_path / f"{values}.tif", stored)
        after = write(tmp_path / f"{values}_b.tif", stored * 1, task="fill", input={"values": values})
        write(tmp_path / f"{values}_b_std.tif", np.full_like(stored, spread))
        found = open_compared(before, after)
        assert found.unit == "dB"
        assert found.after[slice(0, 1), ALL, ALL].mean() == pytest.approx(-6.0206, abs=1e-3)
        slope = {"intensity": 4.3429 / 0.25, "amplitude": 8.6859 / 0.5, "db": 1}[values]
        assert found.spread[slice(0, 1), ALL, ALL].mean() == pytest.approx(slope * spread, rel=1e-3)


def test_whole_numbers_with_a_scale_have_a_spread_in_their_units(tmp_path):
    stored = np.full((1, 30, 30), 2000, np.uint16)
    stored[0, :5] = 0  # no nodata is named: zero is none
    before = write(tmp_path / "a.tif", stored, scales=(0.0001,))
    after = write(tmp_path / "b.tif", np.full_like(stored, 2000), task="fill", scales=(0.0001,))
    write(tmp_path / "b_std.tif", np.full((1, 30, 30), 0.005, np.float32))
    found = open_compared(before, after)
    assert np.isnan(found.before[slice(0, 1), slice(0, 5), ALL]).all()
    assert found.after[slice(0, 1), ALL, ALL].mean() == pytest.approx(0.2)
    assert found.spread[slice(0, 1), ALL, ALL].mean() == pytest.approx(0.005)
    filled = Filled(found.before, found.after)[slice(0, 1), ALL, ALL]
    assert (filled[0, :5] == 1).all()
    assert (filled[0, 5:] == 0).all()


def test_the_kernel_and_the_noise_are_those_of_the_tags(bands, tmp_path):
    kernel = kernel_of("gaussian:1.5")
    said = {"blur": "gaussian:1.5", "noise": [1, 2, 3, 4, 5], "kernel": digest({"weights": kernel.tolist()})}
    before = write(tmp_path / "a.tif", bands)
    after = write(tmp_path / "b.tif", bands, task="deblur", settings=said)
    found = open_compared(before, after, bands=(5, 2))
    np.testing.assert_array_equal(found.kernel, kernel)
    assert found.noise == (5, 2)
    assert open_compared(before, after, blur="gaussian:1.5").kernel is not None
    with pytest.raises(SettingsError, match="with another kernel, as its tags say: not with box:3"):
        open_compared(before, after, blur="box:3")


@pytest.mark.parametrize(
    "said",
    [
        {"blur": "psf.txt", "noise": [1, 2]},
        {"blur": "gaussian:1e9", "noise": "much"},
        {"blur": ["gaussian:1"], "noise": [None] * 5},
        {"blur": "gaussian:2", "kernel": "of another", "noise": [-1] * 5},
        {"noise": [10**400] * 5},
        {"noise": [True] * 5},
    ],
)
def test_tags_that_say_no_kernel_are_no_harm(bands, tmp_path, said):
    (tmp_path / "psf.txt").write_text("1 2 1")
    before = write(tmp_path / "a.tif", bands)
    found = open_compared(before, write(tmp_path / "b.tif", bands, task="deblur", settings=said))
    assert found.kernel is None  # no file that tags name is read
    assert found.noise is None


@pytest.mark.parametrize(
    "said", [None, "x", {}, {"bands": []}, {"bands": "1"}, {"bands": [0]}, {"bands": [True]}, {"bands": [1.5]}]
)
def test_bands_that_tags_make_up_are_none(said):
    assert held_bands(said) is None


def test_a_result_in_place_of_its_scene_is_noticed(tmp_path):
    power = np.random.default_rng(0).gamma(1, 1, (1, 30, 30)).astype(np.float32)
    scene = write(tmp_path / "scene.tif", power)
    clean = write(tmp_path / "clean.tif", power, task="despeckle", input={"name": "scene.tif", "values": "intensity"})
    assert open_compared(scene, clean, values="intensity").task == "despeckle"
    with pytest.raises(SettingsError, match=r"clean.tif looks as if it was made of .*scene.tif, by its tags"):
        open_compared(clean, scene)


def test_zero_in_every_band_is_asked_of_the_bands_that_were_filled_together(tmp_path):
    image = np.full((3, 30, 30), 9, np.uint8)
    image[0, :10] = 0  # dark in one band
    image[:, 20:22] = 0  # a gap
    before = write(tmp_path / "a.tif", image)
    whole = np.where((image == 0).all(axis=0), 7, image).astype(np.uint8)
    after = write(tmp_path / "b.tif", whole, task="fill", input={"values": "physical", "bands": [1, 2, 3]})
    found = open_compared(before, after, bands=(1,))
    assert np.isnan(found.before[slice(0, 1), ALL, ALL][0]).sum() == 2 * 30
    assert (found.after[slice(0, 1), slice(0, 10), ALL] == 0).all()


def test_the_file_beside_says_which_pixels_were_filled(tmp_path):
    image = np.full((2, 30, 30), 9, np.uint8)
    image[1, 25:] = 0
    after = image.copy()
    after[:, :2], after[1, 25:] = 9, 5  # under a mask they came out as they were
    before = write(tmp_path / "a.tif", image, nodata=0)
    result = write(tmp_path / "b.tif", after, task="fill", nodata=0)
    assert open_compared(before, result).filled[slice(0, 2), slice(0, 2), ALL].sum() == 0
    classes = np.zeros((1, 30, 30), np.uint8)
    classes[:, :2], classes[:, 25:] = 1, 1
    write(tmp_path / "b_filled.tif", classes)
    filled = open_compared(before, result).filled[slice(0, 2), ALL, ALL]
    assert (filled[:, :2] == 1).all()
    assert filled[0].sum() == 2 * 30  # measured in this band
    assert filled[1].sum() == 2 * 30 + 5 * 30
    other = open_compared(before, result, filled=write(tmp_path / "none.tif", 0 * classes)).filled
    assert other[slice(0, 2), ALL, ALL].sum() == 5 * 30


def test_what_lies_beside_and_does_not_fit_is_left_aside(bands, tmp_path):
    power = np.random.default_rng(0).gamma(1, 1, (1, 30, 30)).astype(np.float32)
    scene = write(tmp_path / "a.tif", power)
    clean = write(tmp_path / "b.tif", power, task="despeckle", input={"name": "a.tif", "values": "intensity"})
    old = write(tmp_path / "b_std_db.tif", bands[:2])
    found = open_compared(scene, clean)
    assert found.before.values == "intensity"  # as the tags say that it was read
    assert found.spread is None
    assert "b_std_db.tif lies beside it and is left aside" in found.notes[0]
    with pytest.raises(SettingsError, match="has 2 bands"):
        open_compared(scene, clean, spread=old)


def test_doors(bands, tmp_path):
    before = write(tmp_path / "a.tif", bands)
    for task, said in (("fuse", "is a fusion"), ("paint", "by a task that this sardiff does not know")):
        with pytest.raises(SettingsError, match=said):
            open_compared(before, write(tmp_path / f"{task}.tif", bands, task=task))
    filled = write(tmp_path / "filled.tif", bands, task="fill")
    for option in ({"blur": "box:3"}, {"polarisation": "vv"}, {"swath": "iw1"}):
        with pytest.raises(SettingsError, match=f"leave out --{next(iter(option))}"):
            open_compared(before, filled, **option)
    with pytest.raises(GridMismatch):
        open_compared(before, write(tmp_path / "moved.tif", bands, task="fill", origin=10))
    with pytest.raises(SettingsError, match=r"few.tif has 2 bands"):
        open_compared(before, filled, spread=write(tmp_path / "few.tif", bands[:2]))
