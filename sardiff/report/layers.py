"""The pictures of a report: which layers there are, and what each looks like over the whole scene and in windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from geo_io import from_intensity
from geo_io.values import Units
from sardiff.metrics import enl_map
from sardiff.plot.composites import Composite
from sardiff.plot.counts import Histogram
from sardiff.plot.grey import QUANTILES, Stretch, largest
from sardiff.plot.ramps import coloured_uri, rgb_uri
from sardiff.plot.viewer import Layer
from sardiff.report.numbers import Table
from sardiff.report.places import Place
from sardiff.report.scenes import Scenes
from sardiff.report.survey import Survey
from sardiff.units import DB_PER_LOG

__all__ = ["Layers", "layers_of"]

RATIO_DB = (3.0, 9.0)  # at either end of the ratio's colours, at least and at most: of many looks, of one
LOOKS = (1.0, 1000.0)
LABELS = {"before": "Before", "after": "After", "truth": "Truth"}
LOOKS_WINDOW, LOOKS_THIN = 16, 4  # pixels: of the window looks are taken in, and from one to the next that is shown

Pixels = Mapping[str, NDArray[np.float32]]  # role to (bands, rows, cols)
Drawn = Callable[[Pixels, Pixels], str]  # of pixels, and of local looks, a data URI


class Layers:
    """What can be shown of a place.

    Attributes
    ----------
    kinds : tuple of Layer
    pair : tuple of str
        Keys of the two that are shown first.
    """

    def __init__(self, scenes: Scenes, survey: Survey, drawn: Mapping[Layer, Drawn], pair: tuple[str, str]) -> None:
        self.kinds, self.pair = tuple(drawn), pair
        self._scenes, self._survey, self._drawn = scenes, survey, drawn

    def overview(self) -> dict[str, str]:
        """Pictures of the whole scene, by the keys of the layers."""
        if self._survey.step == 1:
            rows, cols = (slice(0, length) for length in self._scenes.grid.shape)
            return self._pictures(*self._read(rows, cols))
        blocks = self._survey.blocks
        looks = {role: blocks[role].looks(LOOKS_WINDOW) for role in self._looked_at}
        return self._pictures({role: found.mean for role, found in blocks.items()}, looks)

    def window(self, place: Place) -> dict[str, str]:
        """Pictures of a window at full resolution."""
        return self._pictures(*self._read(place.rows, place.cols))

    def _read(self, rows: slice, cols: slice) -> tuple[Pixels, Pixels]:
        rasters = self._scenes.rasters
        pixels = {role: raster[slice(0, raster.shape[0]), rows, cols] for role, raster in rasters.items()}
        return pixels, {role: _local_looks(pixels[role]) for role in self._looked_at}

    @property
    def _looked_at(self) -> tuple[str, ...]:
        return ("before", "after") if self._scenes.kind == "despeckled" else ()

    def _pictures(self, pixels: Pixels, looks: Pixels) -> dict[str, str]:
        return {layer.key: draw(pixels, looks) for layer, draw in self._drawn.items()}


def layers_of(scenes: Scenes, survey: Survey, tables: Sequence[Table]) -> Layers:
    """Choose the layers and their colours, the same for all views, by what was found over the whole scene."""
    if scenes.kind == "despeckled":
        drawn = _of_despeckled(scenes, survey, tables)
    else:
        drawn = _of_fused(scenes, survey) if scenes.kind == "fused" else _of_restored(scenes, survey)
    first, second, *_ = (layer.key for layer in drawn)
    return Layers(scenes, survey, drawn, (first, second))


def _of_despeckled(scenes: Scenes, survey: Survey, tables: Sequence[Table]) -> dict[Layer, Drawn]:
    drawn: dict[Layer, Drawn] = {}
    several = len(scenes.bands) > 1
    for band, name in enumerate(scenes.bands):
        suffix = f", {name}" if several else ""
        grey = _grey_range(survey.histograms["truth" if "truth" in scenes.rasters else "after", band])
        for role in scenes.shown:
            layer = Layer(f"{role}-{band}", LABELS[role] + suffix, "backscatter", "grey", grey.low, grey.high, "dB")
            drawn[layer] = _grey(role, band, grey)
        limit = _ratio_limit(tables[band])
        about = "before / after; speckle alone is even grain, a little below 0 dB"
        layer = Layer(f"ratio-{band}", f"Ratio{suffix}", about, "change", -limit, limit, "dB")
        drawn[layer] = _ratio(band, limit)
        if "spread" in scenes.rasters:
            most = largest(survey.blocks["spread"].mean[band])
            layer = Layer(f"spread-{band}", f"Uncertainty{suffix}", "standard deviation", "doubt", 0.0, most, "dB")
            drawn[layer] = _linear("spread", band, 0.0, most, "doubt")
        for role in ("before", "after"):
            label = f"Looks {role}{suffix}"
            layer = Layer(f"looks-{role}-{band}", label, "local equivalent number", "looks", *LOOKS, "", log=True)
            drawn[layer] = _looks(role, band)
    if several:
        colours = Composite(survey.blocks["after"].mean, radar=True)
        for role in ("before", "after"):
            said = f"red {scenes.bands[0]}, green {scenes.bands[1]}, blue their ratio"
            drawn[Layer(f"colours-{role}", f"Colours {role}", said)] = _colours(role, colours)
    return drawn


def _of_restored(scenes: Scenes, survey: Survey) -> dict[Layer, Drawn]:
    drawn: dict[Layer, Drawn] = {}
    several, after = len(scenes.bands) > 1, survey.blocks["after"].mean
    if scenes.colour:
        colours = Composite(after, radar=False)
        said = "red {}, green {}, blue {}".format(*scenes.bands[:3])
        drawn.update({Layer(role, LABELS[role], said): _colours(role, colours) for role in scenes.shown})
    for band, name in enumerate(scenes.bands):
        suffix = f", {name}" if several else ""
        if not scenes.colour:
            grey = _grey_range(survey.histograms["truth" if "truth" in scenes.rasters else "after", band], "physical")
            for role in scenes.shown:
                about = "backscatter" if scenes.unit == "dB" else "value"
                key, label = f"{role}-{band}", LABELS[role] + suffix
                layer = Layer(key, label, about, "grey", grey.low, grey.high, scenes.unit)
                drawn[layer] = _linear(role, band, grey.low, grey.high, "grey")
        if "spread" in scenes.rasters:
            most = largest(survey.blocks["spread"].mean[band])
            about = "standard deviation of the samples"
            layer = Layer(f"spread-{band}", f"Uncertainty{suffix}", about, "doubt", 0.0, most, scenes.unit)
            drawn[layer] = _linear("spread", band, 0.0, most, "doubt")
    if "filled" in scenes.rasters:
        drawn[Layer("filled", "Filled", "share of pixels that are new", "looks", 0, 100, "%")] = _linear(
            "filled", None, 0.0, 1.0, "looks"
        )
    else:
        most = largest(np.abs(after.mean(axis=0) - survey.blocks["before"].mean.mean(axis=0)))
        about = "after - before" + (", mean of the bands" if several else "")
        layer = Layer("change", "What changed", about, "change", -most, most, scenes.unit)
        drawn[layer] = _change("after", "before", most)
    return drawn


def _of_fused(scenes: Scenes, survey: Survey) -> dict[Layer, Drawn]:
    optical, fused = (survey.blocks[role].mean for role in ("optical", "fused"))
    light, made = (scenes.colours.get(role, (0, 1, 2)) for role in ("optical", "fused"))
    made = made if "fused" in scenes.colours or fused.shape[0] != optical.shape[0] else light
    colours = Composite(_three(optical, light), radar=False)
    own = colours if fused.shape[0] == optical.shape[0] else Composite(_three(fused, made), radar=False)
    grey = _grey_range(survey.histograms["sar", 0])
    drawn: dict[Layer, Drawn] = {}
    for role, label, composite, bands in (("optical", "Optical", colours, light), ("fused", "Fused", own, made)):
        count = scenes.rasters[role].shape[0]
        about = "red band {}, green {}, blue {}".format(*(band + 1 for band in bands)) if count > 3 else ""
        drawn[Layer(role, label, about)] = _colours(role, composite, bands)
    drawn[Layer("sar", "SAR", "backscatter", "grey", grey.low, grey.high, "dB")] = _grey("sar", 0, grey)
    most = largest(np.abs(fused.mean(axis=0) - optical.mean(axis=0)))
    about = "mean of the fused bands less that of the optical ones"
    drawn[Layer("change", "What SAR brought", about, "change", -most, most)] = _change("fused", "optical", most)
    if "spread" in scenes.rasters:
        most = largest(survey.blocks["spread"].mean[0])
        layer = Layer("spread", "Uncertainty", "standard deviation of the luminance", "doubt", 0.0, most)
        drawn[layer] = _linear("spread", 0, 0.0, most, "doubt")
    if "mask" in scenes.rasters:
        layer = Layer(
            "mask", "From SAR alone", "share of pixels that the optical image does not show", "looks", 0, 100, "%"
        )
        drawn[layer] = _linear("mask", 0, 0.0, 1.0, "looks")
    return drawn


def _grey(role: str, band: int, stretch: Stretch) -> Drawn:
    return lambda pixels, looks: coloured_uri(stretch(pixels[role][band]), "grey")


def _linear(role: str, band: int | None, low: float, high: float, name: str) -> Drawn:
    """One band from low to high; None: the highest of all."""

    def draw(pixels: Pixels, looks: Pixels) -> str:
        image = np.fmax.reduce(pixels[role]) if band is None else pixels[role][band]
        return coloured_uri((image - low) / (high - low), name)

    return draw


def _ratio_limit(table: Table) -> float:
    """Decibels at the ends of the ratio's colours: two and a half standard deviations of what was taken away."""
    variance = next((row.after for row in table.rows if row.key == "ratio_variance"), math.nan)
    if not math.isfinite(variance):
        return RATIO_DB[1]
    return float(np.clip(round(2.5 * DB_PER_LOG * math.sqrt(variance)), *RATIO_DB))


