"""A result beside what it was made of, opened to be compared: the same bands of both, in the same units."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from geo_io import (
    GeoIOError,
    Metadata,
    Raster,
    ReadError,
    Source,
    UnclearValues,
    from_intensity,
    is_safe,
    open_raster,
    require_same,
)
from sardiff.errors import SettingsError
from sardiff.metrics.restored import filled_pixels
from sardiff.provenance import digest, read_record, task_of
from sardiff.tasks.gaps import FILLED_VALUES, Known
from sardiff.tasks.inputs import open_source, values_said
from sardiff.tasks.kernels import is_named, kernel_of
from sardiff.tasks.restored import open_image
from sardiff.tasks.scene import beside
from sardiff.units import DB_PER_LOG

__all__ = ["Compared", "Filled", "held_bands", "open_compared"]

FilePath = str | os.PathLike[str]
Task = Literal["despeckle", "fill", "deblur"]


class Described(Raster, Protocol):
    """A raster, what its pixels mean, and what its file says of itself."""

    @property
    def values(self) -> str: ...
    @property
    def metadata(self) -> Metadata: ...


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
    filled : Raster, optional
        Of what was filled, band by band (`Filled`): 1 where a pixel is new, else 0; NaN: unknown after too.
    source, result : Described
        `before` and `after`, for what their files say.
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
    notes : tuple of str
        What was left aside.
    """

    task: Task
    before: Raster
    after: Raster
    truth: Raster | None
    spread: Raster | None
    filled: Raster | None
    source: Described
    result: Described
    unit: str
    made: Mapping[str, Any]
    bands: tuple[int, ...]
    held: int
    names: Mapping[str, Path]
    kernel: NDArray[np.float64] | None = None
    noise: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()


