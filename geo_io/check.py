"""What is let in: local files that are GeoTIFF or VRT by content, whole, of sane size, and no pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, Interleaving
from rasterio.errors import RasterioError

from geo_io import tiff
from geo_io.errors import ReadError, UnsafeInput
from geo_io.grid import unplaced_is_no_news
from geo_io.harden import read_options
from geo_io.vrt import looks_like_vrt, read_vrt

__all__ = ["find", "open_checked", "open_dataset", "refuse_absurd", "refuse_pictures"]

KNOWN_STRANGERS = (  # what people mistake for a GeoTIFF, by its first bytes
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89HDF", "an HDF5 or NetCDF-4 file: export the raster inside to GeoTIFF"),
    (b"CDF", "a NetCDF file: export the raster inside to GeoTIFF"),
    (b"\0\0\0\x0cjP", "a JPEG 2000 image: turn it into a GeoTIFF with gdal_translate"),
    (b"PK\x03\x04", "a zip archive: unpack it first, unless it is a Sentinel-1 product"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
)
EXPORT = "export it as GeoTIFF, in SNAP with File > Export, elsewhere with gdal_translate"
LARGEST_BYTES, MOST_INFLATED = 64 << 30, 10_000  # raw bytes a file may declare, unless it is at least 1/10,000 of them
LARGEST_BLOCK = 2 << 30  # bytes that one strip or tile may take when decoded


def find(path: str | os.PathLike[str]) -> tuple[str, tuple[Path, ...], str]:
    """Return what to hand to GDAL (a path or the text of a VRT), the files behind it, and a name for messages."""
    name = os.fspath(path)
    if "://" in name or name.startswith("/vsi"):
        raise UnsafeInput(f"{name} is not a local file: download it first")
    file = Path(path)
    if file.is_dir():
        if (file / "manifest.safe").is_file():
            raise ReadError(f"{name} is a Sentinel-1 product, not a raster: open it as one (geo_io.open_safe)")
        if any(child.suffix.lower() in (".hdr", ".img") for child in file.iterdir()):
            raise ReadError(f"{name} is a BEAM-DIMAP or ENVI folder, which is not read: {EXPORT}")
        raise ReadError(f"{name} is a folder: name a raster file in it")
    if not file.exists():
        raise ReadError(f"{name} does not exist: check the path")
    try:
        real = file.resolve()
        head = _sniff(real, name)
        if head[:4] not in tiff.MAGIC:
            text, files = read_vrt(file, _check_source)
            return text, files, name
        tiff.check_whole(real)
    except OSError as error:
        raise ReadError(f"{name} cannot be read: {error.strerror or error}") from error
    return str(real), (real,), name


def _sniff(file: Path, name: str) -> bytes:
    """Return the head of a file that is a TIFF or a VRT by content; refuse others, by their kind where known."""
    if not file.is_file():
        raise ReadError(f"{name} is not a regular file: name a raster file")
    with file.open("rb") as stream:
        head = stream.read(4096)
    if not head:
        raise ReadError(f"{name} is empty: copy or download it again")
    if head[:4] in tiff.MAGIC or looks_like_vrt(head):
        return head
    for magic, kind in KNOWN_STRANGERS:
        if head.startswith(magic):
            raise ReadError(
                f"{name} is not a GeoTIFF but {kind}{'' if ':' in kind else '; give a radar image as GeoTIFF'}"
            )
    if file.suffix.lower() in (".img", ".hdr", ".dim", ".npy"):
        raise ReadError(f"{name} is no GeoTIFF ({file.suffix}: ENVI, BEAM-DIMAP or numpy): {EXPORT}")
    kind = "text" if b"\0" not in head and head[:64].isascii() else "something else"
    raise ReadError(f"{name} is not a raster: its content is {kind}; GeoTIFF, COG and VRT are read")


def _check_source(file: Path) -> None:
    _sniff(file, str(file))
    tiff.check_whole(file)
    with open_checked(str(file), str(file)) as dataset:
        refuse_absurd(dataset, (file,), str(file))


def open_dataset(target: str, name: str) -> Any:
    """Open what `find` returned, with the one driver its content calls for."""
    try:
        with unplaced_is_no_news():
            return rasterio.open(target, driver="VRT" if target.startswith("<") else "GTiff")
    except RasterioError as error:
        raise ReadError(f"{name} cannot be opened ({str(error)[:200]}): it is damaged; copy it again") from error


@contextmanager
def open_checked(target: str, name: str) -> Iterator[Any]:
    """Open what `find` returned for as long as the context lasts, without sidecars or network."""
    with rasterio.Env(**read_options()), open_dataset(target, name) as dataset:
        yield dataset


def refuse_absurd(dataset: Any, files: tuple[Path, ...], name: str) -> None:
    """Refuse a file that declares far more pixels than its bytes could hold, or one block too large to decode."""
    if not dataset.count:
        raise ReadError(f"{name} has no bands: name a raster with pixels")
    each = sum(_itemsize(dtype) for dtype in dataset.dtypes)
    size = each * dataset.width * dataset.height
    on_disk = sum(file.stat().st_size for file in files)
    if size > LARGEST_BYTES and size > MOST_INFLATED * on_disk:
        raise UnsafeInput(
            f"{name} declares {dataset.height} rows of {dataset.width} pixels in {dataset.count} bands, "
            f"{size / 1e9:.0f} GB, but takes {on_disk} bytes on disk, which cannot hold them: check how it was made"
        )
    for (rows, cols), dtype in zip(dataset.block_shapes, dataset.dtypes, strict=True):
        # Interleaved by pixel, one block holds all bands.
        if rows * cols * (each if dataset.interleaving == Interleaving.pixel else _itemsize(dtype)) > LARGEST_BLOCK:
            raise UnsafeInput(
                f"{name} is one block of {rows} by {cols} pixels, too large to decode at once: rewrite it in tiles "
                f"with gdal_translate -co TILED=YES"
            )


def _itemsize(dtype: str) -> int:
    return 4 if dtype == "complex_int16" else np.dtype(dtype).itemsize


def refuse_pictures(dataset: Any, bands: tuple[int, ...], name: str, *, coloured: bool = False) -> None:
    """Refuse colour tables, and but for `coloured` 8-bit RGB: pictures of something, not backscatter."""
    colours = [dataset.colorinterp[b - 1] for b in bands]
    if ColorInterp.palette in colours:
        wanted = "expand it to RGB with gdal_translate -expand rgb" if coloured else "give a radar image"
        raise ReadError(f"{name} is paletted: its pixels are indices of colours, not measurements; {wanted}")
    rgb = {ColorInterp.red, ColorInterp.green, ColorInterp.blue}
    if not coloured and rgb <= set(colours) and {dataset.dtypes[b - 1] for b in bands} == {"uint8"}:
        raise ReadError(
            f"{name} is an 8-bit RGB picture, not backscatter: give a radar image "
            f"(if its bands are radar after all: gdal_translate -colorinterp undefined,undefined,undefined)"
        )
