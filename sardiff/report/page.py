"""One HTML page that needs nothing else: pictures, charts, numbers and how it was made; all text escaped."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from sardiff.plot.viewer import SCRIPT, STYLE, View, escaped, viewer_html
from sardiff.provenance import versions
from sardiff.report.layers import Layers
from sardiff.report.numbers import Number, Table, said
from sardiff.report.places import Place
from sardiff.report.profiles import histogram_charts, interval, profile
from sardiff.report.scenes import Scenes
from sardiff.report.survey import Survey

__all__ = ["page_html"]

HERE = files("sardiff.report")
MOST_TAGS, MOST_CHARACTERS = 80, 600  # of what a file says of itself
ROLES = {
    "before": "Before", "after": "After", "truth": "Truth", "spread": "Uncertainty", "sar": "SAR", "optical": "Optical",
    "fused": "Fused", "mask": "Mask", "filled": "Filled pixels",
}  # fmt: skip
WORDS = {"despeckled": "Despeckled", "filled": "Filled", "deblurred": "Deblurred", "fused": "Fused"}


def page_html(
    scenes: Scenes,
    survey: Survey,
    layers: Layers,
    views: Sequence[View],
    profiles: Sequence[tuple[Place, int]],
    tables: Sequence[Table],
) -> str:
    """Put a report together.

    Parameters
    ----------
    views : sequence of View
        The whole scene first, then windows.
    profiles : sequence of (Place, int)
        Windows, and the row of each along which values are drawn.
    tables : sequence of Table
        Of each band, or of the fusion.
    """
    style = STYLE + HERE.joinpath("page.css").read_text(encoding="utf-8")
    script = SCRIPT + HERE.joinpath("page.js").read_text(encoding="utf-8")
    result, word = scenes.names[scenes.shown[1]], WORDS[scenes.kind]
    sources = ("sar", "optical") if scenes.kind == "fused" else ("before",)
    made_from = " and ".join(scenes.names[role] for role in sources)
    version = versions()["sardiff"]
    profile_charts = "".join(_card(place.title, profile(scenes, place, row)) for place, row in profiles)
    return Template(HERE.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(style, script),
        generator=escaped(f"sardiff {version}"),
        title=escaped(f"{result}: {word.lower()} by sardiff"),
        style=style,
        script=script,
        heading=escaped(result),
        subtitle=escaped(f"{word} from {made_from}"),
        facts=escaped(_facts(scenes, survey)),
        notes=_notes(scenes.notes),
        tiles="".join(_tile(*tile) for tile in _tiles(scenes, survey, tables)),
        viewer=viewer_html(views, layers.kinds, layers.pair, scenes.grid),
        part=escaped(tables[0].part),
        numbers="".join(_numbers(table, several=len(tables) > 1, fused=scenes.kind == "fused") for table in tables),
        counted=_counted(scenes),
        histograms="".join(_card(title, chart) for title, chart in histogram_charts(scenes, survey)),
        profiles=_profiles(scenes, profile_charts),
        provenance_lead=escaped(_provenance_lead(scenes, result)),
        provenance=_provenance(scenes),
        footer=escaped(
            f"Made by sardiff {version}. This page is one file: it fetches nothing and sends nothing. Pictures of the "
            f"whole scene show means{' of intensity' if scenes.in_db else ''}; windows show every pixel."
        ),
    )


def _policy(style: str, script: str) -> str:
    """Nothing is fetched, and only our own style and script run, whatever a file's tags may say."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; img-src data:; style-src {digest(style)}; script-src {digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _facts(scenes: Scenes, survey: Survey) -> str:
    grid = scenes.grid
    words = [f"{grid.shape[0]:,} \u00d7 {grid.shape[1]:,} pixels"]
    if grid.step is not None:
        unit = _unit_of(grid.crs)
        down, across = (f"{length:.6g}" for length in grid.step)
        words.append(f"{across} \u00d7 {down}{unit} each" if down != across else f"{across}{unit} each")
    words.append(
        {
            "affine": _crs_name(grid.crs),
            "gcps": f"placed by {len(grid.gcps)} ground control points",
            "rpcs": "placed by RPCs",
            "none": "no georeferencing",
        }[grid.kind]
    )
    if len(scenes.bands) > 1:
        words.append("bands " + ", ".join(scenes.bands))
    known = "measured" if scenes.kind != "filled" else "measured or filled"
    words.append(f"{100 * survey.measured:.3g} % {known}")
    return ", ".join(words)


