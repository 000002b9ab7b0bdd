"""What of a fused luminance goes into files: bands, standard deviation, and which images each pixel comes from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io import Metadata
from geo_io.source import fitted
from sardiff.tasks.levels import Levels
from sardiff.tasks.pair import Pair
from sardiff.units import DARK, LEAST_GREY, grey_from_log_luminance

__all__ = ["MASK_VALUES", "Encode"]

MASK_VALUES = {"both": 0, "optical alone": 1, "SAR alone": 2, "neither": 255}


class Encode:
    """From the fused log-luminance of a core to what the files hold.

    Parameters
    ----------
    pair, levels
        That were fused.
    colour : bool
        All optical bands, or the luminance alone, in their units.
    inject : {"ratio", "gain"}
        How bands follow the luminance (`Levels.injected`).
    metadata : Metadata, optional
        Of the optical file, for scale, offset, nodata and dtype of the bands; physical values in float32 without it.
    dtype : {"input", "float32"}
        Whether whole numbers stay whole.
    """

    def __init__(
        self,
        pair: Pair,
        levels: Levels,
        colour: bool,
        inject: Literal["ratio", "gain"],
        metadata: Metadata | None = None,
        dtype: str = "float32",
    ) -> None:
        self.pair, self.levels, self.colour, self.inject = pair, levels, colour, inject
        self.stored = metadata if colour else None
        whole = self.stored is not None and dtype == "input" and "int" in self.stored.stored_dtype
        self.dtype = self.stored.stored_dtype if whole and self.stored is not None else "float32"
        nodata = None if self.stored is None else self.stored.nodata
        if whole:
            self.nodata = 0.0 if nodata is not None and math.isnan(nodata) else nodata
        else:
            self.nodata = math.nan if nodata is None else nodata
        self._last: tuple[Any, NDArray[np.float32]] | None = None

    def __call__(self, core: NDArray[np.float32], rows: slice, cols: slice) -> NDArray[np.float32]:
        """Return the fused bands, or the luminance (1, rows, cols)."""
        pixels = self._pixels(rows, cols)
        own, _ = self.levels.grey(pixels)
        # Darker than what has a logarithm: as much darker than it afterwards.
        fused = grey_from_log_luminance(core[0]) + np.minimum(np.nan_to_num(own, nan=LEAST_GREY) - LEAST_GREY, 0)
        if not self.colour:
            return self._filled(self.levels.physical(fused)[None])
        return self._filled(self.levels.injected(pixels, fused, self.inject))

    def deviation(self, core: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the standard deviation of the luminance (1, rows, cols), in its units."""
        low, high = self.levels.optical
        slope = (grey_from_log_luminance(core[0]) + DARK) / 2  # of grey on log-luminance
        return (slope * core[1] * (high - low)).astype(np.float32)[None]

    def spread(self, core: NDArray[np.float32], rows: slice, cols: slice) -> NDArray[np.float32]:
        """The same, as an `Output` asks for it."""
        return self.deviation(core)

    def mask(self, core: NDArray[np.float32], rows: slice, cols: slice) -> NDArray[np.float32]:
        """Which images each pixel comes from (1, rows, cols), by `MASK_VALUES`."""
        pixels = self._pixels(rows, cols)
        optical = ~np.isnan(pixels[0]) & (pixels[-1] == 0)
        sar, result = ~np.isnan(pixels[-2]), ~np.isnan(core[0])
        kinds = [optical & sar, optical, result]
        names = ("both", "optical alone", "SAR alone")
        found = np.select(kinds, [MASK_VALUES[name] for name in names], MASK_VALUES["neither"])
        return np.where(result, found, MASK_VALUES["neither"]).astype(np.float32)[None]

    def metadata(self, light: Metadata) -> Metadata:
        """What the file says of its bands."""
        if self.stored is not None:
            return replace(light, nodata=self.nodata, stored_dtype=self.dtype)
        return replace(
            light,
            descriptions=("fused luminance",),
            units=(light.units or (None,))[:1],
            band_tags=({},),
            scales=(1.0,),
            offsets=(0.0,),
            nodata=math.nan,
            stored_dtype="float32",
            colorinterp=("gray",),
        )

    def _pixels(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        place = (rows.start, rows.stop, cols.start, cols.stop)
        last = self._last
        if last is None or last[0] != place:
            last = place, self.pair[slice(0, self.pair.shape[0]), rows, cols]
            self._last = last
        return last[1]

    def _filled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values as they are stored: less scale and offset, whole where the file's are, nodata for NaN."""
        missing = np.isnan(values)
        if self.stored is not None:
            scale, offset = (np.array(n, np.float32)[:, None, None] for n in (self.stored.scales, self.stored.offsets))
            values = (values - offset) / scale
        fill = np.float32(0.0 if self.nodata is None else self.nodata)
        return np.where(missing, fill, fitted(values, self.dtype, self.nodata)).astype(np.float32)
