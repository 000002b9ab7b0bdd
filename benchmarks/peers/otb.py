"""Lee, Kuan, Frost and gamma-MAP of the Orfeo ToolBox, started as `otbcli_Despeckle`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from .base import Image

__all__ = ["FILTERS", "child_peak_mb", "despeckle", "missing"]

PROGRAM = "otbcli_Despeckle"
FILTERS = ("lee", "kuan", "frost", "gammamap")

# A small process between: the largest memory of the children of this one would count what this one itself holds.
_BETWEEN = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
_last_peak_mb = [0.0]


def missing() -> str | None:
    """Why the toolbox cannot run here, or None."""
    return None if shutil.which(PROGRAM) else f"no program {PROGRAM} (Debian and Ubuntu: package otb-bin)"


def child_peak_mb() -> float:
    """Largest resident memory of the last filter that ran, in MiB."""
    return _last_peak_mb[0]


def words(name: str, looks: float, setting: Any) -> list[str]:
    """The options of a filter: `setting` is its radius in pixels, for Frost (radius, damping)."""
    radius, damping = setting if name == "frost" else (setting, None)
    last = [f"-filter.{name}.deramp", f"{damping:g}"] if name == "frost" else [f"-filter.{name}.nblooks", f"{looks:g}"]
    return ["-filter", name, f"-filter.{name}.rad", str(radius), *last]


def despeckle(name: str, intensity: Image, looks: float, setting: Any) -> Image:
    """Write a TIFF, filter it, read the result. Radius r means (2 r + 1) x (2 r + 1) pixels.

    Lee (1980), IEEE TPAMI 2(2); Kuan et al. (1985), IEEE TPAMI 7(2); Frost et al. (1982), IEEE TPAMI 4(2); Lopes et
    al. (1993), Structure detection and statistical adaptive speckle filtering in SAR images, Int. J. Remote Sensing
    14(9).
    """
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.tif"), Path(folder, "after.tif")
        tifffile.imwrite(before, np.asarray(intensity, np.float32))
        command = [PROGRAM, "-in", str(before), "-out", str(after), "float", *words(name, looks, setting)]
        quiet = {**os.environ, "OTB_LOGGER_LEVEL": "ERROR"}
        done = subprocess.run(
            [sys.executable, "-S", "-c", _BETWEEN, *command], capture_output=True, text=True, env=quiet
        )
        if done.returncode or not after.exists():
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
        kib = float(done.stdout.strip().splitlines()[-1])
        _last_peak_mb[0] = kib / (2**20 if sys.platform == "darwin" else 2**10)
        return np.asarray(tifffile.imread(after), np.float64).reshape(intensity.shape)
