"""From `qgis_process` to a finished file, with the real sardiff: a run, and QGIS killed in the middle of one."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from sardiff_qgis.find import VARIABLE

from sardiff.cli import cli

pytestmark = pytest.mark.slow

SLOW = ("--METHOD=scoring", "--STEPS=200", "--TILE=32")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    result = CliRunner().invoke(cli, ["simulate", str(path), "--size", "96", "--seed", "3"])
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="module")
def process(qgis_process, qgis_environ, real):
    """Start `qgis_process` with the plugin and the sardiff of these tests."""
    environ = {**qgis_environ, VARIABLE: str(real)}
    words = [qgis_process, "plugins", "enable", "sardiff_qgis"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def start(*words):
        return subprocess.Popen(
            [qgis_process, *map(str, words)],
            env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


def test_a_scene_is_despeckled(process, scene, tmp_path):
    out, spread = tmp_path / "out.tif", tmp_path / "std.tif"
    words = (
        f"--INPUT={scene}",
        "--LOOKS=1",
        "--QUALITY=fast",
        "--UNITS=dB",
        f"--OUTPUT={out}",
        f"--UNCERTAINTY={spread}",
    )
    run = process("run", "sardiff:despeckle", *words)
    said, complaints = run.communicate(timeout=300)
    assert run.returncode == 0, said + complaints
    assert "Looks: 1 (as asked for)." in said
    assert "Finishing: overviews, reading back" in said
    with rasterio.open(scene) as source, rasterio.open(out) as made, rasterio.open(spread) as doubt:
        assert (made.crs, made.transform, made.shape, made.units) == (
            source.crs,
            source.transform,
            source.shape,
            ("dB",),
        )
        measured = np.isfinite(source.read())
        np.testing.assert_array_equal(np.isfinite(made.read()), measured)
        assert (doubt.read()[measured] > 0).all()
        assert np.nanstd(made.read()) < np.std(10 * np.log10(source.read()[measured]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tif", "std.tif"]


def test_a_scene_is_inspected(process, scene, tmp_path):
    run = process("run", "sardiff:inspect", "--json", f"--INPUT={scene}", f"--OUTPUT={tmp_path / 'report.html'}")
    said, complaints = run.communicate(timeout=300)
    assert run.returncode == 0, said + complaints
    results = json.loads(said[said.index("{") :])["results"]
    assert results["MEANING"] == "intensity"
    assert results["SPECKLE"] in ("independent", "correlated", "unknown")
    assert "georeferencing" in (tmp_path / "report.html").read_text().lower()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_qgis_is_killed_its_child_ends_and_leaves_nothing(process, scene, tmp_path, number):
    run = process(
        "run", "sardiff:despeckle", f"--INPUT={scene}", "--LOOKS=1", *SLOW, f"--OUTPUT={tmp_path / 'out.tif'}"
    )
    hidden = tmp_path / ".out.tif.partial.tif"
    wait(lambda: hidden.exists() or run.poll() is not None, seconds=120)
    assert hidden.exists(), run.communicate()
    (child,) = children(run.pid)
    run.send_signal(number)
    run.communicate(timeout=30)
    wait(lambda: not alive(child), seconds=2)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_takes_less_than_two_seconds(ask, real, scene, tmp_path):
    values = {"INPUT": str(scene), "LOOKS": 1, "METHOD": "scoring", "STEPS": 200, "TILE": 32}
    run = {"algorithm": "despeckle", "parameters": {**values, "OUTPUT": str(tmp_path / "out.tif")}, "cancel": True}
    answer = ask([["real", "run", {**run, "environ": {VARIABLE: str(real)}}]])["real"]
    assert answer["error"] is None
    assert answer["results"] == {}
    assert answer["seconds_to_end"] < 2
    assert answer["heard"][-1][1] == "Cancelled. Nothing was left behind."
    assert list(tmp_path.iterdir()) == []


def wait(until, seconds):
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid):
    psutil = pytest.importorskip("psutil")
    try:  # an ended orphan is a zombie until the machine's first process collects it, which may take seconds
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children(pid):
    psutil = pytest.importorskip("psutil")
    return [child.pid for child in psutil.Process(pid).children()]
