"""The plugin in QGIS: what it offers, and how it starts, hears, cancels and shows a stand-in for sardiff."""

import json
import os
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from sardiff_qgis.protocol import PACE

ORDERS = (("scene", "classes", "doubt"), ("colours", "doubt", "nowhere"))  # the chief result last by name, and first
SERVICE = "type=xyz&url=http://localhost/{x}/{y}/{z}.png"


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """A scene of linear backscatter, its colours, its classes, and one without a CRS."""
    folder = tmp_path_factory.mktemp("rasters")
    intensity = np.random.default_rng(0).gamma(1, 0.05, (1, 100, 100)).astype("float32")
    intensity[0, 0, 0] = 1e4  # a corner reflector: linear SAR is black in QGIS for want of a stretch
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 4e5, 0, -10, 5e6)}
    for name, pixels, where in (
        ("scene", intensity, place),
        ("colours", np.concatenate([intensity, 2 * intensity, 3 * intensity]), place),
        ("classes", (intensity > 0.05).astype("uint8"), place),
        ("nowhere", intensity, {"transform": place["transform"]}),
    ):
        count, height, width = pixels.shape
        path, dtype = folder / f"{name}.tif", pixels.dtype.name
        with rasterio.open(path, "w", width=width, height=height, count=count, dtype=dtype, **where) as dataset:
            dataset.write(pixels)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def said(ask, fake, rasters, out):
    """Answers to all that is asked: QGIS takes seconds to start, so it is started once."""
    scene = str(rasters / "scene.tif")

    def despeckle(name, fake_way="good", setting="", cancel=False, values=None, **environ):
        way = {"SARDIFF_PYTHON": str(fake), "FAKE_RECORD": str(out / f"{name}.json"), "FAKE_SARDIFF": fake_way}
        parameters = {"INPUT": scene, "LOOKS": 1, "OUTPUT": str(out / f"{name}.tif"), **(values or {})}
        return [name, "run", {
            "algorithm": "despeckle", "parameters": parameters, "environ": {**way, **environ}, "setting": setting,
            "cancel": cancel,
        }]  # fmt: skip

    kinds = {"scene": "image", "colours": "image", "nowhere": "image", "classes": "sources", "doubt": "doubt"}
    (rasters / "doubt.tif").write_bytes((rasters / "scene.tif").read_bytes())
    wkt = CRS.from_epsg(32633).to_wkt()
    questions = [
        ["algorithms", "algorithms", {}],
        ["layers", "other_layers", {"paths": {"file": [scene, "gdal"], "service": [SERVICE, "wms"]}}],
        ["looks", "looks", {"results": {n: [str(rasters / f"{n}.tif"), kind, wkt] for n, kind in kinds.items()}}],
        *(
            [names[0], "order", {"results": [[str(rasters / f"{name}.tif"), kinds[name]] for name in names]}]
            for names in ORDERS
        ),
        despeckle("good", PROJ_LIB="/nonsense", PYTHONHOME="/nonsense", GDAL_DATA="/nonsense"),
        despeckle("slow", "slow", cancel=True),
        despeckle("deaf", "deaf", cancel=True),
        *(despeckle(way, way) for way in ("newer", "refuses", "crashes", "older")),
        despeckle("set", setting=str(fake), SARDIFF_PYTHON="/nowhere"),
        despeckle("missing", SARDIFF_PYTHON="", PATH="/nowhere", HOME=str(out)),
        despeckle("superb", values={"QUALITY": "superb"}),
        ["check", "run", {"algorithm": "check", "parameters": {}, "environ": {"SARDIFF_PYTHON": str(fake)}}],
        ["bare", "run", {"algorithm": "check", "parameters": {}, "environ": {"SARDIFF_PYTHON": "/usr/bin/python3"}}],
    ]  # fmt: skip
    answers = ask(questions)
    failed = [answer["failed"] for answer in answers.values() if isinstance(answer, dict) and "failed" in answer]
    assert not failed, "\n".join(failed)
    return answers


def heard(answer, kind):
    return [text for what, text, _ in answer["heard"] if what == kind]


def test_six_algorithms_with_words_for_everything(said):
    algorithms = said["algorithms"]
    assert {name: made["title"] for name, made in algorithms.items()} == {
        "despeckle": "Despeckle SAR", "fuse": "Fuse optical and SAR", "inspect": "Inspect", "deblur": "Deblur",
        "fill": "Fill gaps", "check": "Check installation",
    }  # fmt: skip
    for made in algorithms.values():
        assert made["short"].endswith(".")
        assert "\n" not in made["help"]  # QGIS would break lines there
        assert made["help"].count("<p>") == made["help"].count("</p>") >= 2
        assert all(parameter["title"] for parameter in made["parameters"].values())
        for parameter in made["parameters"].values():
            if parameter["type"] == "enum":
                assert parameter["default"] in parameter["options"]


