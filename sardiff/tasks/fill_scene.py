"""Filling the gaps of whole scenes: to files, or lazily as a DataArray."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io import Sample, Source, open_raster, overlap
from geo_io.align import Aligned
from geo_io.grid import same_grid
from geo_io.source import scene_strips
from sardiff.errors import SettingsError
from sardiff.tasks.fill import Fill, FillTiles, overlap_for
from sardiff.tasks.gaps import FILLED_VALUES, MOST_GAP, WIDEST, Gaps, Known
from sardiff.tasks.inputs import open_source, paths_of, weights_path
from sardiff.tasks.restored import (
    Restored,
    open_image,
    restored_array,
    tags_of,
    write_restored,
)
from sardiff.tasks.scene import (
    Output,
    Progress,
    beside,
    check_outputs,
    check_running,
    chosen_layout,
    metadata_of_classes,
)
from sardiff.tasks.tones import measure_tones
from tiling import Layout

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fill", "fill_array", "fill_file"]

TILE = 512  # pixels


def fill(
    scene: str | os.PathLike[str] | xr.DataArray, output: str | os.PathLike[str] | None = None, **options: Any
) -> Path | xr.DataArray:
    """Fill the gaps of a scene: nodata, and what a mask names.

    With a DataArray, returns a lazy one: see `fill_array`. With the path of a raster and an output path, writes a
    GeoTIFF on the same grid and returns its path: see `fill_file`.

    Parameters
    ----------
    scene : path or DataArray
        An optical image of any bands, or any other, or backscatter without speckle.
    output : path, optional
        Of the GeoTIFF to write; with a path as scene.
    **options
        `method`, `steps`, `samples`, `uncertainty`, `seed` of `sardiff.tasks.fill.Fill`; `mask`, `gap_classes`,
        `max_gap`, `values`, and more of either function.
    """
    if isinstance(scene, str | os.PathLike):
        if output is None:
            raise SettingsError(f"Where should the filled {os.fspath(scene)} go? Name an output .tif.")
        return fill_file(scene, output, **options)
    if output is not None:
        raise SettingsError("A DataArray gives a DataArray; write it with .rio.to_raster, or fill the file's path.")
    return fill_array(scene, **options)


def fill_array(
    da: xr.DataArray,
    *,
    mask: xr.DataArray | None = None,
    gap_classes: tuple[int, ...] = (),
    max_gap: int = WIDEST,
    values: str = "auto",
    tile: int | None = None,
    overlap: int | None = None,
    batch: int = 1,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    **settings: Any,
) -> xr.DataArray:
    """Return a DataArray whose gaps are filled, lazy: computed tile by tile when asked for.

    A sample of it is read at once, for the grey range of each band.

    Parameters
    ----------
    da : DataArray
        (y, x) or (band, y, x).
    mask : DataArray, optional
        Not zero, or one of `gap_classes`: a gap. On any grid, if both have a CRS.
    max_gap, values, tile, overlap, batch, weights, device
        As for `fill_file`.
    **settings
        Of `Fill`. With `uncertainty=True` the result has a new first dimension "estimate": the filled bands, and the
        standard deviation of the samples.

    Returns
    -------
    DataArray
        float32, with the dimensions, coordinates, attributes and name of the input.
    """
    chosen = _chosen(settings)
    source = open_image(da, values=values)
    cover = None if mask is None else open_source(mask, values="physical")
    gaps = _gaps(source, cover, gap_classes, max_gap)
    tones, _ = measure_tones(gaps.known)
    apply = FillTiles(chosen, tones, weights_path(weights), device)
    return restored_array(
        da,
        gaps,
        apply,
        _layout(gaps, apply, tile, overlap),
        Restored(gaps.known, tones),
        tags=_tags(gaps, apply),
        uncertainty=chosen.uncertainty,
        batch=batch,
    )


def fill_file(
    scene: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    mask: str | os.PathLike[str] | None = None,
    gap_classes: tuple[int, ...] = (),
    max_gap: int = WIDEST,
    values: str = "auto",
    bands: tuple[int, ...] | None = None,
    uncertainty: bool | str | os.PathLike[str] = False,
    filled: bool | str | os.PathLike[str] = False,
    dtype: Literal["input", "float32"] = "input",
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
    """Fill the gaps of a raster into a cloud-optimised GeoTIFF on the same grid; return its path.

    What was measured comes back as it was stored. The same call after an interruption goes on where it stopped.

    Parameters
    ----------
    scene, output : path
    mask : path, optional
        A raster of gaps beside those that are nodata: not zero, or one of `gap_classes`. On any grid, if both rasters
        have a place on Earth.
    max_gap : int
        Pixels: wider gaps are left as they are, and what lies around the scene (`sardiff.tasks.gaps.narrow`). The
        network sees some sixty pixels: in the middle of wider gaps it knows nothing of their rims but their mean.
    values : {"auto", "physical", "intensity", "amplitude", "db"}
        What the pixels mean (`sardiff.tasks.restored.open_image`). Of backscatter the logarithm is filled; it should
        have no speckle.
    bands : tuple of int, optional
        To use, from 1; all by default.
    uncertainty, filled : bool or path
        Also write the standard deviation of the samples, OUT_std.tif, in the image's units; and which pixels were
        filled, OUT_filled.tif (`sardiff.tasks.gaps.FILLED_VALUES`).
    dtype : {"input", "float32"}
        Whether whole numbers stay whole.
    tile, overlap, batch, workers, weights, device, overwrite, compression, report, say
        As for `despeckle_file`.
    **settings
        Of `Fill`.

    Raises
    ------
    SardiffError, GeoIOError
        With a sentence that says what is wrong and what to do.
    """
    check_running(workers, batch)
    final = Path(output)
    spread_path = None if uncertainty is False else beside(final, "std", uncertainty)
    filled_path = None if filled is False else beside(final, "filled", filled)
    chosen = _chosen({**settings, "uncertainty": spread_path is not None})
    inputs = [path for given in (scene, mask) if given is not None for path in paths_of(given)]
    check_outputs((final, spread_path, filled_path), inputs, overwrite)

    source = open_image(scene, values=values, bands=bands, say=say)
    cover = None if mask is None else open_raster(mask, values="physical", bands=(1,), classes=True)
    for note in getattr(source, "notes", ()):
        say(note)
    gaps = _gaps(source, cover, gap_classes, max_gap)
    tones, windows = measure_tones(gaps.known)
    if gaps.known.zeros and any(_zero_everywhere(source, window) for window in windows):
        say("The file names no nodata: pixels that are 0 in every band are taken for gaps.")
    apply = FillTiles(chosen, tones, weights_path(weights), device)
    layout = _layout(gaps, apply, tile, overlap)
    say(f"Method: {chosen.solver}{_drawn(chosen)}. Gaps up to {max_gap} pixels wide are filled, wider ones are left.")
    say(_counted(gaps))
    reach = 0 if apply.prior is None else int(apply.prior.card.get("reach", apply.prior.receptive_field))
    if 0 < 2 * reach < max_gap:
        say(f"The network sees {reach} pixels: in the middle of gaps wider than {2 * reach} it can only guess.")

    encode = Restored(gaps.known, tones, dtype)
    outputs = encode.outputs(final, spread_path)
    if filled_path is not None:
        bands_of = slice(0, encode.bands)

        def classes(core: NDArray[np.float32], rows: slice, cols: slice) -> NDArray[np.float32]:
            done, known = ~np.isnan(core), ~np.isnan(gaps.known[slice(0, gaps.bands), rows, cols])
            return np.where((~done & ~known).any(axis=0), 2, done.any(axis=0)).astype(np.float32)[None]

        about = metadata_of_classes("pixels", FILLED_VALUES)
        outputs.append(Output(filled_path, bands_of, classes, about, None, 1, "uint8"))
    write_restored(
        gaps,
        apply,
        layout,
        outputs,
        out_bands=encode.bands * (2 if spread_path else 1),
        tags=_tags(gaps, apply, dtype),
        inputs=[*inputs, *paths_of(scene, source), *paths_of(mask, cover)],
        batch=batch,
        workers=workers,
        overwrite=overwrite,
        compression=compression,
        report=report,
        say=say,
    )
    return final


def _counted(gaps: Gaps) -> str:
    """How many pixels are to be filled, and how many gaps are too wide; counted in strips of the whole scene."""
    rows, cols = gaps.grid.shape
    filled = left = 0
    for part in scene_strips((rows, cols)):
        place = part, slice(0, cols)
        if not np.isnan(gaps.known[(slice(0, gaps.bands), *place)]).any():
            continue
        both = gaps[(slice(0, 2 * gaps.bands), *place)]
        gap, wanted = np.isnan(both[: gaps.bands]), both[gaps.bands :] > 0
        wide = (gap & ~wanted).any(axis=0)
        left += int(wide.sum())
        filled += int((wanted.any(axis=0) & ~wide).sum())
    if not filled and not left:
        return "There is no gap: the result is a copy."
    said = f"To be filled: {100 * filled / (rows * cols):.3g} % of the pixels."
    if left:
        why = f"wider than {gaps.widest} pixels, or around the scene"
        said += f" {100 * left / (rows * cols):.3g} % stay gaps, in some band: {why}."
    return said


def _zero_everywhere(source: Source, window: Sample) -> bool:
    stored = source[slice(0, source.shape[0]), window.rows, window.cols]
    return bool((stored == 0).all(axis=0).any())


def _chosen(settings: dict[str, Any]) -> Fill:
    given = {name: value for name, value in settings.items() if value is not None}
    if unknown := set(given) - {field.name for field in fields(Fill)}:
        raise SettingsError(f"There is no option {sorted(unknown)[0]!r} of filling.")
    return Fill(**given)


def _drawn(chosen: Fill) -> str:
    if chosen.solver == "ddnm":
        return ", one sample" if chosen.drawn == 1 else f", the mean of {chosen.drawn} samples"
    return f", the mean of {chosen.drawn} runs" if chosen.drawn > 1 else ""


def _gaps(source: Source, cover: Source | None, classes: tuple[int, ...], widest: int) -> Gaps:
    if not 1 <= widest <= MOST_GAP:
        raise SettingsError(f"max_gap must be from 1 to {MOST_GAP} pixels, got {widest}.")
    if classes and cover is None:
        raise SettingsError("Classes of gaps are values of a mask: give one with --mask.")
    if cover is not None and not same_grid(cover.grid, source.grid):
        overlap(source.grid, source.name, cover.grid, cover.name)
    mask = cover if cover is None or same_grid(cover.grid, source.grid) else Aligned(
        cover, source.grid, resampling="nearest"
    )  # fmt: skip
    return Gaps(Known(source, mask, classes), widest)


def _layout(gaps: Gaps, apply: FillTiles, tile: int | None, overlap: int | None) -> Layout:
    prior = apply.prior
    usual = TILE, overlap_for(prior, gaps.widest)
    return chosen_layout(gaps.grid.shape, tile, overlap, usual=usual, stride=1 if prior is None else prior.stride)


def _tags(gaps: Gaps, apply: FillTiles, dtype: str = "float32") -> dict[str, str]:
    chosen = apply.settings
    mask = gaps.known.mask
    how = {"max_gap": gaps.widest, "gap_classes": gaps.known.classes, "mask": mask and Path(mask.name).name}
    settings = {**asdict(chosen), "solver": chosen.solver, "samples": chosen.drawn, "dtype": dtype, **how}
    return tags_of("fill", gaps.known.source, apply.tones, apply.prior, settings)
