"""The engine without a network: megapixels per second and peak memory, against a plain read and write loop.

A striped single-band float32 GeoTIFF goes through `restore_scene` with a function that changes nothing: overlapping
tiles, blending, encoding by the source, the journalled writer, the COG, reading it back. Beside it, a loop in rasterio
that reads the same blocks without overlap, rows first, and writes them. Like is compared with like twice:

tiles  the engine up to its last block, against the loop into a tiled uncompressed GeoTIFF (what the engine's
       unfinished file is);
whole  the engine to its final name, against that loop, then the same copy to a COG, and fsync. Reading back and
       comparing checksums is the engine's alone, and told apart as `check`.

Each run is a process of its own, GDAL held as `sardiff` holds it; the input is in the page cache for all. CPU seconds
tell more than seconds on a machine that others use.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record

TILE, OVERLAP = 768, 112  # pixels: those of the default methods
BLOCK = 512  # pixels: of the file, and what the plain loop reads and writes at once
CACHE = 256 << 20  # bytes: what `sardiff` gives GDAL's block cache
MODES = ("engine", "plain")
PARTS = ("tiles", "copy", "check", "whole")
COPIED = 0.8  # of the progress of finishing; then the file is read back


def make_scene(path: Path, shape: tuple[int, int]) -> None:
    """Single-look speckle on a ramp with a nodata rim, striped, uncompressed: a pattern repeated, cheap to make."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    rows, cols = shape
    rng = np.random.default_rng(0)
    pattern = rng.exponential(0.05, size=(1024, cols + 1024)).astype(np.float32)
    profile = {"driver": "GTiff", "width": cols, "height": rows, "count": 1, "dtype": "float32", "nodata": 0.0}
    place = {"crs": "EPSG:32633", "transform": from_origin(500000, 5500000, 10, 10)}
    with rasterio.open(path, "w", **profile, **place, bigtiff="IF_SAFER") as dataset:
        dataset.update_tags(1, units="intensity")
        dataset.set_band_unit(1, "intensity")
        for k, top in enumerate(range(0, rows, 1024)):
            height, shift = min(1024, rows - top), (k * 331) % 1024
            strip = pattern[:height, shift : shift + cols].copy()
            strip[:, :37] = 0  # not measured
            dataset.write(strip, 1, window=((top, top + height), (0, cols)))


def identity(intensity: Any, tiles: Any) -> Any:
    return intensity


def run_engine(scene: Path, output: Path, workers: int, compression: str) -> dict[str, float]:
    from geo_io import open_raster
    from sardiff.tasks.scene import Output, Progress, restore_scene, scene_layout

    source = open_raster(scene, values="intensity")
    layout = scene_layout(source.grid.shape, tile=TILE, overlap=OVERLAP, stride=8)
    marks: dict[str, tuple[float, float]] = {}

    def report(progress: Progress) -> None:
        if progress.phase == "finish":
            if "tiles" not in marks:
                marks["tiles"] = clock()
            if progress.share > COPIED and "copy" not in marks:
                marks["copy"] = clock()

    encode = source.encode
    outputs = [Output(output, slice(0, 1), encode, source.metadata, source.metadata.nodata)]
    begin = clock()
    restore_scene(
        source, identity, layout, outputs, out_bands=1, fingerprint={}, tags={}, workers=workers,
        compression=compression, report=report,
    )  # fmt: skip
    return _spent(begin, marks["tiles"], marks["copy"], clock())


