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
    assert told[-1]["text"].startswith(f"{out}: ")
    assert "s/Mpx" not in told[-1]["text"]  # of so small a scene it says nothing
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


@pytest.mark.parametrize("task", ["fill", "deblur"])
def test_fill_and_deblur_write_a_page_beside_their_result(run, scene, tmp_path, task):
    with rasterio.open(scene.with_name("scene_truth.tif")) as dataset:
        profile, image = dataset.profile, dataset.read(1)
    image = (2000 * image / np.nanmax(image)).astype(np.float32)[:64, :64]
    if task == "fill":
        image[20:26, 30:50] = np.nan
    profile.update(count=1, dtype="float32", nodata=None, width=64, height=64, blockxsize=64, blockysize=64)
    with rasterio.open(tmp_path / "in.tif", "w", **profile) as dataset:
        dataset.write(image, 1)
    words = {"fill": ("--method", "harmonic", "--filled"), "deblur": ("--blur", "gaussian:1", "--steps", 2)}[task]
    out = tmp_path / "out.tif"
    told = events(run(task, tmp_path / "in.tif", out, *words, "--report", "--progress", "json", "--workers", 1))
    assert told[-1]["outputs"][-1] == str(tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    shown = {"fill": "filled", "deblur": "change"}[task]
    assert f'data-layer="{shown}"' in page
    again = tmp_path / "again.html"
    assert run("report", tmp_path / "in.tif", out, "-o", again).exit_code == 0
    assert again.read_text(encoding="utf-8") == page


def test_a_kernel_from_a_file_is_known_to_the_page_of_its_own_run(run, scene, tmp_path):
    with rasterio.open(scene.with_name("scene_truth.tif")) as dataset:
        profile, image = dataset.profile, dataset.read(1)[:64, :64]
    profile.update(count=1, dtype="float32", nodata=None, width=64, height=64, blockxsize=64, blockysize=64)
    with rasterio.open(tmp_path / "in.tif", "w", **profile) as dataset:
        dataset.write((2000 * image / np.nanmax(image)).astype(np.float32), 1)
    psf = tmp_path / "psf.txt"
    psf.write_text("0 1 0\n1 4 1\n0 1 0\n")
    out = tmp_path / "out.tif"
    events(run("deblur", tmp_path / "in.tif", out, "--blur", psf, "--steps", 2, "--report", "--progress", "json"))
    assert 'data-key="residual"' in (tmp_path / "out.html").read_text(encoding="utf-8")
    score = run("score", tmp_path / "in.tif", out, "--json")
    assert "residual" not in json.loads(score.stdout)["rows"]
    score = run("score", tmp_path / "in.tif", out, "--json", "--blur", psf)
    assert json.loads(score.stdout)["rows"]["residual"]["after"] > 0
