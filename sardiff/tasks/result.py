"""A result beside what it was made of, opened to be compared: the same bands of both, in the same units."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io import Raster, ReadError, Source, UnclearValues, from_intensity, is_safe, open_raster, require_same
from sardiff.errors import SettingsError
from sardiff.metrics.restored import filled_pixels
from sardiff.provenance import digest, read_record, task_of
from sardiff.tasks.gaps import Known
from sardiff.tasks.inputs import open_source
from sardiff.tasks.kernels import is_named, kernel_of
from sardiff.tasks.restored import open_image
from sardiff.tasks.scene import beside

__all__ = ["Compared", "Filled", "held_bands", "open_compared"]

FilePath = str | os.PathLike[str]
Task = Literal["despeckle", "fill", "deblur"]
DB_PER_NEPER = 10 / math.log(10)  # of intensity; twice as many of amplitude


@dataclass(frozen=True, eq=False)
class Compared:
    """Rasters of one grid, with as many bands each.

    Parameters
    ----------
    task : {"despeckle", "fill", "deblur"}
        What made `after` of `before`.
    before, after, truth : Raster
        Of despeckling linear intensity; of the others what is stored, or of backscatter its decibels. NaN: unknown.
    spread : Raster, optional
        Standard deviation of `after`: in decibels of despeckled and other backscatter, else in its units.
    source, result : Source
        `before` and `after` as files, for what they say of themselves.
    unit : str
        Of what people see of the values: "dB", or what the file says of its bands; perhaps nothing.
    made : mapping
        What the tags of `after` say (`read_record`).
    bands : tuple of int
        Which bands of `before` these are, from 1.
    held : int
        How many bands `after` has, of which these may be some.
    kernel : array (rows, cols), optional
        What blurred `before`, as far as that is known.
    noise : tuple of float, optional
        Standard deviation of each band of `before`, in its units, as deblurring took it.
    names : mapping
        Role to file.
    """

    task: Task
    before: Raster
    after: Raster
    truth: Raster | None
    spread: Raster | None
    source: Source
    result: Source
    unit: str
    made: Mapping[str, Any]
    bands: tuple[int, ...]
    held: int
    names: Mapping[str, Path]
    kernel: NDArray[np.float64] | None = None
    noise: tuple[float, ...] | None = None


def open_compared(
    before: FilePath,
    after: FilePath,
    *,
    truth: FilePath | None = None,
    spread: FilePath | None = None,
    values: str = "auto",
    bands: tuple[int, ...] | None = None,
    most: int | None = None,
    polarisation: str | None = None,
    swath: str | None = None,
    blur: str | None = None,
) -> Compared:
    """Open a scene and what a task made of it, by the tags of the result; what has none was despeckled.

    Parameters
    ----------
    before, after : path
    truth : path, optional
        The scene without speckle, gaps or blur, with the bands of `before` or of `after`.
    spread : path, optional
        Standard deviations; by default the file beside `after` that its task writes, if it is there.
    values, polarisation, swath
        Of `before`, as for `open_source`; by default what the tags of a filled or sharpened image say. Of the others
        what their tags say, or their pixels, or else the same.
    bands : tuple of int, optional
        Of `before`; by default those that `after` holds.
    most : int, optional
        How many of the default bands to take, at most: the first; of three and an optical image those that it names
        red, green and blue, if it does.
    blur : str, optional
        What blurred `before` (`kernel_of`); by default what the tags say, if it was no file.

    Raises
    ------
    GeoIOError, SardiffError
        If one of them cannot be read, they lie on different grids, or their bands do not go together.
    """
    result = open_raster(after, values="physical")
    made = read_record(result.metadata.tags)
    task = _known_task(made, str(after))
    restored = task != "despeckle"
    for option, given, fits in (
        ("blur", blur, task == "deblur"), ("polarisation", polarisation, not restored), ("swath", swath, not restored)
    ):  # fmt: skip
        if given is not None and not fits:
            raise SettingsError(f"{after} is the result of {task!r}, as its tags say: leave out --{option} {given}.")

    whole = _first_look(before, restored)
    total = 1 if whole is None else whole.shape[0]
    if whole is not None and not task_of(made):
        _refuse_swapped(read_record(whole.metadata.tags), str(before), Path(after))
    pairs = _matched(str(before), total, str(after), result.shape[0], held_bands(made.get("input")), bands)
    if bands is None and most is not None:
        pairs = _colours(whole, pairs) if restored and whole is not None and most == 3 else pairs[:most]
    of_before, of_after = (tuple(numbers) for numbers in zip(*pairs, strict=True))
    chosen = None if of_before == tuple(range(1, total + 1)) else of_before

    first: Source
    if restored:
        kind = _stored(made) if values == "auto" else values
        first = open_image(before, values=kind, bands=chosen)
    else:
        first = open_source(before, values=values, bands=chosen, polarisation=polarisation, swath=swath)

    def opened(path: FilePath, wanted: Mapping[int, tuple[int, ...] | None]) -> Source:
        """A file by how many bands it has, and which of these are wanted."""
        count = open_raster(path, values="physical").shape[0]
        if count not in wanted:
            raise _unlike(str(path), count, str(before), total)
        if restored:
            return open_image(path, values=kind, bands=wanted[count])
        return _backscatter(path, values, first, wanted[count])

    others = {"after": opened(after, {result.shape[0]: of_after})}
    names = {"before": Path(before), "after": Path(after)}
    if truth is not None:
        others["truth"] = opened(truth, {len(pairs): None, result.shape[0]: of_after, total: of_before})
        names["truth"] = Path(truth)
    doubt = Path(spread) if spread is not None else beside(Path(after), "std" if restored else "std_db")
    if spread is not None or doubt.is_file():
        count = open_raster(doubt, values="physical").shape[0]
        if count not in (result.shape[0], len(pairs)):
            raise _unlike(str(doubt), count, str(after), result.shape[0])
        others["spread"] = open_raster(doubt, values="physical", bands=of_after if count == result.shape[0] else None)
        names["spread"] = doubt
    for role, other in others.items():
        require_same(str(before), first.grid, str(names[role]), other.grid)

    rasters: dict[str, Any] = {"before": first, **others}
    if restored:
        rasters = {role: _Shown(raster) for role, raster in rasters.items() if role != "spread"}
        if "spread" in others:
            rasters["spread"] = _ShownSpread(others["spread"], others["after"])
    named = (first.metadata.units or ("",))[0] or ""
    kernel, noise = _blur_of(made, of_after, blur, str(after)) if task == "deblur" else (None, None)
    return Compared(
        task=task,
        before=rasters["before"],
        after=rasters["after"],
        truth=rasters.get("truth"),
        spread=rasters.get("spread"),
        source=first,
        result=others["after"],
        unit=named.strip()[:20] if first.values == "physical" else "dB",
        made=made,
        bands=of_before,
        held=result.shape[0],
        names=names,
        kernel=kernel,
        noise=noise,
    )


class _Shown:
    """A source as it is compared: what is stored, or of backscatter its decibels; NaN: not known."""

    def __init__(self, source: Source) -> None:
        self.known = Known(source)
        self.shape, self.grid, self.name = source.shape, source.grid, source.name
        self.files = getattr(source, "files", ())

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        pixels = self.known[index]
        return pixels if self.known.values == "physical" else from_intensity(pixels, "db")


class _ShownSpread:
    """A standard deviation in units of what is stored, as one of what is compared (`_Shown`)."""

    def __init__(self, spread: Source, after: Source) -> None:
        self.spread, self.after = spread, after
        self.shape, self.grid, self.name = spread.shape, spread.grid, spread.name
        self.files = getattr(spread, "files", ())

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        scales = np.abs(np.array(self.after.metadata.scales, np.float32))[:, None, None]
        spread = self.spread[slice(0, self.shape[0]), index[1], index[2]] * scales
        if self.after.values in ("intensity", "amplitude"):
            power = self.after[slice(0, self.shape[0]), index[1], index[2]]
            value, slope = (power, 1) if self.after.values == "intensity" else (np.sqrt(power), 2)
            with np.errstate(divide="ignore", invalid="ignore"):
                spread = (slope * DB_PER_NEPER * spread / value).astype(np.float32)
        return np.asarray(spread[index[0]])


class Filled:
    """Which pixels of a filled image are new, in any band: 1, else 0; NaN: a gap still, in all bands."""

    def __init__(self, before: Raster, after: Raster) -> None:
        self.before, self.after = before, after
        self.shape, self.grid, self.name = (1, *after.shape[1:]), after.grid, after.name
        self.files = ()

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Pixels (1, rows, cols) of a window."""
        place = (slice(0, self.after.shape[0]), *index[1:])
        before, after = self.before[place], self.after[place]
        new = filled_pixels(before, after).any(axis=0, keepdims=True)
        return np.where(np.isfinite(after).any(axis=0, keepdims=True), new, np.nan).astype(np.float32)


