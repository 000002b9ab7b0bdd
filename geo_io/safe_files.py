"""The files of a Sentinel-1 SAFE product, in a folder or in a zip, and nothing outside it.

A product comes from elsewhere, so nothing in it is believed before it is checked: names must stay inside the product,
XML is read without DTDs and entities and only up to a size, and a zip is looked through before anything is unpacked.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from geo_io.errors import ReadError, UnsafeInput

__all__ = [
    "Image",
    "Manifest",
    "ProductFiles",
    "Stamp",
    "is_safe",
    "missing",
    "open_files",
    "parse_xml",
    "read_manifest",
]

MANIFEST = "manifest.safe"
MAX_XML_BYTES = 64 * 2**20  # real ones have up to 10 MB
MAX_MEMBERS = 10_000  # real ones have 30 to 700 (wave mode)


@dataclass(frozen=True)
class Stamp:
    """Size and time of a file on disk: whether it is still the one that was opened."""

    file: Path
    size: int
    changed_ns: int

    @classmethod
    def of(cls, file: Path) -> Stamp:
        """Take the stamp of a file."""
        try:
            status = file.stat()
        except OSError as error:
            raise ReadError(f"{file} is gone; bring it back") from error
        return cls(file.resolve(), status.st_size, status.st_mtime_ns)

    @property
    def text(self) -> str:
        """Size and time, without the place."""
        return f"{self.size} {self.changed_ns}"

    def holds(self) -> bool:
        """Whether the file has not changed since."""
        return Stamp.of(self.file) == self


class ProductFiles(Protocol):
    """Access to the files of one product by their names in it, such as "measurement/x.tiff"."""

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def product(self) -> str: ...  # noqa: D102

    def has(self, member: str) -> bool:
        """Whether the product holds such a file."""
        ...

    def read(self, member: str) -> bytes:
        """Content of a small file (XML)."""
        ...

    def gdal_path(self, member: str) -> str:
        """Path by which GDAL opens the file."""
        ...

    def stamp(self, member: str) -> Stamp:
        """Return what changes when the file does."""
        ...


@dataclass(frozen=True)
class _Folder:
    path: Path

    @property
    def product(self) -> str:
        return self.path.resolve().name

    def has(self, member: str) -> bool:
        return self._inside(member).is_file()

    def read(self, member: str) -> bytes:
        file = self._inside(member)
        try:
            if file.stat().st_size > MAX_XML_BYTES:
                raise _too_large(self.path, member, file.stat().st_size)
            return file.read_bytes()
        except FileNotFoundError:
            raise missing(self.path, member) from None
        except OSError as error:
            raise ReadError(f"{self.path}: cannot read {member}: {error.strerror or error}") from error

    def gdal_path(self, member: str) -> str:
        return str(self._inside(member))

    def stamp(self, member: str) -> Stamp:
        return Stamp.of(self._inside(member))

    def _inside(self, member: str) -> Path:
        root = self.path.resolve()
        file = (root / member).resolve()
        if not file.is_relative_to(root):
            raise UnsafeInput(f"{self.path}: {member} leads outside the product, to {file}; it will not be read")
        return file


@dataclass(frozen=True)
class _Zip:
    path: Path
    prefix: str = ""
    members: dict[str, int] = field(default_factory=dict)  # name: bytes when unpacked

    @property
    def product(self) -> str:
        return PurePosixPath(self.prefix).name or self.path.stem

    def has(self, member: str) -> bool:
        return self.prefix + member in self.members

    def read(self, member: str) -> bytes:
        name = self.prefix + member
        if name not in self.members:
            raise missing(self.path, member)
        if self.members[name] > MAX_XML_BYTES:
            raise _too_large(self.path, member, self.members[name])
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                content = file.read(MAX_XML_BYTES + 1)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            # RuntimeError: flags that zipfile knows no way with, such as patched data
            raise ReadError(f"{self.path}: cannot unpack {member}: {error}; download the product again") from error
        if len(content) > MAX_XML_BYTES:
            raise _too_large(self.path, member, len(content))
        return content

    def gdal_path(self, member: str) -> str:
        return f"/vsizip/{{{self.path.resolve()}}}/{self.prefix}{member}"

    def stamp(self, member: str) -> Stamp:
        return Stamp.of(self.path)


@dataclass(frozen=True)
class Image:
    """The files that belong to one image of a product: one swath in one polarisation.

    Parameters
    ----------
    polarisation, swath : str
        As in the file names: "vv", "iw" (ground range) or "iw1" (single look complex).
    measurement, annotation, calibration : str
        Files by their names in the product.
    noise : str, optional
        None: the manifest lists none.
    """

    polarisation: str
    swath: str
    measurement: str
    annotation: str
    calibration: str
    noise: str | None


@dataclass(frozen=True)
class Manifest:
    """What manifest.safe says: which images there are, and when and how they were taken.

    Parameters
    ----------
    images : tuple of Image
        In the order of their names.
    tags : dict
        Acquisition and processing, under names fit for a raster's tags; only what the manifest says.
    content : bytes
        The manifest itself.
    """

    images: tuple[Image, ...]
    tags: dict[str, str]
    content: bytes


def is_safe(path: str | Path) -> bool:
    """Whether a path looks like a Sentinel-1 product: a SAFE folder, its manifest, or a zip that holds one.

    A zip that cannot be opened counts, since `open_safe` can say what is wrong with it.
    """
    path = Path(path)
    if path.name.lower() == MANIFEST:
        return True
    if path.is_dir():
        return path.suffix.upper() == ".SAFE" or (path / MANIFEST).is_file()
    if path.suffix.lower() != ".zip" or not path.is_file():
        return path.suffix.upper() == ".SAFE"
    try:
        with zipfile.ZipFile(path) as archive:
            return any(PurePosixPath(name).name == MANIFEST for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return True


def open_files(path: str | Path) -> ProductFiles:
    """Find the files of a product: a folder, the manifest inside it, or a zip of it.

    Raises
    ------
    ReadError
        If there is no product, or the zip is damaged.
    UnsafeInput
        If a zip holds names that lead outside, links, or two files of one name.
    """
    path = Path(path)
    if path.name.lower() == MANIFEST:
        path = path.parent
    if path.is_dir():
        if not (path / MANIFEST).is_file():
            raise ReadError(f"{path} holds no {MANIFEST}; give the folder of a whole Sentinel-1 product")
        return _Folder(path)
    if not path.exists():
        raise ReadError(f"{path} does not exist; give a Sentinel-1 product, a folder or a zip")
    return _open_zip(path)


def parse_xml(content: bytes, name: str) -> Element:
    """Parse XML without DTD, entities or anything fetched; `name` is for messages."""
    try:
        root: Element = fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise UnsafeInput(
            f"{name} declares a document type or entities, which Sentinel-1 products never do; it will not be read"
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise ReadError(f"{name} is not whole XML ({error}); download the product again") from error
    return root


def read_manifest(files: ProductFiles) -> Manifest:
    """Read manifest.safe: every file it lists must lie inside the product.

    Raises
    ------
    ReadError
        If it is damaged, or lists no measurement.
    UnsafeInput
        If a file it lists lies elsewhere.
    """
    content = files.read(MANIFEST)
    name = f"{files.path}: {MANIFEST}"
    root = parse_xml(content, name)
    by_kind: dict[str, dict[str, str]] = {}
    for item in root.iterfind("dataObjectSection/dataObject"):
        for location in item.iterfind("byteStream/fileLocation"):
            member = _member(location.get("href", ""), name)
            by_kind.setdefault(item.get("repID", ""), {})[PurePosixPath(member).stem.lower()] = member
    images = tuple(
        _image(stem, member, by_kind, name)
        for stem, member in sorted(by_kind.get("s1Level1MeasurementSchema", {}).items())
    )
    if not images:
        raise ReadError(f"{name} lists no Level-1 measurement; give a Sentinel-1 GRD or SLC product")
    return Manifest(images, _tags(root), content)


def _image(stem: str, measurement: str, by_kind: dict[str, dict[str, str]], name: str) -> Image:
    # By the specification: s1b-iw1-slc-vv-<start>-<stop>-<orbit>-<data take>-<image>
    found = re.fullmatch(r"s1\w-(\w+)-(grd|slc)-(vv|vh|hh|hv)-.*", stem)
    if found is None:
        raise ReadError(f"{name} lists {measurement}, which is not named as a Sentinel-1 GRD or SLC measurement is")

    def companion(kind: str, prefix: str) -> str | None:
        return by_kind.get(kind, {}).get(prefix + stem)

    return Image(
        polarisation=found[3],
        swath=found[1],
        measurement=measurement,
        annotation=companion("s1Level1ProductSchema", "") or f"annotation/{stem}.xml",
        calibration=companion("s1Level1CalibrationSchema", "calibration-")
        or f"annotation/calibration/calibration-{stem}.xml",
        noise=companion("s1Level1NoiseSchema", "noise-"),
    )


def _member(href: str, name: str) -> str:
    """Return a file's name in the product, from the manifest's reference to it."""
    parts = [part for part in href.split("/") if part not in ("", ".")]
    if not parts or href.startswith("/") or ".." in parts or any(c in href for c in '\\:"\0'):
        raise UnsafeInput(f"{name} refers to {href!r}, which is not a file inside the product; it will not be read")
    return "/".join(parts)


def _tags(root: Element) -> dict[str, str]:
    def text(*path: str) -> str | None:
        found = root.findtext(".//" + "/".join(f"{{*}}{part}" for part in path))
        return found.strip() if found and found.strip() else None

    family, unit = text("platform", "familyName"), text("platform", "number")
    ipf = root.find(".//{*}software[@name='Sentinel-1 IPF']")
    tags = {
        "PLATFORM": f"{family}{unit}" if family and unit else None,
        "ACQUISITION_START": text("acquisitionPeriod", "startTime"),
        "ACQUISITION_STOP": text("acquisitionPeriod", "stopTime"),
        "MODE": text("instrumentMode", "mode"),
        "ABSOLUTE_ORBIT": text("orbitReference", "orbitNumber"),
        "RELATIVE_ORBIT": text("orbitReference", "relativeOrbitNumber"),
        "ORBIT_PASS": text("orbitProperties", "pass"),
        "IPF_VERSION": None if ipf is None else ipf.get("version"),
    }
    return {key: value for key, value in tags.items() if value}


def _open_zip(path: Path) -> _Zip:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ReadError(
            f"{path} is neither a product folder nor a whole zip file ({error}); download it again"
        ) from error
    if len(infos) > MAX_MEMBERS:
        raise UnsafeInput(f"{path} holds {len(infos)} files, no Sentinel-1 product has more than {MAX_MEMBERS}")
    for info in infos:
        # The name as written: zipfile replaces a foreign separator and stops at a null, GDAL need not.
        raw = info.orig_filename
        if raw.startswith("/") or ".." in re.split(r"[/\\]", raw) or any(c in raw for c in "\\:\0"):
            raise UnsafeInput(f"{path} holds {raw!r}, a name that leads outside the product; it will not be read")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UnsafeInput(f"{path} holds {raw!r}, a symbolic link; it will not be read")
        if info.flag_bits & 0x1:
            raise ReadError(f"{path} holds {raw!r} encrypted; unpack it first and give the folder")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ReadError(f"{path} is packed in an unusual way; unpack it first and give the folder")
    twice = [name for name, count in Counter(info.filename for info in infos).items() if count > 1]
    if twice:
        raise UnsafeInput(f"{path} holds {twice[0]!r} more than once; it will not be read")
    manifests = [info.filename for info in infos if PurePosixPath(info.filename).name == MANIFEST]
    if len(manifests) != 1:
        what = f"{len(manifests)} products" if manifests else f"no {MANIFEST}"
        raise ReadError(f"{path} holds {what}; give the zip of one whole Sentinel-1 product")
    members = {info.filename: info.file_size for info in infos if not info.is_dir()}
    return _Zip(path, manifests[0].removesuffix(MANIFEST), members)


def missing(path: Path, member: str) -> ReadError:
    """Return the error to raise when a product lacks a file."""
    return ReadError(f"{path}: {member} is missing; download the product again, whole")


def _too_large(path: Path, member: str, size: int) -> UnsafeInput:
    return UnsafeInput(
        f"{path}: {member} has {size} bytes, more than any Sentinel-1 annotation ({MAX_XML_BYTES}); it will not be read"
    )
