"""`sardiff inspect`: what a file is, before anything is done to it."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options
from sardiff.provenance import read_record, task_of

if TYPE_CHECKING:
    from geo_io import Grid, Source
    from sardiff.metrics import LooksEstimate

__all__ = ["inspect"]


@click.command(epilog="Example: sardiff inspect scene.tif")
@click.argument("input", type=click.Path(path_type=Path))
@options.reading
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, with everything that is known.")
def inspect(input: Path, as_json: bool, **reading: Any) -> None:
    """Say what INPUT is: values, georeferencing, how many looks, how speckle is correlated, filtered before or not.

    Pixels are read from a sample of about four million, spread over the scene.
    """
    from geo_io import UnclearValues, check_proj
    from sardiff.tasks.inputs import measure_looks, open_source

    check_proj()
    unclear = ""
    try:
        source = open_source(input, **reading)
    except UnclearValues as error:  # what else the file is can be said all the same
        unclear = str(error)
        source = open_source(input, **{**reading, "values": "intensity"})
    estimate = measure_looks(source)
    facts = describe(input, source, estimate, reading)
    if unclear:
        looks = dict.fromkeys(facts["looks"]) | {"reason": "not estimated: say what the values are first"}
        facts |= {"values": "unclear", "values_reason": unclear, "looks": looks, "speckle": "unknown"}
        facts |= {"correlation": {axis: [None] * len(lags) for axis, lags in facts["correlation"].items()}}
        facts |= {"correlation_area": None, "suggestion": _asking(input, reading)}
    if as_json:
        click.echo(json.dumps(facts, indent=1, allow_nan=False))
        return
    click.echo(str(input))
    lines = _lines(facts)
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        click.echo(f"  {name:<{width}}  {text}")


def describe(path: Path, source: Source, estimate: LooksEstimate, reading: dict[str, Any]) -> dict[str, Any]:
    """Return everything that is known, as JSON has it; numbers that are not finite are None."""
    bands, rows, cols = source.shape
    metadata, grid = source.metadata, source.grid
    return {
        "file": str(path),
        "bytes": _bytes(path),
        "bands": bands,
        "rows": rows,
        "cols": cols,
        "band_names": list(metadata.descriptions or (None,) * bands),
        "band_units": list(metadata.units or (None,) * bands),
        "dtype": metadata.stored_dtype,
        "values": source.values,
        "values_reason": source.values_reason,
        "georeferencing": {
            "kind": grid.kind,
            "crs": _crs_name(grid),
            "pixel": None if grid.step is None else list(grid.step),
            "unit": _unit(grid),
            "origin": None if grid.origin is None else list(grid.origin),
            "transform": None if grid.transform is None else list(grid.transform)[:6],
            "control_points": len(grid.gcps),
        },
        "nodata": None if metadata.nodata is None else _number(metadata.nodata, "NaN"),
        "unmeasured": unmeasured(source),
        "looks": {
            "estimate": _number(estimate.looks),
            "low": _number(estimate.low),
            "high": _number(estimate.high),
            "certainty": estimate.certainty,
            "windows": estimate.windows,
            "reason": estimate.reason,
            "nominal": getattr(source, "nominal_looks", None),
        },
        "correlation": {
            axis: [_number(lag) for lag in lags]
            for axis, lags in zip(("rows", "cols"), estimate.correlation, strict=True)
        },
        "correlation_area": estimate.area,
        "speckle": kind_of_speckle(estimate),
        "already_filtered": estimate.already_filtered,
        "made_by_sardiff": task_of(read_record(metadata.tags)) or None,
        "notes": list(getattr(source, "notes", ())),
        "suggestion": suggestion(path, source, estimate, reading),
    }


def unmeasured(source: Source) -> dict[str, float | int]:
    """Shares of a sample's pixels that are no measurement, by what is stored there; a pixel counts once."""
    import numpy as np

    from geo_io import sample

    counts = dict.fromkeys(("nodata", "nan", "zero", "negative"), 0)
    pixels = missing = 0
    scale, offset = (np.reshape(n or neutral, (-1, 1, 1)) for n, neutral in _scaling(source))
    for window in sample(source):
        stored = source.stored(window.rows, window.cols)
        left = ~np.isfinite(window.intensity)
        pixels += left.size
        missing += int(left.sum())
        physical = np.abs(stored) if np.iscomplexobj(stored) else stored * scale + offset
        nodata = source.metadata.nodata
        for name, here in (
            ("nodata", np.isnan(stored) if nodata is not None and math.isnan(nodata) else stored == nodata),
            ("nan", ~np.isfinite(stored)),
            ("zero", physical == 0),
            ("negative", physical < 0),
        ):
            counts[name] += int((left & here).sum())
            left &= ~here
    return {"share": missing / pixels, **{name: n / pixels for name, n in counts.items()}, "pixels": pixels}


def kind_of_speckle(estimate: LooksEstimate) -> str:
    """Return "independent", "correlated" or "unknown"."""
    if estimate.correlated is None:
        return "unknown"
    return "correlated" if estimate.correlated else "independent"


