"""`sardiff score`: what a task did to a scene, or how good a fusion is, in numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options

if TYPE_CHECKING:
    from geo_io import Raster, Source
    from sardiff.metrics.compare import Comparison
    from sardiff.tasks.score import Picture

__all__ = ["score"]

FUSION_MEANINGS = {
    "mi": "bits that A and F, and B and F, have in common",
    "nmi": "the same over their own bits, 2 at most",
    "ce": "bits lost in a code for F's greys, mean of A and B",
    "psnr": "against A and B, dB of 255",
    "psnr_a": "against A alone",
    "psnr_b": "against B alone",
    "ssim": "structural similarity, mean of A and B",
    "ssim_a": "with A",
    "ssim_b": "with B",
    "vif": "visual information of A and of B seen in F, sum",
    "vif_a": "of A",
    "vif_b": "of B",
    "viff": "visual information for fusion, of the richer source",
    "qabf": "edges of A and B kept, .975 at most",
    "scd": "correlations of F - B with A, and of F - A with B, sum",
    "en": "entropy of F, bits",
    "sd": "standard deviation of F, greys",
    "sf": "spatial frequency of F, greys",
    "ag": "average gradient of F, greys",
}


@click.command(
    epilog="Examples: sardiff score scene.tif clean.tif --truth scene_truth.tif; "
    "sardiff score --fusion optical.tif sar.tif fused.tif"
)
@click.argument("before", type=click.Path(path_type=Path), required=False, metavar="BEFORE")
@click.argument("after", type=click.Path(path_type=Path), required=False, metavar="AFTER")
@click.option("--truth", type=click.Path(path_type=Path), help="The scene as it should be, where it is known.")
@options.looks_option
@options.blur_known
@click.option("--band", type=click.IntRange(min=1), help="Which band of BEFORE, counted from 1; the first by default.")
@click.option("--polarisation", metavar="vv|vh|hh|hv", help="Image of a Sentinel-1 product.")
@click.option("--swath", metavar="iw1|...", help="Swath of a Sentinel-1 product, where it has several.")
@click.option(
    "--values",
    type=click.Choice(("auto", "intensity", "amplitude", "db"), case_sensitive=False),
    default="auto",
    show_default=True,
    help="What the pixels of BEFORE mean, and of the others where they do not say it themselves; with --fusion, of B.",
)
@click.option(
    "--fusion",
    nargs=3,
    type=click.Path(path_type=Path),
    metavar="A B F",
    help="Judge F instead, the fusion of A (optical) and B (SAR), on one grid.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def score(
    context: click.Context,
    before: Path | None,
    after: Path | None,
    truth: Path | None,
    looks: float | str,
    blur: str | None,
    band: int | None,
    values: str,
    polarisation: str | None,
    swath: str | None,
    fusion: tuple[Path, Path, Path] | None,
    as_json: bool,
) -> None:
    """Compare the scene BEFORE with AFTER, which was despeckled, filled or deblurred, as its tags say.

    Without a truth: looks of even areas, and the ratio of before to after, which ideally is pure speckle; of filled
    gaps texture and seams; of a blur taken out what it leaves unexplained. With one, errors too. Of a large scene the
    middle is scored.

    With --fusion instead, judge a fused image by all of the scene, as 8-bit grey: of each file the mean of its
    measured bands, from its 1 % quantile (0) to its 99 % quantile (255); B in dB where it is backscatter.
    """
    if fusion is not None:
        given = {"before": "BEFORE", "after": "AFTER"}
        given |= {name: f"--{name}" for name in ("truth", "looks", "blur", "band", "polarisation", "swath")}
        asked = [context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE for name in given]
        if any(asked):
            extra = ", ".join(word for word, is_given in zip(given.values(), asked, strict=True) if is_given)
            raise click.UsageError(
                f"--fusion A B F takes three files and judges all of them: leave out {extra}", context
            )
        _score_fusion(*fusion, values=values, as_json=as_json)
        return
    if before is None or after is None:
        missing = next(p for p in context.command.params if p.name == ("before" if before is None else "after"))
        raise click.MissingParameter(ctx=context, param=missing)
    _score(before, after, truth, looks, band, as_json, values=values, blur=blur, polarisation=polarisation, swath=swath)


def _score(
    before: Path, after: Path, truth: Path | None, looks: float | str, band: int | None, as_json: bool, **reading: Any
) -> None:
    from geo_io import check_proj
    from sardiff.tasks.result import open_compared
    from sardiff.tasks.score import score_band

    check_proj()
    chosen = None if band is None else (band,)
    compared = open_compared(before, after, truth=truth, bands=chosen, most=1, **reading)
    (band,) = compared.bands
    found = score_band(compared, looks="auto" if looks == "auto" else float(looks))
    rows, cols = found.window
    if as_json:
        facts = {"task": compared.task, "before": str(before), "after": str(after), "band": band}
        facts["truth"] = str(truth) if truth else None
        window = [rows.start, rows.stop, cols.start, cols.stop]
        click.echo(
            json.dumps({**facts, "window": window, "rows": {n: _plain(row) for n, row in found.rows.items()}}, indent=1)
        )
        return
    place = f"rows {rows.start} to {rows.stop}, columns {cols.start} to {cols.stop} of {_shape(compared.source)}"
    click.echo(f"{before} and {after}, band {band}, {'the whole scene' if found.whole else place}")
    for line in _table(found.rows):
        click.echo(line)


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


def _shape(source: Raster) -> str:
    return f"{source.grid.shape[0]} x {source.grid.shape[1]}"


def _score_fusion(a: Path, b: Path, f: Path, *, values: str, as_json: bool) -> None:
    from geo_io import check_proj, open_raster
    from sardiff.metrics import FUSION_BETTER
    from sardiff.tasks.score import score_fusion

    check_proj()
    optical, sar, fused = open_raster(a, values="physical"), _radar(b, values), open_raster(f, values="physical")
    found = score_fusion(optical, sar, fused, in_db=sar.values != "physical")
    kinds = ("physical", "physical" if sar.values == "physical" else f"dB of {sar.values}", "physical")
    if as_json:
        finite = {name: value if math.isfinite(value) else None for name, value in found.metrics.items()}
        facts = {x: _facts(*pair) for x, pair in zip("abf", zip(found.pictures, kinds, strict=True), strict=True)}
        click.echo(json.dumps({**facts, "pixels": found.pixels, "metrics": finite}, indent=1))
        return
    for letter, picture in zip("ABF", found.pictures, strict=True):
        click.echo(f"{letter}  {_said(picture)}")
    click.echo(f"{_shape(optical)} pixels, {found.pixels} measured in all three")
    for name, value in found.metrics.items():
        click.echo(f"{name:8}{_number(value):>10}  {FUSION_BETTER[name]:6}  {FUSION_MEANINGS[name]}")


def _facts(picture: Picture, kind: str) -> dict[str, Any]:
    """What a program should know of a file that was compared."""
    source = picture.source
    return {"file": source.name, "values": kind, "bands": source.shape[0], "range": [picture.low, picture.high]}


def _said(picture: Picture) -> str:
    source, unit = picture.source, " dB" if picture.in_db else ""
    bands = f"the mean of {source.shape[0]} bands, " if source.shape[0] > 1 else ""
    return f"{source.name}, {bands}grey from {picture.low:.4g} to {picture.high:.4g}{unit}"


def _radar(path: Path, values: str) -> Source:
    """Open B, as backscatter if it is, else as it is stored."""
    from geo_io import ReadError, open_raster
    from sardiff.tasks.inputs import open_source

    try:
        return open_source(path, values=values)
    except ReadError as error:
        if values != "auto":
            raise
        source = open_raster(path, values="physical")
        click.echo(f"{error}. It is taken as stored, without decibels.", err=True)
        return source
