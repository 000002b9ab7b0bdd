"""The pages against the code: what they name exists, and what exists they name."""

import ast
import re
import shlex
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sardiff.classical import CLASSICAL
from sardiff.cli import COMMANDS, cli
from sardiff.tasks.deblur import METHODS as DEBLUR_METHODS
from sardiff.tasks.despeckle import METHODS
from sardiff.tasks.fill import METHODS as FILL_METHODS
from sardiff.tasks.fuse import DIFFUSION
from sardiff.tasks.fuse import METHODS as FUSE_METHODS

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "qgis_plugin/README.md",
    *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")),
)

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").is_file(), reason="only tests/ is here: the pages are in the repository"
)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def fenced(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """Command lines in fences of sh, and in code spans that begin with `sardiff`."""
    lines = [line for block in fenced(page, "sh") for line in block.splitlines()]
    return [line for line in lines + re.findall(r"`([^`\n]+)`", text(page)) if re.match(r"sardiff [a-z]", line)]


def project() -> dict:
    tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return tomllib.loads(text("pyproject.toml"))


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page):
    context = click.Context(cli)
    for line in commands(page):
        name, *words = shlex.split(line)[1:]
        command = cli.get_command(context, name)
        assert command is not None, f"{page}: {line}"
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", text(page)):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    assert (
        set(re.findall(r"\bmake ((?:setup|test|demo|check|lint|bench|docs|plugin|clean)[a-z-]*)", text(page)))
        <= targets
    )


@pytest.mark.parametrize("page", PAGES)
def test_files_named_in_pages_exist(page):
    named = re.findall(r"`((?:sardiff|tiling|geo_io|qgis_plugin|tests|benchmarks)/[\w/.-]+)`", text(page))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_are_python(page):
    for block in fenced(page, "python"):
        ast.parse(block)


@pytest.mark.parametrize("page", PAGES)
def test_fences_are_closed(page):
    assert len(re.findall(r"^ *(?:```|:::)", text(page), re.MULTILINE)) % 2 == 0


def test_the_readme_names_every_command_and_method():
    readme = text("README.md")
    assert [name for name in COMMANDS if f"| `sardiff {name}` |" not in readme] == []
    assert [
        name
        for name in (*METHODS, *FUSE_METHODS, *FILL_METHODS, *DEBLUR_METHODS)
        if name != "auto" and f"`{name}`" not in readme
    ] == []


def test_pages_of_methods_tell_of_every_method():
    despeckling, fusion = text("docs/methods/despeckling.md"), text("docs/methods/fusion.md")
    assert [name for name in METHODS if name != "auto" and f"| `{name}`" not in despeckling] == []
    assert [name for name in METHODS if name != "auto" and f"### {name}\n" not in despeckling] == []
    assert [name for name in DIFFUSION if f"### {name}\n" not in fusion] == []
    assert [name for name in CLASSICAL if f"| `{name}` |" not in fusion] == []


def test_the_readme_opens_with_a_picture_two_commands_and_five_lines():
    picture, *_ = re.findall(r"!\[.+\]\((docs/pictures/\S+)\)", text("README.md"))
    assert (ROOT / picture).stat().st_size < 200_000
    commands_of_it, *_ = fenced("README.md", "sh")
    lines_of_it, *_ = fenced("README.md", "python")
    assert len(commands_of_it.split("\n")) - 1 == 2
    assert len([line for line in lines_of_it.split("\n") if line]) == 5


def test_every_page_is_reached_from_the_first():
    def reached(page: Path) -> set[Path]:
        entries = "\n".join(re.findall(r"^```{toctree}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
        names = [line for line in entries.splitlines() if line and not line.startswith(":")]
        found = {file for name in names for file in page.parent.glob(f"{name}.md")}
        assert all(list(page.parent.glob(f"{name}.md")) for name in names), page
        return {page}.union(*(reached(file) for file in found if file != page))

    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md") if "decisions/0" not in path.as_posix()}
    listed = {path.resolve() for path in reached(ROOT / "docs" / "index.md")}
    assert pages - listed == set()


@pytest.mark.parametrize("page", PAGES)
def test_anchors_of_links_are_headings(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text(page)):
        there = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in slugs, f"{page} links to #{anchor} of {there.name}"


def test_the_tutorial_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in commands("docs/tutorial.md"):
        words = shlex.split(line)[1:]
        if line in "\n".join(fenced("docs/tutorial.md", "sh")):
            done = CliRunner().invoke(cli, words, standalone_mode=False)
            assert done.exception is None, f"{line}: {done.output}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clean.tif", "clean_std_db.tif", "scene.tif", "scene_truth.tif",
    ]  # fmt: skip


def test_the_architecture_names_every_module():
    (tree,) = (block for block in fenced("docs/architecture.md", "") if block.startswith("sardiff/"))
    drawn = set()
    parents: list[str] = []
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r"\s{3,}", line.strip())[0].split()
        if len(names) == 1 and names[0].endswith("/"):
            parents = [*parents[:depth], names[0]]
        else:
            drawn |= {"".join(parents[:depth]) + name for name in names if name.endswith(".py")}
    packages = ("sardiff", "tiling", "geo_io", "qgis_plugin")
    built = {path.relative_to(ROOT).as_posix() for package in packages for path in (ROOT / package).rglob("*.py")}
    silent = {
        f"{folder}/__init__.py" for folder in (*packages, *(f"sardiff/{p.name}" for p in (ROOT / "sardiff").iterdir()))
    }
    assert sorted(built - drawn - silent) == []
    assert sorted(name for name in drawn if name.startswith(packages) and name not in built) == []


def test_one_version_everywhere():
    version = project()["project"]["version"]
    assert re.search(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)[1] == version
    assert re.search(r"^version: (\S+)", text("CITATION.cff"), re.MULTILINE)[1] == version
    assert re.search(r"^version=(\S+)", text("qgis_plugin/sardiff_qgis/metadata.txt"), re.MULTILINE)[1] == version


def test_every_requirement_has_its_exact_version():
    wanted = project()["project"]
    extras = wanted["optional-dependencies"]
    requirements = [*wanted["dependencies"], *extras["dev"], *extras["docs"]]
    pinned = set(re.findall(r"^([a-z0-9-]+)==", text("constraints.txt"), re.MULTILINE))
    assert {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements} - pinned == set()


def test_what_the_packages_import_they_require():
    requirements = project()["project"]["dependencies"]
    required = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}
    names = {"skimage": "scikit-image", "PIL": "pillow"}
    optional = {"matplotlib", "distributed", "diffusers"}
    for package in ("sardiff", "tiling", "geo_io"):
        for path in (ROOT / package).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
            imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
            tops = {name.split(".")[0] for name in imported} - sys.stdlib_module_names - {"sardiff", "tiling", "geo_io"}
            assert {names.get(top, top) for top in tops} - required - optional == set(), path
