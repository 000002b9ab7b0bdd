"""Rules that the plugin's code keeps: what it may import, and the Pythons and Qts of QGIS 3.22 to QGIS 4."""

import ast
import re
import sys
from pathlib import Path

import pytest
import sardiff_qgis

HOME = Path(sardiff_qgis.__file__).parent
FILES = sorted(HOME.glob("*.py"))
WITHOUT_QGIS = ("__init__", "environment", "find", "protocol", "report", "words")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_python_3_8(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_imports_qgis_and_the_standard_library_and_nothing_else(path):
    tops = {name.split(".")[0] for name in imports(path) if not name.startswith(".")} - sys.stdlib_module_names
    assert tops <= {"qgis", "processing"}
    assert not any(name.startswith("PyQt") for name in imports(path))  # qgis.PyQt is that of this QGIS
    if path.stem in WITHOUT_QGIS:
        assert tops == set()
        beside = {name.lstrip(".") for name in imports(path) if name.startswith(".")} - {"plugin"}
        assert beside <= set(WITHOUT_QGIS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_uses_what_qt_5_and_qt_6_both_have(path):
    text = path.read_text(encoding="utf-8")
    assert "exec_(" not in text
    # In Qt 6 a member is found in its enumeration alone: QProcess.ProcessState.NotRunning.
    assert re.findall(r"\bQ(?:Process|Color|Icon)\.(?!ProcessState|ProcessChannelMode|ExitStatus)[A-Z]\w+", text) == []
    # What QGIS moved is looked up in compat.py.
    if path.stem != "compat":
        assert re.findall(r"\b(?:Qgis|Qgs\w+)\.[A-Z]\w*", text.replace("QgsPalettedRasterRenderer.Class(", "")) == []
