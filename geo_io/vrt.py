"""VRTs that stay inside their own folder: checked by a strict reader, then given to GDAL as that reader saw them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from geo_io.errors import ReadError, UnsafeInput

__all__ = ["looks_like_vrt", "read_vrt"]

DEEPEST = 8
LARGEST_BYTES = 64 << 20
MOST_FILES, MOST_VRTS = 10_000, 256

# All that gdalbuildvrt and gdal_translate write for plain mosaics and subsets. What is not here is refused: warped,
# derived, pansharpened and raw bands, open options, pixel functions, overviews and colour tables in other files.
ELEMENTS = frozenset(
    re.findall(
        r"\w+",
        """
        VRTDataset SRS GeoTransform GCPList GCP Metadata MDI VRTRasterBand Description UnitType Offset Scale
        NoDataValue HideNoDataValue ColorInterp MaskBand CategoryNames Category Histograms HistItem HistMin HistMax
        BucketCount IncludeOutOfRange Approximate HistCounts OverviewList BlockXSize BlockYSize SimpleSource
        ComplexSource SourceFilename SourceBand SourceProperties SrcRect DstRect NODATA UseMaskBand ScaleOffset
        ScaleRatio LUT
        """,
    )
)
# GDAL takes an attribute for a child element of that name, in any case: <SimpleSource SourceFilename="/etc/x"> reads a
# file, `subclass` makes a raw band. `format` of metadata is not among them: rasterio dies of the XML that may be there.
ATTRIBUTES = {
    "VRTDataset": "rasterXSize rasterYSize",
    "SRS": "dataAxisToSRSAxisMapping coordinateEpoch",
    "GCPList": "Projection dataAxisToSRSAxisMapping",
    "GCP": "Id Info Pixel Line X Y Z GCPZ",
    "Metadata": "domain",
    "MDI": "key",
    "VRTRasterBand": "dataType band subClass blockXSize blockYSize",
    "SimpleSource": "resampling name",
    "ComplexSource": "resampling name",
    "SourceFilename": "relativeToVRT shared",
    "SourceProperties": "RasterXSize RasterYSize DataType BlockXSize BlockYSize",
    "SrcRect": "xOff yOff xSize ySize",
    "DstRect": "xOff yOff xSize ySize",
    "OverviewList": "resampling",
}
SUBCLASSES = frozenset(("VRTSourcedRasterBand",))


def looks_like_vrt(head: bytes) -> bool:
    """Whether GDAL would take a file that starts with these bytes for a VRT, whatever its name."""
    return b"<VRTDataset" in head


def read_vrt(path: Path, check_source: Callable[[Path], None]) -> tuple[str, tuple[Path, ...]]:
    """Read a VRT and everything it refers to.

    Parameters
    ----------
    path : Path
        The VRT.
    check_source : callable
        Called with every raster the VRT reads; raises when it is not what it should be.

    Returns
    -------
    xml : str
        The VRT with absolute paths and nested VRTs inlined. GDAL is given this text and not the file, so nothing
        that two XML readers understand differently, and no later change of the file, gets past the check.
    files : tuple of Path
        The VRT and every file it reads, each once.

    Raises
    ------
    UnsafeInput
        If it reaches out of its own folder (by an absolute path, `..` or a link), to the network, or uses a
        feature that can.
    ReadError
        If it is not well formed, or refers to a file that is missing.
    """
    files: dict[Path, None] = {}
    try:
        root = _Reader(path, path.resolve().parent, check_source, files).read(path.resolve(), depth=0)
        return tostring(root, encoding="unicode"), tuple(files)
    except RecursionError as error:
        raise UnsafeInput(f"{path} nests its elements too deeply, which no mosaic does: make it again") from error


class _Reader:
    def __init__(self, name: Path, folder: Path, check_source: Callable[[Path], None], files: dict[Path, None]):
        self.name, self.folder, self.check_source, self.files = name, folder, check_source, files
        self.vrts = 0

    def read(self, vrt: Path, depth: int) -> Any:
        self.vrts += 1
        if depth > DEEPEST or self.vrts > MOST_VRTS:
            raise UnsafeInput(f"{self.name} nests too many VRTs, more than {DEEPEST} deep or in a circle: flatten it")
        if vrt.stat().st_size > LARGEST_BYTES:
            raise UnsafeInput(f"{vrt} is a VRT of more than {LARGEST_BYTES >> 20} MiB of text: split it")
        self._add(vrt)
        try:
            root = fromstring(vrt.read_bytes(), forbid_dtd=True)
        except DefusedXmlException as error:
            raise UnsafeInput(f"{vrt} is a VRT with XML entities or a DTD, which are not read: remove them") from error
        except (ParseError, ValueError) as error:
            raise ReadError(f"{vrt} is a VRT that is not well-formed XML ({error}): make it again") from error
        if root.tag != "VRTDataset":
            raise ReadError(f"{vrt} holds <{root.tag}> where <VRTDataset> was expected: make it again")
        for element in root.iter():
            self._check(element, vrt)
        for source in root.iter("SourceFilename"):
            self._settle(source, vrt, depth)
        return root

    def _check(self, element: Element, vrt: Path) -> None:
        subclass = element.get("subClass")
        if element.tag not in ELEMENTS or (subclass is not None and subclass not in SUBCLASSES):
            what = f"<{element.tag}>" if subclass is None else f'<{element.tag} subClass="{subclass}">'
            raise UnsafeInput(
                f"{vrt} is a VRT with {what}; only plain mosaics and subsets are read: "
                f"turn it into a GeoTIFF with gdal_translate if you trust it"
            )
        if unknown := sorted(set(element.attrib) - set(ATTRIBUTES.get(element.tag, "").split())):
            raise UnsafeInput(
                f"{vrt} is a VRT with the attribute {unknown[0]!r} of <{element.tag}>, which plain mosaics do not "
                f"have: turn it into a GeoTIFF with gdal_translate if you trust it"
            )
        # A coordinate system can be an address or a file's name; it is never fetched.
        srs = element.text if element.tag == "SRS" else element.get("Projection")
        if srs and not re.match(r"\s*(?:[A-Z_]+\[|[A-Za-z]+:\d+(?:\+\d+)?\s*$|\+proj=|urn:ogc:def:crs:)", srs):
            raise UnsafeInput(f"{vrt} names its coordinate system as {srs.strip()[:80]!r}: give WKT or an EPSG code")

    def _settle(self, source: Element, vrt: Path, depth: int) -> None:
        text = (source.text or "").strip()
        if len(source):
            raise UnsafeInput(f"{vrt} has a SourceFilename with unknown parts: make it again")
        if not text or text.startswith("/vsi") or re.match(r"[A-Za-z][A-Za-z0-9_+.-]+:", text) or "<" in text:
            raise UnsafeInput(f"{vrt} reads {text[:120]!r}, which is not a plain file in its folder: copy it there")
        start = vrt.parent if source.get("relativeToVRT") == "1" else Path.cwd()
        path = (start / text).resolve()
        if not path.is_relative_to(self.folder):
            raise UnsafeInput(
                f"{vrt} reads {text!r}, outside its own folder {self.folder}: copy that file there, or turn the VRT "
                f"into a GeoTIFF with gdal_translate if you trust it"
            )
        if not path.is_file():
            raise ReadError(f"{vrt} reads {text!r}, which is missing: bring it back, or make the VRT again")
        with path.open("rb") as file:
            nested = looks_like_vrt(file.read(4096))
        if nested:
            source.text = tostring(self.read(path, depth + 1), encoding="unicode")
        else:
            if path not in self.files:
                self.check_source(path)
            self._add(path)
            source.text = str(path)
        source.set("relativeToVRT", "0")

    def _add(self, path: Path) -> None:
        self.files[path] = None
        if len(self.files) > MOST_FILES:
            raise UnsafeInput(f"{self.name} reads more than {MOST_FILES} files: make a GeoTIFF of it")
