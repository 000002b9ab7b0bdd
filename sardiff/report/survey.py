"""One pass over whole scenes, in strips: what they look like small, how often each value occurs, how even they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo_io import from_intensity
from geo_io.source import sample
from sardiff.plot.blocks import BUDGET, Blocks, reduction, strips
from sardiff.plot.counts import DB_BINS, Histogram
from sardiff.report.scenes import Scenes

__all__ = ["Survey", "survey"]

PIXELS = 1024  # of the overview's longer side, of one band; more bands share them
BINS = 160  # of histograms of what is no backscatter


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of whole scenes.

    Parameters
    ----------
    step : int
        Pixels of the scene along a side of one of the overview, 1 where it is shown as it is.
    blocks : dict
        Role to sums over blocks of `step` pixels.
    histograms : dict
        (role, band) to counts: of `scenes.in_db` in dB, else of values; of a fusion and its optical source of the mean
        of their bands (band 0).
    measured : float
        Share of pixels measured in the band of the result that has most.
    """

    step: int
    blocks: dict[str, Blocks]
    histograms: dict[tuple[str, int], Histogram]
    measured: float


def survey(scenes: Scenes, *, progress: Callable[[float], None] = lambda share: None) -> Survey:
    """Go once over all rasters of a report, side by side, in strips of bounded size."""
    rows, cols = scenes.grid.shape
    count = sum(raster.shape[0] for raster in scenes.rasters.values())
    shared = 1 if scenes.colour else len(scenes.bands)
    step = reduction((rows, cols), int(PIXELS / shared**0.5))
    blocks = {role: Blocks(raster.shape, step, squares=role in scenes.in_db) for role, raster in scenes.rasters.items()}
    histograms = _histograms(scenes)
    for part in strips((count, rows, cols), step, budget=2 * BUDGET):
        for role, raster in scenes.rasters.items():
            pixels = raster[slice(0, raster.shape[0]), part, slice(0, cols)]
            blocks[role].add(pixels, part.start)
            for (name, band), histogram in histograms.items():
                if name == role:
                    histogram.add(_counted(scenes, role, pixels, band))
        progress(part.stop / rows)
    result = blocks[scenes.shown[1]]
    return Survey(step, blocks, histograms, float(result.count.sum(axis=(1, 2)).max()) / (rows * cols))


def _histograms(scenes: Scenes) -> dict[tuple[str, int], Histogram]:
    found: dict[tuple[str, int], Histogram] = {}
    for role in scenes.in_db:
        found.update({(role, band): Histogram(DB_BINS) for band in range(scenes.rasters[role].shape[0])})
    plain = [role for role in scenes.shown if role not in scenes.in_db]
    for band in range(len(scenes.bands) if plain and scenes.kind != "fused" else min(len(plain), 1)):
        edges = _edges(scenes, plain, band)
        found.update({(role, band): Histogram(edges) for role in plain})
    return found


def _counted(scenes: Scenes, role: str, pixels: NDArray[np.float32], band: int) -> NDArray[np.float32]:
    if role in scenes.in_db:
        return from_intensity(pixels[band], "db")
    return pixels.mean(axis=0) if scenes.kind == "fused" else pixels[band]


def _edges(scenes: Scenes, roles: Sequence[str], band: int) -> NDArray[np.float64]:
    """Bins that hold nearly all of several images."""
    greys = [
        _counted(scenes, role, window.intensity, band).ravel()
        for role in roles
        for window in sample(scenes.rasters[role], budget=1_000_000)  # type: ignore[arg-type]
    ]
    known = np.concatenate([grey[np.isfinite(grey)] for grey in greys]) if greys else np.empty(0)
    low, high = (float(q) for q in np.quantile(known, (0.001, 0.999))) if known.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, BINS + 1)
