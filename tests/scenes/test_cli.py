"""Whole runs by command: grids, units, progress, signals, a leaked environment."""

import json
import math
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from geo_io.partial import hidden_names

SMALL_TILES = ("--looks", 1, "--tile", 32, "--overlap", 16, "--workers", 1)  # nine, each a fraction of a second


def read(path):
    with rasterio.open(path) as dataset:
        keys = ("crs", "transform", "shape", "nodata", "descriptions", "units", "compression")
        return dataset.read(), SimpleNamespace(**{key: getattr(dataset, key) for key in keys})


def test_a_scene_goes_in_and_comes_out_on_its_grid(run, scene, tmp_path):
    out = tmp_path / "out.tif"
    before = scene.read_bytes()
    result = run("despeckle", scene, out, "--looks", 1, "--uncertainty")
    assert result.exit_code == 0, result.output
    assert scene.read_bytes() == before
    (noisy, source), (clean, made), (spread, doubt) = map(read, (scene, out, tmp_path / "out_std_db.tif"))
    for dataset in (made, doubt):
        assert (dataset.crs, dataset.transform, dataset.shape) == (source.crs, source.transform, source.shape)
        assert math.isnan(dataset.nodata)
    assert (made.descriptions, made.units, doubt.units) == (source.descriptions, source.units, ("dB",))
    measured = np.isfinite(noisy)
    for pixels in (clean, spread):
        np.testing.assert_array_equal(np.isfinite(pixels), measured)
    truth = read(scene.with_name("scene_truth.tif"))[0]
    error = [np.sqrt(np.mean((10 * np.log10(image[measured] / truth[measured])) ** 2)) for image in (noisy, clean)]
    assert error[1] < error[0] / 2
    assert (spread[measured] > 0).all()
    with rasterio.open(tmp_path / "out_std_db.tif") as doubted:
        factors = json.loads(doubted.tags()["SARDIFF_INTERVALS"])
    wrong_db = np.abs(10 * np.log10(clean[measured] / truth[measured]))
    for share in (50, 80, 90, 95):
        assert np.mean(wrong_db <= factors[f"{share} %"] * spread[measured]) == pytest.approx(share / 100, abs=0.12)
    for words in ("Values: intensity", "Looks: 1 (as asked for)", "out.tif: ", "out_std_db.tif: "):
        assert words in result.stderr
    assert result.stdout == ""


def test_other_units_bands_and_file_names(run, scene, tmp_path):
    out, spread = tmp_path / "db.tiff", tmp_path / "doubt.tif"
    args = ("--looks", 1, "--units", "db", "--bands", "1", "--compression", "zstd", "--uncertainty-file", spread)
    assert run("despeckle", scene, out, *args, "--progress", "none").output == ""
    pixels, dataset = read(out)
    assert dataset.units == ("dB",)
    assert np.nanmedian(pixels) < 0
    assert dataset.compression.name == "zstd"
    assert spread.is_file()


def test_what_the_input_left_unsaid_of_its_units_the_result_says(run, scene, tmp_path):
    with rasterio.open(scene) as dataset:
        pixels, profile = dataset.read(), dataset.profile
    with rasterio.open(tmp_path / "in.tif", "w", **profile) as dataset:
        dataset.write(10 * np.log10(pixels))
    result = run("despeckle", tmp_path / "in.tif", tmp_path / "out.tif", "--looks", 1, "--quality", "fast")
    assert result.exit_code == 0, result.output
    assert read(tmp_path / "out.tif")[1].units == ("dB",)


