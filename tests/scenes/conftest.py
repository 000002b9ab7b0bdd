"""The command line, in this process and in one of its own, and a small scene."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sardiff.cli import cli


@pytest.fixture(scope="session")
def run():
    """Run a command in this process."""
    return lambda *args, **options: CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="sardiff", **options)


@pytest.fixture(scope="session")
def start():
    """Start a command in a process of its own; threads are kept to one, for the sake of what else runs."""

    def start(*args, environ=None, **options):
        return subprocess.Popen(
            [sys.executable, "-m", "sardiff", *map(str, args)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start


@pytest.fixture(scope="session")
def scene(run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    result = run("simulate", path, "--size", 96, "--seed", 3)
    assert result.exit_code == 0, result.output
    return path
