"""kill -9 at several points, then the same command again: is the file the one an uninterrupted run makes?

A simulated scene is despeckled by `python -m sardiff despeckle`. The run is killed after its first block, in the
middle, with the last block outstanding, and while the COG is copied and read back; then the command is run again. The
final file is compared with the uninterrupted run's byte for byte, and pixels, grid and tags one by one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import record

SMALLEST_WAIT = 0.0005  # seconds between two looks at the folder


@dataclass(frozen=True)
class Moment:
    """When to kill: when `reached` says so of the folder, and `delay` seconds after that."""

    name: str
    reached: Callable[[Path], bool]
    delay: float = 0.0


def finished_blocks(output: Path) -> int:
    """Lines of the journal after its first, that is, blocks that are whole."""
    try:
        return max(output.with_name(f".{output.name}.journal").read_bytes().count(b"\n") - 1, 0)
    except FileNotFoundError:
        return 0


def copying(output: Path) -> bool:
    """Whether the COG is being made."""
    return output.with_name(f".{output.name}.new.tif").exists()


def moments(blocks: int, quick: bool) -> list[Moment]:
    def after(count: int) -> Moment:
        return Moment(f"after {count} of {blocks} blocks", lambda output: finished_blocks(output) >= count)

    if quick:
        return [after(1), Moment("COG begun", copying)]
    while_copying = [Moment(f"COG begun, {ms} ms later", copying, ms / 1000) for ms in (0, 30, 80, 150)]
    begun = Moment("file begun, no block", lambda output: output.with_name(f".{output.name}.journal").exists())
    return [begun, after(1), after(blocks // 2), after(blocks - 1), after(blocks), *while_copying]


def make_scene(path: Path, side: int) -> None:
    """A georeferenced landscape with single-look speckle and a nodata rim."""
    import rasterio
    from rasterio.transform import from_origin

    from sardiff.simulate import landscape, speckle

    clean = landscape((side, side), seed=1).intensity
    measured = clean * speckle(clean.shape, 1.0, np.random.default_rng(1))
    measured[: side // 20] = np.nan
    place = {"crs": "EPSG:32633", "transform": from_origin(500000, 5500000, 10, 10)}
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="float32", nodata=float("nan"), **place
    ) as dataset:
        dataset.write(measured.astype(np.float32), 1)
        dataset.set_band_unit(1, "intensity")
        dataset.set_band_description(1, "VV")
        dataset.update_tags(ACQUISITION="2024-05-01")


def command(scene: Path, output: Path, options: argparse.Namespace) -> list[str]:
    words = [
        sys.executable,
        "-m",
        "sardiff",
        "despeckle",
        str(scene),
        str(output),
        "--values",
        "intensity",
        "--looks",
        "1",
    ]
    return [*words, "--steps", str(options.steps), "--tile", str(options.tile), "--progress", "none"]


def run(words: Sequence[str], environment: dict[str, str]) -> None:
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr}")


def kill_at(moment: Moment, words: Sequence[str], output: Path, environment: dict[str, str]) -> dict[str, Any] | None:
    """Start, kill, and say what was left; None if it was through before it could be killed."""
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not moment.reached(output):
        time.sleep(SMALLEST_WAIT)
    time.sleep(moment.delay)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL or output.exists():
        return None
    return {"blocks kept": finished_blocks(output), "COG begun": copying(output)}


def pixels_and_tags(path: Path) -> tuple[Any, dict[str, Any]]:
    import rasterio

    with rasterio.open(path) as dataset:
        said = {
            "profile": str(sorted(dataset.profile.items(), key=str)),
            "tags": dataset.tags(),
            "band tags": [dataset.tags(b) for b in dataset.indexes],
            "structure": dataset.tags(ns="IMAGE_STRUCTURE"),
            "descriptions": dataset.descriptions,
            "units": dataset.units,
            "overviews": [dataset.overviews(b) for b in dataset.indexes],
        }
        return dataset.read(), said


def compare(one: Path, other: Path) -> dict[str, Any]:
    """Whether two files agree in every byte, every pixel, everything said."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, other)]
    (a, said_a), (b, said_b) = pixels_and_tags(one), pixels_and_tags(other)
    return {
        "same bytes": digests[0] == digests[1],
        "same pixels": a.shape == b.shape and a.tobytes() == b.tobytes(),
        "same tags": said_a == said_b,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.add_argument("--size", type=int, default=768, help="side of the scene")
    parser.add_argument("--tile", type=int, default=192)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--tries", type=int, default=4, help="how often a moment that was missed is tried again")
    parser.add_argument("--scratch", type=Path, help="folder for the files")
    options = parser.parse_args(arguments)
    if options.quick:
        options.size, options.tile = 256, 128
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        scene, uninterrupted = folder / "scene.tif", folder / "uninterrupted" / "clean.tif"
        uninterrupted.parent.mkdir()
        make_scene(scene, options.size)
        start = time.perf_counter()
        run(command(scene, uninterrupted, options), environment)
        print(f"uninterrupted: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
        blocks = (-(-options.size // options.tile)) ** 2
        for moment in moments(blocks, options.quick):
            output = folder / "killed" / "clean.tif"
            for _ in range(options.tries):
                shutil.rmtree(output.parent, ignore_errors=True)
                output.parent.mkdir()
                left = kill_at(moment, command(scene, output, options), output, environment)
                if left is not None:
                    break
            if left is None:
                rows.append({"killed": moment.name, "caught": False})
                continue
            start = time.perf_counter()
            run(command(scene, output, options), environment)
            seconds = time.perf_counter() - start
            leftovers = sorted(path.name for path in output.parent.iterdir() if path != output)
            rows.append(
                {
                    "killed": moment.name, **left, "caught": True, **compare(uninterrupted, output),
                    "resumed s": seconds, "left behind": ", ".join(leftovers) or "nothing",
                }
            )  # fmt: skip
            print(rows[-1], file=sys.stderr, flush=True)
    record.table(sorted(rows, key=lambda row: -len(row)))
    record.emit("kill", options, rows, began=began)


if __name__ == "__main__":
    main()
