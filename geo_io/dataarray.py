"""`xarray.DataArray` in and out, by the conventions of rioxarray, numpy- or dask-backed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import CRSError

from geo_io.errors import ReadError
from geo_io.grid import Grid
from geo_io.source import Metadata, columns, encoded, sample_windows
from geo_io.values import (
    Hint,
    Units,
    Values,
    detect_values,
    speaks_of_pixels,
    to_intensity,
    zeros_are_fill,
)

__all__ = ["ArraySource", "grid_of", "to_dataarray"]

ROW_NAMES = ("y", "latitude", "lat", "row", "rows", "azimuth", "line")
COL_NAMES = ("x", "longitude", "lon", "col", "cols", "range", "pixel", "sample")

# Attributes that say something else than tags do.
_STRUCTURAL = frozenset(
    (
        *("_FillValue", "missing_value", "nodata", "scale_factor", "add_offset", "scales", "offsets"),
        *("long_name", "units", "grid_mapping"),
    )
)

REGULAR = 0.05  # coordinates within this share of a step from a regular spacing are regular: float32 degrees are rough


class ArraySource:
    """A DataArray as a `Source`: windows of linear intensity, NaN where not measured. Nothing is computed but those.

    Parameters
    ----------
    da : DataArray
        (y, x) or (band, y, x), of any real dtype, or complex (single look). Its grid comes from the coordinate
        `spatial_ref` (or the one named by `grid_mapping`) and from regularly spaced x and y, which are pixel
        centres. Unmeasured: NaN, and the attribute `_FillValue`, `missing_value` or `nodata`.
        The attributes `scale_factor` and `add_offset` are applied, or rioxarray's `scales` and `offsets`, which
        have one number per band.
    values : {"auto", "intensity", "amplitude", "db", "complex", "physical"}
        What the pixels mean. "auto" decides by attributes and statistics, for which it reads part of the array;
        "physical" is for what is no radar image.

    Raises
    ------
    ReadError
        If the dimensions, dtype or values are none of these, or the values cannot be told.
    """

    def __init__(self, da: xr.DataArray, values: Values | Literal["auto"] = "auto") -> None:
        _check(da)
        self.name = _name(da)
        self._variable = da.variable  # without coordinates: slicing them would cost more than the pixels
        self.shape = (da.shape[0] if da.ndim == 3 else 1, da.shape[-2], da.shape[-1])
        self.dtype = np.dtype(np.float32)
        self.grid = grid_of(da)
        self.metadata = _metadata(da, self.shape[0])
        self.bands = _band_numbers(da)
        self.values, self.values_reason = self._decide(values, da)

    @cached_property
    def identity(self) -> str:
        """Fingerprint: of the pixels, or where they are still to be computed, of the graph that will."""
        digest = hashlib.sha256(f"{self.metadata.stored_dtype} {self.shape}".encode())
        if self._variable.chunks is not None:
            digest.update(self._variable.data.name.encode())  # dask names a graph by what it computes
        else:
            digest.update(np.ascontiguousarray(self._variable.values).tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"ArraySource({self.name}, shape={self.shape}, values={self.values!r})"

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Linear intensity (bands, rows, cols) of a window inside the scene; NaN: not measured."""
        return self._intensity(self._read(*index), index[0])

    def stored(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the pixels as the array holds them (bands, h, w): float32, or complex64."""
        return self._read(slice(None), rows, cols)

    def encode(
        self, intensity: NDArray[np.floating[Any]], rows: slice, cols: slice, units: Units | None = None
    ) -> NDArray[np.float32]:
        """Turn linear intensity (bands, h, w) into what the result holds; see `Source.encode`.

        In other units than the input's, and for complex input, an unmeasured pixel becomes nodata (NaN where the
        array names none). A result that happens to equal nodata is moved by a millionth.
        """
        own: Units = "intensity" if self.values == "complex" else self.values
        out = encoded(intensity, units or own, self.metadata)
        if not np.isnan(intensity).any():
            return out
        stored = self.stored(rows, cols)
        unmeasured = np.isnan(self._intensity(stored, slice(None)))
        keep = self.values != "complex" and (units or own) == own
        out[unmeasured] = stored[unmeasured] if keep else self.metadata.fill
        return out

    def _read(self, bands: slice, rows: slice, cols: slice) -> NDArray[Any]:
        if self._variable.ndim == 3:
            part = np.asarray(self._variable[bands, rows, cols].values)
        else:
            part = np.asarray(self._variable[rows, cols].values)[np.newaxis][bands]
        with np.errstate(over="ignore"):
            return part.astype(np.complex64 if np.iscomplexobj(part) else np.float32)

    def _intensity(self, stored: NDArray[Any], bands: slice) -> NDArray[np.float32]:
        intensity = to_intensity(self._physical(stored, bands), self.values)
        if zeros_are_fill(self.values, self.metadata.stored_dtype):
            intensity[stored == 0] = np.nan
        return intensity

    def _physical(self, stored: NDArray[Any], bands: slice) -> NDArray[Any]:
        """Apply scale and offset, and put NaN for nodata."""
        nodata = self.metadata.nodata
        out = stored
        if not np.iscomplexobj(stored):
            scale, offset = (columns(n)[bands] for n in (self.metadata.scales, self.metadata.offsets))
            out = (stored * scale + offset).astype(stored.dtype)
        if nodata is not None:
            out = np.where(stored == np.float32(nodata), np.float32(np.nan), out)
        return out

    def _decide(self, values: Values | Literal["auto"], da: xr.DataArray) -> tuple[Values, str]:
        is_complex = np.issubdtype(da.dtype, np.complexfloating)
        if is_complex != (values == "complex") and values != "auto":
            raise ReadError(f"{self.name} is of {da.dtype}, which values={values!r} does not fit; leave it at 'auto'")
        if is_complex:
            return "complex", "the pixels are complex: single-look complex, |z|² is intensity"
        if values != "auto":
            return values, "as asked for"
        everything = slice(None)
        windows = [
            self._physical(self._read(everything, rows, cols), everything)
            for rows, cols in sample_windows(self.grid.shape, budget=4_000_000 // self.shape[0])
        ]
        detected = detect_values(windows, name=self.name, dtype=str(da.dtype), hints=_hints(da, self.metadata))
        return detected.values, detected.reason


def to_dataarray(
    data: Any, like: xr.DataArray, *, attrs: Mapping[str, Any] | None = None, drop: Collection[str] = ()
) -> xr.DataArray:
    """Give a result the dimensions, coordinates, attributes and name of the array it was made from.

    Parameters
    ----------
    data : array
        numpy or dask, (bands, rows, cols), also for a `like` without bands; left as lazy as it is.
    like : DataArray
        The input. Its `spatial_ref`, and so its CRS, transform or control points, come along. Of its encoding
        only what says nothing about the stored dtype does.
    attrs : mapping, optional
        Attributes to add or replace, such as provenance.
    drop : collection of str
        Attributes of the input that are not true of the result.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    shape = (1, *like.shape) if like.ndim == 2 else like.shape
    if tuple(data.shape) != shape:
        raise ValueError(f"a result for {like.dims} of shape {like.shape} must have shape {shape}, got {data.shape}")
    out = xr.DataArray(
        data if like.ndim == 3 else data[0],
        dims=like.dims,
        coords=like.coords,
        attrs={key: value for key, value in like.attrs.items() if key not in drop} | dict(attrs or {}),
        name=like.name,
    )
    kept = ("grid_mapping", "coordinates") if np.issubdtype(like.dtype, np.integer) else (
        "grid_mapping", "coordinates", "_FillValue", "missing_value")  # fmt: skip
    out.name = like.name  # xarray takes that of a dask array where none is given
    out.encoding = {key: like.encoding[key] for key in kept if key in like.encoding}
    return out


