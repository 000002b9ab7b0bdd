"""A doctor who notices what is wrong."""

import json

import pytest

import sardiff.cli.doctor as module
from sardiff.cli.progress import PROTOCOL


def examine(run, **options):
    result = run("doctor", "--json", **options)
    return result.exit_code, json.loads(result.stdout)


def test_all_is_well_here(run):
    status, facts = examine(run, obj=("PROJ_LIB",))
    sick = {name: finding for name, finding in facts["findings"].items() if not finding["well"]}
    assert (status, facts["well"], sick) == (0, True, {})
    assert "dropped PROJ_LIB" in facts["findings"]["environment"]["found"]
    assert "checksum" in facts["findings"]["prior"]["found"]
    assert facts["protocol"] == PROTOCOL
    assert "All is well." in run("doctor").stdout


def test_another_tiling_is_noticed(run, monkeypatch):
    owners = {"sardiff": ["sardiff"], "tiling": ["tiling", "sardiff"], "geo_io": ["sardiff"]}
    monkeypatch.setattr(module, "packages_distributions", lambda: owners)
    status, facts = examine(run)
    assert status == 1
    assert "uninstall tiling, then reinstall sardiff" in facts["findings"]["package tiling"]["found"]


def test_a_look_that_fails_is_a_finding(run, monkeypatch):
    def broken():
        raise RuntimeError("no such library")

    monkeypatch.setattr(module, "_gdal", broken)
    result = run("doctor")
    assert result.exit_code == 1
    assert "RuntimeError: no such library" in result.stdout


@pytest.mark.parametrize("free", [1e6, 1e12])
def test_little_disk_is_said(run, monkeypatch, free):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    status, facts = examine(run)
    assert facts["findings"]["disk"]["well"] == (status == 0) == (free > 2e9)
