"""How Sphinx builds the pages: `make docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "sardiff"
author = "The sardiff authors"
release = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # results.md is generated, and goes from its second level to its fourth
nitpicky = True
# Types are written as the code has them; their pages, where they have one, are found by their names.
nitpick_ignore_regex = [(r"py:.*", r".*")]

html_theme = "furo"
html_title = "sardiff"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
smartquotes_action = "qe"  # quotes and dots; two hyphens are an option
html_theme_options = {"navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp, .go"
html_math_renderer = "mathml"

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
python_maximum_signature_line_length = 88

doctest_test_doctest_blocks = ""  # those of docstrings run with the tests
doctest_global_setup = """
import os, tempfile
os.chdir(tempfile.mkdtemp())
"""


def as_prose(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain prose: what reST takes for markup in `|f - g|_1` and `x* y*` is itself."""
    for i, line in enumerate(lines):
        parts = re.split(r"(``.*?``|`[^`]*`)", line)
        parts[::2] = [re.sub(r"([|]|\*(?!\*)|(?<=\w)_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
        lines[i] = "".join(parts) if not line.lstrip().startswith((">>>", "...", "**")) else line


def mathml(formula: str, display: str) -> str:
    """MathML of a formula, with a thin space after the names of functions, which the converter leaves out."""
    converted = convert(formula, display=display)
    if "\\" in converted:
        raise ExtensionError(f"latex2mathml knows not all of this formula: {formula}")
    return re.sub(r"(<mi>log</mi>)(?!<mo)", r'\1<mspace width="0.17em"/>', converted)


def inline_formula(self: object, node: nodes.math) -> None:
    """Write MathML, which browsers show by themselves: no script, no network."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def formula(self: object, node: nodes.math_block) -> None:
    """The same on lines of its own."""
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def default_paths(app: Sphinx, ctx: object, lines: list[str]) -> None:
    """A path that is a default is its words, not the object."""
    lines[:] = [re.sub(r"\w+Path\('(.*?)'\)", r"\1", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Add what this file defines."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("sphinx-click-process-options", default_paths)
    app.connect("autodoc-process-docstring", as_prose, priority=400)
