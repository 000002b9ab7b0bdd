"""What a report is about: files before and after, and what lies beside them, opened and compared."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io import Aligned, Grid, Raster, Source, open_raster, require_same
from geo_io.grid import same_grid
from sardiff.errors import SettingsError
from sardiff.provenance import read_record, task_of
from sardiff.tasks.fused import MASK_VALUES
from sardiff.tasks.inputs import open_source
from sardiff.tasks.pair import Optical
from sardiff.tasks.result import Compared, Described, held_bands, open_compared
from sardiff.tasks.scene import beside

__all__ = ["Kind", "Scenes", "open_fused", "open_restored"]

MOST_BANDS = 3  # of a scene, unless more are asked for

Kind = Literal["despeckled", "filled", "deblurred", "fused"]
KINDS: dict[str, Kind] = {"despeckle": "despeckled", "fill": "filled", "deblur": "deblurred"}
FilePath = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Scenes:
    """Rasters of one grid, by their role.

    Parameters
    ----------
    kind : {"despeckled", "filled", "deblurred", "fused"}
    rasters : mapping
        "before", "after" and perhaps "truth", "spread" and of what was filled "filled", as many bands each
        (`Compared`). Or "sar" (linear intensity, one band), "optical", "fused" and perhaps "spread" (of
        the luminance) and "mask" (1 where SAR alone has seen).
    bands : tuple of str
        Names of the bands of `after`, or of `fused`.
    result : Described
        What was made, for its tags.
    grid : Grid
        Of all of them.
    names : mapping
        Role to the name of the file, without its folders: those are nobody else's business.
    unit : str
        Of values before and after: "dB", or what the file says, perhaps nothing.
    notes : tuple of str
        What the reader should know.
    files : tuple of Path
        All that is read, and must not be written over.
    compared : Compared, optional
        Where `before` and `after` come from, for their numbers.
    colours : mapping
        Role to the bands, from 0, that are shown as red, green and blue, where these are not the first three.
    """

    kind: Kind
    rasters: Mapping[str, Raster]
    bands: tuple[str, ...]
    result: Described
    grid: Grid
    names: Mapping[str, str]
    unit: str = ""
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=())
    compared: Compared | None = None
    colours: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        """Roles of what is the same scene, as it was, as it is, and perhaps as it should be."""
        roles = ("optical", "fused") if self.kind == "fused" else ("before", "after", "truth")
        return tuple(role for role in roles if role in self.rasters)

    @property
    def in_db(self) -> tuple[str, ...]:
        """Roles of linear intensity, to be shown in decibels."""
        return {"fused": ("sar",), "despeckled": self.shown}.get(self.kind, ())

    @property
    def colour(self) -> bool:
        """Whether bands are shown together, as colours, instead of one by one."""
        return self.kind == "fused" or (self.kind != "despeckled" and self.unit != "dB" and len(self.bands) >= 3)

    @property
    def made_by(self) -> dict[str, Any]:
        """Tags of the result that sardiff wrote, as they are; JSON objects among them are read."""
        return read_record(self.result.metadata.tags)


def open_restored(before: FilePath, after: FilePath, *, bands: tuple[int, ...] | None = None, **options: Any) -> Scenes:
    """Open a scene before and after a task: despeckled, filled or deblurred, as its tags say.

    Parameters
    ----------
    before, after, bands, **options
        As for `open_compared`; of the bands that `after` holds the first three by default, or red, green and blue of a
        filled or deblurred image that names them.

    Raises
    ------
    GeoIOError, SardiffError
        If one of them cannot be read, they lie on different grids, or their bands do not go together.
    """
    found = open_compared(before, after, bands=bands, most=MOST_BANDS, **options)
    kind = KINDS[found.task]
    rasters: dict[str, Any] = {
        role: raster
        for role in ("before", "after", "truth", "spread", "filled")
        if (raster := getattr(found, role)) is not None
    }
    notes = list(found.notes)
    if bands is None and found.held > len(found.bands):
        first = found.bands == tuple(range(1, len(found.bands) + 1))
        which = f"1 to {len(found.bands)}" if first else ", ".join(map(str, found.bands))
        notes.append(f"Bands {which} of {found.held} are shown; --bands chooses others.")
    return Scenes(
        kind=kind,
        rasters=rasters,
        bands=_band_names(found.source, found.bands),
        result=found.result,
        grid=found.before.grid,
        names={role: path.name for role, path in found.names.items()},
        unit=found.unit,
        notes=tuple(notes),
        files=_files(rasters),
        compared=found,
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
        Of the SAR image; by default the first of those that were fused.
    optical_bands : tuple of int, optional
        Of the optical image; by default those that were fused, or all.

    Raises
    ------
    GeoIOError, SardiffError
        If one of them cannot be read, or lies nowhere near.
    """
    result = open_raster(fused, values="physical")
    made = read_record(result.metadata.tags)
    if task_of(made) not in ("", "fuse"):
        raise SettingsError(f"{fused} is no fusion, as its tags say: leave out --optical {optical}.")
    said = made.get("input")
    fused_of = said if isinstance(said, Mapping) else {}
    radar = open_source(sar, values=values, bands=bands or None, polarisation=polarisation, swath=swath)
    if bands is None and radar.shape[0] > 1:
        first = (_held(fused_of.get("sar"), radar) or (1,))[:1]
        radar = open_source(sar, values=radar.values, bands=first)
    seen = open_raster(optical, values="physical", bands=optical_bands)
    if optical_bands is None and (held := _held(fused_of.get("optical"), seen)):
        seen = open_raster(optical, values="physical", bands=held)
    light = Optical(seen)
    grid, notes = result.grid, _moved(made.get("registration"))
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
        bands=_band_names(result, range(1, result.shape[0] + 1)),
        result=result,
        grid=grid,
        names=names,
        notes=tuple(notes),
        files=(*_files(rasters), Path(sar), Path(optical)),
        colours={
            role: found
            for role, source in (("optical", seen), ("fused", result))
            if (found := source.metadata.colours) is not None
        },
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


def _moved(said: Any) -> list[str]:
    """What a reader should know of a registration, which the sources do not show."""
    try:
        rows, cols = (float(pixels) for pixels in said["shift"])
        if said["applied"] is not True:
            return []
    except (ValueError, TypeError, KeyError):
        return []
    return [
        f"The SAR image was moved by {rows:+.1f} rows and {cols:+.1f} columns before it was fused; it is shown, "
        "and compared, where its file places it."
    ]


def _band_names(source: Described, numbers: Sequence[int]) -> tuple[str, ...]:
    """What the file calls its bands, or their numbers."""
    names = source.metadata.descriptions or (None,) * source.shape[0]
    said = [(name or "").strip()[:40] for name in names]
    if len(set(said)) < len(said) or not all(said):
        return tuple(f"band {number}" for number in numbers)
    return tuple(said)


def _held(said: Any, source: Source) -> tuple[int, ...] | None:
    """Which bands of a source were fused, as the tags of the fusion say."""
    bands = held_bands(said)
    return None if bands is None or max(bands) > source.shape[0] else bands


def _files(rasters: Mapping[str, Any]) -> tuple[Path, ...]:
    return tuple(path for raster in rasters.values() for path in getattr(raster, "files", ()))