def run_plain(scene: Path, output: Path, workers: int, compression: str) -> dict[str, float]:
    import rasterio
    import rasterio.shutil

    begin, between = clock(), output.with_suffix(".tiles.tif")
    with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(scene) as source:
        profile = {**source.profile, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": None}
        with rasterio.open(between, "w", **profile, bigtiff="YES") as target:
            for top in range(0, source.height, BLOCK):
                for left in range(0, source.width, BLOCK):
                    window = ((top, min(top + BLOCK, source.height)), (left, min(left + BLOCK, source.width)))
                    target.write(source.read(window=window), window=window)
    middle = clock()
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        rasterio.shutil.copy(
            str(between), str(output), driver="COG", compress=compression, predictor="YES", blocksize=BLOCK,
            bigtiff="IF_SAFER", overview_resampling="AVERAGE", num_threads=1,
        )  # fmt: skip
    with open(output, "rb") as file:
        os.fsync(file.fileno())
    end = clock()
    between.unlink()
    return _spent(begin, middle, end, end)


def clock() -> tuple[float, float]:
    """Seconds, and CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def _spent(*marks: tuple[float, float]) -> dict[str, float]:
    spans = {part: marks[i : i + 2] for i, part in enumerate(PARTS[:-1])} | {"whole": (marks[0], marks[-1])}
    seconds = {f"{part}_s": end[0] - begin[0] for part, (begin, end) in spans.items()}
    cpu = {f"{part}_cpu_s": end[1] - begin[1] for part, (begin, end) in spans.items()}
    return {**seconds, **cpu, "peak_mb": record.peak_mb()}


def child(arguments: Sequence[str]) -> None:
    from geo_io.harden import clean_environment

    clean_environment()  # as the command line does: it bounds GDAL's cache
    mode, scene, output, workers, compression = arguments
    run = {"engine": run_engine, "plain": run_plain}[mode]
    print(json.dumps(run(Path(scene), Path(output), int(workers), compression)))


def measure(mode: str, scene: Path, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    output = folder / f"{mode}.tif"
    command = [
        sys.executable,
        __file__,
        "--child",
        mode,
        str(scene),
        str(output),
        str(options.workers),
        options.compression,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True, text=True)
    output.unlink()
    return json.loads(done.stdout)


def compare(shape: tuple[int, int], repeats: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Median of the runs of both, taken in turn."""
    megapixels = shape[0] * shape[1] / 1e6
    scene = folder / "scene.tif"
    make_scene(scene, shape)
    runs: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
    try:
        for _ in range(repeats):
            for mode in MODES:
                runs[mode].append(measure(mode, scene, folder, options))
                print(f"{shape[0]} x {shape[1]}  {mode}: {runs[mode][-1]}", file=sys.stderr, flush=True)
    finally:
        scene.unlink()
    middle = {m: {k: statistics.median(run[k] for run in runs[m]) for k in runs[m][0]} for m in MODES}
    plain, rows = middle["plain"], []
    for part in PARTS:
        for mode in MODES:
            spent = middle[mode]
            rows.append(
                {
                    "what": f"{mode}, {part}",
                    "MP/s": megapixels / spent[f"{part}_s"] if spent[f"{part}_s"] else None,
                    "s": spent[f"{part}_s"],
                    "cpu s": spent[f"{part}_cpu_s"],
                    "extra s / plain whole": (spent[f"{part}_s"] - plain[f"{part}_s"]) / plain["whole_s"],
                    "extra cpu / plain whole": (spent[f"{part}_cpu_s"] - plain[f"{part}_cpu_s"]) / plain["whole_cpu_s"],
                    "peak MiB": max(run["peak_mb"] for run in runs[mode]),
                }
            )
    record.table(rows, f"{shape[0]} x {shape[1]}, {options.compression}, medians of {repeats}")
    extra = middle["engine"]["whole_cpu_s"] - middle["plain"]["whole_cpu_s"]
    return {
        "shape": shape, "repeats": repeats, "rows": rows, "runs": runs, "engine_extra_cpu_s_per_mp": extra / megapixels,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.add_argument("--size", type=int, default=8000, help="side of the scene that is repeated")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="also 17,000 rows x 25,000 columns, once")
    parser.add_argument("--only-full", action="store_true", help="that alone")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--compression", default="deflate", help="of the result: deflate, zstd, lzw, none")
    parser.add_argument("--scratch", type=Path, help="folder for the files; 8 GB for the full size")
    options = parser.parse_args(arguments)
    began, results = time.monotonic(), []
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        plans = (
            [((1200, 1500), 1)]
            if options.quick
            else []
            if options.only_full
            else [((options.size,) * 2, options.repeats)]
        )
        if options.full or options.only_full:
            plans.append(((17_000, 25_000), 1))
        for shape, repeats in plans:
            needed = shape[0] * shape[1] * 4 * 4.5
            if shutil.disk_usage(folder).free < needed:
                raise SystemExit(f"{folder} has no {needed / 1e9:.1f} GB free: choose another --scratch.")
            results.append(compare(shape, repeats, folder, options))
    record.emit("engine", options, results, began=began)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
    else:
        main()
