"""`sardiff fill`: a scene with gaps in, the same scene without them out."""

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

__all__ = ["METHODS", "fill"]

# As METHODS of `sardiff.tasks.fill` (a test compares them): importing that takes seconds, which --help should not.
METHODS = ("auto", "diffpir", "ddnm", "harmonic", "biharmonic")

ABOUT = {
    "std": "the spread of the plausible fillings, in the units of OUTPUT: 0 where measured.",
    "filled": "0: measured, 1: filled, 2: a gap still.",
}


@click.command(epilog="Example: sardiff fill scene.tif whole.tif --mask clouds.tif --uncertainty")
@click.argument("input", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--mask", type=click.Path(path_type=Path), help="Raster on any grid; not zero: a gap.")
@click.option(
    "--gap-classes", callback=options.whole_numbers, metavar="3,8,9,10",
    help="Values of the mask that mean a gap, such as these of Sentinel-2's SCL.",
)  # fmt: skip
@click.option(
    "--max-gap", type=click.IntRange(1, 256), default=64, show_default=True, metavar="PIXELS",
    help="Widest gap to fill; wider ones, and what lies around the scene, stay as they are.",
)  # fmt: skip
@options.physical
@click.option(
    "--method", type=click.Choice(METHODS), default="auto", show_default=True,
    help="auto: diffpir, one estimate; ddnm, which draws samples, for these or an uncertainty. Others: no prior.",
)  # fmt: skip
@options.sampling
@click.option("--filled", is_flag=True, help="Also write which pixels were filled, OUT_filled.tif.")
@click.option("--filled-file", type=click.Path(path_type=Path, dir_okay=False), help="The same, to this file.")
@options.reporting
@options.storing
@options.computing
@options.progress
def fill(
    input: Path,
    output: Path,
    mask: Path | None,
    gap_classes: tuple[int, ...] | None,
    uncertainty: bool,
    uncertainty_file: Path | None,
    filled: bool,
    filled_file: Path | None,
    with_report: bool,
    report_file: Path | None,
    workers: int | None,
    device: str,
    progress: Kind,
    **settings: Any,
) -> None:
    """Fill the gaps of INPUT and write OUTPUT, a cloud-optimised GeoTIFF on the same grid.

    INPUT is an optical image of any bands (or any other raster), or backscatter without speckle. Gaps are pixels that
    are nodata, and those that the mask names. What was measured comes back as it was. The same command after an
    interruption goes on where it stopped.
    """
    spread: bool | Path = uncertainty_file or uncertainty
    where: bool | Path = filled_file or filled

    def task(workers: int, report: Callable[[Progress], None], say: Callable[[str], None]) -> dict[Path, str]:
        from sardiff.tasks.fill_scene import fill_file
        from sardiff.tasks.scene import beside

        page = page_wanted(output, with_report, report_file, overwrite=settings["overwrite"])
        fill_file(
            input,
            output,
            mask=mask,
            gap_classes=gap_classes or (),
            uncertainty=spread,
            filled=where,
            workers=workers,
            device=device,
            report=report,
            say=say,
            **settings,
        )
        both = (("std", spread), ("filled", where))
        further = {beside(output, what, file): ABOUT[what] for what, file in both if file}
        return further | write_page(
            input,
            output,
            page,
            spread=beside(output, "std", spread) if spread else None,
            filled=beside(output, "filled", where) if where else None,
            overwrite=settings["overwrite"],
            report=report,
            say=say,
        )

    facts = {"input": str(input), "output": str(output), "seed": settings["seed"]}
    run_scene("fill", output, progress=progress, device=device, workers=workers, facts=facts, task=task)
