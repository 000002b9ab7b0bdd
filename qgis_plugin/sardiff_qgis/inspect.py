"""Inspect."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
)

from .base import VALUES, SardiffAlgorithm
from .report import as_html, of_scene
from .runner import ask
from .words import option

__all__ = ["Inspect"]


class Inspect(SardiffAlgorithm):
    """Says what a file is."""

    NAME = "inspect"
    TITLE = "Inspect"
    SHORT = "Says what a radar image is: values, looks, whether its speckle is correlated or was filtered already."
    TAGS = ("looks", "enl", "speckle", "sentinel-1", "info")
    HELP = """
    <p>Says what a radar image is, before anything is done to it: what its values mean, how it is georeferenced, how
    many looks it has and how sure that is, whether neighbouring pixels share their speckle, and whether it was
    filtered already.</p>
    <p>Pixels are read from a sample of about four million. In models, the number of looks can be handed to
    <i>Despeckle SAR</i>.</p>
    """

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        self.put(QgsProcessingParameterRasterLayer("INPUT", "SAR image"), "Backscatter.")
        self.choice("VALUES", "Values", VALUES, "automatic", "What the pixels mean. Automatic: by tags and statistics.")
        self.bands("BANDS", "Bands", "INPUT", "All of them unless chosen.")
        self.put(
            QgsProcessingParameterFileDestination(
                "OUTPUT", "Report", fileFilter="HTML files (*.html)", optional=True, createByDefault=True
            )
        )
        for name, title in (
            ("LOOKS", "Equivalent number of looks"),
            ("CORRELATION", "Pixels of speckle that vary as one"),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, title))
        for name, title in (("MEANING", "What the values mean"), ("SPECKLE", "independent, correlated or unknown")):
            self.addOutput(QgsProcessingOutputString(name, title))

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self._words = ["inspect", "--json"]
        for name in ("VALUES", "BANDS"):
            self._words += option(name, self.value(parameters, name, context))
        self._words += ["--", str(self.raster(parameters, "INPUT", context))]
        return True

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        said = ask(self.sardiff(), self._words, feedback)
        if not said:
            return {}
        try:
            facts = json.loads(said)
            rows = of_scene(facts)
        except (KeyError, TypeError, ValueError) as error:
            raise QgsProcessingException(
                f"What this sardiff says of a file is not understood ({error}): update sardiff or the plugin."
            ) from error
        for what, how in rows:
            feedback.pushInfo(f"{what}: {how}")
        found = {
            "LOOKS": facts["looks"]["estimate"],
            "CORRELATION": facts["correlation_area"],
            "MEANING": facts["values"],
            "SPECKLE": facts["speckle"],
        }
        path = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        if path:
            with open(path, "w", encoding="utf-8") as file:
                file.write(as_html(facts["file"], rows))
            found["OUTPUT"] = path
        return found
