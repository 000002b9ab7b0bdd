"""What of a restored image goes into files or an array: pixels as their input stores them, and their spread."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io import GeoIOError, ReadError, Source, is_safe
from geo_io.source import encoded, fitted
from sardiff.errors import SettingsError
from sardiff.priors.base import Prior
from sardiff.provenance import digest, read_record, record, stale
from sardiff.tasks.gaps import Known
from sardiff.tasks.inputs import input_of, measure_looks, open_source, values_said
from sardiff.tasks.scene import Output, restore_scene
from sardiff.tasks.tones import Tones
from tiling import Apply, Layout

if TYPE_CHECKING:
    import xarray as xr

SPECKLED = 50  # looks: with fewer, speckle would be taken for detail

__all__ = ["Restored", "open_image", "restored_array", "tags_of", "write_restored"]


def open_image(
    scene: Any, *, values: str, bands: tuple[int, ...] | None = None, say: Callable[[str], None] = lambda sentence: None
) -> Source:
    """Open a raster or DataArray that need not be backscatter.

    Parameters
    ----------
    values : {"auto", "physical", "intensity", "amplitude", "db"}
        What its pixels mean. "auto" is what sardiff wrote into its tags, or decibels where they look like these, or
        else "physical".
    say : callable
        Told what "auto" found, if that is backscatter, and if it looks as if that has speckle.

    Raises
    ------
    SettingsError
        If it is a Sentinel-1 product, or complex: these are speckled.
    """
    known = ("auto", "physical", "intensity", "amplitude", "db")
    if values not in known:
        raise SettingsError(f"values must be one of {', '.join(known)}, got {values!r}.")
    if isinstance(scene, str | os.PathLike) and is_safe(Path(scene)):
        raise SettingsError(f"{scene} is a Sentinel-1 product, which has speckle: despeckle it first.")
    try:
        plain = open_source(scene, values="physical" if values == "auto" else values, bands=bands)
        found = _backscatter(scene, plain, bands) if values == "auto" else None
    except ReadError as error:
        if "complex" not in str(error):
            raise
        name = scene if isinstance(scene, str | os.PathLike) else "the DataArray"
        raise SettingsError(f"{name} is complex, and has speckle: despeckle it first.") from error
    if found is not None:
        said = values_said(read_record(plain.metadata.tags)) is not None
        why = "as its tags say" if said else found.values_reason
        say(f"Values: {found.values} ({why}). --values physical takes them as they are stored.")
        looks = measure_looks(found)
        if looks.looks < SPECKLED and not looks.already_filtered:
            say("It looks as if it has speckle, which is taken for detail: despeckle it first.")
    return found or plain


def _backscatter(scene: Any, plain: Source, bands: tuple[int, ...] | None) -> Source | None:
    """The same as backscatter, if its tags say that it is, or its pixels and none of its units does not."""
    kind = values_said(read_record(plain.metadata.tags))
    if kind is not None:
        return None if kind == "physical" else open_source(scene, values=kind, bands=bands)
    if any(unit and not re.search(r"\bdb\b|decibel", unit, re.IGNORECASE) for unit in plain.metadata.units):
        return None
    try:
        found = open_source(scene, values="auto", bands=bands)
    except GeoIOError:  # no backscatter
        return None
    return found if found.values == "db" else None


class Restored:
    """From what tiles yield, the log that priors know (`Tones.log`), to what the file of the input stores.

    Where it is NaN, pixels are as they were stored, to the last bit.

    Parameters
    ----------
    known : Known
        The scene.
    tones : Tones
        Of it.
    dtype : {"input", "float32"}
        Whether whole numbers stay whole.
    """

    def __init__(self, known: Known, tones: Tones, dtype: Literal["input", "float32"] = "input") -> None:
        if dtype not in ("input", "float32"):
            raise SettingsError(f"dtype must be 'input' or 'float32', got {dtype!r}.")
        self.known, self.source, self.tones = known, known.source, tones
        source, self.bands = known.source, known.shape[0]
        stored = source.metadata.stored_dtype
        self.dtype = stored if dtype == "input" and "int" in stored else "float32"
        self.nodata = source.metadata.nodata
        if self.dtype != "float32" and self.nodata is not None and math.isnan(self.nodata):
            self.nodata = None
        if self.dtype == "float32" and known.zeros:  # among floats nobody would take 0 for a gap
            self.nodata = math.nan

    def __call__(self, core: NDArray[np.float32], rows: slice, cols: slice) -> NDArray[np.float32]:
        """Return the restored bands."""
        log = core[: self.bands]
        units = self.source.values
        assert units != "complex"
        values = self.tones.pixels(log) + self.tones.darker(self.known[slice(0, self.bands), rows, cols])
        out = fitted(encoded(values, units, self.source.metadata), self.dtype, self.nodata)
        stored = self.source.stored(rows, cols)
        if self.dtype == "float32" and self.known.zeros:
            stored = np.where((stored == 0).all(axis=0), np.float32(np.nan), stored)
        out = np.where(np.isnan(log), stored, out)
        if self.dtype != "float32":
            out = np.nan_to_num(out, nan=0.0 if self.nodata is None else self.nodata)
        return out.astype(np.float32)

    def spread(self, core: NDArray[np.float32], rows: slice, cols: slice) -> NDArray[np.float32]:
        """Return the standard deviation (bands, rows, cols), in units of the image with scale and offset applied: 0
        where only measured, NaN where nothing is known."""
        log, spread = core[: self.bands], core[self.bands :]
        out = self.tones.deviation(log, spread)
        untouched = np.where(np.isnan(self.known[slice(0, self.bands), rows, cols]), np.float32(np.nan), np.float32(0))
        return np.where(np.isnan(log), untouched, out).astype(np.float32)

    def outputs(self, final: Path, spread: Path | None) -> list[Output]:
        """The files: the bands, and perhaps their spread."""
        metadata = replace(self.source.metadata, stored_dtype=self.dtype, nodata=self.nodata)
        files = [Output(final, slice(0, self.bands), self, metadata, self.nodata, dtype=self.dtype)]
        if spread is not None:
            names = metadata.descriptions or (None,) * self.bands
            about = replace(
                metadata,
                descriptions=tuple(f"{name or f'band {i}'}, spread of samples" for i, name in enumerate(names, 1)),
                scales=(1.0,) * self.bands,
                offsets=(0.0,) * self.bands,
                nodata=math.nan,
                stored_dtype="float32",
            )
            files.append(Output(spread, slice(0, 2 * self.bands), self.spread, about, math.nan, self.bands))
        return files


def tags_of(
    task: str, source: Source, tones: Tones, prior: Prior | None, settings: Mapping[str, Any], **further: Any
) -> dict[str, str]:
    """Return the provenance of a result."""
    if prior is not None:
        further["prior"] = {"name": prior.name, "sha256": prior.sha256, "local": prior.local}
    return record(
        settings={"task": task, **settings},
        input=input_of(source),
        ranges={f"band {i}": ends for i, ends in enumerate(tones.ranges, start=1)},
        **further,
    )


def write_restored(
    tiled: Any,
    apply: Apply,
    layout: Layout,
    outputs: Sequence[Output],
    *,
    out_bands: int,
    tags: Mapping[str, str],
    **running: Any,
) -> None:
    """Restore a scene into files: `restore_scene`, with the fingerprint of all that the tags say decides them."""
    decides = {name: digest({"": text}) for name, text in tags.items()}
    fingerprint = {
        **decides,
        "input": tiled.identity,
        "tiles": f"{layout.tile} + {layout.overlap}",
        "outputs": ", ".join(f"{output.path.name} {output.dtype}" for output in outputs),
    }
    restore_scene(tiled, apply, layout, outputs, out_bands=out_bands, fingerprint=fingerprint, tags=tags, **running)


def restored_array(
    da: xr.DataArray,
    tiled: Any,
    apply: Apply,
    layout: Layout,
    encode: Restored,
    *,
    tags: Mapping[str, str],
    uncertainty: bool,
    batch: int,
) -> xr.DataArray:
    """Return the restored DataArray, lazy; with `uncertainty` of a new first dimension "estimate"."""
    import dask.array
    import xarray as xr

    from geo_io import to_dataarray
    from tiling import map_tiles

    bands = encode.bands
    count = bands * (2 if uncertainty else 1)
    logs = map_tiles(apply, tiled, layout, out_bands=count, batch=batch)

    def stored(block: NDArray[np.float32], encode: Restored, block_info: Any = None) -> NDArray[np.float32]:
        (r0, r1), (c0, c1) = block_info[0]["array-location"][1:]
        rows, cols = slice(r0, r1), slice(c0, c1)
        mean = encode(block, rows, cols)
        return np.concatenate([mean, encode.spread(block, rows, cols)]) if uncertainty else mean

    data = dask.array.map_blocks(stored, logs, encode, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    mean = to_dataarray(data[:bands], da, attrs=tags, drop=stale(da.attrs))
    if not uncertainty:
        return mean
    about = {**tags, "long_name": "spread of samples"}
    spread = to_dataarray(data[bands:], da, attrs=about, drop=stale(da.attrs))
    dimension = xr.Variable("estimate", ["mean", "standard deviation"])
    return xr.concat([mean, spread], dim=dimension, combine_attrs="override")
