"""From backscatter to greys: one stretch, in decibels, that several images can share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geo_io import from_intensity
from geo_io.values import Units

__all__ = ["QUANTILES", "UNIT_NAMES", "Stretch", "largest", "stretch"]

QUANTILES = (0.01, 0.995)  # that become black and white: bright points are few, and would darken everything else
LEAST_DB = 10.0  # between black and white, so that even ground is not blown up until its last speckle shows
MOST = 4_000_000  # values that quantiles are taken of

UNIT_NAMES: dict[str, str] = {
    "db": "backscatter, dB",
    "amplitude": "amplitude",
    "intensity": "intensity",
    "physical": "value",
}


@dataclass(frozen=True)
class Stretch:
    """Which values are black and which are white.

    Parameters
    ----------
    low, high : float
        In `units`; low < high.
    units : {"db", "amplitude", "intensity", "physical"}
        Of the greys: linear in decibels, in amplitude, in intensity; "physical" takes values as they are.

    Raises
    ------
    ValueError
        If low is not below high.
    """

    low: float
    high: float
    units: Units = "db"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a stretch needs low < high, got {self.low:g} and {self.high:g}")

    @classmethod
    def of(cls, *images: ArrayLike, units: Units = "db") -> Stretch:
        """Choose a stretch for images that shall be compared: from the 1 % to the 99.5 % quantile of the last.

        Give the image without speckle last. In dB it spans at least 10 dB, around the middle of the quantiles.

        Parameters
        ----------
        images : array
            Linear intensity (any values, for "physical"), any shape; NaN: not measured. The others count where
            nothing was measured in the last.
        units : str
            As of `Stretch`.
        """
        for image in reversed(images):
            values = np.asarray(image, np.float32).ravel()
            values = from_intensity(values[:: max(1, values.size // MOST)], units)
            values = values[np.isfinite(values)]
            if values.size:
                low, high = np.quantile(values, QUANTILES)
                return cls.between(float(low), float(high), units=units)
        return cls(0.0, 1.0, units)

    @classmethod
    def between(cls, low: float, high: float, *, units: Units = "db") -> Stretch:
        """Return the stretch of two quantiles, widened where they lie too close together; 0 to 1 if they are NaN."""
        if not (np.isfinite(low) and np.isfinite(high)):
            return cls(0.0, 1.0, units)
        least = LEAST_DB if units == "db" else max(1e-6 * max(abs(low), abs(high)), 1e-30)
        lacking = max(least - (high - low), 0.0)
        return cls(low - lacking / 2, high + lacking / 2, units)

    def values(self, intensity: ArrayLike) -> NDArray[np.float32]:
        """Linear intensity in the units of the stretch; NaN: not measured."""
        return from_intensity(np.asarray(intensity, np.float32), self.units)

    def __call__(self, intensity: ArrayLike) -> NDArray[np.float32]:
        """Greys from 0 to 1 of linear intensity, of its shape; NaN: not measured."""
        return np.clip((self.values(intensity) - self.low) / np.float32(self.high - self.low), 0, 1, dtype=np.float32)


def stretch(intensity: ArrayLike, *, like: ArrayLike | None = None, units: Units = "db") -> NDArray[np.float32]:
    """Greys from 0 to 1 of linear intensity, by a stretch of its own, or that of another image (`like`).

    Parameters
    ----------
    intensity, like : array
        Linear power; NaN: not measured, and stays NaN.
    units : str
        As of `Stretch`.
    """
    return Stretch.of(intensity if like is None else like, units=units)(intensity)


def largest(values: ArrayLike) -> float:
    """Where a scale that begins at 0 may end: the 99 % quantile, > 0; 1 where nothing was measured."""
    found = np.asarray(values)
    found = found[np.isfinite(found)]
    return max(float(np.quantile(found, 0.99)), 1e-6) if found.size else 1.0
