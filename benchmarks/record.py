"""What every benchmark prints: where and with what it ran, its settings, its results, as one JSON object."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["code", "commit", "data_folder", "emit", "machine", "parser", "peak_mb", "table", "use_threads"]

HERE = Path(__file__).resolve().parent
UNTOLD = ("save", "name", "out", "scratch")  # options that change no result
PACKAGES = ("sardiff", "torch", "numpy", "dask", "rasterio", "scikit-image", "bm3d", "deepdespeckling")


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--quick", action="store_true", help="a smoke run: the smallest that touches everything")
    options.add_argument("--save", action="store_true", help="also write benchmarks/results/NAME.json")
    options.add_argument("--name", help="NAME of --save; by default that of the script")
    options.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of torch")
    return options


def network_options(options: argparse.ArgumentParser) -> None:
    """Add the options of benchmarks that run our networks on simulated speckle."""
    from sardiff.priors.checkpoint import SHIPPED

    options.add_argument("--weights", default=str(SHIPPED), help="the prior")
    options.add_argument("--device", default="cpu")
    options.add_argument("--seed", type=int, default=0)


def use_threads(count: int) -> None:
    """Let torch, and what is started from here, use so many threads."""
    import torch

    torch.set_num_threads(count)


def data_folder() -> Path:
    """The shared data: SARDIFF_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("SARDIFF_DATA", HERE.parents[1] / "shared" / "data"))
    if not (folder / "README.md").is_file():
        raise SystemExit(
            f"There is no data at {folder}: set SARDIFF_DATA to the folder that holds validation/ and sar/."
        )
    return folder


def commit() -> str:
    """The commit that is checked out, with "+" where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine(threads: int | None = None) -> dict[str, Any]:
    """Processor, cores, threads in use, memory and versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {"cpu": model, "cores": os.cpu_count(), "threads": threads, "load": load, "versions": versions}


def peak_mb() -> float:
    """Largest resident memory that this process has had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when it started us
        return (
            int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 2**10
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def weights(path: Any) -> str:
    """Return what tells these weights from others: the beginning of each network's checksum."""
    from sardiff.priors.checkpoint import load_prior

    return "+".join(part[:16] for part in load_prior(path).sha256.split("+"))


def code() -> str:
    """Return what tells this version of the package's code from others."""
    package = HERE.parent / "sardiff"
    texts = (path.read_bytes() for path in sorted(package.rglob("*.py")))
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def emit(name: str, options: argparse.Namespace, results: Any, *, began: float) -> None:
    """Print the record, and keep it if `--save` asks for that."""
    settings = {key: _placeless(value) for key, value in vars(options).items() if key not in UNTOLD}
    text = json.dumps(
        {
            "benchmark": name,
            "commit": commit(),
            "machine": machine(options.threads),
            "settings": settings,
            "seconds": round(time.monotonic() - began, 1),
            "results": results,
        },
        indent=1,
        default=_plain,
    )
    print(text)
    if options.save:
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{options.name or name}.json").write_text(text + "\n")


def _placeless(value: Any) -> Any:
    """A file by its name alone: where it lies on this machine is nobody else's concern."""
    is_place = isinstance(value, Path) or (isinstance(value, str) and Path(value).is_absolute())
    return Path(value).name if is_place else value


def table(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Print rows for people, on standard error; columns are the keys of the first row."""
    if not rows:
        return
    heads = list(rows[0])
    cells = [[_cell(row.get(head)) for head in heads] for row in rows]
    widths = [max(len(head), *(len(line[i]) for line in cells)) for i, head in enumerate(heads)]
    out = ["", title] if title else [""]
    for line in [heads, *cells]:
        out.append(
            "  ".join(
                text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))
            )
        )
    print("\n".join(out), file=sys.stderr, flush=True)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10 else f"{value:.2f}"
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
