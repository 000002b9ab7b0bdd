"""`sardiff demo`: the main job from beginning to end, on a scene whose truth is known."""

from __future__ import annotations

import shlex
import time
from importlib.util import find_spec
from pathlib import Path

import click

from sardiff.cli.progress import clock

__all__ = ["demo"]


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder to fill.")
@click.option("--size", type=click.IntRange(64, 4096), default=1024, show_default=True, help="Rows, and columns.")
@click.pass_context
def demo(ctx: click.Context, out: Path, size: int) -> None:
    """Simulate a scene, despeckle it, score it, report on it, and draw before | after | truth | uncertainty.

    Shows the command line of each step. Takes about a minute on two cores; earlier results are replaced.
    """
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    scene, truth, clean, spread, page, picture = (
        out / name
        for name in ("scene.tif", "scene_truth.tif", "clean.tif", "clean_std_db.tif", "report.html", "demo.png")
    )
    _run(ctx, "simulate", scene, "--size", size, "--overwrite")
    _run(ctx, "despeckle", scene, clean, "--looks", 1, "--uncertainty", "--overwrite")
    _run(ctx, "score", scene, clean, "--truth", truth, "--looks", 1)

    _run(ctx, "report", scene, clean, "--truth", truth, "--looks", 1, "--output", page, "--overwrite")

    if find_spec("matplotlib") is None:
        said = f"{page}: open it in a browser. (A picture of it all needs matplotlib: pip install '.[plot]'.)"
    else:
        from sardiff import plot

        plot.before_after(scene, clean, truth=truth, spread=spread).savefig(picture, dpi=110)
        said = f"{picture}: before | after | truth | uncertainty; {page} to open in a browser."
    click.echo(f"\n{said} All of it took {clock(time.monotonic() - began)}.")


def _run(ctx: click.Context, name: str, *words: object) -> None:
    """Run one command of this program in this process, as if it had been typed."""
    args = [str(word) for word in words]
    click.secho(f"\n$ sardiff {name} {shlex.join(args)}", bold=True)
    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    command = group.get_command(ctx, name)
    assert command is not None
    with command.make_context(name, args, parent=ctx.parent) as context:
        command.invoke(context)
