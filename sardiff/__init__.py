"""Restore satellite scenes with diffusion models.

>>> import sardiff
>>> lazy = sardiff.despeckle(dataarray, looks=4.4)  # doctest: +SKIP
>>> sardiff.despeckle("scene.tif", "clean.tif")  # doctest: +SKIP
>>> sardiff.fuse("s1_vv.tif", "s2_rgb.tif", "fused.tif")  # doctest: +SKIP
>>> sardiff.fill("scene.tif", "whole.tif", mask="clouds.tif")  # doctest: +SKIP
>>> sardiff.deblur("scene.tif", "sharp.tif", blur="gaussian:1.5")  # doctest: +SKIP
>>> sardiff.plot.swipe("scene.tif", "clean.tif")  # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sardiff import plot
    from sardiff.tasks.deblur_scene import deblur
    from sardiff.tasks.despeckle_scene import despeckle
    from sardiff.tasks.fill_scene import fill
    from sardiff.tasks.fuse_scene import fuse

__all__ = ["__version__", "deblur", "despeckle", "fill", "fuse", "plot"]

try:
    __version__ = _version("sardiff")
except PackageNotFoundError:  # run from a folder, not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    # Imported when first asked for: torch and rasterio take a second.
    if name == "despeckle":
        from sardiff.tasks.despeckle_scene import despeckle

        return despeckle
    if name == "fill":
        from sardiff.tasks.fill_scene import fill

        return fill
    if name == "deblur":
        from sardiff.tasks.deblur_scene import deblur

        return deblur
    if name == "fuse":
        from sardiff.tasks.fuse_scene import fuse

        return fuse
    if name == "plot":
        return import_module("sardiff.plot")
    raise AttributeError(f"module 'sardiff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
