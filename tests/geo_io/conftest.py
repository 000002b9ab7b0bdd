"""A small Sentinel-1 product, made up and whole: manifest, annotation, calibration, noise, striped measurement."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

NAME = "S1B_IW_{kind}_1SDV_20211223T051122_20211223T051147_030148_039993_5371.SAFE"


@dataclass(frozen=True)
class MadeSafe:
    """Where a made product lies, and what is in it."""

    path: Path
    dn: dict[str, np.ndarray]  # by stem: digital numbers, as stored
    files: dict[str, dict[str, Path]]  # by stem: measurement, annotation, calibration, noise

    def zipped(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self.path.rglob("*")):
                archive.write(file, file.relative_to(self.path.parent))
        return path


@pytest.fixture
def make_safe(tmp_path: Path) -> Callable[..., MadeSafe]:
    """Build products; see `build_safe` for what can be asked."""

    def make(folder: Path = tmp_path, **asked: Any) -> MadeSafe:
        return build_safe(folder, **asked)

    return make


def build_safe(
    folder: Path,
    *,
    shape: tuple[int, int] = (60, 90),
    polarisations: tuple[str, ...] = ("vv",),
    swaths: tuple[str, ...] = ("iw",),  # an SLC product has iw1, ...
    kind: str = "grd",
    ipf: str = "003.40",
    noise: str | None = "new",  # "old" before IPF 2.9, "zero" in early products, None: no such file
    denoised: bool = False,
    gcps_in_tiff: bool = True,
    nodata: float | None = None,
    seed: int = 0,
) -> MadeSafe:
    root = folder / NAME.format(kind="GRDH" if kind == "grd" else "SLC_")
    for part in ("annotation/calibration", "measurement"):
        (root / part).mkdir(parents=True)
    rng = np.random.default_rng(seed)
    entries, dns, files = [], {}, {}
    images = [(swath, pol) for swath in swaths for pol in polarisations]
    for number, (swath, pol) in enumerate(images, start=1):
        stem = f"s1b-{swath}-{kind}-{pol}-20211223t051122-20211223t051147-030148-039993-{number:03d}"
        here = {
            "Measurement": root / f"measurement/{stem}.tiff",
            "Product": root / f"annotation/{stem}.xml",
            "Calibration": root / f"annotation/calibration/calibration-{stem}.xml",
            "Noise": root / f"annotation/calibration/noise-{stem}.xml",
        }
        dn = _digital_numbers(rng, shape, kind)
        points = _points(shape)
        _write_tiff(here["Measurement"], dn, points if gcps_in_tiff else [], nodata)
        here["Product"].write_text(_annotation(shape, points, denoised))
        here["Calibration"].write_text(_calibration(rng, shape))
        if noise is None:
            del here["Noise"]
        else:
            here["Noise"].write_text(_noise(rng, shape, noise))
        entries += [_entry(f"s1Level1{what}Schema", file.relative_to(root)) for what, file in here.items()]
        dns[stem], files[stem] = dn, {what.lower(): file for what, file in here.items()}
    (root / "manifest.safe").write_text(MANIFEST.format(ipf=ipf, mode=swaths[0][:2].upper(), entries="".join(entries)))
    return MadeSafe(root, dns, files)


def _digital_numbers(rng: np.random.Generator, shape: tuple[int, int], kind: str) -> np.ndarray:
    amplitude = 150 * np.sqrt(rng.gamma(4.4 if kind == "grd" else 1.0, 1 / 4.4 if kind == "grd" else 1.0, shape))
    if kind == "grd":
        dn = amplitude.round().clip(1).astype(np.uint16)
    else:
        z = amplitude * np.exp(2j * np.pi * rng.random(shape))
        dn = np.stack([z.real, z.imag]).round().astype(np.int16)
        dn = (dn[0] + 1j * dn[1]).astype(np.complex64)
    dn[:, :4] = 0  # border fill
    dn[3:7, 20:24] = 1 if kind == "grd" else 1 + 0j  # below the noise
    return dn


def _points(shape: tuple[int, int]) -> list[GroundControlPoint]:
    rows, cols = (np.linspace(0, n - 1, k).round().tolist() for n, k in zip(shape, (3, 4), strict=True))
    return [
        GroundControlPoint(row=r, col=c, x=15 - 1e-4 * c + 2e-5 * r, y=42 + 1e-4 * r + 1e-5 * c, z=10 + r, id=str(k))
        for k, (r, c) in enumerate(((r, c) for r in rows for c in cols), start=1)
    ]


def _write_tiff(path: Path, dn: np.ndarray, points: list[GroundControlPoint], nodata: float | None) -> None:
    where: dict[str, Any] = {"gcps": points, "crs": CRS.from_epsg(4326)} if points else {"crs": CRS.from_epsg(4326)}
    rows, cols = dn.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=rows,
        width=cols,
        count=1,
        dtype="complex_int16" if np.iscomplexobj(dn) else "uint16",
        blockysize=1,
        nodata=nodata,
        **where,
    ) as dataset:
        dataset.write(dn, 1)
        dataset.update_tags(TIFFTAG_SOFTWARE="Sentinel-1 IPF 003.40", TIFFTAG_DATETIME="2021:12:23 05:11:22")


def _entry(schema: str, file: Path) -> str:
    return (
        f'<dataObject ID="{file.stem.replace("-", "")}" repID="{schema}"><byteStream mimeType="x" size="1">'
        f'<fileLocation locatorType="URL" href="./{file.as_posix()}"/></byteStream></dataObject>\n'
    )


def _annotation(shape: tuple[int, int], points: list[GroundControlPoint], denoised: bool) -> str:
    grid = "".join(
        f"<geolocationGridPoint><line>{p.row:.0f}</line><pixel>{p.col:.0f}</pixel><latitude>{p.y!r}</latitude>"
        f"<longitude>{p.x!r}</longitude><height>{p.z!r}</height></geolocationGridPoint>"
        for p in points
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<product><imageAnnotation><imageInformation>
<numberOfSamples>{shape[1]}</numberOfSamples><numberOfLines>{shape[0]}</numberOfLines></imageInformation>
<processingInformation><thermalNoiseCorrectionPerformed>{str(denoised).lower()}</thermalNoiseCorrectionPerformed>
<swathProcParamsList><swathProcParams><rangeProcessing><numberOfLooks>5</numberOfLooks></rangeProcessing>
<azimuthProcessing><numberOfLooks>1</numberOfLooks></azimuthProcessing></swathProcParams></swathProcParamsList>
</processingInformation></imageAnnotation>
<geolocationGrid><geolocationGridPointList>{grid}</geolocationGridPointList></geolocationGrid></product>"""


