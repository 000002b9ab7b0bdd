"""Small scenes and what a despeckler and a fusion might have made of them, without computing either."""

import json

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from scipy.ndimage import convolve

from sardiff.cli import cli
from sardiff.provenance import digest
from sardiff.tasks.kernels import kernel_of

AFFINE = rasterio.Affine(10, 0, 4e5, 0, -10, 5e6)


@pytest.fixture(scope="session")
def run():
    return lambda *args, **options: CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="sardiff", **options)


def write(path, pixels, *, tags=None, transform=AFFINE, names=None, units=None, nodata=None, **profile):
    pixels = np.asarray(pixels)
    kept = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    kept |= {"dtype": pixels.dtype, "nodata": nodata, "crs": "EPSG:32633", "transform": transform}
    with rasterio.open(path, "w", **kept | profile) as dataset:
        dataset.write(pixels)
        dataset.update_tags(**tags or {})
        if names:
            dataset.descriptions = names
        if units:
            dataset.units = (units,) * len(pixels)
    return path


def ground(shape):
    """Fields, a lake, a town of bright points."""
    rows, cols = np.indices(shape)
    image = 0.05 * 2.0 ** ((rows // 24 * 5 + cols // 30 * 3) % 4)
    image[shape[0] // 2 :, : shape[1] // 3] = 0.01
    image[10:40:5, shape[1] - 50 : shape[1] - 10 : 5] = 5.0
    return image.astype(np.float32)


def tags(**more):
    return {
        "SARDIFF_VERSION": "0.1.0",
        "SARDIFF_SETTINGS": json.dumps({"method": "one-pass", "quality": "fast", "seed": 7}),
        "SARDIFF_LOOKS": json.dumps({"value": 1.0, "reason": "as asked for"}),
        "SARDIFF_INPUT": json.dumps({"name": "scene.tif", "values": "intensity", "units": None}),
        "SARDIFF_INTERVALS": json.dumps({"50 %": 0.6, "90 %": 1.6}),
        **more,
    }


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """scene.tif, clean.tif, clean_std_db.tif and scene_truth.tif, with a hole, 150 x 170 pixels."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(5)
    truth = ground((150, 170))
    before = (truth * rng.gamma(1, 1, truth.shape)).astype(np.float32)
    after = (truth * np.exp(rng.normal(0, 0.1, truth.shape))).astype(np.float32)
    spread = np.full(truth.shape, 0.5, np.float32)
    spread[100:140, 100:150] = 2.0
    for image in (before, after, spread):
        image[60:75, 60:90] = np.nan
    write(folder / "scene.tif", before[None], units="intensity")
    write(folder / "scene_truth.tif", truth[None], units="intensity")
    write(folder / "clean.tif", after[None], units="intensity", tags=tags())
    write(folder / "clean_std_db.tif", spread[None], units="dB")
    return folder


@pytest.fixture(scope="session")
def fused(tmp_path_factory):
    """sar.tif (on a finer grid), optical.tif, fused.tif, fused_mask.tif and fused_std.tif, 90 x 100 pixels."""
    folder = tmp_path_factory.mktemp("fused")
    rng = np.random.default_rng(6)
    sar = ground((180, 200)) * rng.gamma(4, 1 / 4, (180, 200))
    write(
        folder / "sar.tif",
        sar[None].astype(np.float32),
        units="intensity",
        transform=rasterio.Affine(5, 0, 4e5, 0, -5, 5e6),
    )
    optical = np.stack([ground((90, 100)) ** p * 4000 + 500 for p in (0.5, 0.6, 0.7)]).astype(np.uint16)
    write(folder / "optical.tif", optical, nodata=0, names=("B04", "B03", "B02"))
    made = json.dumps({"task": "fuse", "method": "dps"})
    moved = json.dumps({"shift": [1.5, -0.5], "confidence": 0.9, "applied": True})
    write(
        folder / "fused.tif",
        (optical * 1.1).astype(np.uint16),
        nodata=0,
        names=("B04", "B03", "B02"),
        tags={"SARDIFF_VERSION": "0.1.0", "SARDIFF_SETTINGS": made, "SARDIFF_REGISTRATION": moved},
    )
    mask = np.zeros((1, 90, 100), np.uint8)
    mask[:, 10:19] = 2
    write(folder / "fused_mask.tif", mask)
    write(folder / "fused_std.tif", np.full((1, 90, 100), 25, np.float32))
    return folder


@pytest.fixture(scope="session")
def restored(tmp_path_factory):
    """holes.tif and filled.tif with filled_std.tif, blurred.tif and sharp.tif, and truth.tif: four bands, 90 x 100."""
    folder = tmp_path_factory.mktemp("restored")
    rng = np.random.default_rng(7)
    names = ("B02", "B03", "B04", "B08")
    truth = np.stack([ground((90, 100)) ** p * 4000 + 500 for p in (0.5, 0.6, 0.7, 0.8)]) + rng.normal(0, 20, (90, 100))
    holes = truth.astype(np.uint16)
    holes[:, 30:50, 40:60] = 0
    holes[1, :2] = 0
    filled = np.where(holes == 0, truth + rng.normal(0, 30, truth.shape), holes).astype(np.uint16)
    filled[1, :2] = 0
    how = {"max_gap": 64, "method": "auto", "solver": "ddnm", "samples": 8}
    write(folder / "holes.tif", holes, nodata=0, names=names)
    write(folder / "filled.tif", filled, nodata=0, names=names, tags=restored_tags("fill", **how))
    write(folder / "filled_std.tif", np.where(holes == 0, 30, 0).astype(np.float32))
    kernel = kernel_of("box:3")
    blurred = np.stack([convolve(band, kernel, mode="nearest") for band in truth]) + rng.normal(0, 5, truth.shape)
    how = {"blur": "box:3", "noise": [5, 5, 5, 5], "kernel": digest({"weights": kernel.tolist()})}
    write(folder / "blurred.tif", blurred.astype(np.float32), names=names)
    write(folder / "sharp.tif", truth.astype(np.float32), names=names, tags=restored_tags("deblur", **how))
    write(folder / "truth.tif", truth.astype(np.float32), names=names)
    return folder


def restored_tags(task, **settings):
    said = {"settings": {"task": task, **settings}, "input": {"values": "physical", "bands": [1, 2, 3, 4]}}
    return {"SARDIFF_VERSION": "0.1.0", **{f"SARDIFF_{name.upper()}": json.dumps(x) for name, x in said.items()}}


@pytest.fixture(scope="session")
def raster():
    """Write pixels (bands, rows, cols) as a GeoTIFF."""
    return write


@pytest.fixture(scope="session")
def made_by():
    """Tags as `sardiff despeckle` writes them, and more."""
    return tags


@pytest.fixture(scope="session")
def page(run, scenes):
    """The report on the small scene."""
    path = scenes / "report.html"
    result = run("report", scenes / "scene.tif", scenes / "clean.tif", "-o", path, "--looks", 1)
    assert result.exit_code == 0, result.output
    return path
