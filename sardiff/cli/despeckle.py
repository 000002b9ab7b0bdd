"""`sardiff despeckle`: a scene in, the same scene without speckle out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options
from sardiff.cli.endings import closing, default_workers, how_to_go_on
from sardiff.cli.progress import Kind, reporter
from sardiff.cli.signals import Stopped

if TYPE_CHECKING:
    from sardiff.tasks.scene import Progress

__all__ = ["despeckle"]

SPREAD = (
    "the standard deviation in dB. Lay it over the result in QGIS, singleband pseudocolour from 0 to 3: high where the "
    "result is in doubt."
)


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
            stop.advice = how_to_go_on(output, last)
            raise
        written = [output] if spread is False else [output, uncertainty_path(output, spread)]
        seconds = time.monotonic() - began
        told.done(
            closing(written, seconds, last, () if spread is False else (SPREAD,)),
            outputs=[str(path) for path in written],
            bytes=sum(path.stat().st_size for path in written),
            seconds=round(seconds, 3),
        )
