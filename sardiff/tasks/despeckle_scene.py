"""Despeckling a whole scene: to files, or lazily as a DataArray."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geo_io import Metadata, Source
from sardiff.device import choose_device
from sardiff.errors import SettingsError
from sardiff.priors.checkpoint import load_prior
from sardiff.provenance import record, stale
from sardiff.tasks.despeckle import ESTIMATES, MEASURED, Despeckle, DespeckleTiles, overlap_for
from sardiff.tasks.inputs import Looks, input_of, open_source, paths_of, settle_looks, weights_path
from sardiff.tasks.scene import (
    Output,
    Progress,
    beside,
    check_outputs,
    check_running,
    chosen_layout,
    encode_log,
    restore_scene,
)
from tiling import Layout

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["despeckle", "despeckle_array", "despeckle_file", "uncertainty_path"]

TILE = {"one-pass": 768, "scoring": 768, "posterior": 768}  # pixels; others need more memory
SAMPLER_TILE = 256
SAMPLES = 8  # that an uncertainty is taken from when a sampler is named without a number


def despeckle(
    scene: str | os.PathLike[str] | xr.DataArray,
    output: str | os.PathLike[str] | None = None,
    *,
    looks: float | Literal["auto"] = "auto",
    **options: Any,
) -> Path | xr.DataArray:
    """Despeckle a SAR scene.

    With a DataArray, returns a lazy one, backed by dask, with the same coordinates, attributes and
    `spatial_ref`: see `despeckle_array`. With the path of a raster or Sentinel-1 product and an output path,
    writes a GeoTIFF on the same grid and returns its path: see `despeckle_file`.

    Parameters
    ----------
    scene : path or DataArray
        Backscatter as linear intensity, amplitude, dB or single-look complex; NaN and nodata: not measured.
    output : path, optional
        Of the GeoTIFF to write; with a path as scene.
    looks : float or "auto"
        Equivalent number of looks; estimated by default.
    **options
        `method`, `quality`, `correlation`, `steps`, `samples`, `uncertainty`, `seed` of `Despeckle`; `values`, `units`,
        `tile`, `overlap`, `weights`, `device`, and more of either function.
    """
    if isinstance(scene, str | os.PathLike):
        if output is None:
            raise SettingsError(f"Where should the despeckled {os.fspath(scene)} go? Name an output .tif.")
        return despeckle_file(scene, output, looks=looks, **options)
    if output is not None:
        raise SettingsError(
            "A DataArray gives a DataArray; write it with .rio.to_raster, or despeckle the file's path."
        )
    return despeckle_array(scene, looks=looks, **options)


def despeckle_array(
    da: xr.DataArray,
    *,
    looks: float | Literal["auto"] = "auto",
    values: str = "auto",
    units: Literal["intensity", "amplitude", "db"] | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    batch: int = 1,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    **settings: Any,
) -> xr.DataArray:
    """Return a despeckled DataArray, lazy: computed tile by tile when asked for, on any dask scheduler.

    Parameters
    ----------
    da : DataArray
        Dimensions (y, x) or (band, y, x), in memory or dask-backed.
    looks : float or "auto"
        Equivalent number of looks. "auto", and values="auto", read a sample of the array at once.
    values : str
        What the pixels mean: "auto", "intensity", "amplitude", "db".
    units : str, optional
        Of the result; by default as the input's.
    tile, overlap : int, optional
        Pixels; by default chosen from the prior and the method. The result does not depend on them, but with a prior
        that is not `local`.
    batch : int
        Tiles side by side handed to the network at once.
    weights : path, optional
        Another prior: .safetensors beside its .json card, or a folder with a diffusers model and `sardiff.json`.
    device : str
        "auto", "cpu", "cuda", ...
    **settings
        `method`, `quality`, `steps`, `samples`, `seed` of `Despeckle`; and `correlation`, which may also be "auto"
        (measured where looks are) or "none". With `uncertainty=True` the
        result has a new first dimension "estimate": the mean, and its standard deviation in dB.

    Returns
    -------
    DataArray
        float32, with the dimensions, coordinates, attributes and name of the input.
    """
    import dask.array

    from geo_io import to_dataarray
    from tiling import map_tiles

    source = open_source(da, values=values)
    found = settle_looks(source, looks, measure=settings.get("correlation") == "auto")
    wanted = _settings(found, settings)
    apply = DespeckleTiles(wanted, weights_path(weights), device)
    layout = _layout(source, apply, tile, overlap)
    bands = source.shape[0]
    count = bands * (2 if wanted.uncertainty else 1)
    logs = map_tiles(apply, source, layout, out_bands=count, batch=batch)

    def stored(block: np.ndarray, source: Source, block_info: Any = None) -> np.ndarray:
        (r0, r1), (c0, c1) = block_info[0]["array-location"][1:]
        mean = source.encode(np.exp(block[:bands]), slice(r0, r1), slice(c0, c1), units)
        return np.concatenate([mean, block[bands:]])

    data = dask.array.map_blocks(stored, logs, source, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    tags = _tags(source, apply, found, units)
    if units is not None:
        tags["units"] = _UNIT_NAMES[units]
    if not wanted.uncertainty:
        return to_dataarray(data, da, attrs=tags, drop=stale(da.attrs))
    import xarray as xr

    mean = to_dataarray(data[:bands], da, attrs=tags, drop=stale(da.attrs))
    about = {**tags, "units": "dB", "long_name": "posterior standard deviation"}
    spread = to_dataarray(data[bands:], da, attrs=about, drop=stale(da.attrs))
    return xr.concat(
        [mean, spread], dim=xr.Variable("estimate", ["mean", "standard deviation (dB)"]), combine_attrs="override"
    )


def despeckle_file(
    scene: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    looks: float | Literal["auto"] = "auto",
    values: str = "auto",
    units: Literal["intensity", "amplitude", "db"] | None = None,
    bands: tuple[int, ...] | None = None,
    polarisation: str | None = None,
    swath: str | None = None,
    uncertainty: bool | str | os.PathLike[str] = False,
    tile: int | None = None,
    overlap: int | None = None,
    batch: int = 1,
    workers: int = 1,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    overwrite: bool = False,
    compression: str = "deflate",
    report: Callable[[Progress], None] = lambda progress: None,
    say: Callable[[str], None] = lambda sentence: None,
    **settings: Any,
) -> Path:
    """Despeckle a raster or Sentinel-1 product into a cloud-optimised GeoTIFF on the same grid; return its path.

    The same call after an interruption goes on where it stopped.

    Parameters
    ----------
    scene, output : path
    uncertainty : bool or path
        Also write the posterior standard deviation in dB, to that path or beside the output
        (`uncertainty_path`).
    workers : int
        Tiles computed at once.
    overwrite : bool
        Replace an output that exists.
    compression : str
        "deflate", "zstd", "lzw" or "none".
    report, say : callable
        Told of the progress; told what was found and decided, in sentences.
    looks, values, units, tile, overlap, batch, weights, device, **settings
        As for `despeckle_array`; bands, polarisation and swath as for `open_source`.

    Raises
    ------
    SardiffError, GeoIOError
        With a sentence that says what is wrong and what to do.
    """
    check_running(workers, batch)
    final = Path(output)
    spread_path = None if uncertainty is False else uncertainty_path(final, uncertainty)
    settings["uncertainty"] = spread_path is not None
    # Settings that are wrong whatever the scene are refused before anything is read.
    apply_weights = weights_path(weights)
    _settings(Looks(1.0, ""), settings).solver(load_prior(apply_weights, choose_device(device)))
    check_outputs((final, spread_path), paths_of(scene), overwrite)

    source = open_source(scene, values=values, bands=bands, polarisation=polarisation, swath=swath)
    for note in getattr(source, "notes", ()):
        say(note)
    say(f"Values: {source.values} ({source.values_reason}).")
    if "SARDIFF_SETTINGS" in source.metadata.tags:
        say("The file was written by sardiff already: what is despeckled twice loses detail.")
    found = settle_looks(source, looks)
    say(f"Looks: {found.value:g} ({found.reason}).")
    if source.grid.kind == "none":
        say("The file has no georeferencing; neither will the result.")

    apply = DespeckleTiles(_settings(found, settings), apply_weights, device)
    solver = apply.settings.solver(apply.prior)
    say(f"Speckle: {_speckle(apply.settings.correlation)}. Method: {solver}.")
    if apply.settings.samples > 1:
        say(f"Samples: {apply.settings.samples}, of which the result is the mean.")
    if apply.settings.correlation not in (None, 1):
        say("Correlated speckle hides more of the ground: take fine texture of the result with care (--uncertainty).")
    if apply.settings.correlation not in (None, 1) and solver not in MEASURED:
        say(
            f"Method {solver} reads it as independent speckle of {apply.settings.correlation:.2g} times the variance; "
            "one-pass and posterior keep more detail."
        )
    layout = _layout(source, apply, tile, overlap)
    if not apply.prior.local:
        say(
            f"The prior {apply.prior.name} sees whole tiles at once: the result depends on the tiles, here of "
            f"{layout.tile} pixels that overlap by {layout.overlap}."
        )
    count = source.shape[0]
    own = units or ("intensity" if source.values == "complex" else source.values)
    metadata = source.metadata
    if units is not None or not any(metadata.units):  # what was not said is known now
        metadata = replace(metadata, units=(_UNIT_NAMES[own],) * count)
    outputs = [Output(final, slice(0, count), encode_log(source, units), metadata, metadata.nodata)]
    if spread_path is not None:
        outputs.append(
            Output(spread_path, slice(count, 2 * count), _as_is, _spread_metadata(source.metadata, count), float("nan"))
        )
    tags = _tags(source, apply, found, units)
    fingerprint = {
        "input": source.identity,
        "values": source.values,
        "units": str(own),
        **{name: str(value) for name, value in json.loads(tags["SARDIFF_SETTINGS"]).items()},
        "weights": apply.prior.sha256,
        "tiles": f"{layout.tile} + {layout.overlap}",
        "uncertainty": str(spread_path is not None),
        "sardiff": tags["SARDIFF_VERSION"],
    }

    restore_scene(
        source,
        apply,
        layout,
        outputs,
        out_bands=count * (2 if spread_path else 1),
        fingerprint=fingerprint,
        tags=tags,
        inputs=paths_of(scene, source),
        batch=batch,
        workers=workers,
        overwrite=overwrite,
        compression=compression,
        report=report,
        say=say,
    )
    return final


def uncertainty_path(output: Path, wanted: bool | str | os.PathLike[str] = True) -> Path:
    """Where the standard deviation goes: as asked for, or OUT_std_db.tif beside OUT.tif."""
    return beside(output, "std_db", wanted)


_UNIT_NAMES = {"intensity": "intensity", "amplitude": "amplitude", "db": "dB"}


def _speckle(area: float | None) -> str:
    if area is None:
        return "not known whether neighbouring pixels share it"
    return "independent from pixel to pixel" if area == 1 else f"correlated, {area:.2g} pixels vary as one"


def _settings(looks: Looks, settings: dict[str, Any]) -> Despeckle:
    method = settings.get("method", "auto")
    if settings.get("uncertainty") and settings.get("samples") is None and method not in ("auto", *ESTIMATES):
        settings = {**settings, "samples": SAMPLES}
    settings = {**settings, "correlation": _correlation(settings.get("correlation", "auto"), looks)}
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        return Despeckle(looks=looks.value, **given)
    except TypeError as error:
        raise SettingsError(
            f"{error}.".replace("Despeckle.__init__() got an unexpected", "There is no such")
        ) from error


def _correlation(wanted: Any, looks: Looks) -> float | None:
    if wanted is None or wanted == "auto":
        return looks.area
    if wanted == "none":
        return 1.0
    try:
        return float(wanted)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"correlation must be 'auto', 'none' or a number, got {wanted!r}.") from error


def _layout(source: Source, apply: DespeckleTiles, tile: int | None, overlap: int | None) -> Layout:
    usual = _tile(apply), overlap_for(apply.settings, apply.prior)
    return chosen_layout(source.grid.shape, tile, overlap, usual=usual, stride=apply.prior.stride)


def _tile(apply: DespeckleTiles) -> int:
    """Side of a core; attention takes memory, and a network with it was trained on small images."""
    return TILE.get(apply.settings.solver(apply.prior), SAMPLER_TILE) if apply.prior.local else SAMPLER_TILE


def _tags(source: Source, apply: DespeckleTiles, looks: Looks, units: str | None) -> dict[str, str]:
    prior, worth = apply.prior, {}
    if apply.settings.uncertainty and apply.intervals:
        worth["intervals"] = {f"{100 * p:g} %": round(k, 3) for p, k in apply.intervals}
    return record(
        **worth,
        settings={
            **asdict(apply.settings),
            "solver": apply.settings.solver(prior),
            "steps": apply.settings.levels(prior),
        },
        looks={"value": looks.value, "reason": looks.reason},
        input={**input_of(source), "reason": source.values_reason, "units": units},
        prior={"name": prior.name, "sha256": prior.sha256, "local": prior.local},
    )


def _spread_metadata(metadata: Metadata, bands: int) -> Metadata:
    names = metadata.descriptions or (None,) * bands
    descriptions = tuple(f"{name or f'band {i + 1}'}, posterior standard deviation" for i, name in enumerate(names))
    return replace(
        metadata,
        descriptions=descriptions,
        units=("dB",) * bands,
        scales=(1.0,) * bands,
        offsets=(0.0,) * bands,
        nodata=float("nan"),
        stored_dtype="float32",
    )


def _as_is(pixels: np.ndarray, rows: slice, cols: slice) -> np.ndarray:
    return pixels
