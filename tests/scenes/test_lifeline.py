"""Programs that start sardiff hold its standard input: when that ends, so does the run, and nothing is left behind."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio

from geo_io.leftovers import abandon, announce, forget

SLOW = ("--looks", 1, "--tile", 32, "--overlap", 16, "--workers", 1, "--quality", "best")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no open file")


def until(process, wanted):
    for line in process.stdout:
        event = json.loads(line)
        if wanted(event):
            return event
    raise AssertionError(process.stderr.read())


def a_tile(event):
    return event.get("phase") == "tiles" and event["done"] >= 1


@pytest.mark.parametrize("how", ["stdin ends", "SIGTERM", "nobody listens"])
def test_nothing_is_left_behind(start, scene, tmp_path, how):
    out = tmp_path / "out.tif"
    command = ("--lifeline", "despeckle", scene, out, *SLOW, "--uncertainty", "--progress", "json")
    with start(*command, stdin=subprocess.PIPE) as process:
        until(process, a_tile)
        assert len(list(tmp_path.iterdir())) == 4  # two results, unfinished, and their journals
        began = time.monotonic()
        if how == "stdin ends":
            process.stdin.close()
        elif how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdout.close()  # the next line of progress finds no reader
        assert process.wait(timeout=60) == 143
        assert how == "nobody listens" or time.monotonic() - began < 2
        assert list(tmp_path.iterdir()) == []
        assert process.stderr.read() == "sardiff: stopped: by the program that started it. Nothing was left behind.\n"


@pytest.mark.slow
def test_the_despeckled_image_of_a_fusion_goes_too(start, run, scene, tmp_path):
    with rasterio.open(scene) as dataset:
        profile = {**dataset.profile, "count": 3, "dtype": "uint8", "nodata": None}
        ramp = np.arange(dataset.width * dataset.height, dtype=np.uint32).reshape(dataset.shape) % 251
    optical = tmp_path / "optical.tif"
    with rasterio.open(optical, "w", **profile) as dataset:
        dataset.write(np.stack([ramp, ramp, ramp]).astype("uint8"))
    words = ("--looks", 1, "--quality", "fast", "--tile", 32, "--overlap", 16, "--workers", 1, "--progress", "json")
    command = ("--lifeline", "fuse", scene, optical, tmp_path / "out.tif", *words)
    with start(*command, stdin=subprocess.PIPE) as process:
        until(process, a_tile)
        assert any(path.name.endswith(".despeckled.tif") for path in tmp_path.iterdir())
        process.stdin.close()
        assert process.wait(timeout=60) == 143
    assert [path.name for path in tmp_path.iterdir()] == ["optical.tif"]


def test_a_run_that_is_let_be_ends_well(start, scene, tmp_path):
    out = tmp_path / "out.tif"
    words = ("--looks", 1, "--quality", "fast", "--progress", "json")
    with start("--lifeline", "despeckle", scene, out, *words, stdin=subprocess.PIPE) as process:
        events = [json.loads(line) for line in process.stdout]
        assert process.wait(timeout=60) == 0
    assert events[-1]["event"] == "done"
    assert [path.name for path in tmp_path.iterdir()] == ["out.tif"]


def test_a_file_that_cannot_be_removed_keeps_no_other(tmp_path):
    kept, gone = tmp_path / "kept", tmp_path / "gone"

    def refuse():
        raise PermissionError

    gone.touch()
    announce(kept, refuse)
    announce(gone, gone.unlink)
    try:
        abandon()
    finally:
        forget(kept)
        forget(gone)
    assert not gone.exists()
