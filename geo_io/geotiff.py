"""What a GeoTIFF can keep of a grid and its metadata, and how GDAL is held while we write one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.rpc import RPC

from geo_io.grid import Grid, unplaced_is_no_news
from geo_io.source import Metadata

__all__ = ["GDAL_ERRORS", "gdal", "georeferencing", "opened", "same_rpcs", "set_metadata", "set_tags", "storable"]

GDAL_ERRORS = (OSError, RasterioError, CPLE_BaseError)

# Others need a colour table or are not known to every GDAL.
KEPT_COLOURS = frozenset(("undefined", "gray", "red", "green", "blue", "alpha"))


@contextmanager
def gdal(cache_mb: int = 64) -> Iterator[None]:
    """GDAL with a bounded cache, and without sidecar files: everything stands in the one file."""
    # rasterio hands a whole number on as bytes.
    with rasterio.Env(GDAL_CACHEMAX=cache_mb << 20, GDAL_PAM_ENABLED=False, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        yield


@contextmanager
def opened(path: Path, mode: str = "r", **options: Any) -> Iterator[Any]:
    """Open a GeoTIFF; a missing georeferencing is no news here."""
    with unplaced_is_no_news():
        dataset = rasterio.open(path, mode, driver="GTiff", **options)
    with dataset:
        yield dataset


def storable(grid: Grid) -> Grid:
    """Keep what one GeoTIFF can hold: an affine or control points, not both; and RPCs."""
    if grid.kind == "gcps":
        return Grid(grid.shape, gcps=grid.gcps, gcp_crs=grid.gcp_crs, rpcs=grid.rpcs)
    return Grid(grid.shape, crs=grid.crs, transform=grid.transform, rpcs=grid.rpcs)


def georeferencing(grid: Grid) -> dict[str, Any]:
    """Say a storable grid in rasterio's words for a new file."""
    if grid.gcps:
        options = {"gcps": grid.gcps, "crs": grid.gcp_crs or CRS(), "rpcs": grid.rpcs}
    else:
        options = {"transform": grid.transform, "crs": grid.crs, "rpcs": grid.rpcs}
    return {key: value for key, value in options.items() if value is not None}


def same_rpcs(a: RPC | None, b: RPC | None) -> bool:
    """Whether two sets of coefficients agree to 14 digits; GDAL tells them with 15."""
    if a is None or b is None:
        return a is b
    mine, yours = a.to_dict(), b.to_dict()
    return all(
        (mine[key] is None) == (yours[key] is None)
        and (mine[key] is None or np.allclose(mine[key], yours[key], rtol=1e-14, atol=0))
        for key in mine
    )


def set_metadata(dataset: Any, metadata: Metadata, grid: Grid) -> None:
    """Set all but nodata; a list with another number of entries than bands is left aside."""
    tags = dict(metadata.tags)
    if grid.crs is None or grid.transform is None:
        # GDAL moves control points by a pixel for "Point", and makes up a CRS where there is none.
        tags.pop("AREA_OR_POINT", None)
    set_tags(dataset, tags)
    for namespace, items in metadata.namespaces.items():
        set_tags(dataset, items, ns=namespace)
    for band in dataset.indexes:
        i = band - 1
        if i < len(metadata.band_tags):
            set_tags(dataset, metadata.band_tags[i], bidx=band)
        if i < len(metadata.descriptions) and metadata.descriptions[i]:
            dataset.set_band_description(band, metadata.descriptions[i])
        if i < len(metadata.units) and metadata.units[i]:
            dataset.set_band_unit(band, metadata.units[i])
    if len(metadata.scales) == dataset.count:
        dataset.scales = metadata.scales
    if len(metadata.offsets) == dataset.count:
        dataset.offsets = metadata.offsets
    if len(metadata.colorinterp) == dataset.count and set(metadata.colorinterp) <= KEPT_COLOURS:
        dataset.colorinterp = [ColorInterp[name] for name in metadata.colorinterp]


def set_tags(dataset: Any, tags: Mapping[str, str], *, bidx: int = 0, ns: str | None = None) -> None:
    """Set tags whatever their names; rasterio takes two names for its own arguments."""
    dataset.update_tags(bidx, ns, **{key: value for key, value in tags.items() if key not in ("bidx", "ns")})
