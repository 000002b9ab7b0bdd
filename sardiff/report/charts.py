"""Charts as SVG whose colours are those of the page, in the light and in the dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sardiff.plot.viewer import escaped

__all__ = ["Band", "Line", "chart"]

WIDTH, HEIGHT = 720, 280
LEFT, RIGHT, TOP, BOTTOM = 74, 12, 12, 44


@dataclass(frozen=True, eq=False)
class Line:
    """Values along x, drawn in the colours of a class of the page; NaN interrupts it.

    `steps`: each value holds from its x half a step to both sides; `filled`: down to the axis.
    """

    label: str
    x: NDArray[Any]
    y: NDArray[Any]
    kind: str
    steps: bool = False
    filled: bool = False


@dataclass(frozen=True, eq=False)
class Band:
    """What lies between two lines."""

    label: str
    x: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    kind: str


def chart(
    parts: Sequence[Line | Band],
    *,
    x_label: str,
    y_label: str,
    title: str,
    y_range: tuple[float, float] | None = None,
    height: int = HEIGHT,
) -> str:
    """Return an SVG with axes and, if there are several parts, a legend below.

    Parameters
    ----------
    parts : sequence
        The first is drawn first, and lies below.
    title : str
        What the chart says, for those who do not see it.
    y_range : tuple of float, optional
        By default that of the values.
    """
    xs = np.concatenate([part.x for part in parts])
    ys = np.concatenate([np.concatenate([p.y] if isinstance(p, Line) else [p.low, p.high]) for p in parts])
    known = ys[np.isfinite(ys)]
    if not known.size:
        return '<p class="soft">Nothing was measured here.</p>'
    x0, x1 = float(xs.min()), float(xs.max())
    y0, y1 = y_range or _padded(float(known.min()), float(known.max()))
    x1 = x1 if x1 > x0 else x0 + 1
    bottom = height - BOTTOM

    def px(x: NDArray[Any]) -> NDArray[Any]:
        return LEFT + (np.asarray(x, float) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def py(y: NDArray[Any]) -> NDArray[Any]:
        return TOP + (y1 - np.clip(np.asarray(y, float), y0, y1)) / (y1 - y0) * (bottom - TOP)

    drawn = []
    for tick in _ticks(y0, y1, 5):
        at = float(py(np.array(tick)))
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        drawn.append(f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_said(tick)}</text>')
    for tick in _ticks(x0, x1, 8):
        at = float(px(np.array(tick)))
        drawn.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        drawn.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{_said(tick)}</text>')
    for part in parts:
        if isinstance(part, Band):
            drawn += _area(px(part.x), py(part.low), py(part.high), part.kind)
            continue
        x, y = _stepped(part.x, part.y) if part.steps else (part.x, part.y)
        if part.filled:
            drawn += _area(px(x), np.full(len(x), float(bottom)), py(y), part.kind)
        drawn.append(f'<path class="line {part.kind}" d="{_path(px(x), py(y))}"/>')
    drawn.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    drawn.append(f'<text class="label" x="{middle}" y="{height - 6}" text-anchor="middle">{escaped(x_label)}</text>')
    drawn.append(
        f'<text class="label" transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escaped(y_label)}</text>"
    )
    legend = "".join(
        f'<li class="{part.kind}{" band" if isinstance(part, Band) else ""}"><i></i>{escaped(part.label)}</li>'
        for part in parts
    )
    frame = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escaped(title)}"'
    svg = f'<svg class="chart" {frame}>{"".join(drawn)}</svg>'
    return svg + (f'<ul class="key">{legend}</ul>' if len(parts) > 1 else "")


def _stepped(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    half = (x[1] - x[0]) / 2 if len(x) > 1 else 0.5
    return np.clip(np.stack([x - half, x + half], axis=1).ravel(), x[0], x[-1]), np.repeat(y, 2)


def _path(x: NDArray[Any], y: NDArray[Any]) -> str:
    """Lines through what is known."""
    words, down = [], False
    for left, top in zip(x, y, strict=True):
        if math.isfinite(top):
            words.append(f"{'L' if down else 'M'}{left:.1f} {top:.1f}")
        down = math.isfinite(top)
    return "".join(words)


def _area(x: NDArray[Any], low: NDArray[Any], high: NDArray[Any], kind: str) -> list[str]:
    """Areas between two lines, one for each stretch of what is known."""
    known = np.isfinite(low) & np.isfinite(high)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    areas = []
    for start, stop in zip(ends[::2], ends[1::2], strict=True):
        there = _path(x[start:stop], high[start:stop])
        back = _path(x[start:stop][::-1], low[start:stop][::-1]).replace("M", "L", 1)
        areas.append(f'<path class="area {kind}" d="{there}{back}Z"/>')
    return areas


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two ends, about so many."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _said(number: float) -> str:
    return f"{number:.6g}".replace("-", "\u2212") if abs(number) > 1e-12 else "0"
