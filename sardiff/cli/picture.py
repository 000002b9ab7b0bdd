"""Before | after | truth | uncertainty, whole and in detail: one picture that says what despeckling did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sardiff.tasks.inputs import open_source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

LARGEST = 1200  # pixels of a panel's side; larger scenes are thinned out
DETAIL = 5  # the lower row shows a square of a fifth of the scene's side


def draw(before: Path, after: Path, truth: Path, uncertainty: Path, picture: Path) -> None:
    """Draw four rasters of one grid side by side and write them as a PNG.

    The first three as backscatter in dB on one grey scale, from the 1st to the 99th percentile of the truth;
    the fourth, a standard deviation in dB, on a scale of its own. Below each, a detail where most is going on.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    scenes = [_decibels(path) for path in (before, after, truth)]
    doubt = _read(uncertainty)
    low, high = np.nanpercentile(scenes[2], (1, 99))
    most = float(np.nanpercentile(doubt, 99))
    rows, cols = _busiest(scenes[2])
    box = (cols.start - 0.5, rows.start - 0.5), cols.stop - cols.start, rows.stop - rows.start
    grey: dict[str, Any] = {"cmap": "gray", "vmin": low, "vmax": high}
    fire: dict[str, Any] = {"cmap": "magma", "vmin": 0, "vmax": most}
    panels = [
        ("before", scenes[0], grey),
        ("after", scenes[1], grey),
        ("truth", scenes[2], grey),
        ("uncertainty of after", doubt, fire),
    ]
    figure, axes = plt.subplots(2, 4, figsize=(17.2, 8.0), layout="constrained")
    for column, (title, image, style) in enumerate(panels):
        thin = max(1, -(-max(image.shape) // LARGEST))
        whole: Axes = axes[0, column]
        extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
        shown = whole.imshow(image[::thin, ::thin], extent=extent, interpolation="antialiased", **style)
        whole.add_patch(Rectangle(*box, fill=False, edgecolor="deepskyblue", linewidth=1.5))
        whole.set_title(title, fontsize=13)
        axes[1, column].imshow(image[rows, cols], interpolation="nearest", **style)
        for axis in axes[:, column]:
            axis.set(xticks=[], yticks=[], facecolor="#c8d2dc")
        for spine in axes[1, column].spines.values():
            spine.set(edgecolor="deepskyblue", linewidth=1.5)
        if column == 2:
            figure.colorbar(shown, ax=axes[:, :3], label="backscatter, dB", shrink=0.7, pad=0.01)
        if column == 3:
            figure.colorbar(shown, ax=axes[:, 3], label="standard deviation, dB", shrink=0.7, pad=0.02)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def _decibels(path: Path) -> NDArray[np.float32]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(_read(path)), np.float32)


def _read(path: Path) -> NDArray[np.float32]:
    # Standard deviations are read as they stand: positive numbers, NaN where nothing was measured.
    source = open_source(path, values="intensity", bands=(1,))
    return source[slice(0, 1), slice(0, source.shape[1]), slice(0, source.shape[2])][0]


def _busiest(image: NDArray[np.float32]) -> tuple[slice, slice]:
    """The square of a grid of them whose neighbouring pixels differ most, all of it measured if any is."""
    side = max(min(image.shape) // DETAIL, 16)
    step = max(side // 2, 1)
    places = [
        (slice(top, top + side), slice(left, left + side))
        for top in range(0, image.shape[0] - side + 1, step)
        for left in range(0, image.shape[1] - side + 1, step)
    ]

    def variety(place: tuple[slice, slice]) -> tuple[float, float]:
        part = image[place]
        measured = np.isfinite(part)
        return float(measured.mean()), float(np.nanstd(part)) if measured.any() else 0.0

    return max(places, key=variety)
