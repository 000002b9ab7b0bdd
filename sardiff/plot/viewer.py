"""Two layers of one place under a divider that moves, as HTML that needs nothing else; for notebooks and reports."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np

from geo_io import Grid, require_same
from geo_io.values import Units
from sardiff.plot.blocks import overview
from sardiff.plot.grey import Stretch
from sardiff.plot.ramps import coloured_uri, ramp
from sardiff.plot.scene import opened

__all__ = ["SCRIPT", "STYLE", "Layer", "Swipe", "View", "escaped", "script_json", "swipe", "viewer_html"]

STYLE = files("sardiff.plot").joinpath("viewer.css").read_text(encoding="utf-8")
SCRIPT = files("sardiff.plot").joinpath("viewer.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Layer:
    """One kind of image that a viewer can show of every view.

    Parameters
    ----------
    key, label : str
        Its name for programs, and for people.
    about : str
        What it means, a phrase for its legend.
    ramp : str, optional
        Of `ramps.RAMPS`; None for a colour picture, which has no scale.
    low, high : float
        Values at the ends of the ramp.
    unit : str
    log : bool
        Whether the ramp is even in the logarithm.
    """

    key: str
    label: str
    about: str = ""
    ramp: str | None = None
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    log: bool = False


@dataclass(frozen=True)
class View:
    """One place of a scene, and its pictures.

    Parameters
    ----------
    title, about : str
        For people.
    rows, cols : slice
        Where it lies in the scene, in pixels.
    images : mapping
        Data URIs by the keys of layers; every layer, unless it shows a part of another view's (`within`).
    within : int, optional
        The view whose images these are a part of.
    line : int, optional
        Row of the scene along which a profile is drawn.
    """

    title: str
    rows: slice
    cols: slice
    images: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    within: int | None = None
    line: int | None = None


def viewer_html(
    views: Sequence[View], layers: Sequence[Layer], pair: tuple[str, str], grid: Grid, *, bare: bool = False
) -> str:
    """Return the markup of a viewer; on a page with `STYLE` and `SCRIPT` it comes to life.

    Parameters
    ----------
    views : sequence of View
        The first is shown first, and shows images of its own.
    layers : sequence of Layer
        What can be chosen for either side.
    pair : tuple of str
        Keys of the layers left and right of the divider at first.
    grid : Grid
        Of the scene, for map coordinates.
    bare : bool
        Without the row of small pictures below.
    """
    options = "".join(f'<option value="{escaped(layer.key)}">{escaped(layer.label)}</option>' for layer in layers)
    choices = "".join(
        f'<label>{word}<select data-side="{side}" aria-label="Layer on the {side}">{options}</select></label>'
        for side, word in (("left", "Left"), ("right", "Right"))
    )
    buttons = "".join(
        f'<button type="button" data-show="{i}" aria-pressed="false">{escaped(view.title)}</button>'
        for i, view in enumerate(views)
    )
    legend = '<div class="legend {}"><div></div><div class="scale"></div><div class="ends">{}</div></div>'
    legends = "".join(legend.format(side, "<span></span>" * 3) for side in ("left", "right"))
    return f"""<div class="viewer{" bare" if bare else ""}">
<div class="views" role="group" aria-label="Views"{" hidden" if len(views) < 2 else ""}>{buttons}</div>
<div class="bar">{choices}
<div class="zooms" role="group" aria-label="Zoom">
<button type="button" data-do="out" aria-label="Zoom out">&minus;</button>
<output aria-live="off"></output>
<button type="button" data-do="in" aria-label="Zoom in">+</button>
<button type="button" data-do="fit">Fit</button>
<button type="button" data-do="one" aria-label="One pixel of the scene to one of the screen">1:1</button>
</div></div>
<div class="stage">
<div class="side left"><img alt=""></div><div class="side right"><img alt=""></div>
<div class="line" hidden></div><span class="name left"></span><span class="name right"></span>
<div class="divider" role="slider" tabindex="0" aria-label="Divider between left and right"
 aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100" aria-valuenow="50"></div>
