"""What leaked from other programs goes, before GDAL looks."""

import os
import subprocess
import sys

from geo_io.harden import clean_environment


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


def test_importing_harden_imports_neither_rasterio_nor_numpy():
    result = run("import geo_io.harden, sys; print({'rasterio', 'numpy', 'pyproj'} & set(sys.modules))")
    assert result.stdout.strip() == "set()", result.stderr


def test_a_leaked_proj_data_is_noticed_and_cured(tmp_path):
    check = "from geo_io.harden import *; {}check_proj()"
    broken = run(check.format(""), PROJ_DATA=str(tmp_path), PROJ_LIB=str(tmp_path))
    assert "GeoIOError: PROJ's coordinate database does not know EPSG:32633" in broken.stderr
    cured = run(check.format("clean_environment(); "), PROJ_DATA=str(tmp_path), PROJ_LIB=str(tmp_path))
    assert (cured.returncode, cured.stderr) == (0, "")