def suggestion(path: Path, source: Source, estimate: LooksEstimate, reading: dict[str, Any]) -> str:
    """Return the command line to go on with."""
    name = path.name.removesuffix(".SAFE") if path.suffix == ".SAFE" else path.stem
    words: list[str] = ["sardiff", "despeckle", str(path), f"{name}_despeckled.tif"]
    for option, value in reading.items():
        if value is not None and value != "auto":
            words += [f"--{option}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    if source.values != "complex":
        known = math.isfinite(estimate.looks)
        words += ["--looks", f"{estimate.looks:.3g}" if known else "NUMBER"]
    return shlex.join(words)


def _asking(path: Path, reading: dict[str, Any]) -> str:
    """Return the command line to go on with where the values are not clear: power is the more common."""
    words = ["sardiff", "inspect", str(path), "--values", "intensity"]
    if reading.get("bands"):
        words += ["--bands", ",".join(map(str, reading["bands"]))]
    return shlex.join(words)


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    size = f"{facts['rows']} rows x {facts['cols']} cols, {_count(facts['bands'], 'band')}, {facts['dtype']}"
    bands = ", ".join(
        f"{i} {name or 'unnamed'}{f' ({unit})' if unit and unit != '1' else ''}"
        for i, (name, unit) in enumerate(zip(facts["band_names"], facts["band_units"], strict=True), start=1)
    )
    missing = facts["unmeasured"]
    parts = ", ".join(f"{name} {missing[name]:.2%}" for name in ("nodata", "nan", "zero", "negative") if missing[name])
    looks = facts["looks"]
    said = looks["reason"]
    if looks["estimate"] is not None:
        said = f"{said.rstrip('.')}; certainty {looks['certainty']}"
    if looks["nominal"]:
        said += f", nominally {looks['nominal']:g}"
    lines = [
        ("size", size),
        ("bands", bands),
        ("values", f"{facts['values']}: {facts['values_reason']}"),
        ("georeferencing", _where(facts["georeferencing"])),
        ("nodata", "not named" if facts["nodata"] is None else f"{facts['nodata']}"),
        (
            "not measured",
            f"{missing['share']:.2%} of {missing['pixels']} sampled pixels{f' ({parts})' if parts else ''}",
        ),
        ("looks", said),
        ("speckle", _SPECKLE[facts["speckle"]].format(facts["correlation_area"])),
    ]
    for axis in ("rows", "cols"):
        if None not in facts["correlation"][axis]:
            lags = "  ".join(f"{lag:5.2f}" for lag in facts["correlation"][axis])
            lines.append(("", f"autocorrelation at lag 1, 2, 3 along {axis}: {lags}"))
    lines.append(
        ("filtered", "already, it seems: there is little left to take away" if facts["already_filtered"] else "no")
    )
    if facts["made_by_sardiff"]:
        lines[-1] = ("filtered", f"already: sardiff wrote it ({facts['made_by_sardiff']})")
    lines += [("note", note) for note in facts["notes"]]
    suggested, done = facts["suggestion"], facts["already_filtered"] or facts["made_by_sardiff"]
    return [*lines, ("next", f"nothing; if it must be, {suggested}" if done else suggested)]


_SPECKLE = {
    "independent": "independent from pixel to pixel",
    "correlated": "correlated: {:.2g} neighbouring pixels vary as one",
    "unknown": "too few even areas to tell whether it is correlated",
}


def _where(place: dict[str, Any]) -> str:
    if place["kind"] == "none":
        return "none: neither will the result have any"
    said = [
        {"affine": "affine", "gcps": f"{place['control_points']} ground control points", "rpcs": "RPCs"}[place["kind"]]
    ]
    if place["kind"] != "rpcs":
        said.append(place["crs"] or "no CRS")
    if place["pixel"]:
        down, along = place["pixel"]
        said.append(f"pixels of {along:.6g} x {down:.6g} {place['unit'] or ''}".rstrip())
    return ", ".join(said)


def _crs_name(grid: Grid) -> str | None:
    crs = grid.gcp_crs if grid.kind == "gcps" else grid.crs
    if crs is None:
        return None
    name = crs.to_string()
    # A CRS without a code is said by its name rather than by a page of WKT.
    return name.split('"')[1] if name.startswith(("PROJCS", "GEOGCS", "PROJCRS", "GEOGCRS", "LOCAL_CS")) else name


def _unit(grid: Grid) -> str | None:
    if grid.crs is None or grid.step is None:
        return None
    if grid.crs.is_geographic:
        return "degrees"
    unit = str(grid.crs.linear_units or "")
    return {"metre": "m", "meter": "m", "unknown": None}.get(unit, unit or None)


def _scaling(source: Source) -> Sequence[tuple[tuple[float, ...], float]]:
    return (source.metadata.scales, 1.0), (source.metadata.offsets, 0.0)


def _number(value: float, otherwise: str | None = None) -> float | str | None:
    return float(value) if math.isfinite(value) else otherwise


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
