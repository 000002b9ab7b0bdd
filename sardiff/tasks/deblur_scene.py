"""Deblurring whole scenes: to files, or lazily as a DataArray."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from skimage.restoration import estimate_sigma

from geo_io import Sample
from sardiff.errors import SettingsError
from sardiff.provenance import digest
from sardiff.tasks.deblur import SAMPLES, Deblur, DeblurTiles, overlap_for
from sardiff.tasks.gaps import Known
from sardiff.tasks.inputs import paths_of, weights_path
from sardiff.tasks.kernels import kernel_of
from sardiff.tasks.restored import (
    Restored,
    open_image,
    restored_array,
    tags_of,
    write_restored,
)
from sardiff.tasks.scene import Progress, beside, check_outputs, check_running, chosen_layout
from sardiff.tasks.tones import HEADROOM, Tones, measure_tones
from sardiff.units import DB_PER_LOG
from tiling import Layout

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["deblur", "deblur_array", "deblur_file", "estimate_noise"]

TILE = 768  # pixels
SQUARE = 64  # pixels: side of the squares in which noise is estimated
LEAST_NOISE = 0.001  # of a band's range: less is not believed


def deblur(
    scene: str | os.PathLike[str] | xr.DataArray, output: str | os.PathLike[str] | None = None, **options: Any
) -> Path | xr.DataArray:
    """Take a known blur out of a scene.

    With a DataArray, returns a lazy one: see `deblur_array`. With the path of a raster and an output path, writes a
    GeoTIFF on the same grid and returns its path: see `deblur_file`.

    Parameters
    ----------
    scene : path or DataArray
        An optical image of any bands, or backscatter without speckle.
    output : path, optional
        Of the GeoTIFF to write; with a path as scene.
    **options
        `blur`, which must be given, and `method`, `steps`, `samples`, `uncertainty`, `seed` of
        `sardiff.tasks.deblur.Deblur`; `noise`, `values`, and more of either function.
    """
    if isinstance(scene, str | os.PathLike):
        if output is None:
            raise SettingsError(f"Where should the sharpened {os.fspath(scene)} go? Name an output .tif.")
        return deblur_file(scene, output, **options)
    if output is not None:
        raise SettingsError("A DataArray gives a DataArray; write it with .rio.to_raster, or deblur the file's path.")
    return deblur_array(scene, **options)


def deblur_array(
    da: xr.DataArray,
    *,
    blur: str,
    noise: float | Literal["auto"] = "auto",
    values: str = "auto",
    tile: int | None = None,
    overlap: int | None = None,
    batch: int = 1,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    **settings: Any,
) -> xr.DataArray:
    """Return a sharpened DataArray, lazy: computed tile by tile when asked for.

    A sample of it is read at once, for the grey range and the noise of each band.

    Parameters
    ----------
    da : DataArray
        (y, x) or (band, y, x).
    blur, noise, values, tile, overlap, batch, weights, device
        As for `deblur_file`.
    **settings
        Of `Deblur`. With `uncertainty=True` the result has a new first dimension "estimate": the sharp bands, and the
        standard deviation of the samples.

    Returns
    -------
    DataArray
        float32, with the dimensions, coordinates, attributes and name of the input.
    """
    _chosen(blur, (1.0,), settings)
    known = Known(open_image(da, values=values))
    tones, windows = measure_tones(known)
    chosen = _chosen(blur, _noise(noise, tones, windows), settings)
    apply = DeblurTiles(chosen, tones, known.grid.shape, weights_path(weights), device)
    return restored_array(
        da,
        known,
        apply,
        _layout(known, apply, tile, overlap),
        Restored(known, tones),
        tags=_tags(known, apply),
        uncertainty=chosen.uncertainty,
        batch=batch,
    )


def deblur_file(
    scene: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    blur: str,
    noise: float | Literal["auto"] = "auto",
    values: str = "auto",
    bands: tuple[int, ...] | None = None,
    uncertainty: bool | str | os.PathLike[str] = False,
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
    """Take a known blur out of a raster into a cloud-optimised GeoTIFF on the same grid; return its path.

    The same call after an interruption goes on where it stopped.

    Parameters
    ----------
    scene, output : path
    blur : str
        "gaussian:SIGMA", "box:N", "motion:LENGTH,ANGLE" or a file with a kernel (`sardiff.tasks.kernels.kernel_of`).
    noise : float or "auto"
        Standard deviation, in units of the image, or of its decibels for backscatter; estimated for each band by
        default.
    values : {"auto", "physical", "intensity", "amplitude", "db"}
        What the pixels mean (`sardiff.tasks.restored.open_image`). Of backscatter decibels count as what was blurred;
        it should have no speckle.
    bands : tuple of int, optional
        To use, from 1; all by default.
    uncertainty : bool or path
        Also write the standard deviation of the samples, OUT_std.tif, in the image's units.
    dtype : {"input", "float32"}
        Whether whole numbers stay whole.
    tile, overlap, batch, workers, weights, device, overwrite, compression, report, say
        As for `despeckle_file`.
    **settings
        Of `Deblur`.

    Raises
    ------
    SardiffError, GeoIOError
        With a sentence that says what is wrong and what to do.
    """
    check_running(workers, batch)
    final = Path(output)
    spread_path = None if uncertainty is False else beside(final, "std", uncertainty)
    settings["uncertainty"] = spread_path is not None
    _chosen(blur, (1.0,), settings)  # what is wrong whatever the scene is refused before it is read
    side = "x".join(map(str, kernel_of(blur).shape))
    inputs = [*paths_of(scene), *(path for path in [Path(blur)] if path.is_file())]
    check_outputs((final, spread_path), inputs, overwrite)

    known = Known(open_image(scene, values=values, bands=bands, say=say))
    for note in getattr(known.source, "notes", ()):
        say(note)
    tones, windows = measure_tones(known)
    found = _noise(noise, tones, windows)
    unit = "units of the image" if tones.physical else "dB"
    how = "estimated" if noise == "auto" else "as asked for"
    say(f"Noise: {', '.join(f'{sigma:.3g}' for sigma in found)} {unit} ({how}). Kernel: {side} pixels.")
    chosen = _chosen(blur, found, settings)
    apply = DeblurTiles(chosen, tones, known.grid.shape, weights_path(weights), device)
    layout = _layout(known, apply, tile, overlap)
    drawn = f", the mean of {chosen.samples} samples" if chosen.samples > 1 else ""
    say(f"Method: {chosen.solver}{drawn}.")
    encode = Restored(known, tones, dtype)
    write_restored(
        known,
        apply,
        layout,
        encode.outputs(final, spread_path),
        out_bands=encode.bands * (2 if spread_path else 1),
        tags=_tags(known, apply, dtype),
        inputs=[*inputs, *paths_of(scene, known.source)],
        batch=batch,
        workers=workers,
        overwrite=overwrite,
        compression=compression,
        report=report,
        say=say,
    )
    return final


def estimate_noise(tones: Tones, windows: Sequence[Sample]) -> tuple[float, ...]:
    """Return the standard deviation of each band's noise, in its units (decibels for backscatter).

    The median over squares of a sample of the scene of what the finest wavelets hold (Donoho and Johnstone 1994, as
    scikit-image has it); of a blurred image that is noise, and hardly anything else. At least `LEAST_NOISE` of the
    band's range.
    """
    found = []
    for band, (low, high) in enumerate(tones.ranges):
        squares = []
        for window in windows:
            image = window.intensity[band]
            image = image if tones.physical else DB_PER_LOG * np.log(image)
            for top in range(0, max(1, image.shape[0] - SQUARE // 2), SQUARE):
                for left in range(0, max(1, image.shape[1] - SQUARE // 2), SQUARE):
                    square = image[top : top + SQUARE, left : left + SQUARE]
                    if np.isfinite(square).all() and min(square.shape) >= 8:
                        squares.append(float(estimate_sigma(square.astype(np.float64))))
        least = LEAST_NOISE * ((high - low) / (1 + HEADROOM) if tones.physical else 1.0)
        usual = float(np.median(squares)) if squares else math.nan
        found.append(max(least, usual) if math.isfinite(usual) else least)
    return tuple(found)


def _noise(noise: float | Literal["auto"], tones: Tones, windows: Sequence[Sample]) -> tuple[float, ...]:
    if noise == "auto":
        return estimate_noise(tones, windows)
    try:
        return (float(noise),) * len(tones.ranges)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"noise must be 'auto' or a number > 0, in the image's units, got {noise!r}.") from error


def _chosen(blur: str, noise: tuple[float, ...], settings: dict[str, Any]) -> Deblur:
    kernel_of(blur)
    given = {name: value for name, value in settings.items() if value is not None}
    if unknown := set(given) - {field.name for field in fields(Deblur)}:
        raise SettingsError(f"There is no option {sorted(unknown)[0]!r} of deblurring.")
    if given.get("uncertainty"):
        given.setdefault("samples", SAMPLES)
    return Deblur(blur=blur, noise=noise, **given)


def _layout(known: Known, apply: DeblurTiles, tile: int | None, overlap: int | None) -> Layout:
    reach = apply.blur.reach
    if overlap is not None and overlap < reach:
        raise SettingsError(
            f"This blur carries pixels {reach} pixels far: overlap must be at least that, not {overlap}."
        )
    usual = TILE, overlap_for(apply.prior, reach)
    return chosen_layout(known.grid.shape, tile, overlap, usual=usual, stride=apply.prior.stride)


def _tags(known: Known, apply: DeblurTiles, dtype: str = "float32") -> dict[str, str]:
    chosen = apply.settings
    settings = {**asdict(chosen), "blur": Path(chosen.blur).name, "solver": chosen.solver, "dtype": dtype}
    settings["kernel"] = digest({"weights": apply.blur.kernel.tolist()})
    return tags_of("deblur", known.source, apply.tones, apply.prior, settings)
