"""An optical and a SAR image seen on one grid, as one source of tiles."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo_io import Grid, Source

__all__ = ["LogIntensity", "Optical", "Pair"]


class LogIntensity:
    """A SAR source as natural-log intensity, the mean over its bands; NaN where one of them was not measured."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape = (1, *source.shape[1:])
        self.dtype = np.dtype(np.float32)
        self.grid, self.name, self.identity = source.grid, source.name, source.identity

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Return log-intensity (1, rows, cols)."""
        _, rows, cols = index
        intensity = self.source[slice(0, self.source.shape[0]), rows, cols]
        return np.log(intensity).mean(axis=0, keepdims=True, dtype=np.float32)


class Optical:
    """An optical source whose pixels are missing together: NaN in every band where one was not measured.

    Where the file stores whole numbers and names no nodata, zero in every band is no measurement: such borders
    are common, and nothing else is that dark.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape, self.dtype = source.shape, np.dtype(np.float32)
        self.grid, self.name, self.identity = source.grid, source.name, source.identity
        metadata = source.metadata
        self._zeros = metadata.nodata is None and "float" not in metadata.stored_dtype

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Return physical values (bands, rows, cols)."""
        bands, rows, cols = index
        everything = self.source[slice(0, self.shape[0]), rows, cols]
        missing = np.isnan(everything).any(axis=0)
        if self._zeros:
            missing |= (everything == 0).all(axis=0)
        return np.where(missing, np.float32(np.nan), everything)[bands]


class Pair:
    """Optical bands, SAR log-intensity and clouds on one grid, as one source of tiles.

    Slicing gives float32 (bands + 2, rows, cols): the optical bands, natural-log intensity of the SAR image, both NaN
    where not measured, and 1 where the optical image is clouded, else 0.

    Parameters
    ----------
    optical, sar : sources
        On the same grid; `sar` as `LogIntensity`.
    clouds : source, optional
        A band on that grid: clouded where it is not zero, or one of `classes`; NaN: not.
    classes : tuple of int
        Values of `clouds` that mean a cloud; all but zero if empty.
    """

    def __init__(self, optical: Any, sar: Any, clouds: Any = None, classes: tuple[int, ...] = ()) -> None:
        if optical.shape[1:] != sar.shape[1:]:
            raise ValueError(f"a pair lies on one grid, got shapes {optical.shape} and {sar.shape}")
        self.optical, self.sar, self.clouds, self.classes = optical, sar, clouds, classes
        self.bands = optical.shape[0]
        self.shape = (self.bands + 2, *optical.shape[1:])
        self.dtype = np.dtype(np.float32)
        self.grid: Grid = optical.grid

    @cached_property
    def identity(self) -> str:
        """Fingerprint of all that is read."""
        parts = [self.optical.identity, self.sar.identity, getattr(self.clouds, "identity", ""), self.classes]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def __dask_tokenize__(self) -> tuple[str, str]:
        return type(self).__name__, self.identity

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Return the bands of a window inside the scene."""
        bands, rows, cols = index
        out = np.zeros((self.shape[0], rows.stop - rows.start, cols.stop - cols.start), np.float32)
        out[: self.bands] = self.optical[slice(0, self.bands), rows, cols]
        out[self.bands] = self.sar[slice(0, 1), rows, cols][0]
        if self.clouds is not None:
            found = self.clouds[slice(0, 1), rows, cols][0]
            clouded = np.isin(found, self.classes) if self.classes else np.nan_to_num(found) != 0
            out[self.bands + 1] = clouded
        return out[bands]
