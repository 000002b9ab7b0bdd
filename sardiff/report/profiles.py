"""Values along a row of a window, before and after, with the doubt about them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geo_io import from_intensity
from sardiff.plot.counts import Histogram
from sardiff.report.charts import Band, Line, chart
from sardiff.report.places import Place
from sardiff.report.scenes import Scenes
from sardiff.report.survey import Survey

__all__ = ["histogram_charts", "interval", "profile", "profile_row"]

RIM = 0.1  # of a window, above and below, where no profile is drawn


def profile_row(scenes: Scenes, place: Place) -> int:
    """Return the row of the scene, within a window, along which the result varies most; of those measured best, and of
    a filled image those with most that is new."""
    values = _values(scenes, scenes.shown[1], place)
    margin = int(RIM * len(values))
    rows = values[margin : len(values) - margin] if len(values) > 2 * margin else values
    known = np.isfinite(rows)
    count = known.sum(axis=1)
    mean = np.where(known, rows, 0).sum(axis=1) / np.maximum(count, 1)
    variance = (np.where(known, rows - mean[:, None], 0) ** 2).sum(axis=1) / np.maximum(count, 1)
    good = count >= 0.9 * count.max()
    if "filled" in scenes.rasters:
        new = np.nan_to_num(scenes.rasters["filled"][slice(0, 1), place.rows, place.cols][0])  # as `values`
        filled = new[margin : margin + len(rows)].sum(axis=1)
        good &= filled >= 0.9 * filled[good].max()
    return place.rows.start + margin + int(np.argmax(np.where(good, variance, -1)))


def profile(scenes: Scenes, place: Place, row: int) -> str:
    """Return the chart of one row of a window: of the first band, or of a fusion of the mean of optical bands."""
    line = Place(place.title, "", slice(row, row + 1), place.cols)
    x = np.arange(place.cols.start, place.cols.stop, dtype=float)
    first, second, *third = (Line(role, x, _values(scenes, role, line)[0], kind) for role, kind in _kinds(scenes))
    parts: list[Line | Band] = [first]
    if "spread" in scenes.rasters and scenes.kind != "fused":
        factor, _ = interval(scenes)
        doubt = factor * scenes.rasters["spread"][slice(0, 1), line.rows, line.cols][0, 0]
        parts.append(Band("uncertainty", x, second.y - doubt, second.y + doubt, "second"))
    parts += [second, *third]
    y_label = _value_label(scenes)
    title = f"{place.title}: values along row {row}"
    return chart(parts, x_label=f"column, along row {row}", y_label=y_label, title=title)


def interval(scenes: Scenes) -> tuple[float, str]:
    """How many standard deviations to draw to either side, and a sentence on it; by the tags of the result."""
    said = scenes.made_by.get("intervals") if scenes.kind == "despeckled" else None
    factor = said.get("90 %") if isinstance(said, dict) else None
    if isinstance(factor, int | float) and not isinstance(factor, bool) and 0 < factor < 100:
        return float(factor), "The shaded range holds 90 % of true values, on average over simulated scenes."
    return 1.0, "The shaded range is one standard deviation to either side."


def histogram_charts(scenes: Scenes, survey: Survey) -> list[tuple[str, str]]:
    """Titles and charts of how often each value occurs, one a band, or one a kind of image."""
    roles = [(role, role, kind) for role, kind in _kinds(scenes)]
    if scenes.kind == "fused":
        return [
            ("Optical and fused", _counts(survey, 0, roles, _value_label(scenes))),
            ("SAR", _counts(survey, 0, [("sar", "SAR", "first")], "backscatter, dB")),
        ]
    single = "Backscatter" if scenes.unit == "dB" else "Values"
    titles = scenes.bands if len(scenes.bands) > 1 else (single,)
    return [(title, _counts(survey, band, roles, _value_label(scenes))) for band, title in enumerate(titles)]


def _kinds(scenes: Scenes) -> list[tuple[str, str]]:
    """What is shown, and the class of its line on the page."""
    return list(zip(scenes.shown, ("first", "second", "third"), strict=False))


def _value_label(scenes: Scenes) -> str:
    if scenes.kind == "fused":
        return "mean of the bands"
    return "backscatter, dB" if scenes.unit == "dB" else f"value, {scenes.unit}" if scenes.unit else "value"


def _counts(survey: Survey, band: int, roles: list[tuple[str, str, str]], x_label: str) -> str:
    counted = [survey.histograms[role, band] for role, _, _ in roles]
    low, high = _span(counted)
    parts = [
        Line(label, found.centres[low:high], 100 * found.share[low:high], kind, steps=True, filled=i == 0)
        for i, (found, (_, label, kind)) in enumerate(zip(counted, roles, strict=True))
    ]
    top = max(float(part.y.max()) for part in parts)
    title = "How often each value occurs: " + ", ".join(label for _, label, _ in roles)
    return chart(parts, x_label=x_label, y_label="% of pixels", title=title, y_range=(0.0, 1.05 * top or 1.0))


def _span(counted: list[Histogram]) -> tuple[int, int]:
    """The bins that hold all but a thousandth of each, and some more."""
    low, high = len(counted[0].counts), 0
    for found in counted:
        total = found.counts.cumsum()
        if total[-1]:
            low = min(low, int(np.searchsorted(total, 0.001 * total[-1])))
            high = max(high, int(np.searchsorted(total, 0.999 * total[-1])))
    return (max(low - 4, 0), min(high + 5, len(counted[0].counts))) if high >= low else (0, len(counted[0].counts))


def _values(scenes: Scenes, role: str, place: Place) -> NDArray[np.float32]:
    """Of a window (rows, cols): of the first band, in dB of intensity; of a fusion the mean of optical bands."""
    raster = scenes.rasters[role]
    if scenes.kind == "fused":
        return np.asarray(raster[slice(0, raster.shape[0]), place.rows, place.cols].mean(axis=0))
    values = raster[slice(0, 1), place.rows, place.cols][0]
    return from_intensity(values, "db") if role in scenes.in_db else values
