"""The environment of the child: QGIS's, without what would lead sardiff to QGIS's PROJ, GDAL and Python."""

from __future__ import annotations

from typing import Mapping

__all__ = ["child_environment"]

# With QGIS's PROJ_LIB every CRS silently degrades, with its PYTHONHOME Python does not even start. The last is how
# macOS tells a Python which other Python started it.
LEADING_ASTRAY = ("PROJ_", "GDAL_", "PYTHON", "__PYVENV_LAUNCHER__")


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to start sardiff with; names are compared as Windows does, whatever their case."""
    kept = {name: value for name, value in environ.items() if not name.upper().startswith(LEADING_ASTRAY)}
    kept["PYTHONUTF8"] = "1"  # file names come back as they were given, whatever the language of Windows
    return kept