def grid_of(da: xr.DataArray) -> Grid:
    """Return the grid of a DataArray (..., y, x); of kind "none" where its coordinates are missing or irregular.

    Coordinates tell where a cut-out lies, when `GeoTransform` still tells of the whole; its step is the more exact.
    """
    rows, cols = da.shape[-2:]
    spatial = _spatial_attrs(da)
    crs = _crs(spatial, da)
    if gcps := _gcps(spatial):
        return Grid((rows, cols), gcps=gcps, gcp_crs=crs)
    try:
        transform = _transform(da, spatial)
        return Grid((rows, cols), crs=crs, transform=None if transform == Affine.identity() else transform)
    except (TypeError, ValueError) as error:
        raise ReadError(f"{_name(da)}: its GeoTransform is damaged ({error}); set it anew or drop it") from error


def _name(da: xr.DataArray) -> str:
    return f"DataArray {da.name!r}" if da.name is not None else "the DataArray"


def _check(da: xr.DataArray) -> None:
    if not isinstance(da, xr.DataArray):
        raise ReadError(f"expected an xarray.DataArray, got {type(da).__name__}; take one variable of a Dataset")
    name = _name(da)
    last = tuple(str(dim).lower() for dim in da.dims[-2:])
    if da.ndim not in (2, 3) or last[0] in COL_NAMES or last[1] in ROW_NAMES or "band" in last:
        raise ReadError(f"{name} has dimensions {da.dims}; bring it to (y, x) or (band, y, x) with .transpose or .isel")
    if not all(da.shape):
        raise ReadError(f"{name} is empty: its shape is {da.shape}")
    if da.dtype.kind not in "iufc":
        raise ReadError(f"{name} is of {da.dtype}; give numbers")


