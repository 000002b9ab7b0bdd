"""Where sardiff is installed: by setting, SARDIFF_PYTHON, PATH, the usual folders of tools; never QGIS's own Python."""

from __future__ import annotations

import glob
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Mapping

__all__ = ["VARIABLE", "Installation", "NotFoundError", "find", "how_to_install"]

VARIABLE = "SARDIFF_PYTHON"


@dataclass(frozen=True)
class Installation:
    """A sardiff: the words that start it, and how it was found."""

    words: tuple[str, ...]
    by: str

    def __str__(self) -> str:
        return "{} ({})".format(" ".join(self.words), self.by)


class NotFoundError(Exception):
    """There is no sardiff, or none where it was said to be; the message tells what to do."""


def find(
    setting: str,
    environ: Mapping[str, str],
    *,
    home: Path | None = None,
    windows: bool = os.name == "nt",
    which: Callable[..., str | None] = shutil.which,
) -> Installation:
    """Return the sardiff to start.

    Parameters
    ----------
    setting : str
        Of the Processing options; empty: none. Like SARDIFF_PYTHON a Python, a `sardiff`, or the folder of an
        environment; what was said is taken or refused, never passed over.
    environ : mapping
        QGIS's environment.
    home : Path, optional
        The user's folder.

    Raises
    ------
    NotFoundError
        With the commands to run.
    """
    home = Path.home() if home is None else home
    for said, by in ((setting.strip(), "set in the Processing options"), (environ.get(VARIABLE, "").strip(), VARIABLE)):
        if said:
            words = _words(Path(os.path.expanduser(said)), windows)
            if words is None:
                raise NotFoundError(
                    "{} names {}, and there is no sardiff there. Name the Python of the environment that sardiff is "
                    "installed in, such as {}.".format(
                        "The setting 'Python of sardiff' in the Processing options" if by != VARIABLE else VARIABLE,
                        said,
                        _python(_own_folder(home), windows),
                    )
                )
            return Installation(words, by)
    on_path = which("sardiff", path=environ.get("PATH", ""))
    if on_path:
        return Installation((on_path,), "on PATH")
    for place in _usual(home, environ, windows):
        if place.is_file():
            return Installation((str(place),), "in a usual folder")
    raise NotFoundError(how_to_install(home, windows))


def how_to_install(home: Path | None = None, windows: bool = os.name == "nt") -> str:
    """Return what to say where there is no sardiff: the two commands."""
    folder = _own_folder((Path.home() if home is None else home) if windows else Path("~"))
    return (
        "sardiff is not installed, or not where this plugin looks. In a terminal, in the folder of sardiff's source, "
        "run these two commands:\n\n"
        "    {python} -m venv {folder}\n"
        "    {inside} -m pip install .\n\n"
        "Then run 'Check installation'. If sardiff is installed elsewhere, name its Python under Settings > Options > "
        "Processing > Providers > sardiff, or in the environment variable {variable}.".format(
            python="py" if windows else "python3",
            folder=_quoted(folder),
            inside=_quoted(_python(folder, windows)),
            variable=VARIABLE,
        )
    )


def _words(place: Path, windows: bool) -> tuple[str, ...] | None:
    """What to start, of a Python, a sardiff, or the folder of an environment."""
    if place.is_dir():
        for inside in (_python(place, windows), place / ("python.exe" if windows else "python")):
            if inside.is_file():
                return str(inside), "-m", "sardiff"
        return None
    if not place.is_file():
        return None
    if place.name.lower().startswith("sardiff"):
        return (str(place),)
    return str(place), "-m", "sardiff"


def _own_folder(home: Path) -> Path:
    return home / ".sardiff"


def _python(environment: Path, windows: bool) -> Path:
    return environment / ("Scripts/python.exe" if windows else "bin/python")


def _command(windows: bool) -> str:
    return "sardiff.exe" if windows else "sardiff"


def _usual(home: Path, environ: Mapping[str, str], windows: bool) -> Iterator[Path]:
    """Where pip --user, pipx, uv and conda put a command; the desktop starts QGIS with a PATH that may lack them."""
    command, bins = _command(windows), "Scripts" if windows else "bin"
    folders: list[Path] = [home / ".sardiff" / bins, home / ".local" / "bin"]
    folders += [Path(environ[name]) for name in ("PIPX_BIN_DIR", "UV_TOOL_BIN_DIR") if environ.get(name)]
    tools = [
        home / ".local/share/uv/tools",
        home / ".local/share/pipx/venvs",
        home / ".local/pipx/venvs",
        home / "pipx/venvs",
    ]
    if environ.get("UV_TOOL_DIR"):
        tools.insert(0, Path(environ["UV_TOOL_DIR"]))
    if environ.get("PIPX_HOME"):
        tools.insert(0, Path(environ["PIPX_HOME"]) / "venvs")
    for name in ("APPDATA", "LOCALAPPDATA"):
        if windows and environ.get(name):
            tools += [Path(environ[name]) / "uv" / "tools", Path(environ[name]) / "pipx" / "venvs"]
            folders += [
                Path(found) for found in sorted(glob.glob(str(Path(environ[name]) / "Python" / "*" / "Scripts")))
            ]
    folders += [tool / "sardiff" / bins for tool in tools]
    if not windows:
        folders += [Path(found) for found in sorted(glob.glob(str(home / "Library/Python/*/bin")))]
        folders += [Path("/usr/local/bin"), Path("/opt/homebrew/bin")]
    for conda in ("miniforge3", "mambaforge", "micromamba", "miniconda3", "anaconda3", ".conda"):
        folders.append(home / conda / "envs" / "sardiff" / bins)
    for folder in folders:
        yield folder / command


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
