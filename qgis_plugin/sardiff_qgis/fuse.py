"""Fuse optical and SAR."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterBoolean, QgsProcessingParameterRasterLayer

from .base import QUALITIES, VALUES, SceneAlgorithm

__all__ = ["Fuse"]

METHODS = (
    *("auto", "dps", "vds", "ddfm", "joint"),
    *("ihs", "brovey", "pyramid", "atrous", "guided", "gradient-transfer"),
)


class Fuse(SceneAlgorithm):
    """Makes one image of two."""

    NAME = COMMAND = "fuse"
    TITLE = "Fuse optical and SAR"
    SHORT = "Makes one image of an optical and a SAR image: the colours of the one, the structure of both."
    TAGS = ("fusion", "optical", "sentinel-1", "sentinel-2", "clouds", "diffusion")
    HELP = """
    <p>Makes one image of two: the colours of the optical image, the structure of both. The two may differ in CRS,
    pixel size and extent. The SAR image is despeckled first, on its own grid, unless you say that it is
    already.</p>
    <p><i>Weight</i>: 0 is the optical image, 1 the SAR image.</p>
    <p><i>Correct misregistration</i>: how far the two lie apart is measured; tick it to have it corrected.</p>
    <p><i>Clouds</i>: a raster, on any grid, that is not zero where a cloud hides the ground; or the classes that
    mean a cloud, such as 3,8,9,10 of the scene classification (SCL) of Sentinel-2. There the result is what SAR
    tells.</p>
    <p><i>Sources</i> shows which image each pixel comes from.</p>
    <p>Cancelling leaves nothing behind.</p>
    """
    INPUTS = ("SAR", "OPTICAL")
    GIVEN = (
        *("WEIGHT", "REGISTER", "DESPECKLED", "VALUES", "LOOKS", "CLOUD_MASK", "CLOUD_CLASSES", "QUALITY", "METHOD"),
        *("MODE", "INJECT", "LUMINANCE", "SAR_BANDS", "BANDS", "DTYPE"),
        *("STEPS", "SAMPLES", "SEED", "WEIGHTS", "DEVICE", "TILE", "COMPRESSION"),
    )
    RESULTS = (("OUTPUT", "image"), ("SOURCES", "sources"), ("UNCERTAINTY", "doubt"))

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        self.put(QgsProcessingParameterRasterLayer("SAR", "SAR image"), "Backscatter.")
        self.put(QgsProcessingParameterRasterLayer("OPTICAL", "Optical image"), "One band or more.")
        self.number(
            "WEIGHT", "Weight (0 optical, 1 SAR)", "Which image the result follows.", default=0.4, low=0, high=1
        )
        self.put(
            QgsProcessingParameterBoolean("REGISTER", "Correct misregistration", defaultValue=False),
            "Move the SAR image by what was measured.",
        )
        self.put(
            QgsProcessingParameterBoolean("DESPECKLED", "The SAR image is despeckled already", defaultValue=False),
            "Then it is taken as it is.",
        )
        self.choice("VALUES", "Values of the SAR image", VALUES, "automatic", "Automatic: by tags and statistics.")
        self.number("LOOKS", "Equivalent number of looks", "Of the SAR image; left unset, it is estimated.", low=0.01)
        self.put(
            QgsProcessingParameterRasterLayer("CLOUD_MASK", "Clouds", optional=True),
            "A raster that is not zero where a cloud hides the ground.",
        )
        self.text("CLOUD_CLASSES", "Classes that mean a cloud", "Such as 3,8,9,10 of Sentinel-2's SCL.", advanced=False)
        self.choice("QUALITY", "Quality of despeckling", QUALITIES, "balanced", "", advanced=True)
        self.choice(
            "METHOD", "Method", METHODS, "auto",
            "auto: dps. vds, ddfm and joint use the prior too, the others are classical and fast.", advanced=True,
        )  # fmt: skip
        self.choice(
            "MODE", "Result", ("auto", "colour", "intensity"), "auto",
            "All optical bands, or the fused luminance alone; auto: colour for three bands or more.", advanced=True,
        )  # fmt: skip
        self.choice("GRID", "Grid of the result", ("optical", "sar"), "optical", "", advanced=True)
        self.put(
            QgsProcessingParameterRasterLayer("GRID_RASTER", "Grid of another raster", optional=True),
            "Then the result lies on its grid.",
            advanced=True,
        )
        self.choice(
            "INJECT", "How bands follow the luminance", ("auto", "ratio", "gain"), "auto",
            "ratio: multiplied alike, which keeps the hue; gain: along their slope on it.", advanced=True,
        )  # fmt: skip
        self.choice("LUMINANCE", "Luminance of the bands", ("mean", "pca"), "mean", "", advanced=True)
        self.bands("SAR_BANDS", "SAR bands", "SAR", "Averaged; the first unless chosen.")
        self.bands("BANDS", "Optical bands", "OPTICAL", "All of them unless chosen.")
        self.choice("DTYPE", "Data type of a colour result", ("input", "float32"), "input", "", advanced=True)
        self.number("STEPS", "Steps", "The method's own number unless set.", low=1, whole=True, advanced=True)
        self.number("SAMPLES", "Samples to average", "Of methods with a prior.", low=1, whole=True, advanced=True)
        self.of_computing()
        self.result("OUTPUT", "Fused")
        self.result("SOURCES", "Sources", "Which images each pixel comes from.", optional=True)
        self.result(
            "UNCERTAINTY", "Spread of the samples",
            "Of their luminance; takes eight samples unless Samples says another number.", optional=True,
        )  # fmt: skip

    def values(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        grid = self.value(parameters, "GRID_RASTER", context) or self.value(parameters, "GRID", context)
        return {**super().values(parameters, context), "GRID": grid}
