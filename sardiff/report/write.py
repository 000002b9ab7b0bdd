"""A report from files to a file: surveyed, written beside its name, renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from geo_io import ReadError, WriteError
from sardiff.errors import SettingsError
from sardiff.plot.viewer import View
from sardiff.report.layers import layers_of
from sardiff.report.numbers import numbers_of
from sardiff.report.page import page_html
from sardiff.report.places import Place, chosen_places, given_places, window_side
from sardiff.report.profiles import profile_row
from sardiff.report.scenes import FilePath, Scenes, open_fused, open_restored
from sardiff.report.survey import Survey, survey

__all__ = ["check_page", "report_path", "write_report"]

LARGE = 12_000_000  # bytes from which on a page is heavy to send


def report_path(output: FilePath, wanted: bool | FilePath = True) -> Path:
    """Where the report on a result goes: as asked for, or OUT.html beside OUT.tif."""
    return Path(output).with_suffix(".html") if isinstance(wanted, bool) else Path(wanted)


def check_page(path: Path, inputs: Iterable[Path] = (), *, overwrite: bool = False) -> None:
    """Raise `WriteError` unless `path` is a name that a page can be written to without harm.

    Parameters
    ----------
    path : Path
        Must end in .html or .htm, in a folder that exists.
    inputs : iterable of Path
        Files that are read.
    overwrite : bool
        Whether an existing file may be replaced.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise WriteError(f"{path}: a report is a web page, give a name that ends in .html")
    if path.is_dir():
        raise WriteError(f"{path} is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise WriteError(f"{path}: there is no folder {path.parent}; make it first")
    if path.exists():
        if any(other.exists() and path.samefile(other) for other in inputs):
            raise WriteError(f"{path}: the report and an input are the same file; give the report another name")
        if not overwrite:
            raise WriteError(f"{path} exists; give another name, or --overwrite to replace it")


def write_report(
    before: FilePath,
    after: FilePath,
    output: FilePath,
    *,
    optical: FilePath | None = None,
    truth: FilePath | None = None,
    spread: FilePath | None = None,
    filled: FilePath | None = None,
    blur: str | None = None,
    values: str = "auto",
    bands: tuple[int, ...] | None = None,
    optical_bands: tuple[int, ...] | None = None,
    polarisation: str | None = None,
    swath: str | None = None,
    looks: float | Literal["auto"] = "auto",
    windows: tuple[tuple[int, int, int], ...] = (),
    overwrite: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[float], None] = lambda share: None,
) -> Path:
    """Write one self-contained HTML page on what was done to a scene; return its path.

    Parameters
    ----------
    before, after : path
        A scene and what was made of it, on one grid: despeckled, filled or deblurred, as the tags of `after` say. With
        `optical`, the SAR image and the fusion.
    output : path
        Of the page, .html.
    optical : path, optional
        The optical image of a fusion, on any grid.
    truth : path, optional
        The scene without noise, where it is known.
    spread, filled : path, optional
        Standard deviations, and which pixels were filled; by default the files beside `after` that its task writes, if
        they are there.
    blur : str, optional
        What was taken out of a deblurred image, as for `sardiff.deblur`; by default what its tags say.
    values, bands, polarisation, swath
        Of `before`, as for `open_restored` and `open_fused` of `sardiff.report.scenes`.
    optical_bands : tuple of int, optional
        Of the optical image; by default those that were fused.
    looks : float or "auto"
        Equivalent number of looks of `before`, for the score.
    windows : tuple of (row, col, size)
        To show at full resolution; chosen by default.
    say : callable
        Told what the reader of a log should know.
    progress : callable
        Told the share that is done.

    Raises
    ------
    SardiffError, GeoIOError
        With a sentence that says what is wrong and what to do. Then nothing has the name of the page.
    """
    final = Path(output)
    check_page(final, [Path(p) for p in (before, after, optical, truth, spread) if p is not None], overwrite=overwrite)
    reading = {"values": values, "bands": bands, "polarisation": polarisation, "swath": swath}
    if optical is None:
        beside = {"truth": truth, "spread": spread, "filled": filled}
        scenes = open_restored(before, after, blur=blur, **beside, **reading)  # type: ignore[arg-type]
    else:
        for option, given in (("truth", truth), ("blur", blur)):
            if given is not None:
                raise SettingsError(f"A fusion has no {option} to compare with: leave out --{option} {given}.")
        scenes = open_fused(before, after, optical, spread=spread, optical_bands=optical_bands, **reading)  # type: ignore[arg-type]
    for note in scenes.notes:
        say(note)
    shape = scenes.grid.shape
    wanted = given_places(windows, shape)
    found = survey(scenes, progress=lambda share: progress(0.6 * share))
    if not found.measured:
        raise ReadError(f"{scenes.result.name} holds no measured pixel: there is nothing to report")
    tables = numbers_of(scenes, looks)
    progress(0.8)
    layers = layers_of(scenes, found, tables)
    places = wanted or _places(scenes, found)
    whole = _everything(shape)
    profiled = places or ([whole] if found.step == 1 else [])
    lines = [(place, profile_row(scenes, place)) for place in profiled]
    rows = {place.title: row for place, row in lines}
    about = _scale(scenes, found)
    views = [View(whole.title, whole.rows, whole.cols, layers.overview(), about, line=rows.get(whole.title))]
    for place in places:
        own = {} if found.step == 1 else layers.window(place)
        within = 0 if found.step == 1 else None
        views.append(View(place.title, place.rows, place.cols, own, place.about, within, rows[place.title]))
    page = page_html(scenes, found, layers, views, lines, tables)
    _write(final, page, overwrite)
    progress(1.0)
    if len(page) > LARGE:
        say(f"{final} has {len(page) / 1e6:.3g} MB: fewer or smaller windows make it lighter.")
    return final


def _places(scenes: Scenes, found: Survey) -> list[Place]:
    """Windows chosen by the result: its first band, or the mean of what is shown in colours."""
    role = scenes.shown[1]
    mean = found.blocks[role].mean
    with np.errstate(divide="ignore", invalid="ignore"):
        image = 10 * np.log10(mean[0]) if role in scenes.in_db else mean.mean(axis=0) if scenes.colour else mean[0]
    spread = found.blocks["spread"].mean[0] if "spread" in found.blocks else None
    filled = np.fmax.reduce(found.blocks["filled"].mean) if "filled" in found.blocks else None
    side = window_side(scenes.grid.shape, 1 if scenes.colour else len(scenes.bands))
    return chosen_places(image, spread, found.step, scenes.grid.shape, side, filled=filled)


def _everything(shape: tuple[int, int]) -> Place:
    return Place("Whole scene", "", slice(0, shape[0]), slice(0, shape[1]))


def _scale(scenes: Scenes, found: Survey) -> str:
    if found.step == 1:
        return "Every pixel."
    side = found.step
    mean = "mean of intensity: speckle looks weaker than it is" if scenes.in_db else "their mean"
    return f"One pixel for {side} \u00d7 {side} of the scene, {mean}."


def _write(final: Path, page: str, overwrite: bool) -> None:
    """Write beside the name, then rename; what comes up meanwhile is someone else's."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=final.parent, prefix=f".{final.name}.", suffix=".new", delete=False
        ) as stream:
            temporary = Path(stream.name)
            stream.write(page)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        if final.exists() and not overwrite:
            raise WriteError(f"{final} was made by someone else meanwhile and is left as it is; give another name")
        temporary.replace(final)
    except OSError as error:
        raise WriteError(f"{final} cannot be written: {error.strerror or error}; choose another folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    """What the system takes from the rights of new files; to be read it has to be set."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
