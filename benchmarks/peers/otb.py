"""Lee, Kuan, Frost and gamma-MAP of the Orfeo ToolBox, started as `otbcli_Despeckle`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from .base import Image

__all__ = ["FILTERS", "child_peak_mb", "despeckle", "missing"]

PROGRAM = "otbcli_Despeckle"
FILTERS = ("lee", "kuan", "frost", "gammamap")
FROST_RADIUS = 4  # pixels

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
    """The options of a filter: `setting` is its radius in pixels, for Frost its damping, in a wide window."""
    if name == "frost":
        return ["-filter", name, "-filter.frost.rad", str(FROST_RADIUS), "-filter.frost.deramp", f"{setting:g}"]
    return ["-filter", name, f"-filter.{name}.rad", str(setting), f"-filter.{name}.nblooks", f"{looks:g}"]


def despeckle(name: str, intensities: Sequence[Image], looks: float, setting: Any) -> list[Image]:
    """Write a TIFF, filter it, read the result. Radius r means (2 r + 1) x (2 r + 1) pixels.

    Several images lie below each other in one file, since the start of the program would take most of the time. Their
    rims are repeated around them, as the filters do at the rim of a file: each comes out as if it were alone.

    Lee (1980), IEEE TPAMI 2(2); Kuan et al. (1985), IEEE TPAMI 7(2); Frost et al. (1982), IEEE TPAMI 4(2); Lopes et
    al. (1993), Structure detection and statistical adaptive speckle filtering in SAR images, Int. J. Remote Sensing
    14(9).
    """
    rim = FROST_RADIUS if name == "frost" else setting
    widest = max(image.shape[1] for image in intensities)
    margins = [((rim, rim), (rim, rim + widest - image.shape[1])) for image in intensities]
    padded = [
        np.pad(np.asarray(image, np.float32), margin, mode="edge")
        for image, margin in zip(intensities, margins, strict=True)
    ]
    filtered = _filtered(np.concatenate(padded), words(name, looks, setting))
    starts = np.cumsum([rim, *(image.shape[0] + 2 * rim for image in intensities)])
    return [
        filtered[start : start + image.shape[0], rim : rim + image.shape[1]]
        for start, image in zip(starts, intensities, strict=False)
    ]


def _filtered(intensity: Image, options: Sequence[str]) -> Image:
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.tif"), Path(folder, "after.tif")
        tifffile.imwrite(before, intensity)
        command = [PROGRAM, "-in", str(before), "-out", str(after), "float", *options]
        quiet = {**os.environ, "OTB_LOGGER_LEVEL": "CRITICAL"}
        done = subprocess.run(
            [sys.executable, "-S", "-c", _BETWEEN, *command], capture_output=True, text=True, env=quiet
        )
        if done.returncode or not after.exists():
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
        kib = float(done.stdout.strip().splitlines()[-1])
        _last_peak_mb[0] = kib / (2**20 if sys.platform == "darwin" else 2**10)
        return np.asarray(tifffile.imread(after), np.float64).reshape(intensity.shape)
