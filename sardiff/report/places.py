"""Which parts of a scene are worth a look at full resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sardiff.errors import SettingsError

__all__ = ["Place", "chosen_places", "given_places", "window_side"]

SIDE, LEAST = 512, 48  # pixels of a window of one band; and below
APART = 0.6  # of a side, between the middles of two windows

ABOUT = {
    "Most filled": "Where most was filled: nothing of it was measured.",
    "Brightest": "Around the brightest structure: points and edges should stand as they stood.",
    "Most textured": "Where the ground varies most: detail should be kept here.",
    "Most uncertain": "Where the result is in doubt: read single pixels with care.",
    "Most even": "Where the result varies least: even ground should be smooth.",
    "Centre": "The middle of the scene.",
}


@dataclass(frozen=True)
class Place:
    """A square window of a scene, and why it was chosen."""

    title: str
    about: str
    rows: slice
    cols: slice


def window_side(shape: tuple[int, int], bands: int) -> int:
    """Pixels along a side of a window, such that a few of them lie in the scene; 0 where it is too small for any."""
    side = min(int(SIDE / bands**0.5), max(min(shape) // 3, LEAST))
    return side if side < min(shape) else 0


def given_places(windows: tuple[tuple[int, int, int], ...], shape: tuple[int, int]) -> list[Place]:
    """Windows that were asked for, as (row, col, size) of their upper left pixel.

    Raises
    ------
    SettingsError
        If one does not lie in the scene.
    """
    places = []
    for row, col, size in windows:
        if not (size >= 8 and 0 <= row <= shape[0] - size and 0 <= col <= shape[1] - size):
            raise SettingsError(
                f"The window {row},{col},{size} does not lie in the scene of {shape[0]} x {shape[1]} pixels, or is "
                f"smaller than 8: give row, column and size of a window inside."
            )
        title = f"{size} at row {row}, column {col}"
        places.append(
            Place(title, f"{size} x {size} pixels, as asked for.", slice(row, row + size), slice(col, col + size))
        )
    return places


def chosen_places(
    image: NDArray[np.floating],
    spread: NDArray[np.floating] | None,
    step: int,
    shape: tuple[int, int],
    side: int,
    *,
    filled: NDArray[np.floating] | None = None,
) -> list[Place]:
    """Choose windows by a small image of the scene: filled, bright, textured, uncertain, even, and the middle.

    Parameters
    ----------
    image : array (rows, cols)
        Of the result, one pixel for `step` by `step` of the scene: decibels, or luminance; NaN: not measured.
    spread, filled : array (rows, cols), optional
        Standard deviation, and which share of pixels is new, likewise.
    shape : tuple of int
        (rows, cols) of the scene.
    side : int
        Pixels along a side of a window; 0: none.

    Returns
    -------
    list of Place
        Six at most; fewer where they would show the same.
    """
    if not side or not np.isfinite(image).any():
        return []
    size = max(1, min(side // step, *image.shape))
    known = np.isfinite(image)
    share = _means(known.astype(float), size)
    values = np.where(known, image, 0.0).astype(float)
    count = np.maximum(share, 1e-9)
    mean = _means(values, size) / count
    variance = np.maximum(_means(values**2, size) / count - mean**2, 0)
    # Windows that are measured as far as any is; a rim tells little.
    whole = share >= min(0.98, float(share.max()))
    places: list[Place] = []

    def add(title: str, top: float, left: float) -> None:
        corner = [
            int(min(max(round(start), 0), length - side)) for start, length in zip((top, left), shape, strict=True)
        ]
        if all(max(abs(corner[0] - p.rows.start), abs(corner[1] - p.cols.start)) >= APART * side for p in places):
            rows, cols = (slice(start, start + side) for start in corner)
            places.append(Place(title, ABOUT[title], rows, cols))

    if filled is not None and np.nansum(filled) > 0:
        most = _means(np.nan_to_num(filled).astype(float), size)
        top, left = np.unravel_index(int(np.argmax(np.where(whole, most, -1.0))), most.shape)
        add("Most filled", float(top * step), float(left * step))
    row, col = np.unravel_index(int(np.argmax(np.where(known, image, -np.inf))), image.shape)
    add("Brightest", (row + 0.5) * step - side / 2, (col + 0.5) * step - side / 2)
    for title, merit in (
        ("Most textured", variance),
        ("Most uncertain", None if spread is None else _means(np.nan_to_num(spread).astype(float), size) / count),
        ("Most even", -variance),
    ):
        if merit is not None:
            apart = _apart(merit.shape, places, step, side)
            allowed = whole & apart if (whole & apart).any() else whole
            best = np.unravel_index(int(np.argmax(np.where(allowed, merit, -np.inf))), merit.shape)
            add(title, float(best[0] * step), float(best[1] * step))
    middle = [(length - side) // 2 for length in shape]
    add("Centre", *middle)
    return places


def _apart(shape: tuple[int, ...], places: list[Place], step: int, side: int) -> NDArray[np.bool_]:
    """Which corners lie far enough from the windows there are."""
    rows, cols = np.arange(shape[0])[:, None] * step, np.arange(shape[1])[None] * step
    free = np.ones(shape, bool)
    for place in places:
        free &= np.maximum(np.abs(rows - place.rows.start), np.abs(cols - place.cols.start)) >= APART * side
    return free


def _means(values: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Means over every window of `size` by `size`, by its upper left pixel."""
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return np.asarray(inside / size**2)
