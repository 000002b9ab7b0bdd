"""Quicklooks by matplotlib: a scene, before and after, ratio, uncertainty, colours, histograms, looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geo_io import Grid, require_same
from geo_io.values import Units
from sardiff.plot.blocks import SIDE, Blocks, overview, reduction, strips
from sardiff.plot.composites import Composite
from sardiff.plot.counts import Histogram
from sardiff.plot.grey import UNIT_NAMES, Stretch, largest
from sardiff.plot.ramps import colour_map
from sardiff.plot.scene import one_band, opened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "before_after",
    "busiest",
    "composite",
    "histogram",
    "looks_map",
    "quicklook",
    "ratio_image",
    "uncertainty",
]

DETAIL = 5  # a detail shows a square of a fifth of the scene's shorter side,
LARGEST_DETAIL = 512  # pixels at most
MARK = "deepskyblue"
UNMEASURED = "#c8d2dc"
MOST_LOOKS = 1000.0


def quicklook(
    scene: Any,
    ax: Axes | None = None,
    *,
    units: Units = "db",
    band: int = 1,
    values: str = "auto",
    stretch: Stretch | None = None,
    title: str | None = None,
    bar: bool = True,
) -> Axes:
    """Draw one band of a scene in grey, small enough for the screen, with a bar of its values and map axes.

    Parameters
    ----------
    scene : path, DataArray, Source or array
        As for `opened`. A large scene is read in strips; means of intensity are drawn, so it looks smoother than it is.
    ax : Axes, optional
        Of matplotlib; new by default.
    units : str
        Of the greys: "db", "amplitude", "intensity", "physical".
    stretch : Stretch, optional
        Black and white; chosen by quantiles by default.

    Returns
    -------
    Axes
        With x and y in map coordinates where the scene has an affine without rotation, else in pixels.
    """
    source = opened(scene, values=values, band=band)
    small = overview(one_band(source))
    chosen = stretch or Stretch.of(small.pixels[0], units=units)
    style = {"cmap": colour_map("grey"), "vmin": chosen.low, "vmax": chosen.high}
    return _shown(source.grid, chosen.values(small.pixels[0]), style, ax, title, UNIT_NAMES[chosen.units], bar)


def ratio_image(
    before: Any,
    after: Any,
    ax: Axes | None = None,
    *,
    band: int = 1,
    values: str = "auto",
    limit_db: float = 6.0,
    title: str | None = "before / after",
    bar: bool = True,
) -> Axes:
    """Draw what a despeckler took away, before / after in dB: ideally speckle, in which nothing of the ground is seen.

    Of a large scene the ratio of local means is drawn, in which speckle fades and what was lost or moved remains.
    """
    first, second = (opened(scene, values=values, band=band) for scene in (before, after))
    require_same(first.name, first.grid, second.name, second.grid)
    a, b = (overview(one_band(source)).pixels[0] for source in (first, second))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(a / b)
    style = {"cmap": colour_map("change"), "vmin": -limit_db, "vmax": limit_db}
    return _shown(first.grid, ratio, style, ax, title, "ratio, dB", bar)


def uncertainty(
    spread: Any, ax: Axes | None = None, *, band: int = 1, title: str | None = "uncertainty", bar: bool = True
) -> Axes:
    """Draw standard deviations in dB, from 0 to their 99 % quantile; `spread` as `sardiff despeckle` writes it."""
    source = opened(spread, values="physical", band=band)
    small = overview(one_band(source)).pixels[0]
    style = {"cmap": colour_map("doubt"), "vmin": 0.0, "vmax": largest(small)}
    return _shown(source.grid, small, style, ax, title, "standard deviation, dB", bar)


def composite(scene: Any, ax: Axes | None = None, *, values: str = "auto", title: str | None = None) -> Axes:
    """Draw a colour picture: optical bands with values="physical", else two polarisations and their ratio.

    See `Composite` for which band becomes which colour.
    """
    source = opened(scene, values=values)
    small = overview(source).pixels
    rgb = Composite(small, radar=source.values != "physical")(small)
    rgba = np.dstack([np.nan_to_num(rgb), np.isfinite(rgb).all(axis=2).astype(np.float32)])
    return _shown(source.grid, rgba, {}, ax, title, "", False)


def histogram(
    *scenes: Any, labels: Sequence[str] = (), ax: Axes | None = None, band: int = 1, values: str = "auto"
) -> Axes:
    """Draw how often each backscatter in dB occurs, counting every pixel of the scenes."""
    axes = _axes(ax)
    for place, scene in enumerate(scenes):
        source = one_band(opened(scene, values=values, band=band))
        counted, stretch = Histogram(), Stretch(0, 1)
        for part in strips(source.shape, 1):
            counted.add(stretch.values(source[slice(0, 1), part, slice(0, source.shape[2])]))
        label = labels[place] if place < len(labels) else source.name
        seen = counted.counts > 0
        axes.stairs(100 * counted.share, counted.edges, label=label, fill=place == 0, alpha=0.5 if place == 0 else 1.0)
        if seen.any():
            low, high = axes.get_xlim() if place else (math.inf, -math.inf)
            axes.set_xlim(min(low, counted.quantile(0.001) - 1), max(high, counted.quantile(0.999) + 1))
    axes.set(xlabel="backscatter, dB", ylabel="% of pixels")
    axes.legend()
    return axes


def looks_map(
    scene: Any,
    ax: Axes | None = None,
    *,
    band: int = 1,
    values: str = "auto",
    title: str | None = "equivalent number of looks",
    bar: bool = True,
) -> Axes:
    """Draw the local equivalent number of looks, on a logarithmic scale: high where ground is even and speckle gone."""
    from matplotlib.colors import LogNorm

    source = one_band(opened(scene, values=values, band=band))
    blocks = Blocks(source.shape, reduction(source.shape[1:], SIDE), squares=True)
    for part in strips(source.shape, blocks.step):
        blocks.add(source[slice(0, 1), part, slice(0, source.shape[2])], part.start)
    style = {"cmap": colour_map("looks"), "norm": LogNorm(1.0, MOST_LOOKS, clip=True)}
    return _shown(source.grid, blocks.looks()[0], style, ax, title, "looks", bar)


def before_after(
    before: Any,
    after: Any,
    *,
    truth: Any = None,
    spread: Any = None,
    band: int = 1,
    values: str = "auto",
) -> Figure:
    """Draw before | after | truth | uncertainty side by side: whole, and below a detail at full resolution.

    All but the uncertainty on one grey scale, chosen by the truth, or else by `after`. The detail is where most is
    going on there.

    Parameters
    ----------
    before, after, truth : path, DataArray, Source or array
        On one grid.
    spread : the same, optional
        Standard deviation in dB.

    Returns
    -------
    Figure
        Of matplotlib, made without pyplot: save it with `.savefig`, or let a notebook show it.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    named = {"before": before, "after": after, "truth": truth}
    sources = {name: one_band(opened(s, values=values, band=band)) for name, s in named.items() if s is not None}
    grid = sources["before"].grid
    panels = [_Panel(name, source, overview(source).pixels[0]) for name, source in sources.items()]
    chosen = Stretch.of(*(panel.small for panel in panels))
    rows, cols = busiest(chosen.values(panels[-1].small), reduction(grid.shape, SIDE), grid.shape)
    styles: list[tuple[Callable[[Any], Any], dict[str, Any]]]
    styles = [(chosen.values, {"cmap": colour_map("grey"), "vmin": chosen.low, "vmax": chosen.high})] * len(panels)
    if spread is not None:
        source = one_band(opened(spread, values="physical", band=band))
        panels.append(_Panel("uncertainty of after", source, overview(source).pixels[0]))
        styles.append((np.asarray, {"cmap": colour_map("doubt"), "vmin": 0.0, "vmax": largest(panels[-1].small)}))
    for panel in panels[1:]:
        require_same("before", grid, panel.title, panel.source.grid)
    figure = Figure(figsize=(4.3 * len(panels), 8.0), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False)
    box = (cols.start - 0.5, rows.start - 0.5), cols.stop - cols.start, rows.stop - rows.start
    for column, (panel, (value, style)) in enumerate(zip(panels, styles, strict=True)):
        extent = (-0.5, grid.shape[1] - 0.5, grid.shape[0] - 0.5, -0.5)
        shown = axes[0, column].imshow(value(panel.small), extent=extent, interpolation="antialiased", **style)
        axes[0, column].add_patch(Rectangle(*box, fill=False, edgecolor=MARK, linewidth=1.5))
        axes[0, column].set_title(panel.title, fontsize=13)
        part = panel.source[slice(0, 1), rows, cols][0]
        axes[1, column].imshow(value(part), interpolation="nearest", **style)
        for axis in axes[:, column]:
            axis.set(xticks=[], yticks=[], facecolor=UNMEASURED)
        for spine in axes[1, column].spines.values():
            spine.set(edgecolor=MARK, linewidth=1.5)
        if column == len(sources) - 1:
            figure.colorbar(shown, ax=axes[:, : column + 1], label="backscatter, dB", shrink=0.7, pad=0.01)
        elif column >= len(sources):
            figure.colorbar(shown, ax=axes[:, column], label="standard deviation, dB", shrink=0.7, pad=0.02)
    return figure


