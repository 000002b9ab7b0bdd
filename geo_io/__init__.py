"""Files and pixel grids: rasters in and out with their georeferencing, whatever its kind."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geo_io.align import Aligned, Raster
    from geo_io.covering import Overlap, overlap
    from geo_io.dataarray import ArraySource, to_dataarray
    from geo_io.errors import GeoIOError, GridMismatch, LooksOptical, ReadError, UnclearValues, UnsafeInput, WriteError
    from geo_io.grid import Grid, require_same
    from geo_io.harden import check_proj, clean_environment
    from geo_io.read import RasterSource, open_raster
    from geo_io.safe import SafeSource, is_safe, open_safe
    from geo_io.source import Metadata, Sample, Source, sample
    from geo_io.values import detect_values, from_intensity, to_intensity
    from geo_io.write import SceneWriter, check_output

__all__ = [
    "Aligned",
    "ArraySource",
    "GeoIOError",
    "Grid",
    "GridMismatch",
    "LooksOptical",
    "Metadata",
    "Overlap",
    "Raster",
    "RasterSource",
    "ReadError",
    "SafeSource",
    "Sample",
    "SceneWriter",
    "Source",
    "UnclearValues",
    "UnsafeInput",
    "WriteError",
    "check_output",
    "check_proj",
    "clean_environment",
    "detect_values",
    "from_intensity",
    "is_safe",
    "open_raster",
    "open_safe",
    "overlap",
    "require_same",
    "sample",
    "to_dataarray",
    "to_intensity",
]

# Imported when first asked for: `geo_io.harden` has to run before rasterio is imported anywhere.
_HOMES = {
    "align": ("Aligned", "Raster"),
    "covering": ("Overlap", "overlap"),
    "dataarray": ("ArraySource", "to_dataarray"),
    "errors": ("GeoIOError", "GridMismatch", "LooksOptical", "ReadError", "UnclearValues", "UnsafeInput", "WriteError"),
    "grid": ("Grid", "require_same"),
    "harden": ("check_proj", "clean_environment"),
    "read": ("RasterSource", "open_raster"),
    "safe": ("SafeSource", "is_safe", "open_safe"),
    "source": ("Metadata", "Sample", "Source", "sample"),
    "values": ("detect_values", "from_intensity", "to_intensity"),
    "write": ("SceneWriter", "check_output"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"geo_io.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'geo_io' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