def _spatial_attrs(da: xr.DataArray) -> Mapping[Any, Any]:
    name = da.encoding.get("grid_mapping", da.attrs.get("grid_mapping", "spatial_ref"))
    return da.coords[name].attrs if name in da.coords else {}


def _crs(spatial: Mapping[Any, Any], da: xr.DataArray) -> CRS | None:
    for key in ("spatial_ref", "crs_wkt"):
        if wkt := spatial.get(key):
            try:
                return CRS.from_wkt(str(wkt))
            except CRSError as error:
                raise ReadError(f"{_name(da)}: its CRS is not understood: {error}; set it anew") from error
    return None


def _gcps(spatial: Mapping[Any, Any]) -> tuple[GroundControlPoint, ...]:
    """Control points, which rioxarray keeps as GeoJSON."""
    if "gcps" not in spatial:
        return ()
    points = []
    for feature in json.loads(spatial["gcps"])["features"]:
        x, y, *z = feature["geometry"]["coordinates"]
        at = feature["properties"]
        points.append(GroundControlPoint(row=at["row"], col=at["col"], x=x, y=y, z=z[0] if z else None))
    return tuple(points)


def _transform(da: xr.DataArray, spatial: Mapping[Any, Any]) -> Affine | None:
    said = None
    if "GeoTransform" in spatial:
        said = Affine.from_gdal(*(float(number) for number in str(spatial["GeoTransform"]).split()))
        if said.b or said.d:
            return said  # rotated: x and y cannot say it
    if all(dim not in da.coords for dim in da.dims[-2:]):
        return said
    down, across = (None, None) if said is None else (said.e, said.a)
    y, x = _axis(da, -2, down), _axis(da, -1, across)
    if y is None or x is None:
        return None
    (top, down), (left, across) = y, x
    if said is not None and _close(said.c + across / 2, left, across) and _close(said.f + down / 2, top, down):
        return said
    return Affine(across, 0.0, left - across / 2, 0.0, down, top - down / 2)