def _unit_of(crs: Any) -> str:
    if crs is None:
        return ""
    if crs.is_geographic:
        return "\u00b0"
    try:
        return {"metre": " m", "meter": " m"}.get(crs.linear_units, f" {crs.linear_units}")
    except Exception:  # whatever PROJ makes of a CRS that a file brings along
        return ""


def _crs_name(crs: Any) -> str:
    if crs is None:
        return "no CRS"
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else "a CRS without EPSG code"


def _tiles(scenes: Scenes, survey: Survey, tables: Sequence[Table]) -> list[tuple[str, str]]:
    """A few numbers for a first look, of the first band that has any: what, and a phrase."""
    band, table = next(((i, table) for i, table in enumerate(tables) if table.rows), (0, None))
    if table is None:
        return []
    rows = {row.key: row for row in table.rows}

    def short(value: float) -> str:
        return f"{value:.2f}".replace("-", "\u2212") if abs(value) < 10 else said(value)

    if scenes.kind == "fused":
        tiles = [
            (short(rows["qabf"].after), "of the edges of both sources kept (no image can keep all of both)"),
            (short(rows["ssim_a"].after), "similar to the optical image (1: the same)"),
        ]
        if "mask" in survey.blocks:
            alone = survey.blocks["mask"]
            share = float(alone.total.sum()) / max(float(alone.count.sum()), 1.0)
            if share > 0:
                tiles.append((f"{100 * share:.3g} %", "of the pixels seen by SAR alone"))
        return tiles
    unit = f" {scenes.unit}" if scenes.unit else ""
    if scenes.kind == "filled":
        gaps, texture, seam = rows["gaps"], rows["texture"], rows["seam"]
        tiles = [
            (f"{gaps.before:.3g} \u2192 {gaps.after:.3g} %", "of the pixels are gaps"),
            (f"{rows['filled'].after:.3g} %", "of the pixels are new, the others as they were measured"),
            (short(texture.after), "of the texture of the ground around, in what was filled"),
            (short(seam.after), "steps at the rims of gaps, over those between neighbours"),
        ]
    elif scenes.kind == "deblurred":
        step = rows["step"]
        tiles = [(f"{said(step.before)} \u2192 {said(step.after)}{unit}", "mean step from pixel to pixel")]
        if "residual" in rows:
            left = rows["residual"]
            noise = "" if math.isnan(float(left.ideal)) else f", where noise is {said(float(left.ideal))}"
            tiles.append((f"{said(left.after)}{unit}", f"left unexplained when blurred again{noise}"))
        tiles.append((f"{said(rows['mean'].after)}{unit}", "change of the mean"))
    else:
        looks, power, edges = rows["enl"], rows["power"], rows["edges"]
        tiles = [
            (f"{short(looks.before)} \u2192 {short(looks.after)}", "equivalent looks over even ground"),
            (short(power.after), "mean intensity after over before"),
            (short(edges.after), f"of the contrast of edges kept{'' if 'rmse' in rows else ', some of them speckle'}"),
        ]
    if "rmse" in rows:
        error = rows["rmse"]
        before = "" if math.isnan(error.before) else f"{short(error.before)} \u2192 "
        tiles.insert(1, (f"{before}{short(error.after)}{unit}", "typical error against the truth"))
    if "spread" in survey.blocks:
        spread = survey.blocks["spread"].mean[band]
        spread = spread[np.isfinite(spread) & ((spread > 0) if scenes.kind == "filled" else True)]
        if spread.size:
            which = "what was filled" if scenes.kind == "filled" else "the result"
            tiles.append((f"\u00b1 {short(float(np.median(spread)))}{unit}", f"typical standard deviation of {which}"))
    suffix = f" ({table.title})" if len(scenes.bands) > 1 else ""
    return [(number, phrase + suffix) for number, phrase in tiles]


