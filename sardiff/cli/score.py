"""`sardiff score`: what despeckling did to a scene, or how good a fusion is, in numbers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geo_io import Source
    from sardiff.metrics.compare import Comparison

__all__ = ["score"]

LARGEST = 2048  # pixels: side of the part that is scored, where a scene is larger
FUSION_TILE = 1024  # pixels: side of what is in memory at once, of the three images of a fusion
QUANTILES = (0.01, 0.99)  # of an image, that become black and white

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
@click.option("--truth", type=click.Path(path_type=Path), help="The scene without noise, where it is known.")
@options.looks_option
@click.option("--band", type=click.IntRange(min=1), default=1, show_default=True, help="Which band, counted from 1.")
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
    band: int,
    values: str,
    fusion: tuple[Path, Path, Path] | None,
    as_json: bool,
) -> None:
    """Compare the scene BEFORE with the despeckled AFTER.

    Without a truth: looks of even areas, and the ratio of before to after, which ideally is pure speckle. With
    one, errors too. Of a large scene the middle is scored.

    With --fusion instead, judge a fused image by all of the scene, as 8-bit grey: of each file the mean of its
    measured bands, from its 1 % quantile (0) to its 99 % quantile (255); B in dB where it is backscatter.
    """
    if fusion is not None:
        given = {"before": "BEFORE", "after": "AFTER", "truth": "--truth", "looks": "--looks", "band": "--band"}
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
    _score(before, after, truth, looks, band, values, as_json)


def _score(
    before: Path, after: Path, truth: Path | None, looks: float | str, band: int, values: str, as_json: bool
) -> None:
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


@dataclass(frozen=True)
class _Picture:
    """A file as 8-bit grey: the mean of its measured bands, in dB or as it is, from `low` to `high`."""

    source: Source
    in_db: bool
    low: float
    high: float

    @classmethod
    def of(cls, source: Source) -> _Picture:
        """Find the range of a file, from a sample of it."""
        import numpy as np

        from geo_io import ReadError, sample

        in_db = source.values != "physical"
        greys = [_mean(window.intensity, in_db).ravel() for window in sample(source)]
        measured = np.concatenate([grey[np.isfinite(grey)] for grey in greys]) if greys else np.empty(0)
        if not measured.size:
            raise ReadError(f"{source.name} holds no measured pixel: choose another file")
        low, high = (float(q) for q in np.quantile(measured, QUANTILES))
        if not low < high:
            raise ReadError(
                f"{source.name} is {low:.6g} from its 1 % to its 99 % quantile, which is no picture to compare: "
                f"check that it is the right file"
            )
        return cls(source, in_db, low, high)

    def __getitem__(self, window: tuple[slice, slice]) -> NDArray[Any]:
        from sardiff.metrics import to_grey8

        rows, cols = window
        pixels = self.source[slice(0, self.source.shape[0]), rows, cols]
        return to_grey8(_mean(pixels, self.in_db), self.low, self.high)

    @property
    def facts(self) -> dict[str, Any]:
        """What a program should know."""
        kind = f"dB of {self.source.values}" if self.in_db else "physical"
        return {"file": self.source.name, "values": kind, "bands": self.source.shape[0], "range": [self.low, self.high]}

    def __str__(self) -> str:
        unit = " dB" if self.in_db else ""
        bands = f"the mean of {self.source.shape[0]} bands, " if self.source.shape[0] > 1 else ""
        return f"{self.source.name}, {bands}grey from {self.low:.4g} to {self.high:.4g}{unit}"


def _score_fusion(a: Path, b: Path, f: Path, *, values: str, as_json: bool) -> None:
    """Judge a fused image tile by tile: sums of the tiles add up to those of the scene."""
    from geo_io import ReadError, check_proj, open_raster, require_same
    from sardiff.metrics import FUSION_BETTER, FusionStatistics, scene_parts

    check_proj()
    sources = open_raster(a, values="physical"), _radar(b, values), open_raster(f, values="physical")
    for other in sources[1:]:
        require_same(sources[0].name, sources[0].grid, other.name, other.grid)
    first, second, fused = pictures = [_Picture.of(source) for source in sources]
    parts = scene_parts(sources[0].grid.shape, FUSION_TILE)
    total = reduce(
        add,
        (FusionStatistics.of(first[part.read], second[part.read], fused[part.read], part) for part in parts),
    )
    if not total.pixels:
        raise ReadError(f"{a}, {b} and {f} share no measured pixel: check that they show one place")
    metrics = total.metrics()
    if as_json:
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        facts = {letter: picture.facts for letter, picture in zip("abf", pictures, strict=True)}
        click.echo(json.dumps({**facts, "pixels": total.pixels, "metrics": finite}, indent=1))
        return
    for letter, picture in zip("ABF", pictures, strict=True):
        click.echo(f"{letter}  {picture}")
    click.echo(f"{_shape(sources[0])} pixels, {total.pixels} measured in all three")
    for name, value in metrics.items():
        click.echo(f"{name:8}{_number(value):>10}  {FUSION_BETTER[name]:6}  {FUSION_MEANINGS[name]}")


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


def _mean(pixels: NDArray[Any], in_db: bool) -> NDArray[Any]:
    """Mean of the measured bands of (bands, rows, cols), NaN where there is none."""
    import numpy as np

    from geo_io import from_intensity

    values = from_intensity(pixels, "db") if in_db else pixels
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0, dtype=np.float64)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
