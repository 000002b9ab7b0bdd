"""Fusion of two whole scenes in different CRSs, killed twice and resumed: peak memory, time, what was kept.

A SAR scene (10 m, UTM) and an optical one (5 m, Lambert's equal-area projection of Europe, three bands of 16 bits) show
one simulated landscape. `python -m sardiff fuse` despeckles the one and fuses both; it is killed (SIGKILL) half-way
through despeckling, and again half-way through fusing, and the same command then brings it to its end. Peak memory is
the largest resident set of the three processes, as the kernel counts it.

With `--compare` the same is also done without a kill, and the two files are compared pixel by pixel. With `--minutes`
a method that takes hours is stopped after so many of them, for its memory alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record
from numpy.typing import NDArray

SAR_CRS, OPTICAL_CRS = "EPSG:32633", "EPSG:3035"
SAR_STEP, OPTICAL_STEP = 10.0, 5.0  # metres
CORNER = (500_000.0, 5_500_000.0)  # of the SAR scene, east and north
PATTERN = 2048  # pixels of 10 m: the landscape, mirrored over and over
STRIP = 256  # rows written at once
MODEST = 3 << 30  # bytes: what the whole should stay within


def ground(shown: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Backscatter (rows, cols) of the landscape, and reflectance (3, rows, cols) by its land cover."""
    from sardiff.simulate import landscape

    made = landscape(shown, seed=3)
    colours = np.random.default_rng(3).uniform(0.04, 0.35, size=(int(made.cover.max()) + 1, 3))
    intensity = np.where(made.measured, made.intensity, np.nanmedian(made.intensity))
    texture = np.log(intensity / np.exp(np.log(intensity).mean())).clip(-1.5, 1.5)
    reflectance = np.moveaxis(colours[made.cover], -1, 0) * (1 + 0.15 * texture)
    return intensity.astype(np.float32), reflectance.astype(np.float32)