def busiest(image: NDArray[np.floating[Any]], step: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and cols of the square of a scene that varies most in its overview, all of it measured if any is.

    Parameters
    ----------
    image : array (rows, cols)
        The overview, of blocks of `step` pixels; NaN: not measured.
    shape : tuple of int
        (rows, cols) of the scene.
    """
    side = min(max(min(shape) // DETAIL, 16), LARGEST_DETAIL, *shape)
    size = max(side // step, 1)
    stride = max(size // 2, 1)
    places = [
        (top, left)
        for top in range(0, max(image.shape[0] - size, 0) + 1, stride)
        for left in range(0, max(image.shape[1] - size, 0) + 1, stride)
    ]

    def variety(place: tuple[int, int]) -> tuple[float, float]:
        part = image[place[0] : place[0] + size, place[1] : place[1] + size]
        measured = np.isfinite(part)
        return float(measured.mean()), float(np.nanstd(part)) if measured.any() else 0.0

    best = max(places, key=variety)
    top, left = (min(start * step, length - side) for start, length in zip(best, shape, strict=True))
    return slice(top, top + side), slice(left, left + side)


@dataclass(frozen=True, eq=False)
class _Panel:
    title: str
    source: Any
    small: NDArray[np.float32]


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(layout="constrained")[1]


def _shown(
    grid: Grid, image: NDArray[Any], style: dict[str, Any], ax: Axes | None, title: str | None, label: str, bar: bool
) -> Axes:
    """Draw an image on axes of the scene's grid."""
    axes = _axes(ax)
    rows, cols = grid.shape
    extent, names = (-0.5, cols - 0.5, rows - 0.5, -0.5), ("column", "row")
    if grid.transform is not None and not grid.transform.b and not grid.transform.d:
        left, top, across, down = grid.transform.c, grid.transform.f, grid.transform.a, grid.transform.e
        extent = (left, left + cols * across, top + rows * down, top)
        names = ("x", "y")
        if grid.crs is not None and grid.crs.is_geographic:
            names = ("longitude", "latitude")
        elif grid.crs is not None and grid.crs.linear_units == "metre":
            names = ("x, m", "y, m")
    drawn = axes.imshow(image, extent=extent, interpolation="antialiased", **style)
    axes.set(xlabel=names[0], ylabel=names[1], facecolor=UNMEASURED)
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(axis="x", nbins=4)  # coordinates have six digits or more
    if title:
        axes.set_title(title)
    if bar and label:
        axes.figure.colorbar(drawn, ax=axes, label=label, shrink=0.8)
    return axes
