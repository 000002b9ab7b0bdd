"""The zip of the plugin: what it holds, and that a breach of the plugin site's rules is seen."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = """
[project]
authors = [{ name = "Someone", email = "someone@example.org" }]
[project.urls]
Homepage = "https://example.org"
Repository = "https://example.org/repository"
Issues = "https://example.org/issues"
"""


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_plugin", ROOT / "qgis_plugin" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(build, tmp_path):
    """A zip as it would be published."""
    project = tmp_path / "pyproject.toml"
    project.write_text(ADDRESSES)
    build.build(tmp_path / "plugin.zip", project=project)
    return tmp_path / "plugin.zip"


def test_it_is_small_whole_and_well(build, package):
    assert build.check(package) == ([], [])
    assert package.stat().st_size < 60_000
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
        metadata = archive.read("sardiff_qgis/metadata.txt").decode()
    sources = {f"sardiff_qgis/{path.name}" for path in (ROOT / "qgis_plugin" / "sardiff_qgis").glob("*.py")}
    assert names == sources | {f"sardiff_qgis/{name}" for name in ("metadata.txt", "LICENSE", "icon.svg")}
    assert "tracker=https://example.org/issues" in metadata
    assert "email=someone@example.org" in metadata


def test_the_same_files_make_the_same_bytes(build, package, tmp_path):
    build.build(tmp_path / "again.zip", project=tmp_path / "pyproject.toml")
    assert (tmp_path / "again.zip").read_bytes() == package.read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("sardiff_qgis/__pycache__/find.cpython-39.pyc", b"x", "must not be in it"),
        ("sardiff_qgis/.git/config", b"x", "must not be in it"),
        ("sardiff_qgis/fast.so", b"x", "neither code, nor a drawing, nor text"),
        ("sardiff_qgis/data.txt", b"\0\1", "is binary"),
        ("another/readme.txt", b"x", "one folder"),
    ],
)
def test_what_does_not_belong_is_seen(build, package, name, data, words):
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr(name, data)
    wrong, _ = build.check(package)
    assert words in " ".join(wrong)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("about", None, "lacks about"),
        ("hasProcessingProvider", "no", "hasProcessingProvider must be yes"),
        ("supportsQt6", "yes", "supportsQt6 is yes"),
        ("author", "me/you", "slash"),
        ("icon", "none.png", "icon none.png is missing"),
        ("tracker", "bugs", "tracker is no address"),
    ],
)
def test_metadata_that_the_site_would_refuse_are_seen(build, package, tmp_path, key, value, words):
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    lines = files["sardiff_qgis/metadata.txt"].decode().splitlines()
    kept = [line for line in lines if not line.startswith(f"{key}=")] + ([f"{key}={value}"] if value else [])
    files["sardiff_qgis/metadata.txt"] = "\n".join(kept).encode()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert words in " ".join(build.check(tmp_path / "other.zip")[0])


def test_without_a_licence_it_is_refused(build, package, tmp_path):
    with zipfile.ZipFile(package) as archive, zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        for name in archive.namelist():
            if not name.endswith("LICENSE"):
                other.writestr(name, archive.read(name))
    assert build.check(tmp_path / "other.zip")[0] == ["LICENSE is missing"]


def test_the_command_builds_and_says_what_the_site_would_still_ask_for(tmp_path):
    command = [sys.executable, str(ROOT / "qgis_plugin" / "build.py"), "--out", str(tmp_path / "plugin.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "plugin.zip: " in done.stdout
    unnamed = "for the plugin site" in done.stderr
    assert subprocess.run([*command, "--publish"], capture_output=True, check=False).returncode == (1 if unnamed else 0)
