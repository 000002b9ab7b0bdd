"""GeoTIFF, COG and VRT as a `Source`: opened by content, checked at the door, read in windows by any thread."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from geo_io.check import find, open_checked, open_dataset, refuse_absurd, refuse_pictures
from geo_io.errors import ReadError
from geo_io.grid import Grid, unplaced_is_no_news
from geo_io.harden import read_options
from geo_io.source import Metadata, columns, encoded, sample_windows, scene_strips
from geo_io.values import (
    Detected,
    Hint,
    Units,
    Values,
    detect_values,
    speaks_of_pixels,
    to_intensity,
    zeros_are_fill,
)

__all__ = ["RasterSource", "open_raster"]

STRUCTURAL = ("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "COLOR_PROFILE", "GEOLOCATION", "TIFF")
SIDECARS = (".msk", ".ovr", ".aux.xml")

FLOAT32_MAX = float(np.finfo(np.float32).max)


def open_raster(
    path: str | os.PathLike[str],
    *,
    values: Values | Literal["auto"] = "auto",
    bands: Sequence[int] | None = None,
    classes: bool = False,
) -> RasterSource:
    """Open a GeoTIFF, COG, BigTIFF or VRT, of radar backscatter unless `values` is "physical".

    Nothing beside the file is read (no `.msk`, `.ovr`, `.aux.xml`, world file), a VRT may read files in its own
    folder only, and nothing is fetched.

    Parameters
    ----------
    path : path
        A local file.
    values : {"auto", "intensity", "amplitude", "db", "complex", "physical"}
        What the pixels mean. "auto" decides by tags and statistics; complex files are single-look complex. "physical"
        is for what is no radar image: pixels as stored, times scale, plus offset.
    bands : sequence of int, optional
        Which bands, counted from 1. All but alpha by default.
    classes : bool
        The pixels are classes, or do not matter: a colour table is no reason to refuse them.

    Raises
    ------
    ReadError
        If there is no such file, it is damaged, no raster, no radar image, or its values cannot be told.
    UnsafeInput
        If it would read other files or the network, or declares more pixels than it could hold.
    """
    target, files, name = find(path)
    with open_checked(target, name) as dataset:
        refuse_absurd(dataset, files, name)
        chosen = _choose_bands(dataset, bands, name)
        if not classes:
            refuse_pictures(dataset, chosen, name, coloured=values == "physical")
        metadata, masked = _describe(dataset, chosen, name)
        scaling = tuple(tuple(float(n[b - 1]) for b in chosen) for n in (dataset.scales, dataset.offsets))
        grid = _grid(dataset, name)
        nodata = tuple(dataset.nodatavals[b - 1] for b in chosen)
        hints = _hints(dataset, chosen)
    source = RasterSource(
        target=target,
        name=name,
        grid=grid,
        metadata=metadata,
        bands=chosen,
        band_nodata=nodata,
        scaling=scaling,
        masked=masked,
        detected=Detected("intensity", ""),
        identity=_fingerprint(files, chosen),
        notes=_notes(files),
        stamp=_stamp(files),
    )
    is_complex = metadata.stored_dtype.startswith("complex")
    if is_complex != (values == "complex") and values != "auto":
        kind = "complex" if is_complex else f"{metadata.stored_dtype}, not complex"
        raise ReadError(f"{name} is {kind}, which --values {values} does not fit: leave --values at auto")
    if is_complex:
        detected = Detected("complex", "the pixels are complex: single-look complex, |z|² is intensity")
    elif values != "auto":
        detected = Detected(values, "as asked for")
    else:
        if "SARDIFF_VERSION" in metadata.tags and any("standard deviation" in (d or "") for d in metadata.descriptions):
            raise ReadError(f"{name} is an uncertainty that sardiff wrote, not a scene: give the scene itself")
        windows = source._probe()
        detected = detect_values(
            windows, name=name, dtype=metadata.stored_dtype, hints=hints, file_name=Path(name).name
        )
    source._settle(detected)
    return source


class RasterSource:
    """A raster file as a `Source`; made by `open_raster`. Pickles as a path and opens once per thread.

    Attributes
    ----------
    bands : tuple of int
        Which bands of the file these are, counted from 1.
    notes : tuple of str
        Sentences for people about what was left aside (files beside it that are not read).
    """

    def __init__(
        self,
        *,
        target: str,
        name: str,
        grid: Grid,
        metadata: Metadata,
        bands: tuple[int, ...],
        band_nodata: tuple[float | None, ...],
        scaling: tuple[tuple[float, ...], ...],
        masked: bool,
        detected: Detected,
        identity: str,
        notes: tuple[str, ...],
        stamp: tuple[tuple[str, int, int], ...],
    ) -> None:
        self.name, self.grid, self.metadata, self.identity, self.notes = name, grid, metadata, identity, notes
        self.dtype = np.dtype(np.float32)
        self.shape = (len(bands), *grid.shape)
        self.bands, self._target, self._stamp = bands, target, stamp
        self._band_nodata, self._scaling, self._masked = band_nodata, scaling, masked
        self._settle(detected)
        self._local = _Handle()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read: of a VRT, also those it is made of."""
        return tuple(Path(file) for file, _, _ in self._stamp)

    def _settle(self, detected: Detected) -> None:
        self.values, self.values_reason = detected.values, detected.reason

    def __repr__(self) -> str:
        return f"RasterSource({self.name!r}, shape={self.shape}, values={self.values!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = _Handle()

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Linear intensity (bands, rows, cols) of a window inside the scene; NaN: not measured."""
        bands, rows, cols = index
        pixels, missing = self._read(rows, cols, range(len(self.bands))[bands])
        return self._intensity(pixels, missing, range(len(self.bands))[bands])

    def stored(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the pixels as they are stored (bands, h, w), whole numbers widened to float32.

        Pixels that a mask or alpha band hides come as nodata, or NaN in a file that names none: an output
        carries no mask.
        """
        return self._filled(*self._read(rows, cols, range(len(self.bands))))

    def encode(
        self, intensity: NDArray[np.floating[Any]], rows: slice, cols: slice, units: Units | None = None
    ) -> NDArray[np.float32]:
        """Turn linear intensity (bands, h, w) into what the output file stores; see `Source.encode`.

        In other units than the input's, an unmeasured stored value would mean something else: it becomes nodata
        (NaN in a file that names none). A result that happens to equal nodata is moved by a millionth.
        """
        everything = range(len(self.bands))
        own: Units = "intensity" if self.values == "complex" else self.values
        out = encoded(intensity, units or own, self.metadata)
        if not np.isnan(intensity).any():
            return out
        pixels, missing = self._read(rows, cols, everything)
        unmeasured = np.isnan(self._intensity(pixels, missing, everything))
        keep = self.values != "complex" and (units or own) == own
        out[unmeasured] = self._filled(pixels, missing)[unmeasured] if keep else self.metadata.fill
        return out

    def _physical(self, pixels: NDArray[Any], bands: range) -> NDArray[Any]:
        scale, offset = (columns([numbers[b] for b in bands]) for numbers in self._scaling)
        if (scale == 1).all() and (offset == 0).all():
            return pixels
        with np.errstate(over="ignore", invalid="ignore"):
            return (pixels * scale + offset).astype(pixels.dtype)

    def _intensity(self, pixels: NDArray[Any], missing: NDArray[np.bool_], bands: range) -> NDArray[np.float32]:
        intensity = to_intensity(self._physical(pixels, bands), self.values)
        if zeros_are_fill(self.values, self.metadata.stored_dtype):
            missing = missing | (pixels == 0)
        np.copyto(intensity, np.nan, where=missing)
        return intensity

    def _filled(self, pixels: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[Any]:
        nodata = self.metadata.nodata
        pixels[missing] = np.nan if nodata is None else nodata
        return pixels

    def _read(self, rows: slice, cols: slice, bands: range) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Stored pixels as float32 or complex64, and where nodata or a mask says that there are none."""
        (top, bottom), (left, right) = (_bounds(s, n) for s, n in zip((rows, cols), self.grid.shape, strict=True))
        window = Window.from_slices((top, bottom), (left, right))
        numbers = [self.bands[b] for b in bands]
        if not numbers or top == bottom or left == right:
            kind = np.complex64 if self.metadata.stored_dtype.startswith("complex") else np.float32
            empty = np.zeros((len(numbers), bottom - top, right - left), kind)
            return empty, empty.astype(bool)
        try:
            with rasterio.Env(**read_options()):
                dataset = self._local.get(self)
                raw = dataset.read(numbers, window=window)
                missing = dataset.read_masks(numbers, window=window) == 0 if self._masked else np.zeros(raw.shape, bool)
        except RasterioError as error:
            raise ReadError(
                f"{self.name} cannot be read at rows {top} to {bottom}, columns {left} to {right} ({error}): "
                f"it is damaged; copy or download it again"
            ) from error
        for k, b in enumerate(bands):
            nodata = self._band_nodata[b]
            if nodata is not None and not np.isnan(nodata):
                missing[k] |= raw[k] == (_as_float32(nodata) if raw.dtype == np.float32 else nodata)
        with np.errstate(over="ignore"):
            pixels = raw.astype(np.complex64 if np.iscomplexobj(raw) else np.float32, copy=False)
        return pixels, missing

    def _probe(self) -> list[NDArray[Any]]:
        """Physical pixels of windows over the scene, NaN where missing: the whole scene if those hold nothing."""
        bands = range(len(self.bands))
        rows, cols = self.grid.shape
        budget = 4_000_000 // len(bands)
        spread = sample_windows((rows, cols), budget=budget)
        strips = ([(strip, slice(0, cols))] for strip in scene_strips((rows, cols), budget=budget))
        for windows in chain([spread], strips):
            found = []
            for r, c in windows:
                pixels, missing = self._read(r, c, bands)
                pixels = self._physical(pixels, bands)
                pixels[missing] = np.nan
                found.append(pixels)
            if any((np.isfinite(pixels) & (pixels != 0)).any() for pixels in found):
                return found
        return []


class _Handle(threading.local):
    """An open dataset per thread, opened again in a process that was forked."""

    dataset: Any = None
    pid = 0

    def get(self, source: RasterSource) -> Any:
        if self.dataset is None or self.pid != os.getpid():
            if self.dataset is not None:
                _INHERITED.append(self.dataset)  # closing a parent's handle may wait for a lock nobody holds here
            if _stamp(tuple(Path(file) for file, _, _ in source._stamp)) != source._stamp:
                raise ReadError(f"{source.name} changed after it was opened: start again")
            self.dataset, self.pid = open_dataset(source._target, source.name), os.getpid()
        return self.dataset


_INHERITED: list[Any] = []


def _choose_bands(dataset: Any, bands: Sequence[int] | None, name: str) -> tuple[int, ...]:
    if bands is None:
        chosen = tuple(b for b in dataset.indexes if dataset.colorinterp[b - 1] != ColorInterp.alpha)
    else:
        chosen = tuple(int(b) for b in bands)
        if unknown := sorted(set(chosen) - set(dataset.indexes)):
            there = "one band" if dataset.count == 1 else f"bands 1 to {dataset.count}"
            raise ReadError(f"{name} has {there}, not {unknown[0]}: choose among them")
    if not chosen:
        raise ReadError(f"{name} has no band of pixels: choose a band, or another file")
    kinds = {dataset.dtypes[b - 1] for b in chosen}
    if len({dtype.startswith("complex") for dtype in kinds}) > 1:
        raise ReadError(f"{name} mixes complex and real bands: choose bands that are alike")
    return chosen


def _grid(dataset: Any, name: str) -> Grid:
    try:
        return Grid.from_dataset(dataset)
    except (KeyError, TypeError, ValueError) as error:  # of RPCs, rasterio lets through what it stumbles over
        said = f"RPCs without {error}" if isinstance(error, KeyError) else str(error)
        raise ReadError(
            f"{name} has a georeferencing that is damaged ({said}): mend it with gdal_edit, or take it away with "
            f"gdal_edit -unsetgt -unsetrpc"
        ) from error


def _describe(dataset: Any, bands: tuple[int, ...], name: str) -> tuple[Metadata, bool]:
    """Return the metadata of the chosen bands, and whether a mask or alpha band hides pixels."""
    flags = [dataset.mask_flag_enums[b - 1] for b in bands]
    masked = any(MaskFlags.per_dataset in f or MaskFlags.alpha in f for f in flags)
    nodata = next((value for b in bands if (value := dataset.nodatavals[b - 1]) is not None), None)
    dtypes = [dataset.dtypes[b - 1] for b in bands]
    is_complex = dtypes[0].startswith("complex")
    if is_complex or (nodata is None and masked):
        nodata = float("nan")
    elif nodata is not None:
        nodata = float(_as_float32(nodata))
    for b in bands:
        if not (dataset.scales[b - 1] and np.isfinite([dataset.scales[b - 1], dataset.offsets[b - 1]]).all()):
            raise ReadError(
                f"{name} has a band with scale {dataset.scales[b - 1]:g} and offset {dataset.offsets[b - 1]:g}: "
                f"mend these tags with gdal_edit"
            )
    with unplaced_is_no_news():
        namespaces = [ns for ns in dataset.tag_namespaces() if ns not in STRUCTURAL and not ns.startswith("xml:")]
        return Metadata(
            descriptions=tuple(dataset.descriptions[b - 1] for b in bands),
            units=tuple(dataset.units[b - 1] or None for b in bands),
            band_tags=tuple(
                {k: v for k, v in dataset.tags(b).items() if not k.startswith("STATISTICS_")} for b in bands
            ),
            tags=dict(dataset.tags()),
            namespaces={ns: dict(dataset.tags(ns=ns)) for ns in namespaces},
            # A complex input gives intensity, with its scale already in it.
            scales=tuple(1.0 if is_complex else float(dataset.scales[b - 1]) for b in bands),
            offsets=tuple(0.0 if is_complex else float(dataset.offsets[b - 1]) for b in bands),
            nodata=nodata,
            stored_dtype=dtypes[0] if len(set(dtypes)) == 1 else "float32",
            colorinterp=tuple(dataset.colorinterp[b - 1].name for b in bands),
        ), masked


def _hints(dataset: Any, bands: tuple[int, ...]) -> list[list[Hint]]:
    """What the file says in words, the most trustworthy first."""
    units = [Hint(f"the unit of band {b}", u) for b in bands if (u := dataset.units[b - 1])]
    described = [Hint(f"the description of band {b}", d) for b in bands if (d := dataset.descriptions[b - 1])]
    band_tags = [
        Hint(f"the tag {key} of band {b}", text[:200])
        for b in bands
        for key, text in dataset.tags(b).items()
        if speaks_of_pixels(key, text)
    ]
    tags = [Hint(f"the tag {key}", text[:200]) for key, text in dataset.tags().items() if speaks_of_pixels(key, text)]
    return [units, described, band_tags, tags]


def _fingerprint(files: tuple[Path, ...], bands: tuple[int, ...]) -> str:
    """Sizes, times of change, and content of heads and tails: cheap, and another one when a file was rewritten."""
    digest = hashlib.sha256(repr(bands).encode())
    for file in files:
        with file.open("rb") as stream:
            stat = os.fstat(stream.fileno())
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
            digest.update(stream.read(65536))
            stream.seek(max(0, stat.st_size - 65536))
            digest.update(stream.read(65536))
    return digest.hexdigest()


def _stamp(files: tuple[Path, ...]) -> tuple[tuple[str, int, int], ...]:
    try:
        return tuple((str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files)
    except OSError as error:
        raise ReadError(f"{error.filename} is gone: bring it back") from error


def _notes(files: tuple[Path, ...]) -> tuple[str, ...]:
    beside = [Path(f"{file}{suffix}") for file in files for suffix in SIDECARS]
    return tuple(
        f"{path.name} is not read: only what is inside the file counts"
        for path in beside
        if path.exists() and _tells(path)
    )


def _tells(path: Path) -> bool:
    """Whether a sidecar may say more than statistics, which programs leave behind that only looked at a file."""
    if not path.name.endswith(".aux.xml"):
        return True
    try:
        with path.open("rb") as stream:
            text = stream.read(1_000_000)
    except OSError:
        return True
    return any(
        word in text for word in (b"<SRS", b"<GCPList", b"<GeoTransform", b"<NoDataValue", b"<Scale", b"<Offset")
    )


def _as_float32(nodata: float) -> np.float32:
    """As the pixels hold it: out of range the nearest number, but infinite if it is."""
    return np.float32(nodata if np.isinf(nodata) else np.clip(nodata, -FLOAT32_MAX, FLOAT32_MAX))


def _bounds(part: slice, length: int) -> tuple[int, int]:
    start, stop, step = part.indices(length)
    if step != 1:
        raise ValueError(f"windows are read without steps, got {part}")
    return start, max(start, stop)