def mirrored(places: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Places on an endless line, in a pattern that is mirrored at both ends."""
    wrapped = np.mod(places, 2 * (size - 1))
    return np.minimum(wrapped, 2 * (size - 1) - wrapped)


def write_sar(path: Path, side: int, intensity: NDArray[np.float32]) -> None:
    import rasterio
    from affine import Affine

    rng = np.random.default_rng(0)
    size = len(intensity)
    cols = mirrored(np.arange(side, dtype=float), size).astype(int)
    place = {"crs": SAR_CRS, "transform": Affine(SAR_STEP, 0, CORNER[0], 0, -SAR_STEP, CORNER[1])}
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "float32", "nodata": 0.0}
    with rasterio.open(path, "w", **profile, **place) as dataset:
        dataset.set_band_unit(1, "intensity")
        for top in range(0, side, STRIP):
            rows = mirrored(np.arange(top, min(top + STRIP, side), dtype=float), size).astype(int)
            clean = intensity[np.ix_(rows, cols)]
            speckled = clean * rng.gamma(4.0, 1 / 4.0, clean.shape)
            dataset.write(speckled.astype(np.float32), 1, window=((top, top + len(rows)), (0, side)))


def write_optical(path: Path, side: int, sar_side: int, reflectance: NDArray[np.float32]) -> None:
    import rasterio
    from affine import Affine
    from pyproj import Transformer
    from scipy.ndimage import map_coordinates

    there = Transformer.from_crs(SAR_CRS, OPTICAL_CRS, always_xy=True)
    back = Transformer.from_crs(OPTICAL_CRS, SAR_CRS, always_xy=True)
    half = sar_side * SAR_STEP / 2
    east, north = there.transform(CORNER[0] + half, CORNER[1] - half)
    left, top_edge = east - side * OPTICAL_STEP / 2, north + side * OPTICAL_STEP / 2
    place = {"crs": OPTICAL_CRS, "transform": Affine(OPTICAL_STEP, 0, left, 0, -OPTICAL_STEP, top_edge)}
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint16", "nodata": 0}
    size, coarse = reflectance.shape[1], np.linspace(0, side - 1, 65)
    with rasterio.open(path, "w", **profile, **place, tiled=True, blockxsize=STRIP, blockysize=STRIP) as dataset:
        for i, name in enumerate(("red", "green", "blue"), start=1):
            dataset.set_band_description(i, name)
        for top in range(0, side, STRIP):
            rows = np.arange(top, min(top + STRIP, side))
            x = left + (coarse + 0.5) * OPTICAL_STEP
            places = []
            for edge in (rows[0], rows[-1]):  # exact at 65 places of two rows, straight between
                y = np.full_like(x, top_edge - (edge + 0.5) * OPTICAL_STEP)
                e, n = back.transform(x, y)
                at = (CORNER[1] - n) / SAR_STEP - 0.5, (e - CORNER[0]) / SAR_STEP - 0.5
                places.append([np.interp(np.arange(side), coarse, one) for one in at])
            share = ((rows - rows[0]) / max(rows[-1] - rows[0], 1))[:, None]
            at = [mirrored((1 - share) * a + share * b, size) for a, b in zip(*places, strict=True)]
            for band in range(3):
                seen = map_coordinates(reflectance[band], at, order=1, mode="nearest")
                dataset.write(
                    (10_000 * seen).round().astype(np.uint16), band + 1, window=((top, rows[-1] + 1), (0, side))
                )


def run(
    words: Sequence[str], environment: dict[str, str], kill_at: tuple[str, float] | None, seconds: float | None = None
) -> dict[str, Any]:
    """Run the command, perhaps until a phase has come so far, or for so long; say what it took and told."""
    began = time.perf_counter()
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    last: dict[str, Any] = {}
    resumed = 0
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] != "progress":
            continue
        last, resumed = event, max(resumed, event["resumed"])
        reached = kill_at is not None and event["phase"] == kill_at[0] and event["share"] >= kill_at[1]
        if reached or (seconds is not None and time.perf_counter() - began > seconds):
            process.send_signal(signal.SIGKILL)
            break
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return {
        "ended": "killed" if process.returncode else "done",
        "phase": last.get("phase"),
        "share": last.get("share"),
        "tiles": f"{last.get('done')}/{last.get('total')}",
        "tiles of earlier runs": resumed,
        "s": time.perf_counter() - began,
        "cpu s": used.ru_utime + used.ru_stime,
        "peak MiB": used.ru_maxrss / 1024,
    }


def same_pixels(one: Path, other: Path) -> bool:
    import rasterio

    with rasterio.open(one) as a, rasterio.open(other) as b:
        if a.shape != b.shape:
            return False
        windows = [((top, min(top + 1024, a.height)), (0, a.width)) for top in range(0, a.height, 1024)]
        return all(np.array_equal(a.read(window=w), b.read(window=w)) for w in windows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--size", type=int, default=10_000, help="side of the SAR scene; the optical one has twice that"
    )
    parser.add_argument("--method", default="pyramid", help="of fusion")
    parser.add_argument("--minutes", type=float, help="stop the last run after so many")
    parser.add_argument("--compare", action="store_true", help="with a run that is not killed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="folder for the files; 8 GB for the full size")
    options = parser.parse_args(arguments)
    if options.quick:
        options.size, options.compare = 192, True
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(options.threads // options.workers, 1))}
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        needed = options.size**2 * 80
        if shutil.disk_usage(folder).free < needed:
            raise SystemExit(f"{folder} has no {needed / 1e9:.1f} GB free: choose another --scratch.")
        pattern = min(PATTERN, options.size)
        intensity, reflectance = ground((pattern, pattern))
        sar, optical = folder / "sar.tif", folder / "optical.tif"
        write_sar(sar, options.size, intensity)
        write_optical(optical, 2 * options.size, options.size, reflectance)
        print(f"scenes made in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

        def words(output: Path) -> list[str]:
            command = [sys.executable, "-m", "sardiff", "fuse", str(sar), str(optical), str(output)]
            told = ["--values", "intensity", "--looks", "4", "--method", options.method, "--quality", "fast"]
            small = ["--tile", "128"] if options.quick else []
            return [*command, *told, *small, "--workers", str(options.workers), "--progress", "json"]

        output = folder / "killed" / "fused.tif"
        output.parent.mkdir()
        for kill_at in (("despeckle", 0.5), ("tiles", 0.5), None):
            limit = None if options.minutes is None or kill_at == ("despeckle", 0.5) else 60 * options.minutes
            rows.append(run(words(output), environment, kill_at, limit))
            print(rows[-1], file=sys.stderr, flush=True)
            if limit is not None and rows[-1]["ended"] == "killed" and rows[-1]["share"] < 0.5:
                break
        results: dict[str, Any] = {
            "SAR": [options.size] * 2,
            "optical": [2 * options.size] * 2,
            "runs": rows,
            "peak MiB": max(row["peak MiB"] for row in rows),
            "within 3 GiB": max(row["peak MiB"] for row in rows) * 2**20 <= MODEST,
            "finished": output.exists(),
            "left behind": sorted(path.name for path in output.parent.iterdir() if path != output),
        }
        if options.compare:
            whole = folder / "whole" / "fused.tif"
            whole.parent.mkdir()
            rows.append(run(words(whole), environment, None))
            results["same pixels as without a kill"] = same_pixels(whole, output)
    record.table(rows, f"SAR {options.size} x {options.size}, optical {2 * options.size} x {2 * options.size}")
    record.emit("full_size", options, results, began=began)


if __name__ == "__main__":
    main()
