"""A whole scene made small: means of linear intensity over square blocks, read in strips, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo_io import Raster

__all__ = ["SIDE", "Blocks", "Overview", "overview", "reduction", "strips"]

SIDE = 1024  # pixels of an overview's longer side
BUDGET = 4_000_000  # values read at once, all bands together


@dataclass(frozen=True, eq=False)
class Overview:
    """A scene made small.

    Parameters
    ----------
    pixels : ndarray (bands, rows, cols), float32
        Mean of what was measured in each block of `step` by `step` pixels, blocks at the lower and right rim cut off
        by it. NaN: nothing was.
    step : int
        Pixels of the scene along a side of a block, 1 for small scenes.
    shape : tuple of int
        (rows, cols) of the scene.
    """

    pixels: NDArray[np.float32]
    step: int
    shape: tuple[int, int]


class Blocks:
    """Sums over square blocks of one raster, strip by strip: how many pixels were measured, their sum and squares.

    Parameters
    ----------
    shape : tuple of int
        (bands, rows, cols) of the raster.
    step : int
        Pixels along a side of a block.
    squares : bool
        Whether squares are summed too, for `looks`.
    """

    def __init__(self, shape: tuple[int, int, int], step: int, *, squares: bool = False) -> None:
        bands, rows, cols = shape
        size = (bands, -(-rows // step), -(-cols // step))
        self.step = step
        self.count, self.total = np.zeros(size), np.zeros(size)
        self.squares = np.zeros(size) if squares else None

    def add(self, strip: NDArray[np.float32], top: int) -> None:
        """Add the pixels (bands, rows, cols) of a strip that begins at row `top`, a multiple of the step."""
        known = np.isfinite(strip)
        values = np.where(known, strip, np.float32(0))
        place = slice(top // self.step, top // self.step + -(-strip.shape[1] // self.step))
        self.count[:, place] = _sums(known, self.step)
        self.total[:, place] = _sums(values, self.step)
        if self.squares is not None:
            self.squares[:, place] = _sums(np.square(values, dtype=np.float64), self.step)

    @property
    def mean(self) -> NDArray[np.float32]:
        """Of what was measured (bands, rows, cols); NaN where nothing was."""
        known = self.count > 0
        return np.divide(self.total, self.count, out=np.full_like(self.total, np.nan), where=known).astype(np.float32)

    def looks(self, least: int = 16) -> NDArray[np.float32]:
        """Local equivalent number of looks, mean^2 / variance of intensity, in squares of at least `least` pixels.

        Returns
        -------
        ndarray (bands, rows, cols)
            Of as many blocks together as make up a square. NaN where less than half of one is measured.

        Raises
        ------
        ValueError
            If squares were not summed.
        """
        if self.squares is None:
            raise ValueError("squares were not summed: make these Blocks with squares=True")
        side = math.ceil(least / self.step)
        count, total, squares = (_sums(sums, side) for sums in (self.count, self.total, self.squares))
        enough = (count >= 0.5 * (side * self.step) ** 2) & (count >= 2)
        safe = np.maximum(count, 2)
        mean = total / safe
        variance = (squares - safe * mean**2) / (safe - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            looks = mean**2 / np.where(variance > 1e-12 * mean**2, variance, np.nan)
        return np.where(enough, looks, np.nan).astype(np.float32)


def overview(scene: Raster, *, side: int = SIDE, budget: int = BUDGET) -> Overview:
    """Make a scene so small that its longer side has at most `side` pixels, in bounded memory.

    Parameters
    ----------
    scene : Raster
        Windows of linear intensity, or of anything else whose mean means something; NaN: not measured.
    side : int
        Pixels, >= 1.
    budget : int
        Values read at once, about.
    """
    bands, rows, cols = scene.shape
    step = reduction((rows, cols), side)
    blocks = Blocks(scene.shape, step)
    for part in strips(scene.shape, step, budget=budget):
        blocks.add(scene[slice(0, bands), part, slice(0, cols)], part.start)
    return Overview(blocks.mean, step, (rows, cols))


def reduction(shape: Sequence[int], side: int) -> int:
    """Pixels of a scene (rows, cols) that become one, so that no side is longer than `side`."""
    return max(1, -(-max(shape) // side))


def strips(shape: tuple[int, int, int], step: int, *, budget: int = BUDGET) -> Iterator[slice]:
    """Yield the rows of a scene (bands, rows, cols) in strips of whole blocks, about `budget` values each, at least one
    block high."""
    bands, rows, cols = shape
    height = max(1, budget // (bands * cols * step)) * step
    for top in range(0, rows, height):
        yield slice(top, min(top + height, rows))


def _sums(values: NDArray[np.generic], step: int) -> NDArray[np.float64]:
    """Sums over blocks of (bands, rows, cols), those at the lower and right rim cut off by it."""
    if step == 1:
        return values.astype(np.float64)
    down, across = (np.arange(0, length, step) for length in values.shape[1:])
    return np.asarray(np.add.reduceat(np.add.reduceat(values, across, axis=2, dtype=np.float64), down, axis=1))
