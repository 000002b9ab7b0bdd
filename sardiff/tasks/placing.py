"""Two images onto one grid: whether they meet there, how far they lie apart, and the pair they make."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo_io import Grid, GridMismatch, Source, open_raster
from geo_io.align import Aligned
from geo_io.covering import overlap
from geo_io.grid import same_grid
from geo_io.source import sample_windows
from sardiff.errors import SettingsError
from sardiff.metrics.registration import Registration, combine, local_shifts
from sardiff.tasks.pair import LogIntensity, Optical, Pair

__all__ = ["LIMIT", "Remembered", "check_places", "paired", "registered", "target_grid"]

LIMIT = 10.0  # pixels of misregistration, beyond which two images are not of one place, or not well placed
NOTED = 1.0  # pixels from which on it is worth a word
WINDOW, WINDOWS = 256, 25  # pixels, and how many windows at most are compared for registration
LEAST = 32  # pixels of overlap, along either axis


def target_grid(grid: str | os.PathLike[str], radar: Source, light: Source) -> Grid:
    """The grid that is asked for: "optical", "sar", or that of a file."""
    if grid == "optical":
        return light.grid
    if grid == "sar":
        return radar.grid
    return open_raster(grid, values="physical", classes=True).grid


def check_places(target: Grid, name: str, radar: Source, light: Source) -> None:
    """Raise unless both images lie where the result will, by enough pixels to fuse."""
    for source in (radar, light):
        if source.grid == target:
            continue
        found = overlap(target, {"optical": light.name, "sar": radar.name}.get(name, name), source.grid, source.name)
        size = found.rows.stop - found.rows.start, found.cols.stop - found.cols.start
        if min(size) < min(LEAST, *target.shape):
            raise GridMismatch(
                f"{radar.name} and {light.name} share {size[0]} x {size[1]} pixels of the grid alone, too few to fuse: "
                "choose scenes that overlap more"
            )


def paired(
    clean: Any, light: Source, target: Grid, cover: Source | None, classes: tuple[int, ...], *, speckled: bool
) -> Pair:
    """Both images on one grid, each resampled at most once.

    Raises
    ------
    SettingsError
        If a SAR image that is still speckled would have to be resampled.
    """
    sar, optical = LogIntensity(clean), Optical(light)
    if speckled and not same_grid(sar.grid, target):
        raise SettingsError(
            "Method 'joint' reads the speckle itself, which resampling would spoil: add --grid sar, or choose 'dps'."
        )
    clouds = None if cover is None else Aligned(cover, target, resampling="nearest")
    return Pair(Aligned(optical, target), Aligned(sar, target), clouds, classes)


def registered(
    pair: Pair, register: bool, say: Callable[[str], None], *, speckled: bool = False
) -> tuple[Pair, Registration]:
    """Measure misregistration in windows over the scene, say it, and correct it if asked to.

    Moved is the SAR image; but where it lies on its own grid and the optical image does not, or where it is still
    speckled, which resampling would spoil, the optical image.

    Raises
    ------
    GridMismatch
        If they lie more than `LIMIT` pixels apart.
    """
    shifts = []
    for rows, cols in sample_windows(pair.grid.shape, budget=WINDOWS * WINDOW**2, side=WINDOW, least=WINDOW):
        pixels = pair[slice(0, pair.shape[0]), rows, cols]
        optical = np.where(pixels[-1] > 0, np.float32(np.nan), pixels[: pair.bands].mean(axis=0))
        shifts += local_shifts(optical, pixels[-2])
    found = combine(shifts)
    far = math.hypot(*found.shift)
    said = f"{found.shift[0]:+.1f} rows, {found.shift[1]:+.1f} cols"
    if not found.reliable:
        say(f"Registration: not measured ({found.reason}); nothing is moved.")
        return pair, found
    if far > LIMIT:
        raise GridMismatch(
            f"{pair.sar.name} lies {far:.1f} pixels ({said}) off {pair.optical.name}, more than {LIMIT:g}: their "
            "georeferencing is wrong or they show different places; bring them together first"
        )
    spread = "of no window by itself" if math.isnan(found.spread) else f"spread {found.spread:.1f} pixels"
    spread = f"{spread}, confidence {found.confidence:.2f}"
    if not register:
        advice = " --register corrects it." if far > NOTED else ""
        say(f"Registration: the SAR image would have to move by {said} ({spread}).{advice}")
        return pair, found
    say(f"Registration: the SAR image is moved by {said} ({spread}).")
    down, right = found.shift
    if speckled or (same_grid(pair.sar.source.grid, pair.grid) and not same_grid(pair.optical.source.grid, pair.grid)):
        optical = replace(pair.optical, shift=(-down, -right))
        clouds = None if pair.clouds is None else replace(pair.clouds, shift=(-down, -right))
        return Pair(optical, pair.sar, clouds, pair.classes), found
    return Pair(pair.optical, replace(pair.sar, shift=found.shift), pair.clouds, pair.classes), found


class Remembered:
    """A source that is costly to read, in blocks of which the last few are kept: windows that overlap share them."""

    SIDE, KEPT = 768, 24  # as large as the cores that despeckling computes at once

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape, self.dtype, self.grid = source.shape, source.dtype, source.grid
        self.name, self.identity = source.name, source.identity
        self._blocks = lru_cache(self.KEPT)(self._read)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source,)

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Return the pixels of a window inside the scene."""
        bands, rows, cols = index
        side = self.SIDE
        parts = [
            [self._blocks(i, j) for j in range(cols.start // side, -(-cols.stop // side))]
            for i in range(rows.start // side, -(-rows.stop // side))
        ]
        top, left = rows.start // side * side, cols.start // side * side
        whole = np.block(parts)
        return whole[bands, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]

    def _read(self, i: int, j: int) -> NDArray[np.float32]:
        (_, height, width), side = self.shape, self.SIDE
        rows = slice(i * side, min((i + 1) * side, height))
        return self.source[slice(0, self.shape[0]), rows, slice(j * side, min((j + 1) * side, width))]
