"""Deblur."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterLayer,
)

from .base import PHYSICAL_VALUES, SceneAlgorithm
from .compat import FILE
from .words import BLURS, blur

__all__ = ["Deblur"]

METHODS = ("auto", "dpir", "diffpir")


class Deblur(SceneAlgorithm):
    """Takes a known blur out."""

    NAME = COMMAND = "deblur"
    TITLE = "Deblur"
    SHORT = "Takes a known blur out of an image; same grid, same units."
    TAGS = ("sharpen", "blur", "deconvolution", "psf", "diffusion")
    HELP = """
    <p>Takes a blur that you know out of an optical image, or of a radar image without speckle. Say what blurred
    it:</p>
    <p><i>gaussian</i>: by its standard deviation; <i>box</i>: the mean of a square; <i>motion</i>: along a line, by
    its length and direction; <i>kernel from a file</i>: any other, as .txt, .csv or .tif. All lengths are in
    pixels.</p>
    <p><i>Noise</i>: the standard deviation of the noise, in the units of the image. Left unset, it is
    estimated.</p>
    <p>Cancelling leaves nothing behind.</p>
    """
    GIVEN = (
        *("NOISE", "VALUES", "METHOD", "BANDS", "STEPS", "SAMPLES", "DTYPE"),
        *("SEED", "WEIGHTS", "DEVICE", "TILE", "COMPRESSION"),
    )
    RESULTS = (("OUTPUT", "image"), ("UNCERTAINTY", "doubt"))

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        self.put(QgsProcessingParameterRasterLayer("INPUT", "Image"), "Optical, or backscatter without speckle.")
        self.choice("BLUR", "Blur", BLURS, "gaussian", "What blurred the image.")
        self.number("SIGMA", "Gaussian: standard deviation (pixels)", "", default=1.5, low=0.01)
        self.number("WIDTH", "Box: side (pixels, odd)", "", default=3, low=2, whole=True)
        self.number("LENGTH", "Motion: length (pixels)", "", default=9, low=1)
        self.number("ANGLE", "Motion: direction (degrees, anticlockwise from east)", "", default=0, low=-360, high=360)
        self.put(
            QgsProcessingParameterFile(
                "KERNEL", "Kernel", behavior=FILE, fileFilter="Kernels (*.txt *.csv *.tif *.tiff)", optional=True
            ),
            "A table or raster of weights, its middle the pixel itself.",
        )
        self.number("NOISE", "Noise (standard deviation)", "Left unset, that of each band is estimated.", low=0)
        self.choice("VALUES", "Values", PHYSICAL_VALUES, "automatic", "physical: reflectance, counts and the like.")
        self.choice(
            "METHOD", "Method", METHODS, "auto",
            "auto: dpir, one estimate; or diffpir, which draws samples, for several or their spread.", advanced=True,
        )  # fmt: skip
        self.bands("BANDS", "Bands", "INPUT", "All of them unless chosen.")
        self.number("STEPS", "Steps", "The method's own number unless set.", low=1, whole=True, advanced=True)
        self.number("SAMPLES", "Samples to average", "Of methods that sample.", low=1, whole=True, advanced=True)
        self.choice("DTYPE", "Data type of the result", ("input", "float32"), "input", "", advanced=True)
        self.of_computing()
        self.result("OUTPUT", "Deblurred")
        self.result(
            "UNCERTAINTY", "Spread of the samples", "In the units of the result; takes several samples.", optional=True
        )

    def values(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        names = ("BLUR", "SIGMA", "WIDTH", "LENGTH", "ANGLE", "KERNEL")
        kind, sigma, width, length, angle, kernel = (self.value(parameters, name, context) for name in names)
        try:
            said = blur(kind, sigma=sigma, width=width, length=length, angle=angle, kernel=kernel)
        except ValueError as error:
            raise QgsProcessingException(str(error)) from error
        return {"BLUR": said, **super().values(parameters, context)}
