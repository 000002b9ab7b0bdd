"""Build the zip of the QGIS plugin, and check it by the rules of QGIS's plugin site. Standard library only.

    python qgis_plugin/build.py [--out dist/sardiff_qgis.zip] [--publish]

The rules are those of the site's upload form: one folder, `metadata.txt` complete, a LICENSE, nothing compiled or
hidden, below 25 MB. Addresses come from `[project.urls]` of pyproject.toml (Homepage, Repository, Issues) and the first
mail address among its authors. Where the project has none yet, the plugin is built without them all the same: QGIS
installs it from the zip, and only the site would refuse it, which is said. With --publish that is an error.
"""

from __future__ import annotations

import argparse
import configparser
import io
import re
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlparse

HERE = Path(__file__).resolve().parent
PLUGIN = HERE / "sardiff_qgis"
PROJECT = HERE.parent / "pyproject.toml"

LIMIT = 100_000  # bytes; the site takes 25 MB, and this plugin has nothing that large
KINDS = (".py", ".svg", ".txt", "LICENSE")
REQUIRED = ("name", "description", "version", "qgisMinimumVersion", "author", "about")
OF_THE_PROJECT = ("email", "tracker", "repository", "homepage")  # required too, and not the plugin's to know
SWITCHES = ("experimental", "deprecated", "server", "supportsQt6")


def metadata(text: str, project: str) -> str:
    """Return metadata.txt with the project's addresses, as far as pyproject.toml names them."""
    urls = {
        key.strip('"').lower(): value
        for key, value in re.findall(r'^("?[\w ]+"?) = "(https?://[^"]+)"$', project, re.M)
    }
    mail = re.search(r'email = "([^"]+)"', project)
    found = {
        "email": mail[1] if mail else "",
        "homepage": urls.get("homepage", urls.get("documentation", urls.get("repository", ""))),
        "repository": urls.get("repository", urls.get("source", "")),
        "tracker": urls.get("issues", urls.get("tracker", "")),
    }
    return text.rstrip("\n") + "\n" + "".join(f"{key}={value}\n" for key, value in found.items() if value)


def build(out: Path, plugin: Path = PLUGIN, project: Path = PROJECT) -> None:
    """Write the zip: the same bytes for the same files."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(plugin.iterdir()):
            if path.name.endswith(KINDS):
                data = path.read_bytes()
                if path.name == "metadata.txt":
                    data = metadata(data.decode("utf-8"), project.read_text(encoding="utf-8")).encode("utf-8")
                info = zipfile.ZipInfo(f"{plugin.name}/{path.name}", date_time=(2026, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, data)


def check(package: Path) -> tuple[list[str], list[str]]:
    """Return what is wrong with a zip, and what the site alone would refuse."""
    wrong: list[str] = []
    if package.stat().st_size > LIMIT:
        wrong.append(f"it has {package.stat().st_size} bytes, more than {LIMIT}")
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        if archive.testzip() is not None:
            wrong.append(f"{archive.testzip()} is damaged")
        tops = sorted({name.split("/")[0] for name in names})
        if len(tops) != 1 or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", tops[0]):
            return [*wrong, f"it must hold one folder with the name of a Python package, not {', '.join(tops)}"], []
        for name in names:
            parts = name.split("/")
            if (
                ".." in name
                or name.startswith("/")
                or any(part.startswith((".", "__MACOSX", "__pycache__")) for part in parts)
            ):
                wrong.append(f"{name} must not be in it")
            elif not name.endswith(KINDS):
                wrong.append(f"{name} is neither code, nor a drawing, nor text")
            elif b"\0" in archive.read(name):
                wrong.append(f"{name} is binary")
        wrong += [
            f"{name} is missing"
            for name in ("__init__.py", "metadata.txt", "LICENSE")
            if f"{tops[0]}/{name}" not in names
        ]
        if f"{tops[0]}/metadata.txt" not in names:
            return wrong, []
        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_file(io.StringIO(archive.read(f"{tops[0]}/metadata.txt").decode("utf-8")))
        said = dict(parser["general"])
        wrong += [f"metadata.txt lacks {key}" for key in REQUIRED if not said.get(key, "").strip()]
        wrong += [
            f"{key} is {said[key]}, not True or False" for key in SWITCHES if said.get(key) not in ("True", "False")
        ]
        wrong += [] if said.get("hasProcessingProvider") == "yes" else ["hasProcessingProvider must be yes"]
        wrong += [] if "/" not in said.get("author", "") else ["the author's name cannot contain a slash"]
        wrong += (
            []
            if re.fullmatch(r"\d+\.\d+", said.get("qgisMinimumVersion", ""))
            else ["qgisMinimumVersion is no version"]
        )
        if f"{tops[0]}/{said.get('icon')}" not in names:
            wrong.append(f"the icon {said.get('icon')} is missing")
        if (
            f"{tops[0]}/LICENSE" in names
            and "GNU GENERAL PUBLIC LICENSE" not in archive.read(f"{tops[0]}/LICENSE").decode()
        ):
            wrong.append("LICENSE is not the GPL, which the site asks of plugins")
    unpublished = [f"metadata.txt lacks {key}" for key in OF_THE_PROJECT if not said.get(key)]
    for key in ("tracker", "repository", "homepage"):
        address = urlparse(said.get(key, ""))
        if said.get(key) and not (address.scheme in ("http", "https") and address.netloc):
            wrong.append(f"{key} is no address: {said[key]}")
    return wrong, unpublished


def main(arguments: list[str] | None = None) -> int:
    """Build, check, say what was found; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=HERE.parent / "dist" / "sardiff_qgis.zip")
    parser.add_argument("--publish", action="store_true", help="also be strict about what only the plugin site asks")
    asked = parser.parse_args(arguments)
    build(asked.out)
    wrong, unpublished = check(asked.out)
    with zipfile.ZipFile(asked.out) as archive:
        print(f"{asked.out}: {asked.out.stat().st_size / 1000:.1f} kB, {len(archive.namelist())} files")
    for what in wrong:
        print(f"wrong: {what}", file=sys.stderr)
    for what in unpublished:
        print(f"for the plugin site, not to install the zip: {what}; name it in pyproject.toml", file=sys.stderr)
    return 1 if wrong or (unpublished and asked.publish) else 0


if __name__ == "__main__":
    sys.exit(main())
