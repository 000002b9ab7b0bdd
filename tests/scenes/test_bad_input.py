"""Whatever is wrong with an input: one sentence, exit status 2, nothing under the final name, the input as it was."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio

from sardiff.priors.checkpoint import SHIPPED


def raster(path, pixels, **profile):
    bands, rows, cols = pixels.shape
    shape = {"width": cols, "height": rows, "count": bands, "dtype": pixels.dtype, "crs": "EPSG:32633"}
    place = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(path, "w", driver="GTiff", transform=place, **{**shape, **profile}) as dataset:
        dataset.write(pixels)
    return path


def content(path):
    return path.read_bytes() if path.is_file() else None


def speckle(*shape):
    return np.random.default_rng(0).gamma(1, 0.1, shape).astype("float32")


def missing(folder, scene):
    return folder / "no.tif"


def empty(folder, scene):
    path = folder / "empty.tif"
    path.touch()
    return path


def truncated(folder, scene):
    path = folder / "cut.tif"
    path.write_bytes(scene.read_bytes()[:-2000])
    return path


def text(folder, scene):
    path = folder / "text.tif"
    path.write_text("no raster at all\n" * 100)
    return path


def picture(folder, scene):
    path = folder / "photo.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return path


def folder(folder, scene):
    return folder


def paletted(folder, scene):
    path = raster(folder / "map.tif", np.ones((1, 64, 64), "uint8"), photometric="palette")
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255)})
    return path


def photo(folder, scene):
    pixels = np.random.default_rng(0).integers(0, 255, (3, 64, 64), dtype="uint8")
    return raster(folder / "rgb.tif", pixels, photometric="rgb")


def nothing_measured(folder, scene):
    return raster(folder / "nodata.tif", np.full((1, 64, 64), -9999, "float32"), nodata=-9999)


def absurd(folder, scene):
    path = folder / "huge.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=2_000_000, height=2_000_000, count=1, dtype="float32", tiled=True,
        blockxsize=8192, blockysize=8192, sparse_ok=True, bigtiff=True, transform=rasterio.Affine(2, 0, 0, 0, -2, 0),
    ):  # fmt: skip
        pass
    return path


def vrt(folder, source):
    path = folder / "a.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="96" rasterYSize="96"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>'
        f"</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def vrt_outside(folder, scene):
    return vrt(folder, scene)


def vrt_to_the_network(folder, scene):
    return vrt(folder, "/vsicurl/http://127.0.0.1:9/scene.tif")


def undecided(folder, scene):
    """Four looks of intensity, or one of amplitude: nobody can tell."""
    return raster(folder / "a.tif", np.random.default_rng(0).gamma(4, 0.25, (1, 96, 96)).astype("float32"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (missing, "does not exist"),
        (empty, "is empty"),
        (truncated, "cut.tif"),
        (text, "is not a raster: its content is text"),
        (picture, "is not a GeoTIFF but a PNG image"),
        (folder, "is a folder"),
        (paletted, "is paletted"),
        (photo, "8-bit RGB picture"),
        (nothing_measured, "no measured pixel"),
        (absurd, "which cannot hold them"),
        (vrt_outside, "outside its own folder"),
        (vrt_to_the_network, "not a plain file in its folder"),
    ],
)
@pytest.mark.parametrize("command", ["despeckle", "inspect"])
def test_inputs_that_are_no_scene(run, scene, tmp_path, make, said, command):
    place = tmp_path / "in"
    place.mkdir()
    path, out = make(place, scene), tmp_path / "out.tif"
    before = content(path)
    refused(run(command, path, *([out] if command == "despeckle" else [])), said)
    assert content(path) == before
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_what_may_be_intensity_or_amplitude_is_asked_for(run, scene, tmp_path):
    path = undecided(tmp_path, scene)
    refused(run("despeckle", path, tmp_path / "out.tif"), "say --values")
    result = run("inspect", path)
    assert result.exit_code == 0, result.output
    assert "unclear" in result.stdout
    assert "--values intensity" in result.stdout
    assert "96 rows" in result.stdout
    assert json.loads(run("inspect", path, "--json").stdout)["values"] == "unclear"


def refused(result, said):
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("sardiff: error: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--looks", "many"), "neither 'auto' nor a number > 0"),
        (("--looks", "-1"), "neither 'auto' nor a number > 0"),
        (("--look", "1"), "See 'sardiff despeckle --help'"),
        (("--method", "magic"), "'magic' is not one of"),
        (("--samples", "4", "--method", "scoring"), "gives one estimate"),
        (("--uncertainty", "--samples", "1", "--method", "moment"), "is the spread of its samples"),
        (("--tile", "8"), "x>=32"),
        (("--bands", "2"), "has one band, not 2"),
        (("--polarisation", "vv"), "is not a Sentinel-1 product"),
        (("--device", "abacus"), "Device 'abacus' cannot be used"),
        (("--weights", "no.safetensors"), "is missing"),
        (("extra",), "unexpected extra argument"),
    ],
)
def test_settings_that_are_wrong(run, scene, tmp_path, options, said):
    out = tmp_path / "out.tif"
    before = scene.read_bytes()
    refused(run("despeckle", scene, out, *options), said)
    assert scene.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command(run):
    refused(run("dispeckle"), "No such command 'dispeckle'")
    result = run("dspeckle", "a.tif", "b.tif")
    assert result.exit_code == 2
    assert "Did you mean 'despeckle'? See" in result.stderr


def test_output_names_that_will_not_do(run, scene, tmp_path):
    path = shutil.copy(scene, tmp_path / "scene.tif")
    link, there, before = tmp_path / "link.tif", tmp_path / "there.tif", scene.read_bytes()
    link.symlink_to(path)
    there.write_bytes(b"precious")
    for out, said in (
        (path, "are the same file"),
        (link, "are the same file"),
        (there, "--overwrite to replace it"),
        (tmp_path, "ends in .tif"),
        (tmp_path / "out.png", "ends in .tif"),
        (tmp_path / "no" / "out.tif", "there is no folder"),
        (there / "out.tif", "there is no folder"),  # a file is no folder, whoever one is
    ):
        refused(run("despeckle", path, out, "--looks", 1), said)
    for spread, said in ((path, "are the same file"), (tmp_path / "o.tif", "need different names")):
        refused(run("despeckle", path, tmp_path / "o.tif", "--uncertainty-file", spread), said)
    assert (path.read_bytes(), there.read_bytes()) == (before, b"precious")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.tif", "scene.tif", "there.tif"]


def test_a_folder_that_may_not_be_written(run, scene, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("geo_io.write.tempfile.NamedTemporaryFile", refuse)  # root may write anywhere
    refused(run("despeckle", scene, tmp_path / "out.tif", "--looks", 1), "nothing can be written in the folder")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda weights, card: weights.write_bytes(weights.read_bytes()[:-1]), "is damaged"),
        (lambda weights, card: weights.unlink(), "is missing"),
        (lambda weights, card: card.write_text("{"), "is not the card of a prior"),
        (lambda weights, card: card.write_text("[]"), "is not the card of a prior"),
        (
            lambda weights, card: card.write_text(json.dumps({"sha256": "", "format": "other/1"})),
            "has format 'other/1'",
        ),
    ],
)
def test_weights_that_are_damaged(run, scene, tmp_path, damage, said):
    weights, card = (tmp_path / f"mine{end}" for end in (".safetensors", ".json"))
    shutil.copy(SHIPPED, weights)
    shutil.copy(SHIPPED.with_suffix(".json"), card)
    damage(weights, card)
    out = tmp_path / "out.tif"
    refused(run("despeckle", scene, out, "--looks", 1, "--weights", weights), said)
    assert not out.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX processes")
def test_a_disk_that_fills_up(scene, tmp_path):
    out = tmp_path / "out.tif"
    # Room for the directory of the unfinished file, not for its pixels.
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    code += "from sardiff.__main__ import main; main()"
    command = [sys.executable, "-c", code, "despeckle", scene, out, "--looks", "1", "--progress", "none"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    last = result.stderr.splitlines()[-1]  # before it libtiff may say so in its own words
    assert last.startswith(f"sardiff: error: {out}: block (0, 0) cannot be written: ")
    assert "make room" in last or "has room" in last
    assert "Traceback" not in result.stderr
    assert not out.exists()


def test_no_room_is_said_before_any_work(run, scene, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("geo_io.write.shutil.disk_usage", lambda path: usage)
    result = run("despeckle", scene, tmp_path / "out.tif", "--looks", 1)
    assert result.exit_code == 2
    assert "make room or choose another disk" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_memory_is_said(run, scene, tmp_path, monkeypatch):
    def greedy(*args, **options):
        raise MemoryError

    monkeypatch.setattr("sardiff.tasks.despeckle.DespeckleTiles.__call__", greedy)
    out = tmp_path / "out.tif"
    result = run("despeckle", scene, out, "--looks", 1)
    assert result.exit_code == 2
    assert "not enough memory: try a smaller --tile" in result.stderr
    assert not out.exists()


def test_decibels_told_as_power_are_recognised(run, tmp_path, scene):
    with rasterio.open(scene) as dataset:
        pixels, profile = dataset.read(), dataset.profile
    path = tmp_path / "db.tif"
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write((10 * np.log10(np.maximum(pixels, 1e-6))).astype(np.float32))
    result = run("despeckle", path, tmp_path / "out.tif", "--values", "intensity", "--looks", 4)
    assert result.exit_code == 2
    assert "say --values db" in result.stderr


def test_an_uncertainty_is_no_scene(run, tmp_path, scene):
    with rasterio.open(scene) as dataset:
        pixels, profile = dataset.read(), dataset.profile
    path = tmp_path / "spread.tif"
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels)
        dataset.update_tags(SARDIFF_VERSION="0.1.0")
        dataset.set_band_description(1, "band 1, posterior standard deviation")
    result = run("inspect", path)
    assert result.exit_code == 2
    assert "give the scene itself" in result.stderr


def test_formats_of_other_programs_are_named(run, tmp_path):
    folder = tmp_path / "product.data"
    folder.mkdir()
    (folder / "Sigma0_VV.img").write_bytes(b"\x01\x02\x03\x04" * 100)
    for path in (folder, folder / "Sigma0_VV.img"):
        result = run("inspect", path)
        assert result.exit_code == 2
        assert "export it as GeoTIFF" in result.stderr