</div>
<div class="legends">{legends}</div>
<p class="readout" aria-live="off"></p>
<p class="keys">Drag the divider, or <kbd>&larr;</kbd> <kbd>&rarr;</kbd>. <kbd>+</kbd> <kbd>&minus;</kbd>, a double
click or <kbd>Ctrl</kbd> and the wheel zoom; drag or <kbd>Shift</kbd> and arrows pan; <kbd>1</kbd> shows pixel by pixel,
<kbd>R</kbd> resets{", <kbd>N</kbd> and <kbd>P</kbd> go through the views" if len(views) > 1 else ""}.</p>
<div class="plates">{_plates(views, layers)}</div>
<script type="application/json" class="facts">{script_json(_facts(views, layers, pair, grid))}</script>
</div>"""


def script_json(value: Any) -> str:
    """Return JSON that nothing in it can end the script element that holds it."""
    said = json.dumps(value, separators=(",", ":"))
    return said.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class Swipe:
    """Before and after under a divider, for notebooks: `_repr_html_` is a frame that holds all it needs."""

    def __init__(self, views: Sequence[View], layers: Sequence[Layer], grid: Grid, *, height: int = 680) -> None:
        self.height = height
        self._body = viewer_html(views, layers, (layers[0].key, layers[1].key), grid, bare=True)

    @property
    def page(self) -> str:
        """A whole HTML page."""
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Before and after</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}body{{padding:6px}}</style></head>'
            f"<body>{self._body}<script>{SCRIPT}</script></body></html>"
        )

    def _repr_html_(self) -> str:
        # A frame keeps our style off the notebook, and may run scripts but not reach out of itself.
        return (
            f'<iframe sandbox="allow-scripts" title="Before and after" width="100%" height="{self.height}" '
            f'style="border:0" srcdoc="{escaped(self.page)}"></iframe>'
        )


def swipe(
    before: Any,
    after: Any,
    *,
    labels: tuple[str, str] = ("Before", "After"),
    units: Units = "db",
    band: int = 1,
    values: str = "auto",
    side: int = 1024,
) -> Swipe:
    """Return two images of one scene under a divider, which a notebook shows as it is; no widgets are needed.

    Parameters
    ----------
    before, after : path, DataArray, Source or array
        On one grid; as for `quicklook`. One stretch, chosen by `after`.
    labels : tuple of str
        What they are called.
    side : int
        Pixels of the longer side; larger scenes are averaged. For full resolution give a part of an array, or see
        `sardiff report`.
    """
    sources = [opened(scene, values=values, band=band) for scene in (before, after)]
    grid = sources[0].grid
    require_same(labels[0], grid, labels[1], sources[1].grid)
    small = [overview(source, side=side).pixels[0] for source in sources]
    chosen = Stretch.of(*small, units=units)
    unit = {"db": "dB"}.get(units, "")
    layers = [
        Layer(key, label, "", "grey", chosen.low, chosen.high, unit)
        for key, label in zip(("before", "after"), labels, strict=True)
    ]
    images = {layer.key: coloured_uri(chosen(image), "grey") for layer, image in zip(layers, small, strict=True)}
    view = View("Whole scene", slice(0, grid.shape[0]), slice(0, grid.shape[1]), images)
    return Swipe([view], layers, grid)


def _plates(views: Sequence[View], layers: Sequence[Layer]) -> str:
    parts = []
    for i, view in enumerate(views):
        if view.within is not None:
            continue
        figures = []
        for layer in layers:
            label, place = escaped(layer.label), escaped(view.title)
            figures.append(
                f'<figure><button type="button" data-plate="1" aria-label="Show {label} of {place}">'
                f'<img data-view="{i}" data-layer="{escaped(layer.key)}" alt="{label}, {place}" '
                f'decoding="async" src="{view.images[layer.key]}"></button><figcaption>{label}</figcaption></figure>'
            )
        about = f"<p>{escaped(view.about)}</p>" if view.about else ""
        parts.append(f'<h3>{escaped(view.title)}</h3>{about}<div class="plate-row">{"".join(figures)}</div>')
    return "".join(parts)


def _facts(views: Sequence[View], layers: Sequence[Layer], pair: tuple[str, str], grid: Grid) -> dict[str, Any]:
    used = {layer.ramp for layer in layers if layer.ramp is not None}
    return {
        "views": [
            {
                "row": view.rows.start,
                "col": view.cols.start,
                "height": view.rows.stop - view.rows.start,
                "width": view.cols.stop - view.cols.start,
                "within": i if view.within is None else view.within,
                "line": view.line,
            }
            for i, view in enumerate(views)
        ],
        "layers": [vars(layer) for layer in layers],
        "ramps": {name: np.asarray(ramp(name)).tobytes().hex() for name in sorted(used)},
        "pair": pair,
        "transform": None if grid.transform is None else tuple(grid.transform)[:6],
    }


def escaped(text: str) -> str:
    """Return text that stays text, in an element or in an attribute."""
    return html.escape(text, quote=True)