def _known_task(made: Mapping[str, Any], after: str) -> Task:
    task = task_of(made) or "despeckle"
    if task == "fuse":  # whose pixels are no backscatter
        raise SettingsError(
            f"{after} is a fusion, as its tags say: name both sources (report: --optical FILE, score: --fusion A B F)."
        )
    if task not in ("despeckle", "fill", "deblur"):
        raise SettingsError(f"{after} is the result of {task!r}, as its tags say, which this sardiff does not know.")
    return task  # type: ignore[return-value]


def _refuse_swapped(made: Mapping[str, Any], before: str, after: Path) -> None:
    said = made.get("input")
    if isinstance(said, Mapping) and said.get("name") == after.name:
        raise SettingsError(f"{before} was made of {after}, as its tags say: give the scene first, then the result.")


def _first_look(before: FilePath, restored: bool) -> Source | None:
    """The input as it is stored, for its bands; None for what has one: a product, or complex pixels."""
    if not restored and is_safe(Path(before)):
        return None
    try:
        return open_raster(before, values="physical")
    except ReadError:
        if restored:
            raise
        return open_source(before)


def _backscatter(path: FilePath, values: str, first: Source, bands: tuple[int, ...] | None) -> Source:
    """Open what we may have written ourselves: its tags then say what its pixels mean; else they themselves do, or
    else they mean what those of the input do."""
    kind = values
    said = read_record(open_raster(path, values="physical").metadata.tags).get("input")
    if isinstance(said, Mapping):
        kind = str(said.get("units") or said.get("values") or values)
    kind = {"complex": "intensity"}.get(kind, kind)
    kind = kind if kind in ("intensity", "amplitude", "db") else values
    try:
        return open_source(path, values=kind, bands=bands)
    except UnclearValues:
        return open_source(path, values="intensity" if first.values == "complex" else first.values, bands=bands)


