"""What made this image: versions, weights, settings. One record, in the tags of every output."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["TASKS", "digest", "read_record", "record", "stale", "task_of", "versions"]

TASKS = ("despeckle", "fuse", "fill", "deblur")
PACKAGES = ("sardiff", "torch", "numpy", "dask", "rasterio", "xarray", "pyproj", "scikit-image")


def versions() -> dict[str, str]:
    """Versions of Python and of what sardiff is built on; "missing" where a package is not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def record(**settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of an output: SARDIFF_VERSION, and a JSON object a keyword as SARDIFF_<KEYWORD>."""
    tags = {"SARDIFF_VERSION": versions()["sardiff"]}
    for name, value in settings.items():
        tags[f"SARDIFF_{name.upper()}"] = json.dumps(value, sort_keys=True, default=str)
    return tags


def read_record(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return what `record` wrote, by keyword in small letters; text that is no JSON as it is.

    Tags are anybody's words: what is in them has to be checked where it is used.
    """
    found: dict[str, Any] = {}
    for key, text in tags.items():
        if key.startswith("SARDIFF_"):
            try:
                found[key.removeprefix("SARDIFF_").lower()] = json.loads(text)
            except (ValueError, RecursionError):
                found[key.removeprefix("SARDIFF_").lower()] = text
    return found


def task_of(made: Mapping[str, Any]) -> str:
    """Which of `TASKS` a record (`read_record`) is of: despeckling, whose settings do not say it, or another; "" where
    there is no record, "unknown" of a task that is none of them."""
    settings = made.get("settings")
    if not isinstance(settings, Mapping):
        return ""
    task = settings.get("task", "despeckle")
    return str(task) if task in TASKS else "unknown"


def stale(tags: Mapping[str, Any]) -> frozenset[str]:
    """Which tags of an input are a record of how it was made, and no longer true of a result of it."""
    return frozenset(key for key in tags if key.startswith("SARDIFF_") and key != "SARDIFF_SIMULATED")


def digest(value: Mapping[str, Any]) -> str:
    """Return a short fingerprint of a JSON-like record, the same on every run."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
