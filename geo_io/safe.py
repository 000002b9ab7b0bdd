"""Sentinel-1 SAFE products, GRD and SLC, in a folder or a zip: a measurement becomes a source of sigma nought.

What comes out is linear power, calibrated and with the thermal noise taken away (`geo_io.calibration`), in the
product's own grid, placed by its ground control points. A digital number of 0 was not measured; where noise removal
leaves zero or less the pixel says nothing either, and keeps that value. An SLC image is the swath as the product
stores it, its bursts one below the other; its detected power has a single look.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from geo_io import tiff
from geo_io.calibration import Calibration, Noise, read_noise, read_sigma_nought
from geo_io.check import refuse_absurd
from geo_io.errors import ReadError
from geo_io.grid import Grid
from geo_io.safe_files import (
    Image,
    Manifest,
    ProductFiles,
    is_safe,
    missing,
    open_files,
    parse_xml,
    read_manifest,
)
from geo_io.safe_measurement import Measurement
from geo_io.source import Metadata
from geo_io.values import Units, Values, from_intensity, to_intensity

__all__ = ["SafeSource", "is_safe", "open_safe"]

FIRST_IPF_WITH_NOISE = (2, 50)  # earlier processors annotated zeros, or noise in other units
ROWS_AT_ONCE = 256  # of a window, calibrated in float64


def open_safe(
    path: str | Path, *, polarisation: str | None = None, swath: str | None = None, noise: bool = True
) -> SafeSource:
    """Open one image of a Sentinel-1 GRD or SLC product as sigma nought.

    Parameters
    ----------
    path : path
        The product's folder, its manifest.safe, or a zip of it.
    polarisation : str, optional
        "vv", "vh", "hh" or "hv", in any case. Needed when the product holds several.
    swath : str, optional
        "iw1", ... Needed for an SLC product that holds several.
    noise : bool
        Take the thermal noise away. Not done, and said in `values_reason`, where the product annotates none, where
        its processor did it already, and before IPF 2.50 (July 2015), which annotated noise in other units.

    Raises
    ------
    ReadError
        If a file is missing or damaged, or it is not clear which image is meant.
    UnsafeInput
        If the product refers to files outside it, or holds XML with entities.
    """
    files = open_files(path)
    manifest = read_manifest(files)
    image = _choose(files, manifest.images, polarisation, swath)
    content = files.read(image.annotation)
    annotation = parse_xml(content, f"{files.path}: {image.annotation}")
    digest = hashlib.sha256()
    for part in (manifest.content, content, image.measurement.encode(), files.stamp(image.measurement).text.encode()):
        digest.update(hashlib.sha256(part).digest())
    calibration, noise_said = _calibration(files, manifest, image, annotation, noise, digest)
    measurement = Measurement(
        files.gdal_path(image.measurement), f"{files.path}: {image.measurement}", files.stamp(image.measurement)
    )
    dataset = measurement.dataset()
    refuse_absurd(dataset, (measurement.stamp.file,), measurement.name)
    if Path(measurement.path).is_file():  # inside a zip a cut would have shown already
        tiff.check_whole(Path(measurement.path))
    return SafeSource(
        name=str(files.path),
        polarisation=image.polarisation,
        swath=image.swath,
        grid=_grid(dataset, annotation, measurement.name),
        values_reason=f"a Sentinel-1 product: sigma nought of {image.swath.upper()} {image.polarisation.upper()}, "
        f"calibrated with the product's own vectors, {noise_said}",
        metadata=_metadata(dataset, files, manifest, image, noise_said),
        identity=digest.hexdigest(),
        nominal_looks=1.0 if dataset.dtypes[0].startswith("complex") else _nominal_looks(annotation),
        calibration=calibration,
        measurement=measurement,
    )


@dataclass(frozen=True, eq=False)
class SafeSource:
    """One image of a Sentinel-1 product, as a `Source` of sigma nought; made by `open_safe`.

    Parameters
    ----------
    name : str
        The product's path, for messages.
    polarisation, swath : str
        Which image: "vv", "iw".
    grid : Grid
        Ground control points, in EPSG:4326.
    values_reason : str
        What was calibrated, and whether noise was taken away.
    metadata : Metadata
        The measurement's tags and the product's acquisition; stored values are float32, nodata 0.
    identity : str
        Hash of the metadata, the tables in use, and the measurement's size and time.
    nominal_looks : float, optional
        Range times azimuth looks of the processor, the fewest of any sub-swath. The looks overlap, so the
        equivalent number of looks is smaller: about 4.4 for the 5 of an IW GRDH product. Single-look complex: 1.
    calibration : Calibration
        From digital numbers to sigma nought.
    measurement : Measurement
        The digital numbers.
    """

    name: str
    polarisation: str
    swath: str
    grid: Grid
    values_reason: str
    metadata: Metadata
    identity: str
    nominal_looks: float | None
    calibration: Calibration
    measurement: Measurement

    @property
    def shape(self) -> tuple[int, int, int]:
        """One band of the measurement's lines and samples."""
        return (1, *self.grid.shape)

    @property
    def files(self) -> tuple[Path, ...]:
        """The product, a folder or a zip, and where its digital numbers lie."""
        return Path(self.name), self.measurement.stamp.file

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of `source[...]`: float32."""
        return np.dtype(np.float32)

    @property
    def values(self) -> Values:
        """Linear intensity, for SLC products too: their phase is not kept."""
        return "intensity"

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Sigma nought (bands, rows, cols) of a window; NaN where it is not a positive measurement."""
        bands, rows, cols = index
        return to_intensity(self.stored(rows, cols)[bands], self.values)

    def stored(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Sigma nought (1, h, w) of a window; 0 where not measured, zero or negative where noise prevails."""
        top, bottom = _span(rows, self.grid.shape[0])
        left, right = _span(cols, self.grid.shape[1])
        sigma = np.zeros((1, bottom - top, right - left), np.float32)
        if not sigma.size:
            return sigma
        dn, measured = self.measurement.read((top, bottom), (left, right))
        for first in range(0, bottom - top, ROWS_AT_ONCE):
            part = slice(first, min(first + ROWS_AT_ONCE, bottom - top))
            power = self.calibration(dn[part], (top + part.start, top + part.stop), (left, right))
            np.copyto(sigma[0, part], power, where=measured[part])
        return sigma

    def encode(
        self, intensity: NDArray[np.floating[Any]], rows: slice, cols: slice, units: Units | None = None
    ) -> NDArray[np.float32]:
        """Turn linear intensity (1, h, w) into what the output stores: `units`, by default intensity.

        Where the product measured nothing the stored value stays, or nodata (0) in units other than its own. A
        result that is not finite becomes nodata too; one that happens to be 0 is moved to the next number above.
        """
        result = from_intensity(intensity, units or "intensity")
        result = np.where(result == 0, np.finfo(np.float32).tiny, result)
        result = np.where(np.isfinite(result), result, np.float32(0))
        if not np.isnan(intensity).any():
            return result
        stored = self.stored(rows, cols)
        unmeasured = stored if units in (None, "intensity") else np.zeros_like(stored)
        return np.where(stored > 0, result, unmeasured)


def _choose(files: ProductFiles, images: Sequence[Image], polarisation: str | None, swath: str | None) -> Image:
    """Return the one image that is meant; where the choice is left open, only images that are there count."""
    wanted = {"polarisation": polarisation, "swath": swath}
    asked = list(images)
    for what, value in wanted.items():
        kept = [image for image in asked if value is None or getattr(image, what) == value.lower()]
        if not kept:
            raise ReadError(f"{files.path} holds no {what} {value}; choose among {_names(asked, what)}")
        asked = kept
    here = [image for image in asked if files.has(image.measurement)]
    if not here:
        raise missing(files.path, asked[0].measurement)
    for what in wanted:
        choices = sorted({getattr(image, what) for image in here})
        if len(choices) > 1:
            example = next((name for name in choices if name in ("vv", "hh")), choices[0])
            raise ReadError(
                f"{files.path} holds several images, {what} {_names(here, what)}; choose one, like --{what} {example}"
            )
    if len(here) > 1:
        raise ReadError(
            f"{files.path} holds {len(here)} images of {here[0].swath.upper()} {here[0].polarisation.upper()}; "
            "products of wave mode are not one scene, give one of its measurement files instead"
        )
    return here[0]


def _names(images: Iterable[Image], what: str) -> str:
    names = sorted({str(getattr(image, what)).upper() for image in images})
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _calibration(
    files: ProductFiles, manifest: Manifest, image: Image, annotation: Element, remove_noise: bool, digest: Any
) -> tuple[Calibration, str]:
    """Read the tables in use into one record, with a few words on what was done about noise."""
    name = f"{files.path}: {image.calibration}"
    content = files.read(image.calibration)
    digest.update(content)
    sigma_nought = read_sigma_nought(parse_xml(content, name), name)
    noise, said = None, _why_noise_stays(manifest, image, annotation, remove_noise)
    if said is None and image.noise is not None:
        if not files.has(image.noise):
            raise ReadError(
                f"{files.path}: {image.noise} is missing, so thermal noise cannot be removed; download the product "
                "again, whole"
            )
        noise_content = files.read(image.noise)
        noise = _noise(noise_content, f"{files.path}: {image.noise}")
        said = "thermal noise left in (the product annotates none)" if noise is None else "thermal noise removed"
        digest.update(noise_content)
    digest.update(str(said).encode())
    try:
        return Calibration(sigma_nought, noise), str(said)
    except ValueError as error:
        raise ReadError(f"{name}: {error}; the product is damaged, download it again") from error


def _noise(content: bytes, name: str) -> Noise | None:
    noise = read_noise(parse_xml(content, name), name)
    return None if noise.is_zero else noise


def _why_noise_stays(manifest: Manifest, image: Image, annotation: Element, remove_noise: bool) -> str | None:
    if not remove_noise:
        return "thermal noise left in, as asked"
    if (annotation.findtext(".//thermalNoiseCorrectionPerformed") or "").strip().lower() == "true":
        return "thermal noise removed by the agency's processor"
    if image.noise is None:
        return "thermal noise left in (the product has no noise file)"
    version = manifest.tags.get("IPF_VERSION", "")
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if numbers and numbers < FIRST_IPF_WITH_NOISE:
        return f"thermal noise left in (IPF {version} did not annotate it in the units of the image)"
    return None


def _grid(dataset: Any, annotation: Element, name: str) -> Grid:
    """Ground control points of the measurement, or else of the annotation: the same points, in lines and samples."""
    shape = (dataset.height, dataset.width)
    said = tuple(annotation.findtext(f".//imageInformation/{tag}") for tag in ("numberOfLines", "numberOfSamples"))
    if all(said) and said != tuple(str(length) for length in shape):
        raise ReadError(
            f"{name} has {shape[0]} lines of {shape[1]} samples, its annotation says {said[0]} of {said[1]}; "
            "download the product again"
        )
    gcps, crs = dataset.gcps
    if not gcps:
        gcps, crs = _annotated_gcps(annotation, name), CRS.from_epsg(4326)
    return Grid(shape=shape, gcps=tuple(gcps), gcp_crs=crs if gcps else None)


def _annotated_gcps(annotation: Element, name: str) -> list[GroundControlPoint]:
    tags = ("line", "pixel", "longitude", "latitude", "height")
    points = []
    for number, point in enumerate(annotation.iterfind(".//geolocationGridPoint"), start=1):
        try:
            row, col, x, y, z = (float(point.findtext(tag) or "nan") for tag in tags)
        except ValueError as error:
            raise ReadError(f"{name}: its annotation has a broken geolocation grid ({error})") from error
        if not all(map(math.isfinite, (row, col, x, y, z))):
            raise ReadError(f"{name}: its annotation has a broken geolocation grid (point {number} is not whole)")
        points.append(GroundControlPoint(row=row, col=col, x=x, y=y, z=z, id=str(number)))
    return points


def _metadata(dataset: Any, files: ProductFiles, manifest: Manifest, image: Image, noise_said: str) -> Metadata:
    tags = dict(dataset.tags())
    start = manifest.tags.get("ACQUISITION_START")
    if start:
        tags.setdefault("TIFFTAG_DATETIME", start[:19].replace("-", ":").replace("T", " "))
    tags |= {
        "PRODUCT": files.product.removesuffix(".SAFE"),
        **manifest.tags,
        "SWATH": image.swath.upper(),
        "POLARISATION": image.polarisation.upper(),
        "CALIBRATION": "sigma nought",
        "THERMAL_NOISE": noise_said.removeprefix("thermal noise "),
    }
    return Metadata(
        descriptions=(f"sigma0_{image.polarisation}",),
        units=("1",),
        band_tags=({},),
        tags=tags,
        scales=(1.0,),
        offsets=(0.0,),
        nodata=0.0,
        stored_dtype="float32",
        colorinterp=("gray",),
    )


def _nominal_looks(annotation: Element) -> float | None:
    looks = []
    for swath in annotation.iterfind(".//swathProcParams"):
        along = [swath.findtext(f"{axis}Processing/numberOfLooks", "") for axis in ("range", "azimuth")]
        if all(text.strip().isdigit() for text in along):
            looks.append(float(math.prod(int(text) for text in along)))
    return min(looks, default=None)


def _span(along: slice, length: int) -> tuple[int, int]:
    start, stop, step = along.indices(length)
    if step != 1:
        raise ValueError(f"a window is read whole, with step 1, got {along}")
    return start, max(start, stop)
