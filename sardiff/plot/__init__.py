"""Quicklooks of SAR scenes, for the demo, reports and notebooks: sensible stretches, bounded memory, map axes.

>>> from sardiff import plot
>>> plot.quicklook("scene.tif")  # doctest: +SKIP
>>> plot.before_after("scene.tif", "clean.tif", spread="clean_std_db.tif").savefig("both.png")  # doctest: +SKIP
>>> plot.swipe("scene.tif", "clean.tif")  # doctest: +SKIP

Scenes are paths, DataArrays, open sources, or arrays of linear intensity. Drawing needs matplotlib, the extra `plot`;
`swipe` does not.
"""

from sardiff.plot.blocks import Overview, overview
from sardiff.plot.composites import Composite
from sardiff.plot.figures import (
    before_after,
    composite,
    histogram,
    looks_map,
    quicklook,
    ratio_image,
    uncertainty,
)
from sardiff.plot.grey import Stretch, stretch
from sardiff.plot.viewer import Swipe, swipe

__all__ = [
    "Composite",
    "Overview",
    "Stretch",
    "Swipe",
    "before_after",
    "composite",
    "histogram",
    "looks_map",
    "overview",
    "quicklook",
    "ratio_image",
    "stretch",
    "swipe",
    "uncertainty",
]
