"""Fusing whole scenes: to files, or lazily as a DataArray."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geo_io import LooksOptical, Metadata, ReadError, Source, is_safe, open_raster
from geo_io.leftovers import announce, forget
from sardiff.classical import CLASSICAL
from sardiff.errors import SettingsError
from sardiff.metrics.registration import Registration
from sardiff.priors.checkpoint import load_prior
from sardiff.provenance import digest, record, stale, versions
from sardiff.tasks.despeckle_scene import despeckle_array, despeckle_file
from sardiff.tasks.fuse import MODES, SAMPLES, TILE, Fuse, FuseTiles, overlap_for, prior_for
from sardiff.tasks.fused import MASK_VALUES, Encode
from sardiff.tasks.inputs import Looks, input_of, open_source, paths_of, settle_looks, weights_path
from sardiff.tasks.levels import Levels, Luminance, measure_levels
from sardiff.tasks.pair import Pair
from sardiff.tasks.placing import Remembered, check_places, paired, registered, target_grid
from sardiff.tasks.scene import (
    Output,
    Progress,
    beside,
    check_outputs,
    check_running,
    chosen_layout,
    metadata_of_classes,
    restore_scene,
)
from tiling import Layout

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fuse", "fuse_array", "fuse_file"]

Inject = Literal["auto", "ratio", "gain"]


def fuse(
    sar: str | os.PathLike[str] | xr.DataArray,
    optical: str | os.PathLike[str] | xr.DataArray,
    output: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Path | xr.DataArray:
    """Fuse a SAR and an optical scene into one image with the colours of the one and the structure of the other.

    With DataArrays, returns a lazy one on the optical grid: see `fuse_array`. With paths and an output path, writes a
    GeoTIFF and returns its path: see `fuse_file`.

    Parameters
    ----------
    sar : path or DataArray
        Backscatter, as for `sardiff.despeckle`; it is despeckled first, on its own grid.
    optical : path or DataArray
        One or more bands of reflectance, radiance or counts.
    output : path, optional
        Of the GeoTIFF to write; with paths.
    **options
        `method`, `weight`, `steps`, `samples`, `uncertainty`, `seed` of `sardiff.tasks.fuse.Fuse`, and more of either
        function.
    """
    if isinstance(sar, str | os.PathLike) and isinstance(optical, str | os.PathLike):
        if output is None:
            raise SettingsError("Where should the fused image go? Name an output .tif.")
        return fuse_file(sar, optical, output, **options)
    if isinstance(sar, str | os.PathLike) or isinstance(optical, str | os.PathLike):
        raise SettingsError("Give two paths or two DataArrays: open the file with rioxarray.open_rasterio first.")
    for name, scene in (("sar", sar), ("optical", optical)):
        if not hasattr(scene, "dims"):
            raise SettingsError(
                f"{name} must be a path or an xarray.DataArray with coordinates, not {type(scene).__name__}."
            )
    if output is not None:
        raise SettingsError("DataArrays give a DataArray; write it with .rio.to_raster, or fuse the files' paths.")
    return fuse_array(sar, optical, **options)


def fuse_array(
    sar: xr.DataArray,
    optical: xr.DataArray,
    *,
    grid: Literal["optical", "sar"] = "optical",
    despeckled: bool = False,
    values: str = "auto",
    looks: float | Literal["auto"] = "auto",
    quality: str = "balanced",
    cloud_mask: xr.DataArray | None = None,
    cloud_classes: tuple[int, ...] = (),
    register: bool = False,
    luminance: Luminance = "mean",
    mode: str = "auto",
    inject: Inject = "auto",
    tile: int | None = None,
    overlap: int | None = None,
    batch: int = 1,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    **settings: Any,
) -> xr.DataArray:
    """Return a fused DataArray, lazy: computed tile by tile when asked for.

    What is known of the whole pair (grey ranges, colours, registration) is read at once, from all of it; so if `sar` is
    still speckled and large, despeckle it to a file first.

    Parameters
    ----------
    sar, optical : DataArray
        (y, x) or (band, y, x), each with its coordinates and CRS.
    grid : {"optical", "sar"}
        Whose grid the result lies on.
    despeckled, values, looks, quality
        See `fuse_file`.
    **settings
        Of `Fuse`. With `uncertainty=True` the result has a new first dimension "estimate": the fused bands, and the
        standard deviation of their luminance, in its units.

    Returns
    -------
    DataArray
        float32; bands and attributes of the optical image, or one band of luminance.
    """
    import dask.array
    import xarray as xr

    from tiling import map_tiles

    chosen = _chosen(settings)
    how_injected = _injection(inject, chosen)
    if cloud_classes and cloud_mask is None:
        raise SettingsError("cloud_classes are values of a cloud mask: give cloud_mask too.")
    if grid not in ("optical", "sar"):
        raise SettingsError(f"grid must be 'optical' or 'sar' for DataArrays, got {grid!r}.")
    if sar.ndim == 3:  # the first polarisation, as of files
        sar = sar.isel({sar.dims[0]: slice(0, 1)})
    speckled = open_source(sar, values=values)
    joint = _is_joint(chosen, despeckled)
    found = settle_looks(speckled, looks) if joint else None
    clean: Any = speckled
    if not despeckled and not joint:
        lazy = despeckle_array(sar, looks=looks, values=values, quality=quality, weights=weights, device=device)
        kind = "intensity" if speckled.values == "complex" else speckled.values
        clean = Remembered(open_source(lazy, values=kind))
    target = open_source(optical, values="physical").grid if grid == "optical" else speckled.grid
    clouds = None if cloud_mask is None else open_source(cloud_mask, values="physical")
    light = open_source(optical, values="physical")
    check_places(target, grid, speckled, light)
    pair = paired(clean, light, target, clouds, cloud_classes, speckled=joint)
    pair, registration = registered(pair, register, lambda sentence: None, speckled=joint)
    levels = measure_levels(pair, luminance=luminance)
    apply = FuseTiles(_with_looks(chosen, found), levels, weights_path(weights), device)
    layout = _layout(pair, apply, tile, overlap)
    bands = _bands(pair, mode)
    encode = Encode(pair, levels, _colour(pair, mode), how_injected)
    logs = map_tiles(apply, pair, layout, out_bands=2 if chosen.uncertainty else 1, batch=batch)

    def stored(block: NDArray[np.float32], encode: Encode, block_info: Any = None) -> NDArray[np.float32]:
        (r0, r1), (c0, c1) = block_info[0]["array-location"][1:]
        fused = encode(block, slice(r0, r1), slice(c0, c1))
        return np.concatenate([fused, encode.deviation(block)]) if len(block) > 1 else fused

    count = bands + (1 if chosen.uncertainty else 0)
    data = dask.array.map_blocks(
        stored,
        logs,
        encode,
        dtype=np.float32,
        chunks=((count,), *logs.chunks[1:]),
        meta=np.empty((0, 0, 0), np.float32),
    )
    how = {"grid": grid, "mode": mode, "inject": how_injected, "register": register}
    tags = _tags(speckled, light, apply, found, how, registration)
    base = optical if grid == "optical" else sar
    place = {k: v for k, v in base.coords.items() if set(v.dims) <= set(base.dims[-2:])}
    names_of_bands = {"band": optical.coords["band"]} if bands == pair.bands and "band" in optical.coords else {}
    attrs = {k: v for k, v in optical.attrs.items() if k not in _NO_MORE | stale(optical.attrs)}
    if bands != pair.bands:
        attrs = {k: v for k, v in attrs.items() if not isinstance(v, tuple | list)} | {"long_name": "fused luminance"}
    attrs |= tags
    whole = xr.DataArray(data[:bands], dims=("band", *base.dims[-2:]), coords={**place, **names_of_bands}, attrs=attrs)
    if not chosen.uncertainty:
        return whole
    spread = xr.DataArray(data[bands:][0], dims=base.dims[-2:], coords=place)
    parts = [whole, spread.expand_dims(band=whole.coords["band"]) if names_of_bands else spread.expand_dims(band=bands)]
    return xr.concat(parts, dim=xr.Variable("estimate", ["mean", "standard deviation"]), combine_attrs="override")


def fuse_file(
    sar: str | os.PathLike[str],
    optical: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    grid: str | os.PathLike[str] = "optical",
    despeckled: bool = False,
    values: str = "auto",
    sar_bands: tuple[int, ...] | None = None,
    bands: tuple[int, ...] | None = None,
    polarisation: str | None = None,
    swath: str | None = None,
    looks: float | Literal["auto"] = "auto",
    quality: str = "balanced",
    cloud_mask: str | os.PathLike[str] | None = None,
    cloud_classes: tuple[int, ...] = (),
    register: bool = False,
    luminance: Luminance = "mean",
    mode: str = "auto",
    inject: Inject = "auto",
    dtype: Literal["input", "float32"] = "input",
    uncertainty: bool | str | os.PathLike[str] = False,
    mask: bool | str | os.PathLike[str] = False,
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
    """Fuse two rasters into a cloud-optimised GeoTIFF; return its path.

    The SAR image is despeckled on its own grid first, into a hidden file beside the output; then both are seen on one
    grid. The same call after an interruption goes on where it stopped.

    Parameters
    ----------
    sar, optical, output : path
        Backscatter as for `sardiff.despeckle`; one or more optical bands; the GeoTIFF to write.
    grid : "optical", "sar" or path
        Whose grid the result lies on, or that of another raster.
    despeckled : bool
        The SAR image has no speckle to remove.
    values, polarisation, swath, looks, quality
        Of the SAR image, as for `despeckle_file`.
    sar_bands, bands : tuple of int, optional
        Bands of the SAR image (by default the first), whose logarithms are averaged; and of the optical image.
    cloud_mask : path, optional
        A raster of clouds, on any grid: not zero, or one of `cloud_classes`, where one hides the ground.
    register : bool
        Move the SAR image by the misregistration that was measured.
    luminance : {"mean", "pca"}
        What of the optical bands is fused: their mean, or their first principal component.
    mode : {"auto", "colour", "intensity"}
        All optical bands, or the fused luminance alone; "auto" is colour for three bands or more.
    inject : {"auto", "ratio", "gain"}
        How bands follow the luminance: multiplied alike, or moved along their slope on it; "auto" is as the method was
        published, and "ratio" for those with a prior.
    dtype : {"input", "float32"}
        Of a colour result.
    uncertainty, mask : bool or path
        Also write the standard deviation of the luminance, OUT_std.tif; and which images each pixel comes from,
        OUT_mask.tif (`MASK_VALUES`).
    tile, overlap, batch, workers, weights, device, overwrite, compression, report, say
        As for `despeckle_file`.
    **settings
        Of `Fuse`.

    Raises
    ------
    SardiffError, GeoIOError
        With a sentence that says what is wrong and what to do.
    """
    check_running(workers, batch)
    if cloud_classes and cloud_mask is None:
        raise SettingsError("--cloud-classes are values of a cloud mask: name it with --cloud-mask.")
    final = Path(output)
    spread_path = None if uncertainty is False else beside(final, "std", uncertainty)
    mask_path = None if mask is False else beside(final, "mask", mask)
    chosen = _chosen({**settings, "uncertainty": spread_path is not None})
    how_injected = _injection(inject, chosen)
    given = [sar, optical, *(path for path in (cloud_mask, grid) if path not in (None, "optical", "sar"))]
    inputs = [path for scene in given for path in paths_of(scene)]
    check_outputs((final, spread_path, mask_path), inputs, overwrite)
    prior_for(chosen, weights_path(weights), device)  # what cannot serve is refused before anything is read

    if len(sar_bands or ()) > 1 and chosen.solver == "joint":
        raise SettingsError("Method 'joint' reads the speckle of one band: name one with --sar-bands.")
    plain = None if is_safe(Path(sar)) else _as_stored(sar)
    if plain is not None and plain.metadata.colorinterp[:3] == ("red", "green", "blue"):
        raise SettingsError(f"{sar} is an RGB picture, not backscatter: name the SAR image first, then OPTICAL.")
    if sar_bands is None and plain is not None and plain.shape[0] > 1:
        sar_bands = (1,)
        say(f"SAR: band 1 of {plain.shape[0]}; --sar-bands chooses.")
    try:
        radar = open_source(sar, values=values, bands=sar_bands, polarisation=polarisation, swath=swath)
    except LooksOptical as error:
        raise SettingsError(f"{error}. Or are SAR and OPTICAL swapped?") from error
    light = open_raster(optical, values="physical", bands=bands)
    cover = None if cloud_mask is None else open_raster(cloud_mask, values="physical", bands=(1,), classes=True)
    joint = _is_joint(chosen, despeckled)
    for source in (radar, light) if despeckled or joint else (light,):  # what is despeckled is told of there
        for note in getattr(source, "notes", ()):
            say(note)
    if despeckled or joint:
        say(f"SAR values: {radar.values} ({radar.values_reason}).")
    target = target_grid(grid, radar, light)
    check_places(target, str(grid), radar, light)

    found = settle_looks(radar, looks) if joint else None
    clean = radar
    if not despeckled and not joint:
        decides = {"values": radar.values, "bands": sar_bands, "looks": looks, "quality": quality}
        hidden = _hidden(final, radar, {**decides, "weights": load_prior(weights_path(weights)).sha256})
        announce(final, partial(_remove_hidden, final))
        if not hidden.exists():
            despeckle_file(
                sar, hidden, looks=looks, values=values, bands=sar_bands, polarisation=polarisation, swath=swath,
                units="db", quality=quality, workers=workers, weights=weights, device=device, compression="none",
                report=partial(_as_phase, report, "despeckle"), say=say,
            )  # fmt: skip
        clean = open_raster(hidden, values="db")
    elif despeckled:
        say("The SAR image is taken as despeckled.")
    pair = paired(clean, light, target, cover, cloud_classes, speckled=joint)
    pair, registration = registered(pair, register, say, speckled=joint)
    levels = measure_levels(pair, luminance=luminance, report=partial(_measuring, report))
    say(_shares(levels, pair))

    apply = FuseTiles(_with_looks(chosen, found), levels, weights_path(weights), device)
    layout = _layout(pair, apply, tile, overlap)
    colour = _colour(pair, mode)
    result = f"{pair.bands} bands, by {how_injected}" if colour else "luminance, in units of the optical bands"
    drawn = f", {chosen.samples} samples" if chosen.samples > 1 else ""
    say(f"Method: {chosen.solver}, weight {chosen.weight:g} (0 optical, 1 SAR){drawn}. Result: {result}.")
    encode = Encode(pair, levels, colour, how_injected, light.metadata if colour else None, dtype)
    count = _bands(pair, mode)
    outputs = [Output(final, slice(0, 1), encode, encode.metadata(light.metadata), encode.nodata, count, encode.dtype)]
    if spread_path is not None:
        about = Metadata(descriptions=("standard deviation of the samples' luminance",), scales=(1.0,), offsets=(0.0,))
        outputs.append(Output(spread_path, slice(0, 2), encode.spread, about, float("nan"), 1))
    if mask_path is not None:
        about = metadata_of_classes("seen by", MASK_VALUES)
        outputs.append(Output(mask_path, slice(0, 1), encode.mask, about, None, 1, "uint8"))
    how = {"grid": str(grid), "mode": mode, "inject": how_injected, "dtype": dtype, "register": register}
    how |= {"despeckled": "as given" if despeckled or joint else {"looks": looks, "quality": quality}}
    tags = _tags(radar, light, apply, found, how, registration)
    fingerprint = {
        "input": pair.identity,
        "levels": digest(levels.said()),
        **{name: str(value) for name, value in {**asdict(apply.settings), **how}.items()},
        "weights": "" if apply.prior is None else apply.prior.sha256,
        "tiles": f"{layout.tile} + {layout.overlap}",
        "outputs": str(len(outputs)),
        "sardiff": tags["SARDIFF_VERSION"],
    }
    restore_scene(
        pair,  # type: ignore[arg-type]
        apply,
        layout,
        outputs,
        out_bands=2 if spread_path else 1,
        fingerprint=fingerprint,
        tags=tags,
        inputs=[*inputs, *paths_of(sar, radar), *paths_of(optical, light), *paths_of(cloud_mask, cover)],
        batch=batch,
        workers=workers,
        overwrite=overwrite,
        compression=compression,
        report=report,
        say=say,
    )
    _remove_hidden(final)
    forget(final)
    return final


_NO_MORE = frozenset(("_FillValue", "missing_value", "nodata", "scale_factor", "add_offset", "scales", "offsets"))


def _chosen(settings: dict[str, Any]) -> Fuse:
    if settings.get("uncertainty") and settings.get("samples") is None:
        settings = {**settings, "samples": SAMPLES}
    given = {name: value for name, value in settings.items() if value is not None}
    if unknown := set(given) - {field.name for field in fields(Fuse)}:
        raise SettingsError(f"There is no option {sorted(unknown)[0]!r} of fusion.")
    return Fuse(**given)


def _injection(inject: Inject, chosen: Fuse) -> Literal["ratio", "gain"]:
    if inject not in get_args(Inject):
        raise SettingsError(f"There is no way {inject!r} to inject; choose from {', '.join(get_args(Inject))}.")
    if inject != "auto":
        return inject
    return "gain" if chosen.solver in CLASSICAL and CLASSICAL[chosen.solver].injection == "add" else "ratio"


def _is_joint(chosen: Fuse, despeckled: bool) -> bool:
    if chosen.solver == "joint" and despeckled:
        raise SettingsError("Method 'joint' takes the speckle out itself: leave --despeckled out.")
    return chosen.solver == "joint"


def _with_looks(chosen: Fuse, found: Looks | None) -> Fuse:
    return chosen if found is None else replace(chosen, looks=found.value, correlation=found.area or 1.0)


def _layout(pair: Pair, apply: FuseTiles, tile: int | None, overlap: int | None) -> Layout:
    usual = TILE, overlap_for(apply.settings, apply.prior)
    return chosen_layout(pair.grid.shape, tile, overlap, usual=usual, stride=apply.stride)


def _colour(pair: Pair, mode: str) -> bool:
    if mode not in MODES:
        raise SettingsError(f"There is no mode {mode!r}; choose from {', '.join(MODES)}.")
    return mode == "colour" or (mode == "auto" and pair.bands >= 3)


def _bands(pair: Pair, mode: str) -> int:
    return pair.bands if _colour(pair, mode) else 1


def _shares(levels: Levels, pair: Pair) -> str:
    total = pair.shape[1] * pair.shape[2]
    parts = [f"{100 * levels.both / total:.3g} % of the grid is seen by both"]
    for count, what in ((levels.only_optical, "the optical image alone"), (levels.only_sar, "the SAR image alone")):
        if count:
            parts.append(f"{100 * count / total:.3g} % by {what}")
    if levels.only_sar and pair.clouds is None:
        parts[-1] += ", which stay nodata: without a cloud mask nothing says that a cloud hides the ground there"
    return ", ".join(parts) + "."


def _as_phase(report: Callable[[Progress], None], phase: str, progress: Progress) -> None:
    report(replace(progress, phase=phase))


def _measuring(report: Callable[[Progress], None], share: float) -> None:
    report(Progress("measure", 0, 0, 0, 0.0, 0.0, share))


def _hidden(final: Path, radar: Source, decides: dict[str, Any]) -> Path:
    """Where the despeckled SAR image is kept until the result is whole; a name for all that decides its pixels."""
    about = {"input": radar.identity, "sardiff": versions()["sardiff"], **decides}
    return final.with_name(f".{final.name}.{digest(about)}.despeckled.tif")


def _remove_hidden(final: Path) -> None:
    name = re.compile(rf"\.{{1,2}}{re.escape(final.name)}\.[0-9a-f]{{16}}\.despeckled\.tif.*")
    for path in final.parent.iterdir():
        if name.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _as_stored(path: str | os.PathLike[str]) -> Source | None:
    """A raster as it is stored; None if it is complex, or none: that is said where it is opened as backscatter."""
    try:
        return open_raster(path, values="physical")
    except ReadError:
        return None


def _tags(
    radar: Source,
    light: Source,
    apply: FuseTiles,
    looks: Looks | None,
    how: dict[str, Any],
    registration: Registration | None,
) -> dict[str, str]:
    prior, further = apply.prior, {}
    if prior is not None:
        further["prior"] = {"name": prior.name, "sha256": prior.sha256, "local": prior.local}
    if looks is not None:
        further["looks"] = {"value": looks.value, "reason": looks.reason}
    if registration is not None:
        further["registration"] = {
            "shift": registration.shift if registration.reliable else None,
            "confidence": registration.confidence,
            "applied": bool(how["register"]) and registration.reliable,
        }
    settings = {"task": "fuse", **asdict(apply.settings), "solver": apply.settings.solver, **how}
    if apply.settings.solver != "joint":  # of speckle the others know nothing
        del settings["looks"], settings["correlation"]
    return record(
        settings=settings,
        input={"sar": input_of(radar), "optical": input_of(light)},
        levels=apply.levels.said(),
        **further,
    )
