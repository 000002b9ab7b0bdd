"""What every input looks like to the rest of the program: windows of linear intensity, NaN where not measured."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from geo_io.grid import Grid
from geo_io.values import Units, Values, from_intensity

__all__ = ["Metadata", "Sample", "Source", "columns", "encoded", "fitted", "sample", "sample_windows", "scene_strips"]

_INTERPRETED = ("red", "green", "blue")
_DESCRIBED = (r"red|b0?4\b.*", r"green|b0?3\b.*", r"blue|b0?2\b.*")  # as of Sentinel-2, and Landsat 8 and 9


@dataclass(frozen=True)
class Metadata:
    """What a file says about its pixels, so that a result can say it again.

    Parameters
    ----------
    descriptions, units : tuple of (str or None)
        One per band.
    band_tags : tuple of mapping
        Tags of each band, without GDAL's statistics, which describe pixels that will be gone.
    tags : mapping
        Tags of the dataset (acquisition dates, AREA_OR_POINT, ...).
    namespaces : mapping
        Further metadata domains of the dataset, without structural ones.
    scales, offsets : tuple of float
        physical = stored * scale + offset, one per band.
    nodata : float, optional
        Stored value of pixels that were not measured; None when the file names none.
    stored_dtype : str
        As the file says it: "uint16", "float32", "complex_int16", ...
    colorinterp : tuple of str
        One per band: "gray", "red", ...
    """

    descriptions: tuple[str | None, ...] = ()
    units: tuple[str | None, ...] = ()
    band_tags: tuple[Mapping[str, str], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    nodata: float | None = None
    stored_dtype: str = "float32"
    colorinterp: tuple[str, ...] = ()

    @property
    def colours(self) -> tuple[int, int, int] | None:
        """Which bands, from 0, are red, green and blue: by interpretation, or by name; None where none is said."""
        for said, names in ((self.colorinterp, _INTERPRETED), (self.descriptions, _DESCRIBED)):
            words = [(word or "").strip() for word in said]
            found = [[i for i, word in enumerate(words) if re.fullmatch(name, word, re.IGNORECASE)] for name in names]
            if all(found):
                red, green, blue = (places[0] for places in found)
                return red, green, blue
        return None

    @property
    def fill(self) -> np.float32:
        """Stored value of what cannot be said otherwise: nodata, or NaN where the file names none."""
        return np.float32(np.nan if self.nodata is None else self.nodata)


def columns(numbers: Sequence[float]) -> NDArray[np.float64]:
    """Return one number per band, (bands, 1, 1)."""
    return np.array(numbers)[:, None, None]


def encoded(intensity: NDArray[np.floating[Any]], units: Units, metadata: Metadata) -> NDArray[np.float32]:
    """Return linear intensity (bands, h, w) in `units`, less scale and offset: what a file of this metadata stores.

    `metadata.fill` where the intensity is NaN or the result not finite. A result that happens to equal nodata is
    moved by a millionth.
    """
    scale, offset, fill = columns(metadata.scales), columns(metadata.offsets), metadata.fill
    out = from_intensity(intensity, units)
    with np.errstate(over="ignore", invalid="ignore"):
        if (scale != 1).any() or (offset != 0).any():
            out = ((out - offset) / scale).astype(np.float32)
        out[out == fill] += np.float32(max(abs(float(fill)) * 1e-6, 1e-6))
    np.copyto(out, fill, where=~np.isfinite(out))
    return out


def fitted(values: NDArray[np.floating[Any]], dtype: str, nodata: float | None) -> NDArray[np.float32]:
    """Return stored values as a file of this dtype holds them: whole numbers rounded and clipped, none of them nodata.

    A float that happens to equal nodata is moved by a millionth, a whole number by one. NaN stays NaN.
    """
    if "int" in dtype:
        info = np.iinfo(dtype)
        most = np.nextafter(np.float32(info.max), np.float32(0)) if info.bits > 24 else info.max
        values = np.clip(np.rint(values), info.min, most)
        step = -1.0 if nodata is not None and nodata >= most else 1.0
    else:
        step = 0.0 if nodata is None or math.isnan(nodata) else max(abs(nodata) * 1e-6, 1e-6)
    if nodata is not None and not math.isnan(nodata):
        values = np.where(values == np.float32(nodata), nodata + step, values)
    return values.astype(np.float32)


@runtime_checkable
class Source(Protocol):
    """An input scene. Slices like an array; opens its file per thread and per process, and pickles as a path.

    Attributes
    ----------
    shape
        (bands, rows, cols).
    dtype
        Of `source[...]`: float32.
    grid
        Where the pixels lie.
    values
        What the stored pixels mean.
    values_reason
        Why we think so, a sentence for people.
    metadata
        What else the file says.
    identity
        Fingerprint of the input: the same from run to run, another one when the file changes.
    name
        For messages.
    """

    @property
    def shape(self) -> tuple[int, int, int]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    @property
    def grid(self) -> Grid: ...  # noqa: D102
    @property
    def values(self) -> Values: ...  # noqa: D102
    @property
    def values_reason(self) -> str: ...  # noqa: D102
    @property
    def metadata(self) -> Metadata: ...  # noqa: D102
    @property
    def identity(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Linear intensity (bands, rows, cols) of a window inside the scene; NaN: not measured."""
        ...

    def stored(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the pixels as they are stored (bands, h, w): float32, or complex64 for complex files."""
        ...

    def encode(
        self, intensity: NDArray[np.floating[Any]], rows: slice, cols: slice, units: Units | None = None
    ) -> NDArray[np.float32]:
        """Turn a result's linear intensity (bands, h, w) into what the output file stores.

        In the input's units (or `units`), scale and offset undone; NaN says that the input was not measured
        there, and becomes its stored value, unchanged. Complex input becomes intensity, NaN where not measured.
        """
        ...


class Sample(NamedTuple):
    """One window of a sample: where it lies and what was measured there (bands, h, w)."""

    rows: slice
    cols: slice
    intensity: NDArray[np.float32]


def sample(source: Source, *, budget: int = 4_000_000) -> list[Sample]:
    """Read a small, deterministic part of a scene: windows spread evenly over it, rows first.

    Parameters
    ----------
    source : Source
        The scene.
    budget : int
        About how many values to read, all bands together. A scene that small is read whole, as one window.

    Returns
    -------
    list of Sample
        Windows lie in few rows of windows, so a striped file decodes few strips, each once. Where they hold no
        measurement the scene is read from the top until one shows: only when nothing at all was measured, the
        list is empty.
    """
    bands, rows, cols = source.shape
    budget //= max(bands, 1)
    found = [Sample(r, c, source[slice(0, bands), r, c]) for r, c in sample_windows((rows, cols), budget=budget)]
    if any(np.isfinite(window.intensity).any() for window in found):
        return found
    for r in scene_strips((rows, cols), budget=budget):
        strip = Sample(r, slice(0, cols), source[slice(0, bands), r, slice(0, cols)])
        if np.isfinite(strip.intensity).any():
            return [strip]
    return []


def scene_strips(shape: tuple[int, int], *, budget: int = 4_000_000) -> Iterator[slice]:
    """Yield the rows of a scene in strips of about `budget` pixels, from the top."""
    rows, cols = shape
    step = max(1, budget // cols)
    for top in range(0, rows, step):
        yield slice(top, min(top + step, rows))


def sample_windows(
    shape: tuple[int, int], *, budget: int = 4_000_000, side: int = 512, least: int = 96
) -> list[tuple[slice, slice]]:
    """Return disjoint windows spread evenly over a scene of `shape`, about `budget` pixels together, rows first.

    Windows are `side` pixels square; when fewer than nine of those fit the budget they shrink, to no less
    than `least` (a homogeneous area needs room).
    """
    rows, cols = shape
    if rows * cols <= budget:
        return [(slice(0, rows), slice(0, cols))]
    side = max(least, min(side, math.isqrt(budget // 9)))
    height, width = min(side, rows), min(side, cols)
    count = max(1, budget // (height * width))
    down = max(1, min(rows // height, count, round(math.sqrt(count * rows / cols))))
    across = max(1, min(cols // width, count // down))
    return [
        (slice(top, top + height), slice(left, left + width))
        for top in _spread(rows, height, down)
        for left in _spread(cols, width, across)
    ]


def _spread(length: int, side: int, count: int) -> list[int]:
    """Starts of `count` disjoint windows, each in the middle of its equal share of the length."""
    return [min(length - side, (2 * k + 1) * length // (2 * count) - side // 2) for k in range(count)]
