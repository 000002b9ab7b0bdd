"""The environment GDAL and PROJ read their settings from, made safe before they are loaded. Standard library only."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Final

from geo_io.errors import GeoIOError

__all__ = ["OPEN_OPTIONS", "check_proj", "clean_environment", "read_options"]

# Data folders of another program's PROJ and GDAL: with them every CRS silently degrades.
LEAKED: Final = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")

# For every open and every read. No scan for sidecars: a file is what is inside it, and a `.msk`, `.ovr` or
# `.aux.xml` put beside it cannot make it read something else. The cost: honest ones are not seen either.
OPEN_OPTIONS: Final[dict[str, str]] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_MAX_RETRY": "0",
}

# Drivers that reach the network, or databases.
NETWORK_DRIVERS: Final = (
    "HTTP WMS WCS WMTS WFS OAPIF OGCAPI DAAS EEDA EEDAI NGW PLMosaic PLScenes PostGISRaster PostgreSQL MySQL "
    "MSSQLSpatial MongoDBv3 Elasticsearch Carto AmigoCloud GMLAS STACIT STACTA CSW PLSCENES"
)

# One row of tiles of a 25,000 px wide striped scene has to stay decoded until its last tile is read.
CACHE_MB: Final = "256"


def clean_environment(environ: MutableMapping[str, str] | None = None) -> tuple[str, ...]:
    """Drop what other programs leaked into the environment and keep GDAL from network and sidecars.

    Call it before rasterio is imported: GDAL and PROJ look once. A user's own `GDAL_CACHEMAX` is kept.

    Parameters
    ----------
    environ : mutable mapping, optional
        The environment; `os.environ` by default.

    Returns
    -------
    tuple of str
        Names of the variables dropped.
    """
    environ = os.environ if environ is None else environ
    dropped = tuple(name for name in LEAKED if environ.pop(name, None) is not None)
    environ.update(OPEN_OPTIONS)
    environ["PROJ_NETWORK"] = "OFF"
    environ["GDAL_SKIP"] = NETWORK_DRIVERS
    environ.setdefault("GDAL_CACHEMAX", CACHE_MB)
    return dropped


def read_options() -> dict[str, str | int]:
    """Return `OPEN_OPTIONS`, and the block cache that a row of tiles needs; a user's own `GDAL_CACHEMAX` is kept.

    For `rasterio.Env` around every open and read. A notebook never calls `clean_environment`, and GDAL's own
    choice, a twentieth of the memory, is too much on a large machine.
    """
    if "GDAL_CACHEMAX" in os.environ:
        return dict(OPEN_OPTIONS)
    # The variable is in MB; the number that rasterio hands on is in bytes.
    return {**OPEN_OPTIONS, "GDAL_CACHEMAX": int(CACHE_MB) << 20}


def check_proj() -> None:
    """Look up one EPSG code; a broken coordinate database would otherwise degrade every CRS without a word.

    Raises
    ------
    GeoIOError
        If the code is not found or means something else.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        found = CRS.from_epsg(32633).to_wkt()
    except CRSError as error:
        found = str(error)
    if "UTM zone 33N" not in found:
        named = ", ".join(f"{name}={os.environ[name]}" for name in LEAKED if name in os.environ) or "none is set"
        raise GeoIOError(
            f"PROJ's coordinate database does not know EPSG:32633 ({found[:120]}): unset PROJ_LIB and PROJ_DATA "
            f"({named}), or reinstall rasterio"
        )
