"""The plugin: its modules without QGIS in this process, the others in QGIS's own Python where there is one."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import sardiff

HERE = Path(__file__).resolve().parent
PLUGINS = HERE.parents[1] / "qgis_plugin"

collect_ignore = ["inside.py", "on_qt6.py", "photograph.py"]  # for another Python
if not PLUGINS.is_dir():
    collect_ignore_glob = ["test_*.py"]  # only tests/ is here: the plugin is in the repository
sys.path.append(str(PLUGINS))


def executable(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    """A `sardiff` that computes nothing: `fake_sardiff.py`."""
    if os.name != "posix":
        pytest.skip("the stand-in for sardiff is a shell script")
    path = tmp_path_factory.mktemp("bin") / "sardiff"
    return executable(path, f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "fake_sardiff.py"}" "$@"\n')


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """The `sardiff` that these tests are of, wherever it was imported from: the plugin clears PYTHONPATH away."""
    if os.name != "posix":
        pytest.skip("the way to sardiff is a shell script")
    home = Path(sardiff.__file__).resolve().parents[1]
    path = tmp_path_factory.mktemp("bin") / "sardiff"
    words = f'PYTHONPATH="{home}" OMP_NUM_THREADS=1 exec "{sys.executable}" -m sardiff "$@"'
    return executable(path, f"#!/bin/sh\n{words}\n")


@pytest.fixture(scope="session")
def qgis_python():
    """A Python that can import QGIS: SARDIFF_QGIS_PYTHON, or the system's."""
    tried = []
    for name in (os.environ.get("SARDIFF_QGIS_PYTHON"), "/usr/bin/python3", "python3"):
        python = name and shutil.which(name)
        if python and python not in tried:
            tried.append(python)
            done = subprocess.run(
                [python, "-c", "import qgis.core"], env=headless(), capture_output=True, timeout=120, check=False
            )
            if done.returncode == 0:
                return python
    pytest.skip(f"QGIS is not here: none of {', '.join(tried)} imports qgis.core (SARDIFF_QGIS_PYTHON names another)")


@pytest.fixture(scope="session")
def qgis_process():
    """The program itself: Debian's `qgis_process` is a wrapper that does not pass options on."""
    found = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
    if found is None:
        pytest.skip("QGIS is not here: there is no qgis_process")
    return found


@pytest.fixture(scope="session")
def qgis_environ(tmp_path_factory):
    """An environment for QGIS without windows, as if nobody had ever used it, that finds the plugin."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    return headless(HOME=str(home), XDG_RUNTIME_DIR=str(home), QGIS_PLUGINPATH=str(PLUGINS))


@pytest.fixture(scope="session")
def ask(qgis_python, qgis_environ):
    """Ask `inside.py` a list of questions, and return its answers."""

    def ask(questions):
        done = subprocess.run(
            [qgis_python, str(HERE / "inside.py")],
            input=json.dumps(questions),
            env=qgis_environ,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        said = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
        assert said, f"{done.stdout}\n{done.stderr}"
        return json.loads(said[-1].removeprefix("ANSWERS "))

    return ask


def headless(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SARDIFF_", "PROJ_"))}
    return {**kept, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}
