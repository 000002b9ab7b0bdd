"""Fill gaps."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterRasterLayer

from .base import PHYSICAL_VALUES, SceneAlgorithm

__all__ = ["FillGaps"]

METHODS = ("auto", "diffpir", "ddnm", "harmonic", "biharmonic")


class FillGaps(SceneAlgorithm):
    """Fills what was not measured."""

    NAME = COMMAND = "fill"
    TITLE = "Fill gaps"
    SHORT = "Fills gaps of an image with what could be there; same grid, same units."
    TAGS = ("inpainting", "nodata", "clouds", "stripes", "interpolation", "diffusion")
    HELP = """
    <p>Fills gaps of an optical image, or of a radar image without speckle: pixels that are nodata, and those that a
    mask names. What was measured comes back as it was.</p>
    <p><b>What is filled in was not measured.</b> It is what could be there, by its surroundings and by what such
    images look like. <i>Filled pixels</i> shows where that is, <i>Spread</i> how much plausible fillings
    differ.</p>
    <p><i>Mask</i>: a raster on any grid that is not zero in a gap; or the classes that mean one, such as
    3,8,9,10 of the scene classification (SCL) of Sentinel-2.</p>
    <p><i>Widest gap</i>: wider ones, and what lies around the scene, stay as they are.</p>
    <p>Cancelling leaves nothing behind.</p>
    """
    GIVEN = (
        *("MASK", "GAP_CLASSES", "MAX_GAP", "VALUES", "METHOD", "BANDS", "STEPS", "SAMPLES", "DTYPE"),
        *("SEED", "WEIGHTS", "DEVICE", "TILE", "COMPRESSION"),
    )
    RESULTS = (("OUTPUT", "image"), ("FILLED", "filled"), ("UNCERTAINTY", "doubt"))

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        self.put(QgsProcessingParameterRasterLayer("INPUT", "Image"), "Optical, or backscatter without speckle.")
        self.put(
            QgsProcessingParameterRasterLayer("MASK", "Mask of gaps", optional=True),
            "On any grid; not zero: a gap. Nodata is a gap in any case.",
        )
        self.text("GAP_CLASSES", "Classes of the mask that mean a gap", "Such as 3,8,9,10.", advanced=False)
        self.number("MAX_GAP", "Widest gap (pixels)", "Wider ones stay.", default=64, low=1, high=256, whole=True)
        self.choice("VALUES", "Values", PHYSICAL_VALUES, "automatic", "physical: reflectance, counts and the like.")
        self.choice(
            "METHOD", "Method", METHODS, "auto",
            "auto: diffpir, one estimate; or ddnm, which draws samples. The others know no prior.", advanced=True,
        )  # fmt: skip
        self.bands("BANDS", "Bands", "INPUT", "All of them unless chosen.")
        self.number("STEPS", "Steps", "The method's own number unless set.", low=1, whole=True, advanced=True)
        self.number("SAMPLES", "Samples to average", "Of methods that sample.", low=1, whole=True, advanced=True)
        self.choice("DTYPE", "Data type of the result", ("input", "float32"), "input", "", advanced=True)
        self.of_computing()
        self.result("OUTPUT", "Filled")
        self.result("FILLED", "Filled pixels", "Measured, filled, or a gap still.", optional=True)
        self.result("UNCERTAINTY", "Spread", "Of plausible fillings; takes several samples.", optional=True)
