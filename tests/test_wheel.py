"""The wheel: what it holds, and that it works away from the source."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("sardiff", "tiling", "geo_io")
# Fast, and each leans on another package; none needs the repository.
PART = (
    "tiling/test_grid.py",
    "tiling/test_field.py",
    "geo_io/test_values.py",
    "sardiff/likelihoods",
    "laws/test_every_prior.py",
)

pytestmark = [
    pytest.mark.wheel,
    pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="only tests/ is here: nothing to build"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT], cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Folder that the wheel alone is installed in."""
    target = tmp_path_factory.mktemp("installed")
    run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel],
        cwd=target,
    )
    return target


def run(command, *, cwd, path=(), fine=(0,)):
    """Run away from the source, packages from `path` first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONWARNINGS": "error"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        environment.pop(name, None)
    if not path:  # pip and build warn of what is not ours
        del environment["PYTHONWARNINGS"], environment["PYTHONPATH"]
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode in fine, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_holds_three_packages_the_weights_the_parts_of_pages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    data = [name for name in names if not name.endswith((".py", "py.typed")) and ".dist-info/" not in name]
    kept = sorted(path.name for path in (ROOT / "sardiff" / "weights").glob("*.*") if path.suffix != ".new")
    parts = ["plot/viewer.css", "plot/viewer.js", "report/page.css", "report/page.html", "report/page.js"]
    weights = [f"weights/{name}" for name in kept if ".state." not in name]
    assert sorted(data) == [f"sardiff/{name}" for name in (*parts, *weights)]
    for name in ("log_intensity", "log_speckle"):
        assert {f"sardiff/weights/{name}.json", f"sardiff/weights/{name}.safetensors"} <= set(data)
    sources = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_works_from_another_folder(installed, tmp_path):
    code = f"""
import json, sardiff, tiling, geo_io
from importlib.metadata import packages_distributions
from sardiff.priors.checkpoint import load_prior
prior = load_prior()
print(json.dumps({{
    "homes": [m.__file__ for m in (sardiff, tiling, geo_io)],
    "owners": {{m: sorted(set(packages_distributions()[m])) for m in {PACKAGES!r}}},
    "prior": [prior.name, prior.bands, prior.posterior is not None],
}}))
"""
    found = json.loads(run([sys.executable, "-c", code], cwd=tmp_path, path=[installed]))
    assert [Path(home).parents[1] for home in found["homes"]] == [installed] * 3
    assert found["owners"] == {package: ["sardiff"] for package in PACKAGES}  # nobody else is called tiling
    assert found["prior"] == ["log_intensity", 1, True]
    version = run([sys.executable, "-m", "sardiff", "--version"], cwd=tmp_path, path=[installed])
    assert version.split()[-1] == wheel_version(installed)


def wheel_version(installed):
    (info,) = installed.glob("sardiff-*.dist-info")
    return info.name.removeprefix("sardiff-").removesuffix(".dist-info")


def test_tests_pass_against_it_from_a_folder_of_tests_alone(installed, tmp_path):
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", "-W", "error"]
    said = run([*command, *(f"tests/{part}" for part in PART)], cwd=tmp_path, path=[installed])
    assert " passed" in said
    assert " failed" not in said


def test_doctor_finds_it_well_and_notices_another_distribution_called_tiling(installed, tmp_path):
    names = doctor(installed, cwd=tmp_path)
    assert all(names[f"package {package}"]["well"] for package in PACKAGES)

    stranger = tmp_path / "tiling-0.3.0.dist-info"
    stranger.mkdir()
    (stranger / "METADATA").write_text("Metadata-Version: 2.1\nName: tiling\nVersion: 0.3.0\n")
    (stranger / "top_level.txt").write_text("tiling\n")
    (stranger / "RECORD").write_text("tiling/__init__.py,,\n")
    names = doctor(installed, tmp_path, cwd=tmp_path)
    assert not names["package tiling"]["well"]
    assert "uninstall tiling" in names["package tiling"]["found"]
    assert names["package geo_io"]["well"]


def doctor(*path, cwd):
    said = run([sys.executable, "-m", "sardiff", "doctor", "--json"], cwd=cwd, path=path, fine=(0, 1))
    return json.loads(said)["findings"]
