"""A scene and its gaps, as one source of tiles: which pixels are to be filled."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

from geo_io import Grid, Source

__all__ = ["FILLED_VALUES", "MOST_GAP", "WIDEST", "Gaps", "Known", "narrow"]

WIDEST = 64  # pixels: gaps that are filled unless more is asked for; a network sees across them
MOST_GAP = 256  # pixels: the most that can be asked for
FILLED_VALUES = {"measured": 0, "filled": 1, "a gap still": 2}  # in the file that says which pixels were filled
NEAR = 8  # a gap stays as it is this share of the widest, in pixels, around where it is too wide


def narrow(gap: NDArray[np.bool_], scene: NDArray[np.bool_], widest: int) -> NDArray[np.bool_]:
    """Return where a gap is at most `widest` pixels wide: where no square of one pixel more fits into it.

    So a stripe counts by its width, whatever its length, and the collar of a scene is wide. Around a part that is too
    wide, the gap counts as wide for `widest` / `NEAR` pixels more, so that a round hole is not filled where it tapers.

    Parameters
    ----------
    gap : (..., rows, cols)
        True beyond the scene too, and beyond the array taken for true.
    scene : (rows, cols)
        What lies in the scene.
    """
    size = (1,) * (gap.ndim - 2) + (widest + 1,) * 2
    # An even square has no middle: erosion looks one way, dilation the other.
    shift = (0,) * (gap.ndim - 2) + ((0, 0) if widest % 2 == 0 else (-1, -1))
    eroded = minimum_filter(gap, size=size, mode="constant", cval=1)
    wide = maximum_filter(eroded, size=size, mode="constant", cval=0, origin=shift)
    cross = np.zeros((1,) * (gap.ndim - 2) + (3, 3), bool)
    cross[..., 1, :] = cross[..., :, 1] = True
    near: NDArray[np.bool_] = binary_dilation(wide & scene, cross, iterations=max(1, widest // NEAR), mask=gap)
    return gap & ~wide & ~near


class Known:
    """A scene in which what is no measurement is NaN, whether the file says so or a mask.

    Where a file stores whole numbers and names no nodata, zero in every band is no measurement, as in
    `sardiff.tasks.pair.Optical`.

    Parameters
    ----------
    source : Source
    mask : source, optional
        A band on the same grid: no measurement where it is not zero, or one of `classes`; its NaN: none of these.
    classes : tuple of int
        Values of `mask` that count; all but zero if empty.

    Attributes
    ----------
    zeros : bool
        Whether zero in every band is no measurement.
    """

    def __init__(self, source: Source, mask: Any = None, classes: tuple[int, ...] = ()) -> None:
        self.source, self.mask, self.classes = source, mask, classes
        self.shape, self.dtype = source.shape, np.dtype(np.float32)
        self.grid, self.name, self.values = source.grid, source.name, source.values
        metadata = source.metadata
        self.zeros = metadata.nodata is None and "float" not in metadata.stored_dtype and source.values == "physical"

    @cached_property
    def identity(self) -> str:
        """Fingerprint of all that is read."""
        parts = [self.source.identity, getattr(self.mask, "identity", ""), self.classes]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def __dask_tokenize__(self) -> tuple[str, str]:
        return type(self).__name__, self.identity

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Return pixels (bands, rows, cols), as `source` gives them."""
        bands, rows, cols = index
        pixels = self.source[slice(0, self.shape[0]), rows, cols]
        missing = np.zeros(pixels.shape[1:], bool)
        if self.zeros:
            missing |= (pixels == 0).all(axis=0)
        if self.mask is not None:
            found = self.mask[slice(0, 1), rows, cols][0]
            missing |= np.isin(found, self.classes) if self.classes else np.nan_to_num(found) != 0
        return np.where(missing, np.float32(np.nan), pixels)[bands]


class Gaps:
    """The bands of a scene, and as many bands that are 1 where a pixel is to be filled, 0 elsewhere.

    A gap is where a band is not known; beyond the scene all is gap, so that what reaches its rim is as wide as the
    rim is long. Slicing gives float32 (2 bands, rows, cols): pixels, NaN in gaps, filled or not; then which are to be
    filled.

    Parameters
    ----------
    known : Known
    widest : int
        Gaps wider than so many pixels are left (`narrow`).
    """

    def __init__(self, known: Known, widest: int = WIDEST) -> None:
        self.known, self.widest = known, widest
        self.bands = known.shape[0]
        self.shape = (2 * self.bands, *known.shape[1:])
        self.dtype = np.dtype(np.float32)
        self.grid: Grid = known.grid

    @cached_property
    def identity(self) -> str:
        """Fingerprint of all that is read, and of what counts as a gap."""
        return hashlib.sha256(repr((self.known.identity, self.widest)).encode()).hexdigest()

    def __dask_tokenize__(self) -> tuple[str, str]:
        return type(self).__name__, self.identity

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Return the bands of a window inside the scene."""
        bands, rows, cols = index
        margin = self.widest + 2 + max(1, self.widest // NEAR)  # how far off it is decided what is narrow
        rows_read, cols_read = (
            slice(max(0, part.start - margin), min(length, part.stop + margin))
            for part, length in zip((rows, cols), self.shape[1:], strict=True)
        )
        pixels = self.known[slice(0, self.bands), rows_read, cols_read]
        # The gap beyond the scene begins at its rim; that the window's own rim counts alike is too far off to matter.
        around = (margin, margin), (margin, margin)
        gap = np.pad(np.isnan(pixels), ((0, 0), *around), constant_values=True)
        scene = np.pad(np.ones(pixels.shape[1:], bool), around)
        wanted = narrow(gap, scene, self.widest)[:, margin:-margin, margin:-margin]
        top, left = rows.start - rows_read.start, cols.start - cols_read.start
        inside = slice(top, top + rows.stop - rows.start), slice(left, left + cols.stop - cols.start)
        return np.concatenate([pixels, wanted.astype(np.float32)])[(slice(None), *inside)][bands]