def _series(values: Any) -> str:
    return " ".join(f"{value:.6e}" for value in values)


def _calibration(rng: np.random.Generator, shape: tuple[int, int]) -> str:
    pixels = np.unique([*range(0, shape[1], 40), shape[1] - 1])
    vectors = "".join(
        f"<calibrationVector><line>{line}</line><pixel>{' '.join(map(str, pixels))}</pixel>"
        f"<sigmaNought>{_series(rng.uniform(400, 700, len(pixels)))}</sigmaNought></calibrationVector>"
        for line in (-17, 5, 29, shape[0] - 3)  # starts before the image, ends inside it
    )
    return f"<calibration><calibrationVectorList>{vectors}</calibrationVectorList></calibration>"


def _noise(rng: np.random.Generator, shape: tuple[int, int], noise: str) -> str:
    old = noise in ("old", "zero")
    outer, inner = ("noiseVector", "noiseLut") if old else ("noiseRangeVector", "noiseRangeLut")

    def vector(line: int) -> str:
        pixels = np.unique([*range(0, shape[1], 37 + line % 5), shape[1] - 1])  # other pixels on every line
        values = rng.uniform(1000, 3000, len(pixels)) * (noise != "zero")
        return (
            f"<{outer}><line>{line}</line><pixel>{' '.join(map(str, pixels))}</pixel>"
            f"<{inner}>{_series(values)}</{inner}></{outer}>"
        )

    ranges = "".join(vector(line) for line in (0, 21, 44, shape[0] + 9))
    if old:
        return f"<noise><noiseVectorList>{ranges}</noiseVectorList></noise>"

    def block(swath: str, first: int, last: int, bottom: int) -> str:
        lines = [0, 10, 21, 22, 30, bottom]
        return (
            f"<noiseAzimuthVector><swath>{swath}</swath><firstAzimuthLine>0</firstAzimuthLine>"
            f"<firstRangeSample>{first}</firstRangeSample><lastAzimuthLine>{bottom}</lastAzimuthLine>"
            f"<lastRangeSample>{last}</lastRangeSample><line>{' '.join(map(str, lines))}</line>"
            f"<noiseAzimuthLut>{_series(rng.uniform(0.8, 1.3, len(lines)))}</noiseAzimuthLut></noiseAzimuthVector>"
        )

    third = shape[1] // 3
    blocks = block("IW1", 0, third, shape[0] - 1) + block("IW2", third + 1, 2 * third, shape[0] - 9)  # IW3: none
    return (
        f"<noise><noiseRangeVectorList>{ranges}</noiseRangeVectorList>"
        f"<noiseAzimuthVectorList>{blocks}</noiseAzimuthVectorList></noise>"
    )


MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:safe="http://www.esa.int/safe/sentinel-1.0"
 xmlns:s1="http://www.esa.int/safe/sentinel-1.0/sentinel-1"
 xmlns:s1sarl1="http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1">
<metadataSection>
<safe:processing><safe:facility><safe:software name="Sentinel-1 IPF" version="{ipf}"/></safe:facility></safe:processing>
<safe:platform><safe:familyName>SENTINEL-1</safe:familyName><safe:number>B</safe:number></safe:platform>
<s1sarl1:instrumentMode><s1sarl1:mode>{mode}</s1sarl1:mode></s1sarl1:instrumentMode>
<safe:orbitReference><safe:orbitNumber type="start">30148</safe:orbitNumber>
<safe:relativeOrbitNumber type="start">22</safe:relativeOrbitNumber>
<s1:orbitProperties><s1:pass>DESCENDING</s1:pass></s1:orbitProperties></safe:orbitReference>
<safe:acquisitionPeriod><safe:startTime>2021-12-23T05:11:22.594441</safe:startTime>
<safe:stopTime>2021-12-23T05:11:47.593146</safe:stopTime></safe:acquisitionPeriod>
</metadataSection>
<dataObjectSection>
{entries}</dataObjectSection>
</xfdu:XFDU>"""
