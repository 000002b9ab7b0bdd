"""From a dialog to a command line that sardiff knows."""

import ast
from pathlib import Path

import click
import pytest
import sardiff_qgis
from sardiff_qgis.words import BLURS, OPTIONS, WORDS, blur, command_line, file_of_raster

from sardiff.cli import COMMANDS, cli

HOME = Path(sardiff_qgis.__file__).parent


def test_what_is_left_unset_says_nothing():
    values = {
        "VALUES": "automatic", "LOOKS": None, "UNITS": "as the input", "BANDS": [], "CLOUD_CLASSES": "",
        "REGISTER": False, "WEIGHTS": None,
    }  # fmt: skip
    assert command_line("despeckle", ["in.tif", "out.tif"], values) == [
        *("--lifeline", "despeckle", "--progress", "json", "--overwrite", "--", "in.tif", "out.tif"),
    ]


def test_what_is_set_becomes_an_option():
    values = {"LOOKS": 4.4, "UNITS": "dB", "BANDS": [1, 3], "SEED": 0, "REGISTER": True, "TILE": 256}
    words = command_line("despeckle", ["-x.tif", "out.tif"], values)
    assert words[5:] == [
        *("--looks", "4.4", "--units", "db", "--bands", "1,3", "--seed", "0", "--register", "--tile", "256"),
        *("--", "-x.tif", "out.tif"),
    ]


def test_every_blur_has_its_words(tmp_path):
    sizes = {"sigma": 1.5, "width": 3, "length": 9.0, "angle": -30.0, "kernel": str(tmp_path / "k.txt")}
    said = [blur(kind, **sizes) for kind in BLURS]
    assert said == ["gaussian:1.5", "box:3", "motion:9,-30", str(tmp_path / "k.txt")]
    with pytest.raises(ValueError, match="Name the file of the kernel"):
        blur(BLURS[-1], **{**sizes, "kernel": None})


@pytest.mark.parametrize("name", ["despeckle", "fuse", "deblur", "fill"])
def test_sardiff_knows_every_option_and_every_choice(name):
    """The lists of the plugin against those of the command; a plugin never imports sardiff."""
    if name not in COMMANDS:
        pytest.skip(f"there is no command {name}")
    command = cli.get_command(click.Context(cli), name)
    known = {option: parameter for parameter in command.params for option in parameter.opts}
    plugin = constants(HOME / f"{name}.py")
    results = [result for result, _ in plugin["RESULTS"] if result != "OUTPUT"]
    assert {OPTIONS[parameter] for parameter in (*plugin["GIVEN"], *results)} <= set(known)
    assert plugin["METHODS"] == tuple(known["--method"].type.choices)


def test_sardiff_knows_the_choices_that_all_share():
    shared, own = constants(HOME / "base.py"), constants(HOME / "despeckle.py")
    choices = {
        parameter.opts[0]: tuple(parameter.type.choices)
        for parameter in cli.get_command(click.Context(cli), "despeckle").params
        if isinstance(parameter.type, click.Choice)
    }
    assert shared["QUALITIES"] == choices["--quality"]
    assert shared["COMPRESSIONS"] == choices["--compression"]
    for option, offered in (("--values", shared["VALUES"]), ("--units", own["UNITS"])):
        said = tuple(WORDS.get(word, word) or "auto" for word in offered)
        assert tuple(word for word in said if word != "auto") == tuple(c for c in choices[option] if c != "auto")


def constants(path):
    """What a module that imports QGIS calls by names in capitals."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            expression = ast.Expression(node.value)
            found[node.targets[0].id] = eval(compile(expression, str(path), "eval"), dict(found))
    return found


def test_a_file_is_a_file_and_all_else_gets_a_sentence(tmp_path):
    scene = tmp_path / "scene.tif"
    scene.touch()
    safe = tmp_path / "S1A.SAFE" / "manifest.safe"
    safe.parent.mkdir()
    safe.touch()
    assert file_of_raster("scene", "gdal", str(scene)) == str(scene)
    assert file_of_raster("scene", "gdal", f"{scene}|option:X=Y") == str(scene)
    assert file_of_raster("product", "gdal", str(safe)) == str(safe.parent)
    for provider, source, words in (
        ("wms", "url=https://maps.example.org", "is no file but comes from 'wms'"),
        ("postgresraster", "dbname=x", "is no file but comes from 'postgresraster'"),
        ("gdal", "/vsizip/scenes.zip/scene.tif", "inside an archive or on a server"),
        ("gdal", "https://example.org/scene.tif", "inside an archive or on a server"),
        ("gdal", f"NETCDF:{tmp_path}/cube.nc:sigma0", "is a part of a file"),
        ("gdal", str(tmp_path / "gone.tif"), "there is no file"),
    ):
        with pytest.raises(ValueError, match=words):
            file_of_raster("layer", provider, source)
