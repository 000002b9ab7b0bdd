"""Every change of units, next to its inverse; for floats, NumPy arrays and tensors alike.

`intensity` is linear power, `log_intensity` its natural log, `intensity_db` its decibels, `amplitude` its
square root. What has no logarithm (zero, negative, infinite, NaN) was not measured: it becomes NaN. `grey` is luminance
scaled to 0 (dark) ... 1 (bright), `log_luminance` what our priors see of it.
"""

import math
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "DB_PER_LOG",
    "amplitude_from_intensity",
    "db_from_intensity",
    "db_from_log",
    "grey_from_log_luminance",
    "intensity_from_amplitude",
    "intensity_from_complex",
    "intensity_from_db",
    "intensity_from_log",
    "log_from_db",
    "log_from_intensity",
    "log_luminance_from_grey",
]

DB_PER_LOG = 10 / math.log(10)
"""Decibels in one unit of natural log-intensity, about 4.343."""

DARK = 0.3
"""Grey added before the logarithm: a prior of log-intensity, in which noise is as large in the dark, else spends its
attention there, and fusion with it."""

LEAST_GREY = -0.2
"""Darkest grey that has a logarithm; darker ones are taken for this one."""

Values = TypeVar("Values", float, NDArray[Any], Tensor)


def log_from_intensity(intensity: Values) -> Values:
    """Return the natural log of linear power; NaN where it is not positive and finite."""
    known = _measured(intensity)
    return known.log() if isinstance(known, Tensor) else np.log(known)


def intensity_from_log(log_intensity: Values) -> Values:
    """Return linear power from its natural log."""
    return log_intensity.exp() if isinstance(log_intensity, Tensor) else np.exp(log_intensity)


def db_from_log(log_intensity: Values) -> Values:
    """Return decibels from natural log; linear, so that it serves standard deviations too."""
    return log_intensity * DB_PER_LOG


def log_from_db(intensity_db: Values) -> Values:
    """Return natural log from decibels; linear, so that it serves standard deviations too."""
    return intensity_db / DB_PER_LOG


def db_from_intensity(intensity: Values) -> Values:
    """Return decibels from linear power; NaN where it is not positive and finite."""
    return db_from_log(log_from_intensity(intensity))


def intensity_from_db(intensity_db: Values) -> Values:
    """Return linear power from decibels."""
    return intensity_from_log(log_from_db(intensity_db))


def amplitude_from_intensity(intensity: Values) -> Values:
    """Return the square root of linear power; NaN where it is not positive and finite."""
    known = _measured(intensity)
    return known.sqrt() if isinstance(known, Tensor) else np.sqrt(known)


def intensity_from_amplitude(amplitude: Values) -> Values:
    """Return linear power; NaN where the amplitude is not positive and finite."""
    known = _measured(amplitude)
    return known.square() if isinstance(known, Tensor) else np.square(known)


def log_luminance_from_grey(grey: Values) -> Values:
    """Return 2 ln((grey + DARK) / (1 + DARK)): log-intensity, if grey were the amplitude; 0 for white."""
    if isinstance(grey, Tensor):
        return 2 * ((grey.clamp(min=LEAST_GREY) + DARK) / (1 + DARK)).log()
    if isinstance(grey, float | int):
        return 2 * math.log((max(grey, LEAST_GREY) + DARK) / (1 + DARK))
    return 2 * np.log((np.maximum(grey, LEAST_GREY) + DARK) / (1 + DARK))


def grey_from_log_luminance(log_luminance: Values) -> Values:
    """Return grey, from its log-luminance."""
    half = log_luminance / 2
    return (1 + DARK) * (half.exp() if isinstance(half, Tensor) else np.exp(half)) - DARK


def intensity_from_complex(slc: Values) -> Values:
    """Return the power |z|^2 of single-look complex pixels; the phase is lost, so this one has no inverse."""
    return slc.real**2 + slc.imag**2


def _measured(values: Values) -> Values:
    """Return the values, NaN where they are not positive and finite; whole numbers become float64."""
    if isinstance(values, Tensor):
        return torch.where((values > 0) & values.isfinite(), values, math.nan)
    if isinstance(values, float | int):
        return values if 0 < values < math.inf else math.nan
    dtype = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, math.nan).astype(dtype)
