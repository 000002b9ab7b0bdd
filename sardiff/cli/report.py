"""`sardiff report`: one page on what was done to a scene."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from sardiff.cli import options
from sardiff.cli.progress import Kind, clock, reporter
from sardiff.cli.run import PAGE, size_of, told_of_page

__all__ = ["report"]


def window(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[tuple[int, int, int], ...]:
    """Turn the texts of --window into (row, col, size), each a whole number."""
    found = []
    for text in value:
        parts = [part.strip() for part in text.split(",")]
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise click.BadParameter(f"{text!r} is not row,column,size, such as 1200,800,512", ctx, param)
        row, col, size = (int(part) for part in parts)
        found.append((row, col, size))
    return tuple(found)


@click.command(
    epilog="Examples: sardiff report scene.tif clean.tif -o report.html; "
    "sardiff report s1.tif fused.tif --optical s2.tif"
)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="The page; AFTER.html by default."
)
@click.option("--optical", type=click.Path(path_type=Path), help="AFTER is the fusion of BEFORE with this image.")
@click.option("--truth", type=click.Path(path_type=Path), help="The scene as it should be, where it is known.")
@click.option(
    "--uncertainty-file",
    type=click.Path(path_type=Path),
    help="Standard deviations; by default what lies beside AFTER, AFTER_std_db.tif or AFTER_std.tif.",
)
@click.option(
    "--window",
    "windows",
    multiple=True,
    callback=window,
    metavar="ROW,COLUMN,SIZE",
    help="To show at full resolution; give it as often as you like. By default some are chosen.",
)
@options.looks_option
@options.blur_known
@options.reading
@click.option(
    "--optical-bands",
    callback=options.whole_numbers,
    metavar="3,2,1",
    help="Of the optical image; those fused by default.",
)
@options.overwrite
@options.progress
def report(
    before: Path,
    after: Path,
    output: Path | None,
    uncertainty_file: Path | None,
    progress: Kind,
    **settings: Any,
) -> None:
    """Write one HTML page on what AFTER is, made of BEFORE: to look at, to send, to keep.

    Before and after under a divider that moves, with zoom; ratio, uncertainty and local looks; histograms, profiles,
    the numbers of `sardiff score`, and how it was made. The page is one file and needs no network.

    AFTER is a scene that was despeckled, filled or deblurred, as its tags say, or with --optical a fusion. Whole scenes
    are shown small, some windows at full resolution.
    """
    began = time.monotonic()
    with reporter(progress) as told:
        from geo_io import check_proj
        from sardiff.report import report_path, write_report

        check_proj()
        page = report_path(after, output or True)
        told.start("report", "cpu", before=str(before), after=str(after), output=str(page))
        write_report(
            before,
            after,
            page,
            spread=uncertainty_file,
            say=told.note,
            progress=told_of_page(told.progress),
            **settings,
        )
        seconds = time.monotonic() - began
        told.done(
            f"{page}: {size_of(page)}, {clock(seconds)}. It is {PAGE}",
            outputs=[str(page)],
            bytes=page.stat().st_size,
            seconds=round(seconds, 3),
        )
