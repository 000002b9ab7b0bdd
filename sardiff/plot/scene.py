"""What can be drawn: a path, an array, an open source; and one band of it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo_io import Raster, Source
from sardiff.errors import SettingsError
from sardiff.tasks.inputs import open_source

__all__ = ["OneBand", "one_band", "opened"]


def opened(scene: Any, *, values: str = "auto", band: int | None = None) -> Source:
    """Open what can be drawn: a path, a DataArray, an open source, or an array of linear intensity.

    Parameters
    ----------
    scene : path, DataArray, Source or array
        An array (rows, cols) or (bands, rows, cols) holds linear intensity; NaN: not measured.
    values : str
        What the pixels of a file or DataArray mean, as for `sardiff.despeckle`; "physical" for what is no backscatter.
    band : int, optional
        Counted from 1; all by default. Of an open source the bands are as they are.
    """
    if isinstance(scene, str | os.PathLike):
        return open_source(scene, values=values, bands=None if band is None else (band,))
    if not hasattr(scene, "dims"):
        if isinstance(scene, Source):
            return scene
        import xarray as xr

        pixels = np.asarray(scene)
        if pixels.ndim not in (2, 3):
            raise SettingsError(f"An image has (rows, cols) or (bands, rows, cols), got an array of {pixels.shape}.")
        scene = xr.DataArray(pixels, dims=("band", "y", "x")[3 - pixels.ndim :])
        values = "intensity" if values == "auto" else values
    if band is not None and scene.ndim == 3:
        scene = scene[band - 1 : band]
    return open_source(scene, values=values)


class OneBand:
    """A band of a raster, counted from 0, as if it were all there is."""

    def __init__(self, raster: Raster, band: int) -> None:
        self.raster, self.band, self.grid, self.name = raster, band, raster.grid, raster.name
        self.shape = (1, *raster.shape[1:])

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Pixels (1, rows, cols) of a window."""
        return self.raster[slice(self.band, self.band + 1), index[1], index[2]]


def one_band(raster: Raster, band: int = 0) -> Raster:
    """Return a band of a raster, counted from 0."""
    return raster if raster.shape[0] == 1 else OneBand(raster, band)