def _stored(made: Mapping[str, Any]) -> str:
    """What the pixels of a filled or sharpened image mean."""
    said = made.get("input")
    kind = said.get("values") if isinstance(said, Mapping) else None
    return kind if kind in ("intensity", "amplitude", "db") else "physical"


def held_bands(said: Any) -> tuple[int, ...] | None:
    """Which bands of an input a result holds, as its tags say of it (`input_of`), if they do."""
    bands = said.get("bands") if isinstance(said, Mapping) else None
    if not isinstance(bands, list) or not bands or not all(type(band) is int and band > 0 for band in bands):
        return None
    return tuple(bands)


def _matched(
    before: str, of_before: int, after: str, of_after: int, held: tuple[int, ...] | None, asked: tuple[int, ...] | None
) -> list[tuple[int, int]]:
    """Pairs of a band of the input, and the band of the result that shows it, both from 1.

    Parameters
    ----------
    of_before, of_after : int
        How many bands the files have.
    held : tuple of int, optional
        Which bands of the input the result holds.
    asked : tuple of int, optional
        Which of them to compare.

    Raises
    ------
    SettingsError
        If it cannot be told which bands go together.
    """
    if held is None or len(held) != of_after or max(held) > of_before:
        if of_before == of_after:
            held = tuple(range(1, of_after + 1))
        elif asked is not None and len(asked) == of_after:
            held = asked
        else:
            raise _unlike(after, of_after, before, of_before)
    if asked is None:
        return [(band, place) for place, band in enumerate(held, start=1)]
    for band in asked:
        if band not in held:
            has = ", ".join(map(str, held))
            raise SettingsError(f"{after} holds band {has} of {before}, not band {band}: choose among these.")
    return [(band, held.index(band) + 1) for band in asked]


def _unlike(name: str, count: int, other: str, wanted: int) -> SettingsError:
    return SettingsError(f"{name} has {count} bands, and {other} {wanted}: choose the same of both with --bands.")


def _colours(before: Source, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The bands to show of an image of many: red, green and blue where it names them, else the first three."""
    places, found = dict(pairs), before.metadata.colours
    named = [band + 1 for band in found] if found is not None else []
    return [(band, places[band]) for band in named] if named and set(named) <= set(places) else pairs[:3]


def _blur_of(
    made: Mapping[str, Any], bands: tuple[int, ...], blur: str | None, after: str
) -> tuple[NDArray[np.float64] | None, tuple[float, ...] | None]:
    """What the tags of a sharpened image say: the kernel, if it was no file or that is named, and the noise."""
    settings = made.get("settings")
    said = settings if isinstance(settings, Mapping) else {}
    kernel = None
    name = blur if blur is not None else str(said.get("blur", ""))
    if blur is not None or is_named(name):  # tags are anybody's words: no file that they name is read
        try:
            kernel = kernel_of(name)
        except SettingsError:
            if blur is not None:
                raise
    if kernel is not None and "kernel" in said and said["kernel"] != digest({"weights": kernel.tolist()}):
        if blur is not None:
            raise SettingsError(f"{after} was deblurred with another kernel, as its tags say: not with {blur}.")
        kernel = None
    noise = said.get("noise")
    numbers = noise if isinstance(noise, list) else []
    fine = all(isinstance(number, float | int) and 0 < number < math.inf for number in numbers)
    known = tuple(float(numbers[band - 1]) for band in bands) if fine and len(numbers) >= max(bands) else None
    return kernel, known
