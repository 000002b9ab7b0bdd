"""A page by its content: the numbers of score, no stranger, nothing broken out of, nothing half-written."""

import base64
import io
import json
import math
import re
import shutil
import tracemalloc
from html.parser import HTMLParser

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint

from geo_io import WriteError
from sardiff.metrics import FUSION_BETTER
from sardiff.report import check_page, report_path, write_report

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&{"


class Page(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, its words."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.words, self._open = [], [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open = [tag]

    def handle_data(self, data):
        if not self._open or self._open[-1] not in ("script", "style"):
            self.words.append(data)

    def handle_endtag(self, tag):
        self._open = []

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def numbers(self):
        cells = [a for a in self.all("td") if a.get("data-key") and a["data-name"] in ("After", "Fused")]
        return {a["data-key"]: float(a["data-value"]) if a["data-value"] else math.nan for a in cells}

    @property
    def layers(self):
        return [(a["data-view"], a["data-layer"]) for a in self.all("img") if "data-layer" in a]


def image(page, view, layer):
    """Values from 0 to 1 of a grey picture, NaN where transparent."""
    (uri,) = (a["src"] for a in page.all("img") if (a.get("data-view"), a.get("data-layer")) == (str(view), layer))
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGBA"))
    return np.where(pixels[..., 3] == 0, np.nan, pixels[..., 0] / 255)


def facts(page):
    return json.loads(re.search(r'class="facts">(.*?)</script>', page.text, re.DOTALL)[1])


def scored(run, *args):
    result = run("score", *args, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return found["rows"] if "rows" in found else found["metrics"]


def test_the_numbers_are_those_of_score(run, scenes, page):
    found = Page(page).numbers
    expected = scored(run, scenes / "scene.tif", scenes / "clean.tif", "--looks", 1)
    assert list(found) == list(expected)
    for key, row in expected.items():
        assert found[key] == pytest.approx(math.nan if row["after"] is None else row["after"], nan_ok=True), key


def test_with_a_truth_there_are_errors_and_one_more_layer(run, scenes, tmp_path):
    truth = scenes / "scene_truth.tif"
    out = write_report(scenes / "scene.tif", scenes / "clean.tif", tmp_path / "r.html", truth=truth, looks=1.0)
    page = Page(out)
    expected = scored(run, scenes / "scene.tif", scenes / "clean.tif", "--truth", truth, "--looks", 1)
    assert page.numbers["rmse"] == pytest.approx(expected["rmse"]["after"])
    assert ("0", "truth-0") in page.layers
    assert "typical error against the truth" in page.text


def test_nothing_comes_from_elsewhere(page, run, fused, tmp_path):
    other = write_report(fused / "sar.tif", fused / "fused.tif", tmp_path / "f.html", optical=fused / "optical.tif")
    for path in (page, other):
        found = Page(path)
        for tag, attributes in found.elements:
            for name, value in attributes.items():
                assert name not in ("href", "action", "srcset", "style"), (tag, name)
                assert name != "src" or value.startswith("data:image/"), (tag, value[:40])
                assert not name.startswith("on"), (tag, name)
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", found.text))
        (policy,) = (a["content"] for a in found.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert "unsafe" not in policy


def test_our_own_style_and_script_are_what_the_policy_allows(page):
    import hashlib

    text = page.read_text(encoding="utf-8")
    for kind in ("style", "script"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in text


def test_before_and_after_share_a_scale_and_holes_are_holes(page, scenes):
    found = Page(page)
    layers = {layer["key"]: layer for layer in facts(found)["layers"]}
    assert (layers["before-0"]["low"], layers["before-0"]["high"]) == (
        layers["after-0"]["low"],
        layers["after-0"]["high"],
    )
    with rasterio.open(scenes / "clean.tif") as dataset:
        db = 10 * np.log10(dataset.read(1))
    grey = image(found, 0, "after-0")
    assert np.array_equal(np.isnan(grey), np.isnan(db))
    low, high = layers["after-0"]["low"], layers["after-0"]["high"]
    known = np.isfinite(db)
    np.testing.assert_allclose(grey[known], np.clip((db[known] - low) / (high - low), 0, 1), atol=0.005)


def test_uncertainty_is_found_beside_the_result_or_where_it_is_said(scenes, page, tmp_path, raster):
    assert ("0", "spread-0") in Page(page).layers
    assert "clean_std_db.tif" in page.read_text(encoding="utf-8")
    assert "90 % of true values" in page.read_text(encoding="utf-8")
    alone = shutil.copy(scenes / "clean.tif", tmp_path / "alone.tif")
    without = Page(write_report(scenes / "scene.tif", alone, tmp_path / "a.html", looks=1.0))
    assert ("0", "spread-0") not in without.layers
    spread = shutil.copy(scenes / "clean_std_db.tif", tmp_path / "doubt.tif")
    out = write_report(scenes / "scene.tif", alone, tmp_path / "b.html", spread=spread, looks=1.0)
    assert ("0", "spread-0") in Page(out).layers


def test_how_it_was_made_is_told(page, scenes):
    words = " ".join(Page(page).words)
    for said in ("Settings", "one-pass", "fast", "as asked for", "scene.tif", "EPSG:32633", "150 \u00d7 170 pixels"):
        assert said in words, said
    assert str(scenes) not in page.read_text(encoding="utf-8")  # folders are nobody else's business


def test_the_same_files_give_the_same_page(page, scenes, tmp_path):
    again = write_report(scenes / "scene.tif", scenes / "clean.tif", tmp_path / "r.html", looks=1.0)
    assert again.read_bytes() == page.read_bytes()


def test_hostile_names_and_tags_are_words(scenes, tmp_path, raster, made_by):
    with rasterio.open(scenes / "clean.tif") as dataset:
        pixels = dataset.read()
    # No file name holds a slash.
    before = shutil.copy(scenes / "scene.tif", tmp_path / (HOSTILE.replace("/", "") + ".tif"))
    bad = {
        "SARDIFF_SETTINGS": json.dumps({HOSTILE: HOSTILE, "list": [HOSTILE] * 500, "deep": {HOSTILE: {"a": HOSTILE}}}),
        "SARDIFF_INTERVALS": json.dumps({"90 %": HOSTILE}),
        "SARDIFF_LOOKS": HOSTILE,
        "SARDIFF_DEEP": "[" * 500 + "]" * 500,
        "SARDIFF_DEEPER": "[" * 200_000,
        "SARDIFF_REGISTRATION": '{"shift": [1e999, "a"], "applied": true}',
        "TIFFTAG_COPYRIGHT": HOSTILE,
        "LONG": "x" * 100_000,
    }
    after = raster(
        tmp_path / ("after" + HOSTILE.replace("/", "") + ".tif"), pixels, units="intensity", names=(HOSTILE,),
        tags=made_by(**bad),
    )  # fmt: skip
    page = Page(write_report(before, after, tmp_path / "r.html", looks=1.0))
    assert {tag for tag, _ in page.elements} <= {
        "html", "head", "meta", "title", "style", "body", "header", "div", "h1", "h2", "h3", "p", "button", "main",
        "ul", "li", "i", "b", "span", "label", "select", "option", "output", "img", "kbd", "figure", "figcaption",
        "script", "code", "table", "thead", "tbody", "tr", "th", "td", "small", "svg", "path", "line", "text",
        "section", "details", "summary", "footer", "noscript",
    }  # fmt: skip
    assert len(page.all("script")) == 2
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert HOSTILE in " ".join(page.words)
    assert len(page.text) < 3_000_000


def test_a_fusion_is_shown_with_its_sources(run, fused, tmp_path):
    out = tmp_path / "f.html"
    result = run("report", fused / "sar.tif", fused / "fused.tif", "--optical", fused / "optical.tif", "-o", out)
    assert result.exit_code == 0, result.output
    page = Page(out)
    assert list(page.numbers) == list(FUSION_BETTER)
    names = {layer for _, layer in page.layers}
    assert names == {"optical", "fused", "sar", "change", "spread", "mask"}
    words = " ".join(page.words)
    assert "The SAR image lies on another grid" in words
    assert "moved by +1.5 rows and -0.5 columns" in words
    assert "10 %" in words  # seen by SAR alone
    mask = image(page, 0, "mask")
    assert (np.unique(mask[:10]).size, np.unique(mask[10:19]).size) == (1, 1)
    assert mask[0, 0] != mask[12, 0]


def test_numbers_of_a_fusion_are_those_of_score(run, fused, tmp_path, raster):
    with rasterio.open(fused / "optical.tif") as dataset:
        light = dataset.read(1).astype(np.float32)
    sar = raster(tmp_path / "sar.tif", (light / 4000)[None], units="intensity")
    out = write_report(sar, fused / "fused.tif", tmp_path / "f.html", optical=fused / "optical.tif")
    expected = scored(run, "--fusion", fused / "optical.tif", sar, fused / "fused.tif")
    found = Page(out).numbers
    for key, value in expected.items():
        assert found[key] == pytest.approx(math.nan if value is None else value, nan_ok=True), key


def test_of_a_large_fusion_the_middle_is_judged(fused, tmp_path, monkeypatch):
    monkeypatch.setattr("sardiff.tasks.score.FUSION_TILE", 32)
    monkeypatch.setattr("sardiff.report.numbers.LARGEST", 30)
    out = write_report(fused / "sar.tif", fused / "fused.tif", tmp_path / "f.html", optical=fused / "optical.tif")
    assert "The middle of the scene: rows 0 to 64, columns 32 to 96." in out.read_text(encoding="utf-8")


def test_a_fusion_without_its_optical_image_is_refused(run, fused):
    result = run("report", fused / "sar.tif", fused / "fused.tif", "-o", fused / "x.html")
    assert result.exit_code == 2
    assert "--optical" in result.stderr
    assert not (fused / "x.html").exists()


def test_a_filled_image_in_colours(run, restored, tmp_path):
    out, said = tmp_path / "f.html", []
    page = Page(write_report(restored / "holes.tif", restored / "filled.tif", out, say=said.append))
    assert said == ["Bands 3, 2, 1 of 4 are shown; --bands chooses others."]
    names = [layer for view, layer in page.layers if view == "0"]
    assert names == ["before", "after", "spread-0", "spread-1", "spread-2", "filled"]
    words = " ".join(page.words)
    for phrase in ("Filled from holes.tif", "where most was filled", "ddnm"):
        assert phrase in words, phrase
    assert facts(page)["layers"][0]["about"] == "red B04, green B03, blue B02"
    for phrase in ("speckle", "equivalent looks"):
        assert phrase not in words, phrase
    titles = [words.strip() for words in re.findall(r'data-show="\d+"[^>]*>([^<]+)<', page.text)]
    assert titles[:2] == ["Whole scene", "Most filled"]
    window = facts(page)["views"][1]
    assert window["row"] <= 30 < 50 <= window["row"] + window["height"]
    assert 30 <= window["line"] < 50
    filled = image(page, 0, "filled")
    assert np.unique(filled[30:50, 40:60]).size == 1
    assert filled[40, 50] != filled[40, 30]
    result = run("score", restored / "holes.tif", restored / "filled.tif", "--band", 3, "--json")
    expected = json.loads(result.stdout)
    assert expected["task"] == "fill"
    assert list(page.numbers) == list(expected["rows"])
    first = next(a for a in page.all("td") if a.get("data-key") == "texture" and a["data-name"] == "After")
    assert float(first["data-value"]) == pytest.approx(expected["rows"]["texture"]["after"])


def test_with_a_truth_a_filled_image_has_errors_and_its_spread_is_judged(restored, tmp_path):
    holes, filled, truth = (restored / f"{name}.tif" for name in ("holes", "filled", "truth"))
    page = Page(write_report(holes, filled, tmp_path / "f.html", truth=truth, bands=(4,)))
    assert page.numbers["rmse"] == pytest.approx(30, rel=0.1)
    assert page.numbers["held"] == pytest.approx(0.9, abs=0.05)
    assert {layer for _, layer in page.layers} == {"before-0", "after-0", "truth-0", "spread-0", "filled"}
    assert "\u00b1 30.0" in page.text


def test_a_deblurred_image_says_what_it_leaves_unexplained(run, restored, tmp_path):
    out = tmp_path / "d.html"
    result = run("report", restored / "blurred.tif", restored / "sharp.tif", "-o", out)
    assert result.exit_code == 0, result.output
    page = Page(out)
    assert {layer for _, layer in page.layers} == {"before", "after", "change"}
    assert page.numbers["residual"] == pytest.approx(5, rel=0.1)
    assert "where noise is 5.000" in " ".join(page.words)
    result = run(
        "report", restored / "blurred.tif", restored / "sharp.tif", "-o", tmp_path / "x.html", "--blur", "box:5"
    )
    assert result.exit_code == 2
    assert "with another kernel" in result.stderr
    assert not (tmp_path / "x.html").exists()


def test_a_fusion_is_compared_with_what_fusions_are(run, restored, fused, tmp_path):
    files = restored / "holes.tif", restored / "filled.tif"
    sources = fused / "sar.tif", fused / "fused.tif", "--optical", fused / "optical.tif"
    for words, said in (
        ((*files, "--optical", restored / "truth.tif"), "is no fusion"),
        ((*sources, "--blur", "box:3"), "leave out --blur"),
    ):
        result = run("report", *words, "-o", tmp_path / "x.html")
        assert result.exit_code == 2
        assert said in result.stderr


def test_a_band_that_holds_nothing_has_no_numbers_and_harms_no_other(scenes, tmp_path, raster):
    with rasterio.open(scenes / "scene.tif") as before, rasterio.open(scenes / "clean.tif") as after:
        a, b = before.read(1), after.read(1)
    first = raster(tmp_path / "a.tif", np.stack([a * np.nan, a]), units="intensity", names=("HH", "VV"))
    second = raster(tmp_path / "b.tif", np.stack([b * np.nan, b]), units="intensity", names=("HH", "VV"))
    page = Page(write_report(first, second, tmp_path / "r.html", looks=1.0))
    assert "No numbers" in page.text
    assert page.numbers["power"] == pytest.approx(1, abs=0.1)


def test_backscatter_that_was_filled_is_shown_in_decibels(restored, tmp_path, raster):
    with rasterio.open(restored / "holes.tif") as before, rasterio.open(restored / "filled.tif") as after:
        greys = [np.where(dataset.read() == 0, np.nan, dataset.read() / 1e4) for dataset in (before, after)]
        tags = {**after.tags(), "SARDIFF_INPUT": json.dumps({"values": "db"})}
    a, b = ((10 * np.log10(grey)).astype(np.float32) for grey in greys)
    holes = raster(tmp_path / "a.tif", a[:2], names=("VV", "VH"))
    filled = raster(tmp_path / "b.tif", b[:2], names=("VV", "VH"), tags=tags)
    page = Page(write_report(holes, filled, tmp_path / "r.html"))
    names = [layer for view, layer in page.layers if view == "0"]
    assert names == ["before-0", "after-0", "before-1", "after-1", "filled"]
    layers = {layer["key"]: layer for layer in facts(page)["layers"]}
    assert layers["after-0"]["unit"] == "dB"
    low, high = layers["after-1"]["low"], layers["after-1"]["high"]
    grey, known = image(page, 0, "after-1"), np.isfinite(b[1])
    np.testing.assert_allclose(grey[known], np.clip((b[1][known] - low) / (high - low), 0, 1), atol=0.005)


def test_a_fusion_is_shown_in_the_bands_that_were_fused(run, fused, tmp_path):
    with rasterio.open(fused / "fused.tif") as dataset:
        pixels, profile, tags = dataset.read(), dataset.profile, dataset.tags()
    tags["SARDIFF_INPUT"] = json.dumps({"sar": {"bands": [1]}, "optical": {"bands": [3, 2, 1]}})
    with rasterio.open(tmp_path / "fused.tif", "w", **profile) as dataset:
        dataset.write(pixels[::-1])
        dataset.update_tags(**tags)
    sources = fused / "sar.tif", tmp_path / "fused.tif"
    by_tags = write_report(*sources, tmp_path / "a.html", optical=fused / "optical.tif")
    as_asked = write_report(*sources, tmp_path / "b.html", optical=fused / "optical.tif", optical_bands=(3, 2, 1))
    assert by_tags.read_text() == as_asked.read_text()


def test_several_bands_in_decibels(run, tmp_path, raster, scenes):
    with rasterio.open(scenes / "scene.tif") as before, rasterio.open(scenes / "clean.tif") as after:
        a, b = (10 * np.log10(d.read(1)) for d in (before, after))
    first = raster(tmp_path / "a.tif", np.stack([a, a - 6, a, a]), units="dB", names=("VV", "VH", "HH", "HV"))
    second = raster(tmp_path / "b.tif", np.stack([b, b - 6, b, b]), units="dB", names=("VV", "VH", "HH", "HV"))
    one = raster(tmp_path / "one.tif", b[None] - 6, units="dB")
    said = []
    page = Page(write_report(first, second, tmp_path / "r.html", looks=1.0, say=said.append))
    assert said == ["Bands 1 to 3 of 4 are shown; --bands chooses others."]
    assert {"before-0", "before-1", "before-2", "colours-after"} <= {layer for _, layer in page.layers}
    assert "After, VH" in page.text
    page = Page(write_report(first, second, tmp_path / "s.html", looks=1.0, bands=(2,)))
    other = Page(write_report(first, one, tmp_path / "t.html", looks=1.0, bands=(2,)))
    assert page.numbers == other.numbers  # of a result that holds this band alone
    result = run("report", first, one, "-o", tmp_path / "u.html")
    assert result.exit_code == 2
    assert "--bands" in result.stderr


def test_a_single_look_complex_scene_and_a_result_in_other_units(tmp_path, raster, scenes, made_by):
    with rasterio.open(scenes / "scene.tif") as before, rasterio.open(scenes / "clean.tif") as after:
        a, b = before.read(), after.read()
    phase = np.exp(2j * np.pi * np.random.default_rng(0).uniform(size=a.shape))
    slc = raster(tmp_path / "slc.tif", (np.sqrt(np.nan_to_num(a)) * phase).astype(np.complex64))
    said = json.dumps({"values": "complex", "units": "amplitude"})
    clean = raster(tmp_path / "clean.tif", np.sqrt(b), tags=made_by(SARDIFF_INPUT=said))
    found = Page(write_report(slc, clean, tmp_path / "r.html", looks=1.0)).numbers
    expected = Page(write_report(scenes / "scene.tif", scenes / "clean.tif", tmp_path / "s.html", looks=1.0)).numbers
    assert found == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_control_points_alone(tmp_path, raster, scenes):
    with rasterio.open(scenes / "scene.tif") as before, rasterio.open(scenes / "clean.tif") as after:
        images = before.read(), after.read()
    points = [GroundControlPoint(row=r, col=c, x=10 + c / 999, y=50 - r / 999) for r in (0, 149) for c in (0, 169)]
    paths = []
    for name, pixels in zip(("a.tif", "b.tif"), images, strict=True):
        paths.append(raster(tmp_path / name, pixels, units="intensity", transform=None, gcps=points, crs="EPSG:4326"))
    page = Page(write_report(*paths, tmp_path / "r.html", looks=1.0))
    assert "placed by 4 ground control points" in page.text
    assert facts(page)["transform"] is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (17, 5), (60, 60)])
def test_tiny_scenes(shape, tmp_path, raster):
    rng = np.random.default_rng(1)
    before = rng.gamma(1, 1, (1, *shape)).astype(np.float32)
    paths = [raster(tmp_path / f"{n}.tif", x, units="intensity") for n, x in (("a", before), ("b", before * 0 + 1))]
    page = Page(write_report(*paths, tmp_path / "r.html", looks=1.0))
    assert ("0", "after-0") in page.layers


def test_windows_at_full_resolution_are_the_pixels(run, tmp_path, raster, monkeypatch):
    monkeypatch.setattr("sardiff.tasks.score.LARGEST", 200)  # the numbers are not what is asked here
    rng = np.random.default_rng(3)
    truth = np.kron(rng.uniform(0.01, 1, (16, 20)), np.ones((70, 60)))[None].astype(np.float32)
    truth[0, 300:304, 500:504] = 40.0
    before = truth * rng.gamma(1, 1, truth.shape).astype(np.float32)
    a = raster(tmp_path / "a.tif", before, units="intensity")
    b = raster(tmp_path / "b.tif", truth, units="intensity")
    out = tmp_path / "r.html"
    result = run("report", a, b, "-o", out, "--looks", 1)
    assert result.exit_code == 0, result.output
    page, said = Page(out), facts(Page(out))
    assert len(page.text) < 10_000_000
    assert len(said["views"]) >= 4
    assert image(page, 0, "after-0").shape == (560, 600)  # every second pixel
    brightest = said["views"][1]
    assert brightest["row"] <= 300 < brightest["row"] + brightest["height"]
    assert brightest["col"] <= 500 < brightest["col"] + brightest["width"]
    for index, view in enumerate(said["views"][1:], start=1):
        assert image(page, index, "after-0").shape == (view["height"], view["width"])
        assert view["row"] <= view["line"] < view["row"] + view["height"]
    result = run(
        "report", a, b, "-o", out, "--looks", 1, "--window", "7,9,100", "--window", "1000,1000,64", "--overwrite"
    )
    assert result.exit_code == 0, result.output
    page = Page(out)
    assert [(v["row"], v["col"], v["height"]) for v in facts(page)["views"][1:]] == [(7, 9, 100), (1000, 1000, 64)]
    layer = next(x for x in facts(page)["layers"] if x["key"] == "before-0")
    db = (10 * np.log10(before[0, 7:107, 9:109]) - layer["low"]) / (layer["high"] - layer["low"])
    np.testing.assert_allclose(image(page, 1, "before-0"), np.clip(db, 0, 1), atol=0.005)


def test_memory_does_not_grow_with_the_scene(tmp_path, raster, monkeypatch):
    """Four times the pixels, read in strips: at its most hardly more memory."""
    monkeypatch.setattr("sardiff.report.survey.BUDGET", 200_000)
    monkeypatch.setattr("sardiff.tasks.score.LARGEST", 256)
    monkeypatch.setattr("sardiff.report.survey.PIXELS", 128)
    monkeypatch.setattr("sardiff.report.places.SIDE", 64)
    peaks = []
    speckle = np.random.default_rng(0).gamma(4, 0.25, (1, 500, 500)).astype(np.float32)
    for name, times in (("a", 3), ("b", 6)):
        path = raster(tmp_path / f"{name}.tif", np.tile(speckle, (1, times, times)), units="intensity", tiled=True)
        tracemalloc.start()
        write_report(path, path, tmp_path / f"{name}.html", looks=4.0, values="intensity")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_page_is_written_whole_or_not_at_all(scenes, tmp_path, run, monkeypatch):
    a, b, out = scenes / "scene.tif", scenes / "clean.tif", tmp_path / "r.html"
    out.write_text("mine")
    for arguments, said in (
        (("-o", out), "r.html exists"),
        (("-o", tmp_path / "r.txt"), "ends in .html"),
        (("-o", tmp_path / "none" / "r.html"), "there is no folder"),
        (("-o", tmp_path / "x.html", "--window", "140,0,100"), "does not lie in the scene"),
        (("-o", tmp_path / "x.html", "--window", "1,2"), "row,column,size"),
        (("-o", tmp_path / "x.html", "--truth", tmp_path / "none.tif"), "none.tif"),
    ):
        result = run("report", a, b, *arguments)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert out.read_text() == "mine"
    monkeypatch.setattr("sardiff.report.write.os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(WriteError, match="cannot be written: full"):
        write_report(a, b, out, looks=1.0, overwrite=True)
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html"]


def test_what_came_up_meanwhile_is_left_as_it_is(scenes, tmp_path):
    out = tmp_path / "r.html"

    def meanwhile(share):
        out.write_text("someone else's")

    with pytest.raises(WriteError, match="made by someone else meanwhile"):
        write_report(scenes / "scene.tif", scenes / "clean.tif", out, looks=1.0, progress=meanwhile)
    assert out.read_text() == "someone else's"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_a_page_does_not_replace_what_it_is_about(scenes, page):
    with pytest.raises(WriteError, match="same file"):
        check_page(page, [page], overwrite=True)
    assert report_path(scenes / "clean.tif") == scenes / "clean.html"


def test_other_grids_are_refused(scenes, tmp_path, run, raster):
    with rasterio.open(scenes / "clean.tif") as dataset:
        pixels = dataset.read()
    other = raster(tmp_path / "b.tif", pixels[:, :-1], units="intensity")
    result = run("report", scenes / "scene.tif", other)
    assert result.exit_code == 2
    assert "lie on different grids" in result.stderr
    empty = raster(tmp_path / "e.tif", pixels * np.nan, units="intensity")
    result = run("report", scenes / "scene.tif", empty, "--values", "intensity")
    assert result.exit_code == 2
    assert not (tmp_path / "e.html").exists()
