"""What a task can be given: a raster file, a Sentinel-1 product, a DataArray, or a source already open."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geo_io import ReadError, Sample, Source, is_safe, open_raster, open_safe, sample
from sardiff.errors import SettingsError
from sardiff.metrics import LooksEstimate, estimate_looks
from sardiff.priors.checkpoint import SHIPPED

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Looks",
    "input_of",
    "measure_looks",
    "open_source",
    "paths_of",
    "settle_looks",
    "values_said",
    "weights_path",
]


def open_source(
    scene: str | os.PathLike[str] | Source | xr.DataArray,
    *,
    values: str = "auto",
    bands: tuple[int, ...] | None = None,
    polarisation: str | None = None,
    swath: str | None = None,
) -> Source:
    """Open whatever holds a scene.

    Parameters
    ----------
    scene : path, Source or DataArray
        A GeoTIFF, COG or VRT; a Sentinel-1 SAFE folder or zip; an array with rioxarray's conventions.
    values : str
        "auto", or what the pixels of a raster mean: "intensity", "amplitude" or "db".
    bands : tuple of int, optional
        Bands of a raster to use, from 1; all by default.
    polarisation, swath : str, optional
        Which image of a Sentinel-1 product.

    Raises
    ------
    GeoIOError
        If it cannot be read, or is not clear what it means.
    SettingsError
        If it is nothing that holds a scene, or an option does not belong to it.
    """
    if isinstance(scene, str | os.PathLike):
        path = Path(scene)
        if is_safe(path):
            if values not in ("auto", "intensity"):
                raise SettingsError(
                    f"{path} is a Sentinel-1 product, read as sigma nought: leave out --values {values}."
                )
            if bands is not None and tuple(bands) != (1,):
                raise SettingsError(
                    f"{path} is a Sentinel-1 product, whose images have one band each: leave out --bands, "
                    f"choose with --polarisation."
                )
            return open_safe(path, polarisation=polarisation, swath=swath)
        for option, value in (("polarisation", polarisation), ("swath", swath)):
            if value is not None:
                raise SettingsError(f"{path} is not a Sentinel-1 product: leave out --{option} {value}.")
        return open_raster(path, values=values, bands=bands)  # type: ignore[arg-type]
    for option, chosen in (("bands", bands), ("polarisation", polarisation), ("swath", swath)):
        if chosen is not None:
            raise SettingsError(f"{option}={chosen!r} is for files: select from the array itself, with .sel or .isel.")
    if hasattr(scene, "dims"):
        from geo_io import ArraySource

        return ArraySource(scene, values)  # type: ignore[arg-type]
    if not isinstance(scene, Source):
        raise SettingsError(f"A scene is a path or an xarray.DataArray, not {type(scene).__name__}.")
    return scene


def paths_of(scene: Any, source: Source | None = None) -> tuple[Path, ...]:
    """The files and folders a result must not be written over; of an open source, also those its file refers to."""
    paths: tuple[Path, ...] = tuple(getattr(source, "files", ()))
    if isinstance(scene, str | os.PathLike):
        path = Path(scene)
        paths = (path, *((path.parent,) if path.name.lower() == "manifest.safe" else ()), *paths)
    return paths


def input_of(source: Source) -> dict[str, Any]:
    """What the tags of a result say of its input: its name, what its pixels mean, which bands of a file were used, or
    which image of a product."""
    which = {name: getattr(source, name, None) for name in ("bands", "polarisation", "swath")}
    known = {name: value for name, value in which.items() if value is not None}
    return {"name": Path(source.name).name, "values": source.values, **known}


def values_said(made: Mapping[str, Any]) -> str | None:
    """What the record of a result (`read_record`) says that its pixels mean; None where it does not."""
    said = made.get("input")
    kind = (said.get("units") or said.get("values")) if isinstance(said, Mapping) else None
    kind = "intensity" if kind == "complex" else kind  # of which intensity is left
    return kind if kind in ("physical", "intensity", "amplitude", "db") else None


def weights_path(weights: str | os.PathLike[str] | None) -> Path:
    """The weights asked for, or those that come along."""
    return SHIPPED if weights is None else Path(weights)


@dataclass(frozen=True)
class Looks:
    """The number of looks in use, where it comes from (a sentence for people), and how many pixels vary as one.

    `area` is 1 where speckle is independent, and None where that was not measured, or cannot be told.
    """

    value: float
    reason: str
    area: float | None = None


def measure_looks(source: Source) -> LooksEstimate:
    """Estimate the equivalent number of looks, and the correlation of speckle, from a sample of a scene.

    Raises
    ------
    ReadError
        If nothing at all was measured.
    """
    windows = sample(source)
    if not any(np.isfinite(window.intensity).any() for window in windows):
        advice = "" if is_safe(Path(source.name)) else " If its values are decibels, say --values db."
        raise ReadError(
            f"{source.name} holds no measurement: every pixel is nodata, NaN, zero or negative as {source.values}."
            + advice
        )
    _refuse_decibels(source, windows)
    # Windows are laid side by side with a column of NaN between, so that none reaches into its neighbour.
    height = max(window.intensity.shape[1] for window in windows)
    strips = []
    for window in windows:
        for band in window.intensity:
            strip = np.full((height, band.shape[1] + 1), np.nan, np.float32)
            strip[: band.shape[0], :-1] = band
            strips.append(strip)
    return estimate_looks(np.concatenate(strips, axis=1))


def _refuse_decibels(source: Source, windows: Sequence[Sample]) -> None:
    """Raise where a scene told to be power or amplitude is nearly all negative."""
    if source.values not in ("intensity", "amplitude"):
        return
    if np.mean([np.isfinite(window.intensity).mean() for window in windows]) > 0.1:
        return
    negative = counted = 0
    scale, offset = (np.reshape(n, (-1, 1, 1)) for n in (source.metadata.scales, source.metadata.offsets))
    for window in windows:
        stored = source.stored(window.rows, window.cols)
        physical = stored * scale + offset
        known = np.isfinite(physical) & (stored != source.metadata.nodata) & (physical != 0)
        counted += int(known.sum())
        negative += int((physical[known] < 0).sum())
    if negative > 0.9 * counted:
        raise ReadError(
            f"{source.name}: {negative / counted:.1%} of its values are negative, which no {source.values} is: they "
            "look like decibels, so say --values db."
        )


def settle_looks(source: Source, looks: float | Literal["auto"], *, measure: bool = True) -> Looks:
    """Return the number of looks to use, as given or estimated, and how many pixels vary as one.

    Complex data have one look. No product has fewer: an estimate below 1 is texture, and becomes 1. Without
    `measure` nothing is read where the number is given.

    Raises
    ------
    SettingsError
        If `looks` is not a positive number, or "auto" finds nothing to go by.
    """
    if looks != "auto":
        try:
            number = float(looks)
        except (TypeError, ValueError):
            number = float("nan")
        if not 0 < number < float("inf"):
            raise SettingsError(f"looks must be 'auto' or a number > 0, got {looks!r}. A single-look product has 1.")
        return Looks(number, "as asked for", _area(measure_looks(source)) if measure else None)
    # A Sentinel-1 SLC product comes as intensity, and says that it has one look.
    if source.values == "complex" or getattr(source, "nominal_looks", None) == 1:
        return Looks(1.0, "single-look complex data have one look", _area(measure_looks(source)))
    estimate = measure_looks(source)
    if not np.isfinite(estimate.looks):
        raise SettingsError(f"{source.name}: {estimate.reason.rstrip('.')}. Say --looks NUMBER.")
    reason = f"estimated, with {estimate.certainty} certainty: {estimate.reason.rstrip('.')}"
    if estimate.looks < 1:
        reason += "; no product has less than one look"
    return Looks(max(1.0, float(f"{estimate.looks:.3g}")), reason, _area(estimate))


def _area(estimate: LooksEstimate) -> float | None:
    return None if estimate.area is None else float(f"{estimate.area:.3g}")
