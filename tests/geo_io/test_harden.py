"""What leaked from other programs goes, before GDAL looks."""

import os
import subprocess
import sys

import rasterio
from rasterio.env import get_gdal_config

from geo_io.geotiff import gdal
from geo_io.harden import CACHE_MB, clean_environment, read_options


def run(code, **environ):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PROJ", "GDAL", "CPL"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_leaks_are_dropped_and_named():
    environ = {"PROJ_LIB": "/qgis/proj", "GDAL_DATA": "/qgis/gdal", "HOME": "/home/a", "GDAL_CACHEMAX": "512"}
    assert clean_environment(environ) == ("PROJ_LIB", "GDAL_DATA")
    assert "PROJ_LIB" not in environ
    assert environ["HOME"] == "/home/a"
    assert environ["GDAL_CACHEMAX"] == "512"
    assert environ["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"


def test_the_block_cache_is_megabytes_whoever_asks(monkeypatch):
    monkeypatch.delenv("GDAL_CACHEMAX", raising=False)
    with rasterio.Env(**read_options()):
        assert int(get_gdal_config("GDAL_CACHEMAX")) == int(CACHE_MB) * 2**20
    with gdal(64):
        assert int(get_gdal_config("GDAL_CACHEMAX")) == 64 * 2**20
    assert clean_environment(environ := {}) == ()
    assert environ["GDAL_CACHEMAX"] == CACHE_MB


def test_importing_harden_imports_neither_rasterio_nor_numpy():
    result = run("import geo_io.harden, sys; print({'rasterio', 'numpy', 'pyproj'} & set(sys.modules))")
    assert result.stdout.strip() == "set()", result.stderr


def test_a_leaked_proj_data_is_noticed_and_cured(tmp_path):
    check = "from geo_io.harden import *; {}check_proj()"
    broken = run(check.format(""), PROJ_DATA=str(tmp_path), PROJ_LIB=str(tmp_path))
    assert "GeoIOError: PROJ's coordinate database does not know EPSG:32633" in broken.stderr
    cured = run(check.format("clean_environment(); "), PROJ_DATA=str(tmp_path), PROJ_LIB=str(tmp_path))
    assert (cured.returncode, cured.stderr) == (0, "")