def _axis(da: xr.DataArray, axis: int, said: float | None) -> tuple[float, float] | None:
    """First centre and step of a regularly spaced coordinate; the step as `said` where it fits, else measured."""
    dim, length = da.dims[axis], da.shape[axis]
    if dim not in da.coords or da.coords[dim].dtype.kind not in "iuf":
        return None
    centres = np.asarray(da.coords[dim].values, np.float64)
    step = said if length == 1 else float(centres[-1] - centres[0]) / (length - 1)
    if step is None or not math.isfinite(step) or step == 0:
        return None
    if not (np.abs(centres - centres[0] - step * np.arange(length)) <= REGULAR * abs(step)).all():
        return None
    return float(centres[0]), said if said is not None and _close(said, step, step) else step


def _close(a: float, b: float, step: float) -> bool:
    return abs(a - b) <= 1e-3 * abs(step)


def _band_numbers(da: xr.DataArray) -> tuple[int, ...] | None:
    """Which bands of their file these are, counted from 1, as rioxarray has it; None where no coordinate says it."""
    if da.ndim != 3 or da.dims[0] not in da.coords:
        return None
    numbers = da.coords[da.dims[0]].values
    if not np.issubdtype(numbers.dtype, np.integer) or (numbers < 1).any():
        return None
    return tuple(int(number) for number in numbers)


def _metadata(da: xr.DataArray, bands: int) -> Metadata:
    def per_band(key: str) -> tuple[Any, ...]:
        value = da.attrs.get(key)
        entries = tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else (value,) * bands
        return entries if len(entries) == bands else (None,) * bands

    is_complex = np.issubdtype(da.dtype, np.complexfloating)
    scales = _numbers(da, ("scale_factor", "scales"), bands, 1.0)
    offsets = _numbers(da, ("add_offset", "offsets"), bands, 0.0)
    if not (np.isfinite([*scales, *offsets]).all() and all(scales)):
        raise ReadError(f"{_name(da)} has scales {scales} and offsets {offsets}: mend these attributes")
    return Metadata(
        descriptions=tuple(None if text is None else str(text) for text in per_band("long_name")),
        units=tuple(None if text is None else str(text) for text in per_band("units")),
        band_tags=({},) * bands,
        tags={str(key): str(value) for key, value in da.attrs.items() if key not in _STRUCTURAL},
        scales=(1.0,) * bands if is_complex else scales,
        offsets=(0.0,) * bands if is_complex else offsets,
        nodata=float("nan") if is_complex else _nodata(da),
        stored_dtype=str(da.dtype),
        colorinterp=("gray",) + ("undefined",) * (bands - 1),
    )


def _numbers(da: xr.DataArray, keys: tuple[str, ...], bands: int, default: float) -> tuple[float, ...]:
    """One number per band, of the first of these attributes that is there."""
    key = next((key for key in keys if da.attrs.get(key) is not None), None)
    if key is None:
        return (default,) * bands
    try:
        numbers = np.asarray(da.attrs[key], np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise ReadError(f"{_name(da)}: its attribute {key} is no number: {da.attrs[key]!r}") from error
    if len(numbers) not in (1, bands):
        raise ReadError(
            f"{_name(da)} has {bands} bands, and {len(numbers)} numbers in its attribute {key}: keep those of its bands"
        )
    return tuple(float(n) for n in np.broadcast_to(numbers, bands))


def _nodata(da: xr.DataArray) -> float | None:
    for key in ("_FillValue", "missing_value", "nodata"):
        if da.attrs.get(key) is not None:
            return float(np.float32(da.attrs[key]))
    # Named in the encoding alone: xarray or rioxarray has put NaN in its place.
    return float("nan") if any(key in da.encoding for key in ("_FillValue", "missing_value")) else None


def _hints(da: xr.DataArray, metadata: Metadata) -> list[list[Hint]]:
    units = [Hint(f"the unit of band {b}", text) for b, text in enumerate(metadata.units, start=1) if text]
    names = [Hint(f"the long_name of band {b}", text) for b, text in enumerate(metadata.descriptions, start=1) if text]
    tags = [
        Hint(f"the attribute {key}", text[:200]) for key, text in metadata.tags.items() if speaks_of_pixels(key, text)
    ]
    return [units, [*names, *([Hint("its name", str(da.name))] if da.name is not None else [])], tags]
