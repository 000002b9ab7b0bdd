"""Grey images of 0 to 255 and parts of them: what fusion is judged on, and how it adds up over a scene of any size."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

__all__ = ["ALIGN", "MARGIN", "Grey", "ScenePart", "greys", "owned", "scene_parts", "to_grey8", "windowed"]

Grey = NDArray[np.float64]
"""(rows, cols) of 0 to 255; NaN: not measured."""

ALIGN = 8
"""Parts start at multiples of it, in pixels: the coarsest scale of VIF keeps every eighth pixel of a scene."""

MARGIN = 24
"""What a part sees beyond its core, in pixels: the reach of VIF, 4 + 4 + 4 + 8, rounded up to a multiple of ALIGN."""


def to_grey8(x: ArrayLike, low: float, high: float) -> Grey:
    """Quantise an image to 8 bits: `low` becomes 0, `high` 255, what lies beyond is cut.

    Metrics of 8-bit images depend on this scale. Take one pair of numbers for a whole image: stretched tile by tile,
    two places of one brightness get two greys.

    Parameters
    ----------
    x : array
        Any shape; NaN, infinite: not measured.
    low, high : float
        Finite, low < high.

    Returns
    -------
    ndarray
        float64, whole numbers 0 to 255, halves rounded up; NaN where not measured.

    Raises
    ------
    ValueError
        If `low` is not below `high`.
    """
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"grey needs finite low < high, got {low} and {high}")
    values = np.asarray(x, dtype=np.float64)
    share = np.clip((np.where(np.isfinite(values), values, np.nan) - low) / (high - low), 0, 1)
    return np.asarray(np.floor(255 * share + 0.5))


def greys(**images: ArrayLike) -> tuple[Grey, ...]:
    """Return images as float64 of one shape (rows, cols), NaN in all where any is not measured.

    Raises
    ------
    ValueError
        If shapes differ, or a value lies outside 0 to 255.
    """
    arrays = {name: np.asarray(image, dtype=np.float64) for name, image in images.items()}
    shapes = [x.shape for x in arrays.values()]
    if len(shapes[0]) != 2 or len(set(shapes)) > 1:
        raise ValueError(
            f"{', '.join(arrays)} must be images of one shape (rows, cols), got {', '.join(map(str, shapes))}"
        )
    known = np.logical_and.reduce([np.isfinite(x) for x in arrays.values()])
    for name, x in arrays.items():
        if known.any() and not 0 <= x[known].min() <= x[known].max() <= 255:
            raise ValueError(
                f"{name} must be grey, 0 to 255, got {x[known].min():.6g} to {x[known].max():.6g}: scale it by to_grey8"
            )
    return tuple(x if known.all() else np.where(known, x, np.nan) for x in arrays.values())


@dataclass(frozen=True)
class ScenePart:
    """A rectangle of a scene, its core, and the window to read for it.

    Parameters
    ----------
    rows, cols : slice
        The core, in pixels of the scene: starts at multiples of 8, stops at one or where the scene does.
    shape : tuple of int
        (rows, cols) of the whole scene.

    Raises
    ------
    ValueError
        If the core lies off the multiples of 8, outside the scene, or is empty.
    """

    rows: slice
    cols: slice
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        for name, span, length in zip(("rows", "cols"), (self.rows, self.cols), self.shape, strict=True):
            if span.step not in (None, 1) or not 0 <= span.start < span.stop <= length:
                raise ValueError(f"{name} of a part must lie inside 0 to {length}, got {span}")
            if span.start % ALIGN or (span.stop % ALIGN and span.stop != length):
                raise ValueError(
                    f"{name} of a part must start and stop at multiples of {ALIGN}, or stop where the scene does "
                    f"({length}), got {span.start} to {span.stop}"
                )

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> "ScenePart":
        """A scene as one part."""
        return cls(slice(0, shape[0]), slice(0, shape[1]), shape)

    @property
    def read(self) -> tuple[slice, slice]:
        """Rows and cols of the scene to read: the core and `MARGIN` pixels more on every side, as far as there are."""
        rows, cols = (
            slice(max(span.start - MARGIN, 0), min(span.stop + MARGIN, length))
            for span, length in zip((self.rows, self.cols), self.shape, strict=True)
        )
        return rows, cols

    @property
    def core(self) -> tuple[slice, slice]:
        """Rows and cols of the core in what was read."""
        rows, cols = (
            slice(span.start - seen.start, span.stop - seen.start)
            for span, seen in zip((self.rows, self.cols), self.read, strict=True)
        )
        return rows, cols


def scene_parts(shape: tuple[int, int], side: int = 1024) -> Iterator[ScenePart]:
    """Yield parts that share a scene out among them: every pixel in one core, row by row from the top.

    Parameters
    ----------
    shape : tuple of int
        (rows, cols) of the scene.
    side : int
        Of a core in pixels, >= 8, rounded up to a multiple of 8.
    """
    if side < 1:
        raise ValueError(f"a part must be at least one pixel wide, got {side}")
    side = -(-side // ALIGN) * ALIGN
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            rows, cols = slice(top, min(top + side, shape[0])), slice(left, min(left + side, shape[1]))
            yield ScenePart(rows, cols, shape)


def owned(part: ScenePart, first: int, step: int = 1) -> tuple[slice, slice]:
    """Which entries of a map lie in a part's core, if entry i lies at pixel first + step * i of what was read."""
    rows, cols = (
        slice(max(0, -(-(span.start - first) // step)), max(0, -(-(span.stop - first) // step))) for span in part.core
    )
    return rows, cols


def windowed(x: Grey, weights: Grey) -> Grey:
    """Sums over windows that lie inside the image, weighted along both axes; NaN where a pixel of the window is NaN.

    Parameters
    ----------
    x : Grey
        (rows, cols).
    weights : ndarray (n,)
        n odd.

    Returns
    -------
    Grey
        (rows - n + 1, cols - n + 1): entry i is centred at pixel i + n // 2.
    """
    reach = len(weights) // 2
    if min(x.shape) < len(weights):
        return np.zeros((max(x.shape[0] - 2 * reach, 0), max(x.shape[1] - 2 * reach, 0)))
    # Never as a running sum: a NaN would not leave it again, and sums would depend on where they began.
    down = correlate1d(x, weights, axis=0, mode="constant")[reach : x.shape[0] - reach]
    return np.asarray(correlate1d(down, weights, axis=1, mode="constant")[:, reach : x.shape[1] - reach])
