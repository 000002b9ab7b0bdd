"""The notebooks: kept in one form, on public names alone, and running from top to bottom."""

import ast
import os
import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra notebooks is not installed")

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
OURS = {"sardiff", "tiling", "geo_io"}
MOST_BYTES = 60_000

pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="only tests/ is here: the notebooks are in the repository")
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def python(cell) -> ast.Module:
    """The code of a cell, without what IPython hands to the shell."""
    return ast.parse(re.sub(r"^( *)[!%].*$", r"\1pass", cell.source, flags=re.MULTILINE))


def code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@each
def test_it_is_kept_without_outputs_in_one_form(path):
    text = path.read_text(encoding="utf-8")
    tidy = runpy.run_path(str(FOLDER / "tidy.py"))["tidy"]
    assert tidy(text, path.stem) == text, f"run python notebooks/tidy.py {path}"
    assert len(text) < MOST_BYTES


@each
def test_it_uses_public_names_alone(path):
    for cell in code(path):
        for node in ast.walk(python(cell)):
            if isinstance(node, ast.Import):
                assert not [n.name for n in node.names if n.name.split(".")[0] in OURS - {"sardiff"} or "._" in n.name]
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
                public = getattr(import_module(node.module), "__all__", ())
                for name in node.names:
                    # A package's modules are public too: `from sardiff import metrics`.
                    assert name.name in public or (FOLDER.parent / node.module / name.name).is_dir(), cell.source
            if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
                assert not node.attr.startswith("_"), cell.source


def test_the_folder_lists_every_notebook():
    listed = re.findall(r"\]\(([^)]+\.ipynb)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in NOTEBOOKS]
    assert "(notebooks/README.md)" in (FOLDER.parent / "README.md").read_text(encoding="utf-8")


@each
def test_its_links_lead_somewhere(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#]+)", cell.source):
                assert "://" in target or (FOLDER / target).exists(), target


@pytest.mark.notebook
@each
def test_it_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    client = pytest.importorskip("nbclient").NotebookClient
    monkeypatch.setenv("SARDIFF_NOTEBOOK_QUICK", os.environ.get("SARDIFF_NOTEBOOK_QUICK", "1"))
    notebook = nbformat.read(path, as_version=4)
    client(notebook, timeout=400, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    said = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stderr")
    assert "Warning:" not in said, said  # in a notebook it is a question that its reader cannot answer
