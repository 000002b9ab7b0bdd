"""From pixels of any image to the logarithm that priors know, by what a sample of the whole scene holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo_io import ReadError, Sample, sample
from sardiff.tasks.gaps import Known
from sardiff.tasks.levels import TAILS
from sardiff.units import (
    DARK,
    DB_PER_LOG,
    LEAST_GREY,
    grey_from_log_luminance,
    log_luminance_from_grey,
)

__all__ = ["HEADROOM", "Tones", "measure_tones"]

HEADROOM = 0.5  # of a band's range, below it: with it the logarithm is nearly straight, and noise in it nearly even


@dataclass(frozen=True)
class Tones:
    """How the bands of a scene become images that a prior knows: nothing of it is ever taken from a tile.

    Backscatter becomes its natural log. Anything else is scaled, band by band, to grey, of which 1 is the bright end of
    the band's range, and 0 lies `HEADROOM` of it below its dark end; and becomes log-luminance, as if grey were an
    amplitude (`log_luminance_from_grey`).

    Parameters
    ----------
    values : str
        What the pixels mean, as `Source.values`.
    ranges : tuple of (low, high)
        Of each band: grey 0 and 1; (0, 1) for backscatter, which needs none.
    """

    values: str
    ranges: tuple[tuple[float, float], ...]

    @property
    def slope(self) -> float:
        """Slope of grey on the log, half way up a band's range: noise in the log is that in grey over this."""
        return ((HEADROOM + 0.5) / (1 + HEADROOM) + DARK) / 2 if self.physical else 1.0

    @property
    def physical(self) -> bool:
        """Whether the pixels are no backscatter."""
        return self.values == "physical"

    def log(self, pixels: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return what priors see, of pixels (..., bands, rows, cols) as sources give them."""
        return self.log_of_grey(self.grey(pixels))

    def log_of_grey(self, grey: Any) -> Any:
        """Return what priors see, of `grey`; array or tensor."""
        return log_luminance_from_grey(grey) if self.physical else grey

    def grey(self, pixels: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return that in which blur and noise are additive: grey, or the log of backscatter."""
        if not self.physical:
            return np.log(pixels, dtype=np.float32)
        low, high = self._ends()
        return ((pixels - low) / (high - low)).astype(np.float32)

    def grey_noise(self, noise: float, band: int) -> float:
        """Return a standard deviation in units of a band (decibels for backscatter), as one of `grey`."""
        low, high = self.ranges[band]
        return noise / (high - low) if self.physical else noise / DB_PER_LOG

    def pixels(self, log: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return pixels (physical values, or intensity), from what priors see."""
        if not self.physical:
            return np.exp(log).astype(np.float32)
        low, high = self._ends()
        return (low + grey_from_log_luminance(log) * (high - low)).astype(np.float32)

    def darker(self, pixels: NDArray[np.floating[Any]]) -> NDArray[np.float32] | float:
        """By how much pixels are darker (<= 0) than the darkest that `log` tells apart."""
        if not self.physical:
            return 0.0
        low, high = self._ends()
        least = low + LEAST_GREY * (high - low)
        return np.minimum(np.nan_to_num(pixels - least), 0).astype(np.float32)

    def deviation(self, log: NDArray[np.floating[Any]], spread: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return a standard deviation of `log` in units of the stored values; in dB for decibels."""
        if self.physical:
            low, high = self._ends()
            return ((grey_from_log_luminance(log) + DARK) / 2 * (high - low) * spread).astype(np.float32)
        slope: Any = {"db": DB_PER_LOG, "intensity": np.exp(log), "amplitude": np.exp(log / 2) / 2}[self.values]
        return (slope * spread).astype(np.float32)

    def _ends(self) -> NDArray[np.float32]:
        return np.array(self.ranges, np.float32).T[:, :, None, None]


def measure_tones(source: Known) -> tuple[Tones, list[Sample]]:
    """Return the tones of a scene, and the sample of it that they were measured in.

    Raises
    ------
    ReadError
        If a band holds nothing, or one even grey.
    """
    windows = sample(source)  # type: ignore[arg-type]
    if source.values != "physical":
        if not windows:
            raise ReadError(f"{source.name} holds no measurement: every pixel is nodata, NaN, zero or negative.")
        return Tones(source.values, ((0.0, 1.0),) * source.shape[0]), windows
    ranges = []
    for band in range(source.shape[0]):
        seen = [window.intensity[band][np.isfinite(window.intensity[band])] for window in windows]
        known = np.concatenate([*seen, np.empty(0, np.float32)])
        low, high = map(float, np.quantile(known, TAILS)) if known.size else (math.nan, math.nan)
        if known.size and not high > low:  # mostly fill, perhaps
            low, high = float(known.min()), float(known.max())
        if not high > low:
            found = f"one even grey ({low:.4g})" if known.size else "no measurement"
            raise ReadError(f"{source.name}, band {band + 1}: {found}; choose other bands with --bands.")
        ranges.append((low - HEADROOM * (high - low), high))
    return Tones("physical", tuple(ranges)), windows
