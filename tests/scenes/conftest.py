"""A command line run in this process, and a small scene."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sardiff.cli import cli


@pytest.fixture(scope="session")
def run():
    return lambda *args, **options: CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="sardiff", **options)


@pytest.fixture(scope="session")
def scene(run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    result = run("simulate", path, "--size", 96, "--looks", 4, "--seed", 3)
    assert result.exit_code == 0, result.output
    return path