def _numbers(table: Table, *, several: bool, fused: bool) -> str:
    head = (
        '<th scope="col" class="number">Fused</th><th scope="col" class="number">Better when</th>'
        if fused
        else '<th scope="col" class="number">Before</th><th scope="col" class="number">After</th>'
        '<th scope="col" class="number">Ideal</th>'
    )
    rows = "".join(_row(number, fused) for number in table.rows)
    title = f"<h3>{escaped(table.title)}</h3>" if several else ""
    return (
        f'{title}<div class="sheet"><table class="numbers"><thead><tr><th scope="col">Measure</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(number: Number, fused: bool) -> str:
    unit = f", {number.unit}" if number.unit else ""
    name = f'<th scope="row">{escaped(number.name + unit)}<small>{escaped(number.meaning)}</small></th>'
    ideal = number.ideal if isinstance(number.ideal, str) else said(number.ideal)
    cells = [("after", "Fused" if fused else "After", number.after, said(number.after))]
    if not fused:
        cells.insert(0, ("before", "Before", number.before, said(number.before)))
    shown = "".join(
        f'<td class="number {kind}" data-name="{label}" data-key="{number.key}" data-value="{_exact(value)}">'
        f"{text}</td>"
        for kind, label, value, text in cells
    )
    last = f'<td class="number" data-name="{"Better when" if fused else "Ideal"}">{escaped(ideal)}</td>'
    return f"<tr>{name}{shown}{last}</tr>"


def _exact(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _counted(scenes: Scenes) -> str:
    if scenes.kind == "fused":
        return "All pixels of the scene were counted."
    if scenes.kind != "despeckled":
        return "All pixels of the scene, band by band."
    return (
        "All pixels of the scene, in dB. Speckle makes the curve of the image before wide and skewed; without it the "
        "kinds of ground show as peaks."
    )


def _profiles(scenes: Scenes, charts: str) -> str:
    if not charts:
        return ""
    doubt = f" {interval(scenes)[1]}" if scenes.kind != "fused" and "spread" in scenes.rasters else ""
    band = f" Band: {scenes.bands[0]}." if scenes.kind != "fused" and len(scenes.bands) > 1 else ""
    where = "most was filled" if scenes.kind == "filled" else "the result varies most"
    return (
        f'<h2>Along a line</h2><p class="lead">Values along the dashed line of each view, where {where}.'
        f'{escaped(doubt + band)}</p><div class="charts">{charts}</div>'
    )


def _provenance_lead(scenes: Scenes, result: str) -> str:
    if scenes.made_by:
        return f"What {result} says of itself, in its tags."
    return f"{result} does not say how it was made: it carries no tags of sardiff."


def _provenance(scenes: Scenes) -> str:
    listed = {f"{ROLES[role]} file": name for role, name in scenes.names.items()}
    parts = [_sheet(listed)]
    made = dict(scenes.made_by)
    plain = {_words(key): value for key, value in made.items() if not isinstance(value, Mapping)}
    if plain:
        parts.append(_sheet(plain))
    for key, value in made.items():
        if isinstance(value, Mapping):
            parts.append(f"<h3>{escaped(_words(key))}</h3>{_sheet({_words(str(k)): v for k, v in value.items()})}")
    others = {k: v for k, v in scenes.result.metadata.tags.items() if not k.startswith("SARDIFF_")}
    if others:
        parts.append(f"<details><summary>Other tags of the file</summary>{_sheet(others)}</details>")
    return f'<div class="made">{"".join(f"<section>{part}</section>" for part in parts)}</div>'


def _sheet(entries: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escaped(_short(str(key)))}</th><td>{escaped(_short(_plain(value)))}</td></tr>'
        for key, value in list(entries.items())[:MOST_TAGS]
    )
    if len(entries) > MOST_TAGS:
        rows += f'<tr><th></th><td class="soft">and {len(entries) - MOST_TAGS} more</td></tr>'
    return f'<div class="sheet"><table><tbody>{rows}</tbody></table></div>'


def _words(key: str) -> str:
    text = key.replace("_", " ")
    return text[:1].upper() + text[1:]


def _plain(value: Any, depth: int = 4) -> str:
    """A value of JSON as words; what lies deeper is left out."""
    if not depth:
        return "\u2026"
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part, depth - 1) for part in value[:MOST_TAGS])
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(part, depth - 1)}" for key, part in list(value.items())[:MOST_TAGS])
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " \u2026"


def _tile(number: str, phrase: str) -> str:
    return f'<div class="tile"><b>{escaped(number)}</b><span>{escaped(phrase)}</span></div>'


def _card(title: str, chart: str) -> str:
    return f"<div><h3>{escaped(title)}</h3>{chart}</div>"


def _notes(notes: Sequence[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escaped(note)}</li>" for note in notes)}</ul>' if notes else ""