def _ratio(band: int, limit: float) -> Drawn:
    def draw(pixels: Pixels, looks: Pixels) -> str:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio_db = from_intensity(pixels["before"][band] / pixels["after"][band], "db")
        return coloured_uri((ratio_db + limit) / (2 * limit), "change")

    return draw


def _change(later: str, earlier: str, most: float) -> Drawn:
    def draw(pixels: Pixels, looks: Pixels) -> str:
        change = pixels[later].mean(axis=0) - pixels[earlier].mean(axis=0)
        return coloured_uri((change + most) / (2 * most), "change")

    return draw


def _looks(role: str, band: int) -> Drawn:
    low, high = np.log(LOOKS)

    def draw(pixels: Pixels, looks: Pixels) -> str:
        with np.errstate(divide="ignore", invalid="ignore"):
            return coloured_uri((np.log(looks[role][band]) - low) / (high - low), "looks")

    return draw


def _colours(role: str, composite: Composite, bands: tuple[int, ...] = (0, 1, 2)) -> Drawn:
    return lambda pixels, looks: rgb_uri(composite(_three(pixels[role], bands)))


def _three(image: NDArray[np.float32], bands: tuple[int, ...]) -> NDArray[np.float32]:
    """These bands of an image; one that has fewer as it is."""
    return image[list(bands)] if len(image) > max(bands) else image


def _local_looks(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of windows around every fourth pixel."""
    first = LOOKS_THIN // 2
    thin = (slice(first, None, LOOKS_THIN),) * 2 if min(pixels.shape[1:]) > LOOKS_WINDOW else (slice(None),) * 2
    looks = np.stack([enl_map(band, LOOKS_WINDOW)[thin] for band in pixels])
    return np.where(np.isfinite(looks), looks, np.nan).astype(np.float32)


def _grey_range(histogram: Histogram, units: Units = "db") -> Stretch:
    low, high = (histogram.quantile(share) for share in QUANTILES)
    return Stretch.between(low, high, units=units)
