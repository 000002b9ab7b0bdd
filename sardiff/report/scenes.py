"""What a report is about: files before and after, and what lies beside them, opened and compared."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io import Aligned, Grid, Raster, Source, UnclearValues, open_raster, require_same
from geo_io.grid import same_grid
from sardiff.errors import SettingsError
from sardiff.tasks.fused import MASK_VALUES
from sardiff.tasks.inputs import open_source
from sardiff.tasks.pair import Optical
from sardiff.tasks.scene import beside
from sardiff.tasks.score import open_result

__all__ = ["Scenes", "open_despeckled", "open_fused"]

MOST_BANDS = 3  # of a despeckled scene, unless more are asked for

Kind = Literal["despeckled", "fused"]
FilePath = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Scenes:
    """Rasters of one grid, by their role.

    Parameters
    ----------
    kind : {"despeckled", "fused"}
    rasters : mapping
        "before", "after" and perhaps "truth" (linear intensity, as many bands each) and "spread" (standard deviation in
        dB); or "sar" (linear intensity, one band), "optical", "fused" and perhaps
        "spread" (of the luminance) and "mask" (1 where SAR alone has seen).
    bands : tuple of str
        Names of the bands of `after`, or of `fused`.
    result : Source
        What was made, for its tags.
    grid : Grid
        Of all of them.
    names : mapping
        Role to the name of the file, without its folders: those are nobody else's business.
    notes : tuple of str
        What the reader should know.
    files : tuple of Path
        All that is read, and must not be written over.
    """

    kind: Kind
    rasters: Mapping[str, Raster]
    bands: tuple[str, ...]
    result: Source
    grid: Grid
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=())

    @property
    def made_by(self) -> dict[str, Any]:
        """Tags of the result that sardiff wrote, as they are; JSON objects among them are read."""
        found: dict[str, Any] = {}
        for key, text in self.result.metadata.tags.items():
            if key.startswith("SARDIFF_"):
                try:
                    found[key.removeprefix("SARDIFF_").lower()] = json.loads(text)
                except (ValueError, RecursionError):
                    found[key.removeprefix("SARDIFF_").lower()] = text
        return found


def open_despeckled(
    before: FilePath,
    after: FilePath,
    *,
    truth: FilePath | None = None,
    spread: FilePath | None = None,
    values: str = "auto",
    bands: tuple[int, ...] | None = None,
    polarisation: str | None = None,
    swath: str | None = None,
) -> Scenes:
    """Open a scene before and after despeckling.

    Parameters
    ----------
    before, after : path
        As for `sardiff score`.
    truth : path, optional
    spread : path, optional
        Standard deviation in dB; by default AFTER_std_db.tif, if it lies beside.
    values, polarisation, swath
        Of `before`, as for `open_source`; of the others what their tags say, or their pixels, or else the same.
    bands : tuple of int, optional
        Of `before`; the first three by default. Where the others have as many bands as `before`, the same of them.

    Raises
    ------
    GeoIOError, SardiffError
        If one of them cannot be read, they lie on different grids, or their bands do not go together.
    """
    first = open_source(before, values=values, bands=bands, polarisation=polarisation, swath=swath)
    if _task(open_raster(after, values="physical")) == "fuse":  # whose pixels are no backscatter
        raise SettingsError(f"{after} is a fusion, as its tags say: name the optical image too, with --optical FILE.")
    notes = []
    if bands is None and first.shape[0] > MOST_BANDS:
        bands = tuple(range(1, MOST_BANDS + 1))
        notes.append(f"Bands 1 to {MOST_BANDS} of {first.shape[0]} are shown; --bands chooses others.")
        first = open_source(before, values=first.values, bands=bands, polarisation=polarisation, swath=swath)
    result = _result(after, values, first)
    beside_it = Path(spread) if spread is not None else beside(Path(after), "std_db")
    others: dict[str, FilePath] = {"after": after}
    if truth is not None:
        others["truth"] = truth
    if spread is not None or beside_it.is_file():
        others["spread"] = beside_it
    rasters: dict[str, Any] = {"before": first}
    for role, path in others.items():
        rasters[role] = _like(first, path, role, values, bands)
    names = {role: Path(path).name for role, path in {"before": before, **others}.items()}
    return Scenes(
        kind="despeckled",
        rasters=rasters,
        bands=_band_names(first),
        result=result,
        grid=first.grid,
        names=names,
        notes=tuple(notes),
        files=_files(rasters),
    )


def open_fused(
    sar: FilePath,
    fused: FilePath,
    optical: FilePath,
    *,
    spread: FilePath | None = None,
    values: str = "auto",
    bands: tuple[int, ...] | None = None,
    optical_bands: tuple[int, ...] | None = None,
    polarisation: str | None = None,
    swath: str | None = None,
) -> Scenes:
    """Open a fusion and its sources; those on other grids are seen on that of the fusion, resampled once.

    Parameters
    ----------
    sar, fused, optical : path
        As for `sardiff fuse`.
    spread : path, optional
        Standard deviation of the luminance; by default FUSED_std.tif, if it lies beside. So does FUSED_mask.tif.
    values, polarisation, swath
        Of the SAR image.
    bands : tuple of int, optional
        Of the SAR image; the first by default.
    optical_bands : tuple of int, optional
        Of the optical image; all by default.

    Raises
    ------
    GeoIOError, SardiffError
        If one of them cannot be read, or lies nowhere near.
    """
    radar = open_source(sar, values=values, bands=bands or None, polarisation=polarisation, swath=swath)
    if bands is None and radar.shape[0] > 1:
        radar = open_source(sar, values=radar.values, bands=(1,))
    light, result = (
        Optical(open_raster(optical, values="physical", bands=optical_bands)),
        open_raster(fused, values="physical"),
    )
    grid, notes = result.grid, _moved(result)
    rasters: dict[str, Any] = {}
    for role, source, what in (("sar", radar, "SAR"), ("optical", light, "optical")):
        rasters[role] = source
        if not same_grid(source.grid, grid):
            rasters[role] = Aligned(source, grid)
            notes.append(
                f"The {what} image lies on another grid; it is shown, and compared, as resampled onto the fusion's."
            )
    rasters["fused"] = result
    names = {"sar": Path(sar).name, "optical": Path(optical).name, "fused": Path(fused).name}
    given = Path(spread) if spread is not None else beside(Path(fused), "std")
    if spread is not None or given.is_file():
        rasters["spread"] = open_raster(given, values="physical")
        names["spread"] = given.name
    mask = beside(Path(fused), "mask")
    if mask.is_file():
        rasters["mask"] = _SarAlone(open_raster(mask, values="physical", bands=(1,), classes=True))
        names["mask"] = mask.name
    for role in ("spread", "mask"):
        if role in rasters:
            require_same(str(fused), grid, names[role], rasters[role].grid)
    return Scenes(
        kind="fused",
        rasters=rasters,
        bands=_band_names(result),
        result=result,
        grid=grid,
        names=names,
        notes=tuple(notes),
        files=(*_files(rasters), Path(sar), Path(optical)),
    )


class _SarAlone:
    """A mask of `sardiff fuse` as the share of pixels that SAR alone has seen: 0 or 1; NaN: seen by neither."""

    def __init__(self, source: Source) -> None:
        self.source, self.shape, self.grid, self.name = source, source.shape, source.grid, source.name
        self.files = getattr(source, "files", ())

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        kind = self.source[index]
        alone = (kind == MASK_VALUES["SAR alone"]).astype(np.float32)
        return np.where(np.isnan(kind) | (kind == MASK_VALUES["neither"]), np.float32(np.nan), alone)


def _result(path: FilePath, values: str, first: Source, bands: tuple[int, ...] | None = None) -> Source:
    """Open a result as `sardiff score` does; where neither its tags nor its pixels tell what it holds, as the input."""
    try:
        return open_result(path, values=values, bands=bands)
    except UnclearValues:
        kind = "intensity" if first.values == "complex" else first.values
        return open_result(path, values=kind, bands=bands)


def _like(first: Source, path: FilePath, role: str, values: str, bands: tuple[int, ...] | None) -> Source:
    """Open what has the bands and the grid of the scene before."""
    name, wanted = str(path), first.shape[0]

    def opened(chosen: tuple[int, ...] | None) -> Source:
        if role == "spread":
            return open_raster(path, values="physical", bands=chosen)
        return _result(path, values, first, chosen)

    found = opened(None)
    if found.shape[0] != wanted:
        if bands is None or max(bands) > found.shape[0]:
            raise SettingsError(
                f"{name} has {found.shape[0]} bands, and {first.name} {wanted}: choose the same of both with --bands."
            )
        found = opened(bands)
    require_same(first.name, first.grid, name, found.grid)
    return found


def _task(source: Source) -> str:
    try:
        said = json.loads(source.metadata.tags.get("SARDIFF_SETTINGS", "{}"))
        return str(said.get("task", "despeckle"))
    except (ValueError, AttributeError, RecursionError):
        return ""


def _moved(fused: Source) -> list[str]:
    """What a reader should know of a registration, which the sources do not show."""
    try:
        said = json.loads(fused.metadata.tags.get("SARDIFF_REGISTRATION", "{}"))
        rows, cols = (float(pixels) for pixels in said["shift"])
        if said["applied"] is not True:
            return []
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []
    return [
        f"The SAR image was moved by {rows:+.1f} rows and {cols:+.1f} columns before it was fused; it is shown, "
        "and compared, where its file places it."
    ]


def _band_names(source: Source) -> tuple[str, ...]:
    names = source.metadata.descriptions or (None,) * source.shape[0]
    said = [(name or "").strip()[:40] for name in names]
    if len(set(said)) < len(said) or not all(said):
        return tuple(f"band {i + 1}" for i in range(source.shape[0]))
    return tuple(said)


def _files(rasters: Mapping[str, Any]) -> tuple[Path, ...]:
    return tuple(path for raster in rasters.values() for path in getattr(raster, "files", ()))
