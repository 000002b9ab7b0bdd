"""Scores of files, against files."""

import json

import numpy as np
import pytest
import rasterio

from sardiff.metrics import FUSION_BETTER, fusion_metrics, to_grey8


def copy(path, to, change, **profile):
    with rasterio.open(path) as dataset:
        pixels, kept = dataset.read(), {**dataset.profile, **profile, "driver": "GTiff"}
        tags = profile.pop("tags", {})
    kept = {
        k: v
        for k, v in kept.items()
        if k in ("width", "height", "count", "dtype", "crs", "transform", "nodata", "driver")
    }
    with rasterio.open(to, "w", **kept) as dataset:
        dataset.write(change(pixels))
        dataset.update_tags(**tags)
        dataset.units = ("intensity",) if not tags else (None,)
    return to


def rows(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)["rows"]


def test_the_truth_itself_is_a_perfect_result(run, scene):
    truth = scene.with_name("scene_truth.tif")
    table = rows(run("score", scene, truth, "--truth", truth, "--looks", 4, "--json"))
    assert table["rmse"]["after"] == 0 < table["rmse"]["before"]
    assert table["ssim"]["after"] == pytest.approx(1)
    assert table["ratio_variance"]["ideal"] == 0.25
    assert table["ratio_variance"]["after"] == pytest.approx(0.25, rel=0.1)
    text = run("score", scene, truth, "--truth", truth, "--looks", 4).stdout
    assert "the whole scene" in text
    assert "rmse, dB" in text


def test_without_a_truth_the_ratio_speaks(run, scene):
    table = rows(run("score", scene, scene.with_name("scene_truth.tif"), "--json"))
    assert "psnr" not in table
    assert table["power"]["after"] == pytest.approx(1, abs=0.02)
    assert table["ratio_mean"]["after"] == pytest.approx(1, abs=0.02)


def test_a_result_in_other_units_is_read_by_its_tags(run, scene, tmp_path):
    truth = scene.with_name("scene_truth.tif")
    tags = {"SARDIFF_INPUT": json.dumps({"values": "intensity", "units": "amplitude"})}
    amplitude = copy(truth, tmp_path / "a.tif", np.sqrt, tags=tags)
    assert rows(run("score", scene, amplitude, "--truth", truth, "--json"))["rmse"]["after"] < 1e-4


def test_other_grids_are_refused(run, scene, tmp_path):
    with rasterio.open(scene) as dataset:
        a, b, c, d, e, f, *_ = dataset.transform
        moved = rasterio.Affine(a, b, c + a, d, e, f)
    other = copy(scene, tmp_path / "a.tif", lambda pixels: pixels, transform=moved)
    result = run("score", scene, other)
    assert result.exit_code == 2
    assert "lie on different grids" in result.stderr


@pytest.fixture(scope="module")
def fusion(tmp_path_factory):
    """Three files on one grid: optical as whole numbers with a scale and a nodata, SAR as intensity, and a fusion."""
    folder = tmp_path_factory.mktemp("fusion")
    rng = np.random.default_rng(4)
    ground = np.cumsum(np.cumsum(rng.normal(size=(150, 130)), axis=0), axis=1)
    ground = (ground - ground.min()) / np.ptp(ground)
    optical = np.stack([2000 + 6000 * ground, 1500 + 3000 * ground**2]).astype(np.uint16)
    optical[:, :20, :30] = 0
    optical[1, 60:70, 60:70] = 0  # measured in one band alone
    sar = (0.05 + ground[::-1]) * rng.gamma(4, 1 / 4, ground.shape)
    sar[100:, 100:] = np.nan
    images = {
        "a": (optical, {"nodata": 0, "scales": (1e-4, 1e-4), "offsets": (-0.1, -0.1)}),
        "b": (sar[None].astype(np.float32), {"units": ("intensity",)}),
        "f": ((0.6 * ground + 0.2 * np.log10(0.05 + ground[::-1]))[None].astype(np.float32), {}),
    }
    for name, (pixels, facts) in images.items():
        write(folder / f"{name}.tif", pixels, **facts)
    return folder


