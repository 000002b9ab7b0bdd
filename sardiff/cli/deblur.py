"""`sardiff deblur`: a blurred scene in, a sharp one out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sardiff.cli import options
from sardiff.cli.progress import Kind
from sardiff.cli.run import page_wanted, run_scene, write_page

if TYPE_CHECKING:
    from sardiff.tasks.scene import Progress

__all__ = ["METHODS", "deblur"]

# As METHODS of `sardiff.tasks.deblur` (a test compares them): importing that takes seconds, which --help should not.
METHODS = ("auto", "dpir", "diffpir")

SPREAD = "the spread of the samples, in the units of OUTPUT."


def noise(ctx: click.Context, param: click.Parameter, value: str) -> float | Literal["auto"]:
    """Turn the text of --noise into "auto" or a number > 0."""
    if value == "auto":
        return "auto"
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise click.BadParameter(f"{value!r} is neither 'auto' nor a number > 0, in the image's units", ctx, param)
    return number


@click.command(epilog="Example: sardiff deblur scene.tif sharp.tif --blur gaussian:1.5")
@click.argument("input", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--blur", required=True, metavar="gaussian:SIGMA|box:N|motion:LENGTH,ANGLE|FILE",
    help="What blurred the image, in pixels and degrees counter-clockwise; or a kernel, as .txt, .csv or .tif.",
)  # fmt: skip
@click.option(
    "--noise", callback=noise, default="auto", show_default=True, metavar="auto|SIGMA",
    help="Standard deviation of the noise, in the image's units (dB for backscatter); auto estimates it.",
)  # fmt: skip
@options.physical
@click.option(
    "--method", type=click.Choice(METHODS), default="auto", show_default=True,
    help="auto: dpir, one estimate; diffpir, which draws samples, for several of them or an uncertainty.",
)  # fmt: skip
@options.sampling
@options.reporting
@options.storing
@options.computing
@options.progress
def deblur(
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
    """Take a known blur out of INPUT and write OUTPUT, a cloud-optimised GeoTIFF on the same grid.

    INPUT is an optical image of any bands, or backscatter without speckle, of which the decibels are treated. What was
    not measured comes back as it came. The same command after an interruption goes on where it stopped.
    """
    spread: bool | Path = uncertainty_file or uncertainty

    def task(workers: int, report: Callable[[Progress], None], say: Callable[[str], None]) -> dict[Path, str]:
        from sardiff.tasks.deblur_scene import deblur_file
        from sardiff.tasks.scene import beside

        page = page_wanted(output, with_report, report_file, overwrite=settings["overwrite"])
        deblur_file(
            input,
            output,
            uncertainty=spread,
            workers=workers,
            device=device,
            report=report,
            say=say,
            **settings,
        )
        further = {beside(output, "std", spread): SPREAD} if spread else {}
        return further | write_page(
            input,
            output,
            page,
            spread=beside(output, "std", spread) if spread else None,
            overwrite=settings["overwrite"],
            blur=settings["blur"],
            report=report,
            say=say,
        )

    facts = {"input": str(input), "output": str(output), "seed": settings["seed"], "blur": settings["blur"]}
    run_scene("deblur", output, progress=progress, device=device, workers=workers, facts=facts, task=task)
