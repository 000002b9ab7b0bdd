"""`sardiff doctor`: whether everything is in its place, and what a bug report needs."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import click

from sardiff.cli.progress import PROTOCOL

__all__ = ["doctor"]

OURS = ("sardiff", "tiling", "geo_io")
LITTLE_DISK = 2e9  # bytes: less is worth a word


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was found, and whether that is well."""

    name: str
    found: str
    well: bool = True


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_obj
def doctor(dropped: tuple[str, ...] | None, as_json: bool) -> int:
    """Check the installation: versions, devices, GDAL and PROJ, the prior, names that others have taken.

    Exit status 0 when all is well, 1 when something is not.
    """
    findings = list(examine(dropped or ()))
    sick = [finding for finding in findings if not finding.well]
    if as_json:
        facts = {finding.name: {"found": finding.found, "well": finding.well} for finding in findings}
        click.echo(json.dumps({"protocol": PROTOCOL, "well": not sick, "findings": facts}, indent=1))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{'  ' if finding.well else '! '}{finding.name:<{width}}  {finding.found}")
        click.echo("All is well." if not sick else f"To mend: {', '.join(finding.name for finding in sick)}.")
    return 1 if sick else 0


def examine(dropped: tuple[str, ...]) -> Iterable[Finding]:
    """Yield what is found, one thing after the other; what cannot be looked at is a finding too."""
    yield Finding("system", f"{platform.platform()}, {platform.machine()}")
    yield Finding("python", f"{platform.python_version()}, {sys.executable}")
    for look in (_versions, _devices, _memory, _gdal, _names, _prior, _disk):
        try:
            yield from look()
        except Exception as error:  # a doctor does not faint
            yield Finding(look.__name__.strip("_"), f"{type(error).__name__}: {error}", well=False)
    found = f"dropped {', '.join(dropped)}, leaked by another program" if dropped else "nothing leaked into it"
    yield Finding("environment", found)


def _versions() -> Iterable[Finding]:
    from sardiff.provenance import versions

    for name, version in versions().items():
        if name != "python":
            yield Finding(name, version, well=version != "missing")


def _devices() -> Iterable[Finding]:
    import torch

    from sardiff.device import choose_device, describe_device

    yield Finding("device", describe_device(choose_device("auto")))
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        yield Finding(
            f"cuda:{number}", f"{torch.cuda.get_device_name(number)}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
        )
    yield Finding("threads", f"{torch.get_num_threads()} of torch, {os.cpu_count()} cores")
    known: dict[str, Callable[[], bool] | None] = {
        "AMX": getattr(torch.cpu, "_is_amx_tile_supported", None),
        "AVX512 bf16": getattr(torch.cpu, "_is_avx512_bf16_supported", None),
    }
    has = [f"{name}: {'yes' if ask() else 'no'}" for name, ask in known.items() if ask is not None]
    yield Finding("instructions", ", ".join([torch.backends.cpu.get_cpu_capability(), *has]))


def _memory() -> Iterable[Finding]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = (os.sysconf(name) * page / 1e9 for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on Windows
        return
    yield Finding("memory", f"{total:.1f} GB, {free:.1f} GB unused")


def _gdal() -> Iterable[Finding]:
    import pyproj
    import rasterio

    from geo_io import GeoIOError, check_proj

    yield Finding("gdal", f"{rasterio.__gdal_version__}, of rasterio {rasterio.__version__}")
    yield Finding("proj", f"{pyproj.proj_version_str}, of pyproj {pyproj.__version__}")
    try:
        check_proj()
        yield Finding("epsg", "EPSG:32633 is WGS 84 / UTM zone 33N")
    except GeoIOError as error:
        yield Finding("epsg", str(error), well=False)


def _names() -> Iterable[Finding]:
    """Whether our packages are ours: another distribution on PyPI is called tiling, and would write over it."""
    owners = packages_distributions()
    home = _folder("sardiff")
    for name in OURS:
        others = sorted(set(owners.get(name, ())) - {"sardiff"})
        if others:
            mend = f"uninstall {' and '.join(others)}, then reinstall sardiff (pip install --force-reinstall sardiff)"
            yield Finding(
                f"package {name}", f"also written by the distribution {', '.join(others)}: {mend}", well=False
            )
        elif _folder(name) != home:
            found = f"imported from {_folder(name)}, not from {home} as sardiff is: reinstall sardiff"
            yield Finding(f"package {name}", found, well=False)
        else:
            yield Finding(f"package {name}", f"sardiff's own, in {home}")


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).resolve().parents[1]


def _prior() -> Iterable[Finding]:
    from sardiff.errors import PriorError
    from sardiff.priors.checkpoint import SHIPPED, load_prior

    try:
        prior = load_prior(SHIPPED)
    except PriorError as error:
        yield Finding("prior", str(error), well=False)
        return
    card = prior.card
    yield Finding(
        "prior", f"{prior.name}, checksum {prior.sha256[:12]}… agrees, licence {card['licence']}; data: {card['data']}"
    )


def _disk() -> Iterable[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding("disk", f"{free / 1e9:.1f} GB free in {Path.cwd()}", well=free > LITTLE_DISK)
