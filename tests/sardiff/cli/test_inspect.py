"""What a file is, told to people and to programs."""

import json
import shlex

import numpy as np
import pytest
import rasterio

from sardiff.cli import COMMANDS


@pytest.fixture
def facts(run, scene):
    result = run("inspect", scene, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


def test_json_says_what_the_file_is(facts, scene):
    assert (facts["rows"], facts["cols"], facts["bands"], facts["dtype"]) == (160, 160, 1, "float32")
    assert facts["values"] == "intensity"
    assert (
        facts["georeferencing"].items()
        >= {"kind": "affine", "crs": "EPSG:32633", "pixel": [10, 10], "unit": "m"}.items()
    )
    with rasterio.open(scene) as dataset:
        assert facts["unmeasured"]["share"] == facts["unmeasured"]["nodata"] == np.isnan(dataset.read(1)).mean()
    assert facts["looks"]["low"] < 4 < facts["looks"]["high"] * 1.1
    assert facts["speckle"] == "independent"


def test_the_suggested_command_is_one(facts, scene):
    words = shlex.split(facts["suggestion"])
    assert words[0] == "sardiff"
    assert words[1] in COMMANDS
    assert words[2] == str(scene)
    assert words[-2] == "--looks"


def test_text_says_the_same(run, scene, facts):
    text = run("inspect", scene).stdout
    for words in ("EPSG:32633, pixels of 10 x 10 m", "sigma0_vv (simulated)", "independent", facts["suggestion"]):
        assert words in text


def test_unmeasured_pixels_are_counted_once_by_what_is_stored(run, tmp_path):
    pixels = np.random.default_rng(0).gamma(1, 1, (64, 64)).astype("float32")
    pixels[0], pixels[1], pixels[2], pixels[3] = -9999, np.nan, 0, -1
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=1, dtype="float32", nodata=-9999, crs="EPSG:3857",
        transform=rasterio.Affine(2, 0, 0, 0, -2, 0),
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)
    result = run("inspect", path, "--values", "intensity", "--json")
    found = json.loads(result.stdout)["unmeasured"]
    assert found == {"share": 4 / 64, **dict.fromkeys(("nodata", "nan", "zero", "negative"), 1 / 64), "pixels": 64**2}


def test_correlated_speckle_is_noticed(run, tmp_path):
    path = tmp_path / "a.tif"
    run("simulate", path, "--size", 256, "--looks", 4, "--correlated", 0.38)
    facts = json.loads(run("inspect", path, "--json").stdout)
    assert facts["speckle"] == "correlated"
    assert 4 < facts["correlation_area"] < 12
    assert f"correlated: {facts['correlation_area']:.2g} neighbouring pixels vary as one" in run("inspect", path).stdout


def test_what_is_clean_already_is_not_suggested(run, scene):
    text = run("inspect", scene.with_name("scene_truth.tif")).stdout
    assert "little left to take away" in text
    assert "nothing; if it must be, sardiff despeckle" in text


def test_what_sardiff_wrote_is_called_so(run, scene, tmp_path):
    out = tmp_path / "clean.tif"
    assert run("despeckle", scene, out, "--looks", 4, "--quality", "fast").exit_code == 0
    assert "already: sardiff wrote it (despeckle)" in run("inspect", out).stdout
    assert json.loads(run("inspect", out, "--json").stdout)["made_by_sardiff"] == "despeckle"
