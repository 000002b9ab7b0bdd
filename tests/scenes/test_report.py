"""A report at the end of a task."""

import json

import numpy as np
import pytest
import rasterio

FAST = ("--quality", "fast", "--looks", 1, "--workers", 1)


def events(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_despeckle_writes_a_page_beside_its_result(run, scene, tmp_path):
    out = tmp_path / "out.tif"
    told = events(run("despeckle", scene, out, *FAST, "--uncertainty", "--report", "--progress", "json"))
    names = ["out.tif", "out_std_db.tif", "out.html"]
    assert told[-1]["outputs"] == [str(tmp_path / name) for name in names]
    assert {event.get("phase") for event in told} >= {"tiles", "done", "report"}
    assert told[-1]["text"].count("s/Mpx") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert 'data-layer="spread-0"' in page
    again = tmp_path / "again.html"
    assert run("report", scene, out, "--looks", 1, "-o", again).exit_code == 0
    assert again.read_text(encoding="utf-8") == page


def test_what_has_the_name_of_the_page_is_noticed_before_anything_is_computed(run, scene, tmp_path):
    page = tmp_path / "mine.html"
    page.write_text("mine")
    result = run("despeckle", scene, tmp_path / "out.tif", *FAST, "--report-file", page)
    assert result.exit_code == 2
    assert "mine.html exists" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]
    result = run("despeckle", scene, tmp_path / "out.tif", *FAST, "--report-file", page, "--overwrite")
    assert result.exit_code == 0, result.output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("mode", ["colour", "intensity"])
def test_fuse_writes_a_page_beside_its_result(run, scene, tmp_path, mode):
    with rasterio.open(scene) as dataset:
        profile, sar = dataset.profile, dataset.read(1)
    light = np.linspace(0, 4000, sar.size).reshape(sar.shape) + np.indices(sar.shape)[0] % 7 * 100
    profile.update(count=3, dtype="float32", nodata=None)
    with rasterio.open(tmp_path / "optical.tif", "w", **profile) as dataset:
        dataset.write(np.stack([light, light**0.9, light**0.8]).astype(np.float32))
    out = tmp_path / "fused.tif"
    words = ("--method", "ihs", "--despeckled", "--bands", "3,1,2", "--mode", mode, "--mask", "--report")
    told = events(run("fuse", scene, tmp_path / "optical.tif", out, *words, "--progress", "json"))
    assert told[-1]["outputs"][-1] == str(tmp_path / "fused.html")
    page = (tmp_path / "fused.html").read_text(encoding="utf-8")
    for layer in ("sar", "optical", "fused", "change", "mask"):
        assert f'data-layer="{layer}"' in page
