"""Despeckle SAR."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterRasterLayer

from .base import QUALITIES, VALUES, SceneAlgorithm

__all__ = ["Despeckle"]

UNITS = ("as the input", "intensity", "amplitude", "dB")
METHODS = ("auto", "one-pass", "scoring", "posterior", "moment", "sar-dps", "diffpir", "gibbs")
POLARISATIONS = ("automatic", "vv", "vh", "hh", "hv")


class Despeckle(SceneAlgorithm):
    """Takes the speckle out."""

    NAME = COMMAND = "despeckle"
    TITLE = "Despeckle SAR"
    SHORT = "Takes the speckle out of a radar image; same grid, same units."
    TAGS = ("speckle", "despeckling", "filter", "sentinel-1", "denoise", "diffusion")
    HELP = """
    <p>Takes the speckle out of a radar image with a diffusion model. The result lies on the same grid, in the same
    units, with the same georeferencing. On demand it also says how sure it is of each pixel.</p>
    <p><b>Give it the image as it came</b>: not filtered, and not warped to another grid. Warp afterwards.</p>
    <p>Backscatter as linear intensity (power), amplitude or decibels; a GeoTIFF, or a Sentinel-1 product opened by
    its manifest.safe. Where neither tags nor numbers tell what the values mean, say so under <i>Values</i>.</p>
    <p><i>Looks</i>: how much the product was averaged. Left unset, it is estimated. Single-look images have 1,
    Sentinel-1 GRD about 4.4. Run <i>Inspect</i> to see.</p>
    <p><i>Quality</i>: balanced takes about twice as long as fast, best four times as long as balanced.</p>
    <p>Cancelling leaves nothing behind.</p>
    """
    GIVEN = (
        *("VALUES", "LOOKS", "QUALITY", "UNITS", "METHOD", "CORRELATION", "BANDS", "POLARISATION"),
        *("STEPS", "SAMPLES", "SEED", "WEIGHTS", "DEVICE", "TILE", "COMPRESSION"),
    )
    RESULTS = (("OUTPUT", "image"), ("UNCERTAINTY", "doubt"))

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        self.put(QgsProcessingParameterRasterLayer("INPUT", "SAR image"), "Backscatter, with its speckle.")
        self.choice("VALUES", "Values", VALUES, "automatic", "What the pixels mean. Automatic: by tags and statistics.")
        self.number("LOOKS", "Equivalent number of looks", "Left unset, it is estimated.", low=0.01)
        self.choice("QUALITY", "Quality", QUALITIES, "balanced", "How much is computed.")
        self.choice("UNITS", "Units of the result", UNITS, "as the input", "Decibels are easiest to look at.")
        self.choice(
            "METHOD", "Method", METHODS, "auto",
            "auto: one-pass, or posterior for several samples. The others take longer.", advanced=True,
        )  # fmt: skip
        self.number(
            "CORRELATION", "Correlation of speckle (pixels that vary as one)",
            "Left unset, it is measured; 1: speckle is independent.", low=1, high=100, advanced=True,
        )  # fmt: skip
        self.bands("BANDS", "Bands", "INPUT", "All of them unless chosen; each is despeckled by itself.")
        self.choice(
            "POLARISATION", "Polarisation", POLARISATIONS, "automatic", "Of a Sentinel-1 product that has several.",
            advanced=True,
        )  # fmt: skip
        self.number("STEPS", "Steps", "The method's own number unless set.", low=1, whole=True, advanced=True)
        self.number("SAMPLES", "Samples to average", "Of methods that sample.", low=1, whole=True, advanced=True)
        self.of_computing()
        self.result("OUTPUT", "Despeckled")
        self.result("UNCERTAINTY", "Uncertainty (dB)", "The standard deviation of each pixel.", optional=True)
