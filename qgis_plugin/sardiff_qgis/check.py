"""Check installation."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputString,
)

from .base import SardiffAlgorithm
from .protocol import PROTOCOL
from .report import of_installation
from .runner import ask

__all__ = ["CheckInstallation"]


class CheckInstallation(SardiffAlgorithm):
    """Says whether sardiff is found and well."""

    NAME = "check"
    TITLE = "Check installation"
    SHORT = "Says which sardiff this plugin starts, and whether it is well; if there is none, how to install it."
    TAGS = ("doctor", "install", "help")
    HELP = """
    <p>Says which sardiff this plugin starts, where it was found, and whether everything is in its place: versions,
    GPU, memory, weights, disk. If there is none, it says which two commands install it.</p>
    <p>sardiff has a Python of its own; nothing is installed into that of QGIS. It is looked for in the Processing
    options (Providers, sardiff), the environment variable SARDIFF_PYTHON, on PATH, and where pipx, uv, conda and
    pip put it.</p>
    """

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        self.addOutput(QgsProcessingOutputString("SARDIFF", "What is started"))
        self.addOutput(QgsProcessingOutputString("VERSION", "Version of sardiff"))
        self.addOutput(QgsProcessingOutputBoolean("WELL", "All is well"))

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        sardiff = self.sardiff()
        feedback.pushInfo(f"sardiff: {sardiff}")
        said = ask(sardiff, ["doctor", "--json"], feedback, fine=(0, 1))
        if not said:
            return {}
        try:
            facts = json.loads(said)
            rows = of_installation(facts)
        except (KeyError, TypeError, ValueError) as error:
            raise QgsProcessingException(
                f"{sardiff} is no sardiff that this plugin understands ({error}): update it."
            ) from error
        for what, found in rows:
            (feedback.pushWarning if what.startswith("!") else feedback.pushInfo)(f"{what}: {found}")
        well = bool(facts.get("well"))
        if facts.get("protocol") != PROTOCOL:
            well = False
            feedback.pushWarning(
                "This sardiff speaks version {} of the protocol and the plugin version {}: update the older of "
                "the two.".format(facts.get("protocol", 0), PROTOCOL)
            )
        feedback.pushInfo("All is well." if well else "Not all is well: see above.")
        return {
            "SARDIFF": " ".join(sardiff.words),
            "VERSION": facts["findings"].get("sardiff", {}).get("found", ""),
            "WELL": well,
        }