def test_programs_hear_json_and_nothing_else(run, scene, tmp_path):
    out = tmp_path / "out.tif"
    result = run("despeckle", scene, out, *SMALL_TILES, "--progress", "json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert (result.exit_code, result.stderr) == (0, "")
    assert (kinds[0], kinds[-1]) == ("start", "done")
    assert set(kinds[1:-1]) == {"note", "progress"}
    tiles = [event for event in events if event.get("phase") == "tiles"]
    kept, computed, shares = ([event[key] for event in tiles] for key in ("done", "computed", "share"))
    assert (kept[0], kept[-1], computed[0], computed[-1], shares[-1]) == (0, 9, 0, 9, 1)
    assert all(numbers == sorted(numbers) for numbers in (kept, computed, shares))
    assert {0, 1, 2} <= {event["computed"] for event in tiles if event["done"] == 0}  # told of before a core is whole
    assert events[-1]["outputs"] == [str(out)]
    assert events[-1]["bytes"] == out.stat().st_size

    again = run("despeckle", scene, out, "--progress", "json")
    assert again.exit_code == 2
    event = json.loads(again.stdout.splitlines()[-1])
    assert event["event"] == "error"
    assert "--overwrite" in event["message"]
    usage = run("despeckle", scene, "--progress=json")
    assert json.loads(usage.stdout)["exit_status"] == usage.exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_what_the_same_command_goes_on_from(start, run, scene, tmp_path, number, status):
    out = tmp_path / "out.tif"
    slow = ("--method", "scoring", "--steps", 10)  # enough to be caught at work
    command = ("despeckle", scene, out, *SMALL_TILES, *slow)
    process = start(*command, "--progress", "json")
    seen = []
    for line in process.stdout:
        seen.append(json.loads(line))
        if seen[-1].get("done", 0) >= 2:
            break
    process.send_signal(number)
    began = time.monotonic()
    rest, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert time.monotonic() - began < 8
    assert err.startswith(f"sardiff: stopped: by {'Ctrl-C' if number == signal.SIGINT else number.name}. ")
    assert err.count("\n") == 1
    assert "of 9 tiles are kept in" in err
    assert "run the same command" in err
    assert json.loads(rest.splitlines()[-1])["exit_status"] == status
    assert not out.exists()
    assert hidden_names(out)[0].exists()

    resumed = run(*command, "--progress", "json")
    first = next(e for line in resumed.stdout.splitlines() if (e := json.loads(line))["event"] == "progress")
    assert first["resumed"] >= 2
    assert f"Going on with an unfinished run: {first['resumed']} of " in resumed.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tif"]
    straight = tmp_path / "straight.tif"
    assert run("despeckle", scene, straight, *command[3:]).exit_code == 0
    np.testing.assert_array_equal(read(out)[0], read(straight)[0])


def test_other_settings_do_not_go_on_from_it(run, scene, tmp_path, monkeypatch):
    out = tmp_path / "out.tif"

    def stop(*args, **options):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("geo_io.write.SceneWriter.prepare", stop)
        assert run("despeckle", scene, out, *SMALL_TILES).exit_code == 2
    other = run("despeckle", scene, out, *SMALL_TILES, "--seed", 1)
    assert other.exit_code == 2
    assert "of another kind: seed was 0 and is now 1;" in other.stderr
    assert "repeat the earlier command" in other.stderr
    assert run("despeckle", scene, out, *SMALL_TILES).exit_code == 0


def test_a_leaked_environment_does_no_harm(start, scene, tmp_path):
    leaks = {"PROJ_LIB": "/nonsense", "PROJ_DATA": "/nonsense", "GDAL_DATA": "/nonsense"}
    process = start("inspect", scene, "--json", environ=leaks)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["georeferencing"]["crs"] == "EPSG:32633"


def test_help_is_quick_and_imports_nothing_heavy(start):
    code = "import sys; sys.argv = ['sardiff', {!r}, '--help']; import atexit; "
    code += "atexit.register(lambda: print({{'torch', 'numpy', 'rasterio', 'rich'}} & set(sys.modules))); "
    code += "from sardiff.__main__ import main; main()"
    for command in ("despeckle", "inspect", "simulate", "score", "report", "train", "doctor", "demo"):
        began = time.monotonic()
        found = subprocess.run([sys.executable, "-c", code.format(command)], capture_output=True, text=True, check=True)
        assert found.stdout.startswith("Usage: sardiff "), found.stderr
        assert found.stdout.rstrip().endswith("set()")
        assert time.monotonic() - began < 5  # a tenth of that on a quiet machine


def test_a_bug_is_said_to_be_one(run, scene, tmp_path, monkeypatch):
    def broken(*args, **options):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("sardiff.tasks.despeckle.DespeckleTiles.__call__", broken)
    result = run("despeckle", scene, tmp_path / "out.tif", "--looks", 1)
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero. This is a bug" in result.stderr
    assert "Traceback" not in result.stderr
    monkeypatch.setenv("SARDIFF_DEBUG", "1")
    assert "Traceback" in run("despeckle", scene, tmp_path / "out.tif", "--looks", 1).stderr


def test_the_demo_shows_each_command_and_draws(run, tmp_path):
    pytest.importorskip("matplotlib", reason="the demo draws with matplotlib")
    folder = tmp_path / "demo"
    result = run("demo", "--out", folder, "--size", 96)
    assert result.exit_code == 0, result.output
    for command in ("simulate", "despeckle", "score"):
        assert f"$ sardiff {command} {folder}/scene.tif" in result.stdout
    assert "psnr, dB" in result.stdout
    assert (folder / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert run("demo", "--out", folder, "--size", 64).exit_code == 0  # once more, over what is there


def test_the_demo_does_without_matplotlib_and_says_what_would_draw(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sardiff.cli.demo.find_spec", lambda name: None)
    result = run("demo", "--out", tmp_path / "demo", "--size", 128)
    assert result.exit_code == 0, result.output
    assert "pip install '.[plot]'" in result.stdout
    assert (tmp_path / "demo" / "report.html").is_file()
    assert not (tmp_path / "demo" / "demo.png").exists()
