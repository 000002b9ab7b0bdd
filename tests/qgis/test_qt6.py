"""The runner on Qt 6, the Qt of QGIS 4: starting, hearing and ending a child, where there is a PyQt6."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def python():
    """A Python that has PyQt6: this one, SARDIFF_QGIS_PYTHON, or the system's."""
    for name in (sys.executable, os.environ.get("SARDIFF_QGIS_PYTHON"), "/usr/bin/python3"):
        found = name and shutil.which(name)
        if found:
            done = subprocess.run([found, "-c", "import PyQt6.QtCore"], capture_output=True, timeout=60, check=False)
            if done.returncode == 0:
                return found
    pytest.skip("PyQt6 is not here (pip install PyQt6, or python3-pyqt6 of Debian)")


@pytest.fixture(scope="module")
def said(python, fake, tmp_path_factory):
    """What came of runs of each kind."""
    folder = tmp_path_factory.mktemp("out")
    done = subprocess.run(
        [python, str(HERE / "on_qt6.py"), str(fake), str(folder)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "left": sorted(path.name for path in folder.iterdir())}


def test_a_run_goes_well(said):
    good = said["good"]
    assert good["error"] is None
    assert good["ended"]["event"] == "done"
    assert good["share"] == 100
    assert "Values: intensity." in good["heard"]
    assert said["doctor"]["findings"]["sardiff"]["found"] == "9.9"


@pytest.mark.parametrize("way", ["slow", "deaf"])
def test_cancelling_takes_less_than_two_seconds(said, way):
    answer = said[way]
    assert answer["error"] is None
    assert answer["ended"] == {}
    assert answer["seconds_to_end"] < 2
    assert answer["heard"][-1].startswith("Cancelled. Nothing" if way == "slow" else "Cancelled. It had to be killed")


def test_what_was_cancelled_leaves_nothing(said):
    assert [name for name in said["left"] if "slow" in name] == []


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("newer", "speaks version 99 of the protocol"),
        ("refuses", "^scene.tif: what a scene; take another$"),
        ("crashes", "crashed"),
        ("older", "older than the plugin"),
    ],
)
def test_what_does_not_go_well_gets_a_sentence(said, way, words):
    assert re.search(words, said[way]["error"])
