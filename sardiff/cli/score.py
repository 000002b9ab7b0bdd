"""`sardiff score`: what despeckling did to a scene, in numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options

if TYPE_CHECKING:
    from geo_io import Source
    from sardiff.metrics.compare import Comparison

__all__ = ["score"]

LARGEST = 2048  # pixels: side of the part that is scored, where a scene is larger


@click.command(epilog="Example: sardiff score scene.tif clean.tif --truth scene_truth.tif")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--truth", type=click.Path(path_type=Path), help="The scene without noise, where it is known.")
@options.looks_option
@click.option("--band", type=click.IntRange(min=1), default=1, show_default=True, help="Which band, counted from 1.")
@click.option(
    "--values",
    type=click.Choice(("auto", "intensity", "amplitude", "db")),
    default="auto",
    show_default=True,
    help="What the pixels of BEFORE mean, and of the others where they do not say it themselves.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def score(
    before: Path, after: Path, truth: Path | None, looks: float | str, band: int, values: str, as_json: bool
) -> None:
    """Compare the scene BEFORE with the despeckled AFTER.

    Without a truth: looks of even areas, and the ratio of before to after, which ideally is pure speckle. With
    one, errors too. Of a large scene the middle is scored.
    """
    from geo_io import ReadError, check_proj, require_same
    from sardiff.metrics.compare import compare
    from sardiff.tasks.inputs import open_source

    check_proj()
    first = open_source(before, values=values, bands=(band,))
    others = [_result(path, values, band) for path in (after, truth) if path is not None]
    for other in others:
        require_same(first.name, first.grid, other.name, other.grid)
    rows, cols = _part(first)
    images = [source[slice(0, 1), rows, cols][0] for source in (first, *others)]
    if not _both_measured(images):
        raise ReadError(f"{before} and {after} share no measured pixel in rows {_span(rows)}, columns {_span(cols)}")
    table = compare(images[0], images[1], images[2] if truth else None, None if looks == "auto" else float(looks))
    whole = (rows.stop - rows.start, cols.stop - cols.start) == first.grid.shape
    part = "the whole scene" if whole else f"rows {_span(rows)}, columns {_span(cols)} of {_shape(first)}"
    if as_json:
        facts = {"before": str(before), "after": str(after), "truth": str(truth) if truth else None, "band": band}
        window = [rows.start, rows.stop, cols.start, cols.stop]
        click.echo(
            json.dumps({**facts, "window": window, "rows": {n: _plain(row) for n, row in table.items()}}, indent=1)
        )
        return
    click.echo(f"{before} and {after}, band {band}, {part}")
    for line in _table(table):
        click.echo(line)


def _result(path: Path, values: str, band: int) -> Source:
    """Open what we may have written ourselves: its tags then say what its pixels mean."""
    from sardiff.tasks.inputs import open_source

    kind = values
    if path.is_file():
        tag = open_source(path, values="intensity", bands=(band,)).metadata.tags.get("SARDIFF_INPUT")
        try:
            said = json.loads(tag) if tag else {}
            kind = str(said.get("units") or said.get("values") or values)
        except (ValueError, AttributeError):
            kind = values
    known = {"complex": "intensity"}.get(kind, kind)
    return open_source(path, values=known if known in ("intensity", "amplitude", "db") else values, bands=(band,))


def _part(source: Source) -> tuple[slice, slice]:
    """The middle of a scene, or all of it."""
    return tuple(  # type: ignore[return-value]
        slice((length - side) // 2, (length - side) // 2 + side)
        for length in source.grid.shape
        for side in (min(length, LARGEST),)
    )


def _both_measured(images: list[Any]) -> bool:
    import numpy as np

    return bool(np.logical_and.reduce([np.isfinite(image) for image in images]).any())


def _table(rows: dict[str, Comparison]) -> list[str]:
    width = max(len(name) for name in rows) + 4
    lines = [f"{'':{width}}{'before':>10}{'after':>10}{'ideal':>10}"]
    for name, row in rows.items():
        label = f"{name.replace('_', ' ')}{f', {row.unit}' if row.unit else ''}"
        numbers = "".join(f"{_number(value):>10}" for value in (row.before, row.after, row.ideal))
        lines.append(f"{label:{width}}{numbers}  {row.meaning}")
    return lines


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "more" if value > 0 else "less"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def _plain(row: Comparison) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in vars(row).items()}


def _span(part: slice) -> str:
    return f"{part.start} to {part.stop}"


def _shape(source: Source) -> str:
    return f"{source.grid.shape[0]} x {source.grid.shape[1]}"