def open_compared(
    before: FilePath,
    after: FilePath,
    *,
    truth: FilePath | None = None,
    spread: FilePath | None = None,
    filled: FilePath | None = None,
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
    spread, filled : path, optional
        Standard deviations, and which pixels were filled; by default the files beside `after` that its task writes, if
        they are there and fit.
    values, polarisation, swath
        Of `before`, as for `open_source`; by default what the tags of `after` say. Of the others what their tags say,
        or their pixels, or else the same.
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
    if whole is not None:
        if not task_of(made):
            _refuse_swapped(read_record(whole.metadata.tags), str(before), Path(after))
        require_same(str(before), whole.grid, str(after), result.grid)
    pairs = _matched(str(before), total, str(after), result.shape[0], held_bands(made.get("input")), bands)
    if bands is None and most is not None:
        pairs = _colours(whole, pairs) if restored and whole is not None and most == 3 else pairs[:most]
    of_before, of_after = (tuple(numbers) for numbers in zip(*pairs, strict=True))
    chosen = None if of_before == tuple(range(1, total + 1)) else of_before

    said = made.get("input")
    known = said if isinstance(said, Mapping) else {}
    kind = values
    if values == "auto":
        kind = (values_said(made) or "physical") if restored else _read_as(known, whole)
    first: Described
    if restored:
        first = _Shown.opened(before, kind, chosen, held_bands(known))
    else:
        if whole is None and is_safe(Path(before)):
            polarisation, swath = (
                given or (found if isinstance(found := known.get(name), str) else None)
                for name, given in (("polarisation", polarisation), ("swath", swath))
            )
        first = open_source(before, values=kind, bands=chosen, polarisation=polarisation, swath=swath)

    def opened(path: FilePath, wanted: Mapping[int, tuple[int, ...] | None]) -> Described:
        """A file by how many bands it has, and which of these are wanted."""
        count = open_raster(path, values="physical").shape[0]
        if count not in wanted:
            raise _unlike(str(path), count, str(before), total)
        if restored:
            return _Shown.opened(path, kind, wanted[count])
        return _backscatter(path, values, first.values, wanted[count])

    others = {"after": opened(after, {result.shape[0]: of_after})}
    names = {"before": Path(before), "after": Path(after)}
    if truth is not None:
        others["truth"] = opened(truth, {len(pairs): None, result.shape[0]: of_after, total: of_before})
        names["truth"] = Path(truth)
    for role, other in others.items():
        require_same(str(before), first.grid, str(names[role]), other.grid)
    further, notes = _lying_beside(Path(after), task, {"spread": spread, "filled": filled}, result, of_after)
    names |= {role: Path(raster.name) for role, raster in further.items()}
    doubt: Any = further.get("spread")
    if restored and doubt is not None:
        doubt = _ShownSpread(doubt, others["after"])
    new = Filled(first, others["after"], further.get("filled")) if task == "fill" else None
    unit = ((first.metadata.units or ("",))[0] or "").strip()[:20]
    kernel, noise = _blur_of(made, of_after, blur, str(after)) if task == "deblur" else (None, None)
    return Compared(
        task=task,
        before=first,
        after=others["after"],
        truth=others.get("truth"),
        spread=doubt,
        filled=new,
        source=first,
        result=others["after"],
        unit="dB" if first.values != "physical" else "" if unit == "1" else unit,
        made=made,
        bands=of_before,
        held=result.shape[0],
        names=names,
        kernel=kernel,
        noise=noise,
        notes=notes,
    )


class _Shown:
    """An image as it is compared: what is stored, or of backscatter its decibels; NaN: not known.

    Where zero in every band is no measurement, it is asked of all the bands that filling saw.
    """

    def __init__(self, source: Source, places: tuple[int, ...] | None = None) -> None:
        self.known = Known(source)
        self.places = tuple(range(source.shape[0])) if places is None else places
        self.shape, self.grid, self.name = (len(self.places), *source.shape[1:]), source.grid, source.name
        self.values, self.files = source.values, getattr(source, "files", ())
        per_band = ("descriptions", "units", "band_tags", "scales", "offsets", "colorinterp")
        picked: dict[str, Any] = {name: self._picked(getattr(source.metadata, name)) for name in per_band}
        self.metadata = replace(source.metadata, **picked)

    @classmethod
    def opened(
        cls, path: FilePath, values: str, chosen: tuple[int, ...] | None, held: tuple[int, ...] | None = None
    ) -> _Shown:
        """Open some bands of a file, of which `held` (all by default) were filled together."""
        wanted = open_image(path, values=values, bands=chosen)
        if chosen is None or not Known(wanted).zeros:
            return cls(wanted)
        together = held if held is not None and set(chosen) <= set(held) else None
        everything = open_image(path, values=values, bands=together)
        numbers = together or tuple(range(1, everything.shape[0] + 1))
        return cls(everything, tuple(numbers.index(band) for band in chosen))

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        pixels = self.known[(slice(0, self.known.shape[0]), *index[1:])][list(self.places)][index[0]]
        return pixels if self.values == "physical" else from_intensity(pixels, "db")

    def _picked(self, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(entries[place] for place in self.places) if len(entries) > max(self.places) else entries


class _ShownSpread:
    """A standard deviation of pixels, in their units, as one of what is compared (`_Shown`)."""

    def __init__(self, spread: Source, after: Described) -> None:
        self.spread, self.after = spread, after
        self.shape, self.grid, self.name = spread.shape, spread.grid, spread.name
        self.files = getattr(spread, "files", ())

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        spread = self.spread[index]
        if self.after.values not in ("intensity", "amplitude"):
            return spread
        slope = 1 if self.after.values == "intensity" else 2
        value = np.exp(self.after[index] / (slope * DB_PER_LOG))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(slope * DB_PER_LOG * spread / value, np.float32)


class Filled:
    """Which pixels of a filled image are new, band by band: 1, else 0; NaN: a gap still.

    By the file beside the image, if it is there: 1 where a pixel was filled in the bands that it lacked. Else new is
    what differs, which leaves out what came out as a mask had hidden it.
    """

    def __init__(self, before: Raster, after: Raster, classes: Raster | None = None) -> None:
        self.before, self.after, self.classes = before, after, classes
        self.shape, self.grid, self.name = after.shape, after.grid, after.name
        self.files = getattr(classes, "files", ())

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Pixels (bands, rows, cols) of a window."""
        place = (slice(0, self.shape[0]), *index[1:])
        before, after = self.before[place], self.after[place]
        new = filled_pixels(before, after)
        if self.classes is not None:
            lacked = np.isnan(before)
            some = lacked.any(axis=0) & ~lacked.all(axis=0)
            said = self.classes[(slice(0, 1), *index[1:])][0] == FILLED_VALUES["filled"]
            new = np.isfinite(after) & (lacked | (said & ~some))
        return np.where(np.isfinite(after), new, np.nan).astype(np.float32)[index[0]]


def _read_as(known: Mapping[str, Any], whole: Source | None) -> str:
    """How a scene was read before it was despeckled, as the tags of the result say."""
    kind = known.get("values")
    return kind if whole is not None and kind in ("intensity", "amplitude", "db") else "auto"


def _lying_beside(
    after: Path, task: Task, given: Mapping[str, FilePath | None], result: Source, bands: tuple[int, ...]
) -> tuple[dict[str, Source], tuple[str, ...]]:
    """What belongs to a result, by its role: as given, or what lies beside it, if that fits; and what does not."""
    endings = {"spread": "std_db" if task == "despeckle" else "std"} | ({"filled": "filled"} if task == "fill" else {})
    found: dict[str, Source] = {}
    notes = []
    for role, ending in endings.items():
        path = given[role]
        usual = beside(after, ending)
        if path is None and not usual.is_file():
            continue
        try:
            found[role] = _belonging(Path(path or usual), role, after, result, bands)
        except (GeoIOError, SettingsError) as error:
            if path is not None:
                raise
            notes.append(f"{usual.name} lies beside it and is left aside: {error}")
    return found, tuple(notes)


def _belonging(path: Path, role: str, after: Path, result: Source, bands: tuple[int, ...]) -> Source:
    """Open a file of a result, on its grid: its classes, or the same bands of its standard deviations."""
    if role == "filled":
        raster = open_raster(path, values="physical", bands=(1,), classes=True)
    else:
        raster = open_raster(path, values="physical")
        if raster.shape[0] == result.shape[0]:
            raster = open_raster(path, values="physical", bands=bands)
        elif raster.shape[0] != len(bands):
            raise _unlike(str(path), raster.shape[0], str(after), result.shape[0])
    require_same(str(after), result.grid, str(path), raster.grid)
    return raster


def _known_task(made: Mapping[str, Any], after: str) -> Task:
    task = task_of(made) or "despeckle"
    if task == "fuse":  # whose pixels are no backscatter
        raise SettingsError(
            f"{after} is a fusion, as its tags say: name both sources (report: --optical FILE, score: --fusion A B F)."
        )
    if task == "unknown":
        raise SettingsError(f"{after} was made by a task that this sardiff does not know, as its tags say.")
    return task  # type: ignore[return-value]


def _refuse_swapped(made: Mapping[str, Any], before: str, after: Path) -> None:
    said = made.get("input")
    if isinstance(said, Mapping) and said.get("name") == after.name:
        raise SettingsError(
            f"{before} looks as if it was made of {after}, by its tags: give the scene first, then the result."
        )


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


def _backscatter(path: FilePath, values: str, of_input: str, bands: tuple[int, ...] | None) -> Source:
    """Open what we may have written ourselves: its tags then say what its pixels mean; else they themselves do, or
    else they mean what those of the input do."""
    said = values_said(read_record(open_raster(path, values="physical").metadata.tags))
    try:
        return open_source(path, values=said if said not in (None, "physical") else values, bands=bands)
    except UnclearValues:
        return open_source(path, values="intensity" if of_input == "complex" else of_input, bands=bands)


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
    return SettingsError(
        f"{name} has {count} bands, and {other} {wanted}: choose the same of both with --bands (score: --band)."
    )


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
    try:
        numbers = (
            [float(number) for number in noise] if isinstance(noise, list) and bool not in map(type, noise) else []
        )
    except (TypeError, ValueError, OverflowError):
        numbers = []
    fine = len(numbers) >= max(bands) and all(0 < number < math.inf for number in numbers)
    return kernel, tuple(numbers[band - 1] for band in bands) if fine else None
