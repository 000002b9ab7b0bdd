"""What is made of the answers of `sardiff inspect --json` and `sardiff doctor --json`."""

import json

from click.testing import CliRunner
from sardiff_qgis.report import as_html, of_installation, of_scene

from sardiff.cli import cli


def told(*words):
    return json.loads(CliRunner().invoke(cli, [str(word) for word in words], prog_name="sardiff").stdout)


def test_a_scene_is_told_of_in_words(tmp_path):
    scene = tmp_path / "scene.tif"
    assert CliRunner().invoke(cli, ["simulate", str(scene), "--size", "160", "--looks", "4"]).exit_code == 0
    rows = dict(of_scene(told("inspect", scene, "--json")))
    assert rows["Size"] == "160 rows x 160 columns, 1 band(s), float32"
    assert rows["Values"].startswith("intensity: ")
    assert rows["Georeferencing"] == "affine, EPSG:32633, pixels of 10 x 10 m"
    assert "looks" in rows["Looks"]
    assert rows["Filtered before"] == "no"


def test_an_installation_is_told_of_and_what_is_not_well_is_marked():
    facts = {"findings": {"torch": {"found": "2.4", "well": True}, "disk": {"found": "little", "well": False}}}
    assert of_installation(facts) == [("torch", "2.4"), ("! disk", "little")]


def test_a_page_shows_words_as_words():
    page = as_html("a<b>.tif", [("Values", "5 < 6 & 7")])
    assert "a&lt;b&gt;.tif" in page
    assert "5 &lt; 6 &amp; 7" in page
