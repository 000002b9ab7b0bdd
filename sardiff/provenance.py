"""What made this image: versions, weights, settings. One record, in the tags of every output."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["digest", "record", "versions"]

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


def digest(value: Mapping[str, Any]) -> str:
    """Return a short fingerprint of a JSON-like record, the same on every run."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
