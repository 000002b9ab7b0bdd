"""Scores of files, against files."""

import json

import numpy as np
import pytest
import rasterio


def copy(path, to, change, **profile):
    with rasterio.open(path) as dataset:
        pixels, kept = dataset.read(), {**dataset.profile, **profile, "driver": "GTiff"}
        tags = profile.pop("tags", {})
    kept = {
        k: v
        for k, v in kept.items()
        if k in ("width", "height", "count", "dtype", "crs", "transform", "nodata", "driver")
    }
    with rasterio.open(to, "w", **kept) as dataset:
        dataset.write(change(pixels))
        dataset.update_tags(**tags)
        dataset.units = ("intensity",) if not tags else (None,)
    return to


def rows(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)["rows"]


def test_the_truth_itself_is_a_perfect_result(run, scene):
    truth = scene.with_name("scene_truth.tif")
    table = rows(run("score", scene, truth, "--truth", truth, "--looks", 4, "--json"))
    assert table["rmse"]["after"] == 0 < table["rmse"]["before"]
    assert table["ssim"]["after"] == pytest.approx(1)
    assert table["ratio_variance"]["ideal"] == 0.25
    assert table["ratio_variance"]["after"] == pytest.approx(0.25, rel=0.1)
    text = run("score", scene, truth, "--truth", truth, "--looks", 4).stdout
    assert "the whole scene" in text
    assert "rmse, dB" in text


def test_without_a_truth_the_ratio_speaks(run, scene):
    table = rows(run("score", scene, scene.with_name("scene_truth.tif"), "--json"))
    assert "psnr" not in table
    assert table["power"]["after"] == pytest.approx(1, abs=0.02)
    assert table["ratio_mean"]["after"] == pytest.approx(1, abs=0.02)


def test_a_result_in_other_units_is_read_by_its_tags(run, scene, tmp_path):
    truth = scene.with_name("scene_truth.tif")
    tags = {"SARDIFF_INPUT": json.dumps({"values": "intensity", "units": "amplitude"})}
    amplitude = copy(truth, tmp_path / "a.tif", np.sqrt, tags=tags)
    assert rows(run("score", scene, amplitude, "--truth", truth, "--json"))["rmse"]["after"] < 1e-4


def test_other_grids_are_refused(run, scene, tmp_path):
    with rasterio.open(scene) as dataset:
        a, b, c, d, e, f, *_ = dataset.transform
        moved = rasterio.Affine(a, b, c + a, d, e, f)
    other = copy(scene, tmp_path / "a.tif", lambda pixels: pixels, transform=moved)
    result = run("score", scene, other)
    assert result.exit_code == 2
    assert "lie on different grids" in result.stderr
