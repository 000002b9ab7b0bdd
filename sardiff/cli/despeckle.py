"""`sardiff despeckle`: a scene in, the same scene without speckle out."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options
from sardiff.cli.progress import Kind, clock, reporter
from sardiff.cli.signals import Stopped

if TYPE_CHECKING:
    import torch

    from sardiff.tasks.scene import Progress

__all__ = ["despeckle"]


@click.command(epilog="Example: sardiff despeckle scene.tif clean.tif --uncertainty")
@click.argument("input", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@options.reading
@options.solving
@options.writing
@options.computing
@options.progress
def despeckle(
    input: Path,
    output: Path,
    uncertainty: bool,
    uncertainty_file: Path | None,
    workers: int | None,
    device: str,
    progress: Kind,
    **settings: Any,
) -> None:
    """Take the speckle out of INPUT and write OUTPUT, a cloud-optimised GeoTIFF on the same grid.

    INPUT is a GeoTIFF, COG or VRT of backscatter (linear intensity, amplitude, dB or single-look complex), or a
    Sentinel-1 SAFE folder or zip. What was not measured comes back as it came. The same command after an
    interruption goes on where it stopped.
    """
    began, last = time.monotonic(), None
    spread: bool | Path = uncertainty_file or uncertainty
    with reporter(progress) as told:
        try:
            # Imported here: torch takes seconds, which a signal may interrupt and --help does not need.
            from geo_io import check_proj
            from sardiff.device import choose_device, describe_device
            from sardiff.tasks.despeckle_scene import despeckle_file, uncertainty_path

            check_proj()
            where = choose_device(device)
            workers = workers or default_workers(where)
            told.start(
                "despeckle",
                describe_device(where),
                input=str(input),
                output=str(output),
                workers=workers,
                seed=settings["seed"],
            )

            def report(now: Progress) -> None:
                nonlocal last
                last = now
                told.progress(now)

            despeckle_file(
                input,
                output,
                uncertainty=spread,
                workers=workers,
                device=device,
                report=report,
                say=told.note,
                **settings,
            )
        except Stopped as stop:
            stop.advice = _how_to_go_on(output, last)
            raise
        written = [output] if spread is False else [output, uncertainty_path(output, spread)]
        seconds = time.monotonic() - began
        told.done(
            _closing(written, seconds, last),
            outputs=[str(path) for path in written],
            bytes=sum(path.stat().st_size for path in written),
            seconds=round(seconds, 3),
        )


def default_workers(device: torch.device) -> int:
    """One where a GPU computes; on a CPU two, each with half of the cores: one reads and blends while one computes."""
    return 2 if device.type == "cpu" and (os.cpu_count() or 1) >= 2 else 1


def _how_to_go_on(output: Path, last: Progress | None) -> str:
    begin_again = "Nothing was written yet; run the same command to begin again."
    if last is None:  # perhaps in the middle of an import: import nothing more
        return begin_again
    from geo_io.partial import hidden_names

    partial = hidden_names(output)[0]
    if not partial.exists():
        return begin_again
    kept = "All tiles are" if last.done == last.total else f"{last.done} of {last.total} tiles are"
    return f"{kept} kept in {partial}; run the same command to go on from there."


def _closing(written: list[Path], seconds: float, last: Progress | None) -> str:
    rate = f", {last.megapixels / seconds:.3g} Mpx/s" if last is not None and last.megapixels else ""
    said = f"{written[0]}: {_size(written[0])}, {clock(seconds)}{rate}."
    if len(written) > 1:
        said += (
            f"\n{written[1]}: {_size(written[1])}, the standard deviation in dB. Lay it over the result in QGIS, "
            "singleband pseudocolour from 0 to 3: high where the result is in doubt."
        )
    return said


def _size(path: Path) -> str:
    size = float(path.stat().st_size)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