def test_what_experts_alone_need_is_folded_away(said):
    for name, plain in (
        ("despeckle", {"INPUT", "VALUES", "LOOKS", "QUALITY", "UNITS", "OUTPUT", "UNCERTAINTY"}),
        ("inspect", {"INPUT", "VALUES", "OUTPUT"}),
        ("fill", {"INPUT", "MASK", "GAP_CLASSES", "MAX_GAP", "VALUES", "OUTPUT", "FILLED", "UNCERTAINTY"}),
    ):
        parameters = said["algorithms"][name]["parameters"]
        assert {parameter for parameter, made in parameters.items() if not made["advanced"]} == plain
    assert {"LOOKS", "CORRELATION", "MEANING", "SPECKLE", "OUTPUT"} == set(said["algorithms"]["inspect"]["outputs"])


def test_a_run_goes_well(said, rasters, out):
    answer = said["good"]
    assert answer["error"] is None
    assert answer["results"] == {"OUTPUT": str(out / "good.tif")}
    assert answer["styled"]
    assert "Values: intensity." in heard(answer, "info")
    assert heard(answer, "progress")[0] == "Despeckling: 0 of 3 tiles"
    assert answer["shares"] == sorted(answer["shares"])
    assert answer["shares"][-1] == 100
    words = json.loads((out / "good.json").read_text())["words"]
    assert words[:5] == ["--lifeline", "despeckle", "--progress", "json", "--overwrite"]
    assert words[-3:] == ["--", str(rasters / "scene.tif"), str(out / "good.tif")]
    assert "--values" not in words
    assert words[words.index("--looks") + 1] == "1"


def test_qgis_keeps_its_environment_to_itself(said, out, fake):
    record = json.loads((out / "good.json").read_text())
    leaked = [name for name in record["environ"] if name.startswith(("PROJ_", "GDAL_", "PYTHON"))]
    assert leaked == ["PYTHONUTF8"]
    assert Path(record["cwd"]) == fake.parent  # in no folder of a user's, where modules could lie about


@pytest.mark.parametrize("way", ["slow", "deaf"])
def test_cancelling_takes_less_than_two_seconds(said, out, way):
    answer = said[way]
    assert answer["error"] is None
    assert answer["results"] == {}
    assert answer["seconds_to_end"] < 2
    with pytest.raises(ProcessLookupError):
        os.kill(json.loads((out / f"{way}.json").read_text())["pid"], 0)
    last = heard(answer, "info")[-1]
    if way == "deaf":
        assert last == "Cancelled. It had to be killed: a hidden file may lie beside the output."
    else:
        assert last == "Cancelled. Nothing was left behind."
        assert [path.name for path in out.iterdir() if "slow" in path.name] == ["slow.json"]


def test_words_on_progress_are_paced(said):
    times = [time for what, _, time in said["slow"]["heard"] if what == "progress"]
    assert all(later - earlier >= PACE for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("newer", r"speaks version 99 of the protocol .* update the plugin"),
        ("refuses", r"^scene.tif: what a scene; take another$"),
        ("crashes", r"crashed"),
        ("older", r"older than the plugin"),
        ("missing", r"(?s)not installed.*python3 -m venv .*\n.*-m pip install \."),
    ],
)
def test_what_does_not_go_well_gets_a_sentence(said, way, words):
    assert re.search(words, said[way]["error"])
    assert "Traceback" not in said[way]["error"]


def test_without_sardiff_the_help_says_the_commands_too(said):
    assert "-m pip install ." in said["missing"]["help"]
    assert "-m pip install ." not in said["good"]["help"]


def test_the_setting_comes_before_the_variable(said, out):
    assert said["set"]["error"] is None
    assert said["set"]["results"] == {"OUTPUT": str(out / "set.tif")}


def test_a_choice_that_there_is_not_is_refused(said):
    assert not said["superb"]["fine"]


def test_checking_tells_what_is_not_well(said, fake):
    answer = said["check"]
    assert answer["error"] is None
    assert answer["results"] == {"SARDIFF": str(fake), "VERSION": "9.9", "WELL": False}
    assert heard(answer, "warning") == ["! disk: little"]


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="there is no /usr/bin/python3, without sardiff")
def test_checking_a_python_without_sardiff_fails_and_says_so(said):
    assert "has no sardiff" in said["bare"]["error"]


def test_only_files_are_taken(said, rasters):
    assert said["layers"]["file"] == str(rasters / "scene.tif")
    assert said["layers"]["service"].startswith("refused: 'service' is no file but comes from 'wms'")


def test_results_are_stretched_to_what_they_hold(said):
    looks = said["looks"]
    assert looks["scene"]["kind"] == "singlebandgray"
    (low, high), *more = looks["scene"]["limits"]
    assert more == []
    assert 0 <= low < high < 1  # and not to the corner reflector, 10,000
    assert looks["colours"]["kind"] == "multibandcolor"
    assert [round(top / high) for _, top in looks["colours"]["limits"]] == [1, 2, 3]
    assert looks["classes"]["classes"]["2"] == "the SAR image alone (clouds)"
    assert looks["doubt"]["kind"] == "singlebandpseudocolor"


def test_a_result_lies_over_what_tells_of_it(said):
    for names in ORDERS:
        assert said[names[0]][0] == names[0]
        assert sorted(said[names[0]]) == sorted(names)


def test_a_result_without_a_crs_gets_that_of_its_input(said):
    assert said["looks"]["nowhere"]["crs"] == said["looks"]["scene"]["crs"] == "WGS 84 / UTM zone 33N"


def test_the_plugin_goes_as_it_came(said):
    assert said["unloaded"]