def write(path, pixels, nodata=None, transform=None, **facts):
    profile = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    transform = transform or rasterio.Affine(10, 0, 4e5, 0, -10, 5e6)
    with rasterio.open(
        path, "w", **profile, dtype=pixels.dtype, nodata=nodata, crs="EPSG:32632", transform=transform
    ) as dataset:
        dataset.write(pixels)
        for name, value in facts.items():
            setattr(dataset, name, value)
    return path


def expected_grey(image):
    low, high = np.nanquantile(image, (0.01, 0.99))
    return to_grey8(image, low, high)


def test_a_fusion_is_judged_by_the_whole_scene(run, fusion, monkeypatch):
    a, b, f = paths = [fusion / f"{name}.tif" for name in "abf"]
    with rasterio.open(a) as first, rasterio.open(b) as second, rasterio.open(f) as fused:
        optical = np.where(first.read() == 0, np.nan, first.read() * 1e-4 - 0.1)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(optical).sum(0)
            optical = np.where(known > 0, np.nansum(optical, axis=0) / np.maximum(known, 1), np.nan)
        images = [expected_grey(x) for x in (optical, 10 * np.log10(second.read(1)), fused.read(1))]
    expected = fusion_metrics(*images)
    monkeypatch.setattr("sardiff.tasks.score.FUSION_TILE", 48)  # twelve tiles
    result = run("score", "--fusion", *paths, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    assert list(found["metrics"]) == list(FUSION_BETTER)
    # In float32 files a grey or two falls to the other side of a step.
    assert found["metrics"] == pytest.approx(expected, rel=1e-3)
    assert found["pixels"] == np.isfinite(sum(images)).sum() == 150 * 130 - 20 * 30 - 50 * 30
    assert (found["a"]["values"], found["b"]["values"], found["a"]["bands"]) == ("physical", "dB of intensity", 2)
    text = run("score", "--fusion", *paths).stdout
    assert "150 x 130 pixels, 17400 measured in all three" in text
    assert "lower   bits lost" in text
    assert "the mean of 2 bands" in text


def test_a_second_source_that_is_no_backscatter_is_taken_as_it_is(run, fusion):
    a, f = fusion / "a.tif", fusion / "f.tif"
    result = run("score", "--fusion", a, a, a, "--json")
    assert result.exit_code == 0, result.output
    assert "taken as stored" in result.stderr
    metrics = json.loads(result.stdout, parse_constant=pytest.fail)["metrics"]
    assert metrics["vif"] == pytest.approx(2)
    assert (metrics["ce"], metrics["psnr"], metrics["scd"]) == (0, None, None)  # infinite, and undefined
    result = run("score", "--fusion", a, a, f, "--values", "db", "--json")
    assert json.loads(result.stdout)["b"]["values"] == "dB of db"


def test_a_fusion_that_cannot_be_judged_is_refused_in_a_sentence(run, fusion, tmp_path):
    a, b, f = (fusion / f"{name}.tif" for name in "abf")
    beyond = copy(b, tmp_path / "beyond.tif", lambda x: x, transform=rasterio.Affine(10, 0, 4e5 + 10, 0, -10, 5e6))
    with rasterio.open(f) as dataset:
        pixels = dataset.read()
    flat = write(tmp_path / "flat.tif", np.full_like(pixels, 3))
    empty = write(tmp_path / "empty.tif", np.full_like(pixels, np.nan))
    apart = np.full_like(pixels, np.nan)
    apart[:, :20, :30] = pixels[:, :20, :30]  # where A is not measured
    apart = write(tmp_path / "apart.tif", apart)
    for arguments, said in (
        ((a, beyond, f), "lie on different grids"),
        ((a, b, flat), "flat.tif is 3 from its 1 % to its 99 % quantile"),
        ((a, b, empty), "empty.tif holds no measured pixel"),
        ((a, b, apart), "share no measured pixel"),
        ((a, b, tmp_path / "none.tif"), "none.tif"),
        ((a, b, f, "--truth", f, "--band", 1), "leave out --truth, --band"),
        ((a, b, f, a), "leave out BEFORE"),
        ((a, b), "requires 3 arguments"),
    ):
        result = run("score", "--fusion", *arguments)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("arguments", "missing"), [((), "BEFORE"), (("a.tif",), "AFTER")])
def test_two_scenes_are_asked_for(run, arguments, missing):
    result = run("score", *arguments)
    assert result.exit_code == 2
    assert f"Missing argument '{missing}'" in result.stderr
