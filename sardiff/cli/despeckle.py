"""`sardiff despeckle`: a scene in, the same scene without speckle out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options
from sardiff.cli.progress import Kind
from sardiff.cli.run import page_wanted, run_scene, write_page

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
@options.reporting
@options.writing
@options.computing
@options.progress
def despeckle(
    input: Path,
    output: Path,
    uncertainty: bool,
    uncertainty_file: Path | None,
    with_report: bool,
    report_file: Path | None,
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
    spread: bool | Path = uncertainty_file or uncertainty

    def task(workers: int, report: Callable[[Progress], None], say: Callable[[str], None]) -> dict[Path, str]:
        from sardiff.tasks.despeckle_scene import despeckle_file, uncertainty_path

        page = page_wanted(output, with_report, report_file, overwrite=settings["overwrite"])
        despeckle_file(
            input,
            output,
            uncertainty=spread,
            workers=workers,
            device=device,
            report=report,
            say=say,
            **settings,
        )
        doubt = {uncertainty_path(output, spread): SPREAD} if spread else {}
        kept = ("values", "bands", "polarisation", "swath", "looks", "overwrite")
        reading = {name: settings[name] for name in kept}
        return doubt | write_page(
            input, output, page, spread=next(iter(doubt), None), report=report, say=say, **reading
        )

    facts = {"input": str(input), "output": str(output), "seed": settings["seed"]}
    run_scene("despeckle", output, progress=progress, device=device, workers=workers, facts=facts, task=task)
