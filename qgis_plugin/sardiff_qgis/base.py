"""What the algorithms share: parameters put together, read as words, and a run of sardiff between them."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any, Sequence

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterBand,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtGui import QIcon

from .compat import ADVANCED, FILE, INTEGER, REAL, WKT
from .find import Installation, NotFoundError
from .runner import run
from .settings import installation
from .style import load_with
from .words import command_line, file_of_raster

__all__ = ["SardiffAlgorithm", "SceneAlgorithm"]

VALUES = ("automatic", "intensity", "amplitude", "dB")
PHYSICAL_VALUES = ("automatic", "physical", "intensity", "amplitude", "dB")
QUALITIES = ("fast", "balanced", "best")
COMPRESSIONS = ("deflate", "zstd", "lzw", "none")


class SardiffAlgorithm(QgsProcessingAlgorithm):
    """An algorithm of the toolbox; a child says its `NAME` and what it does."""

    NAME = ""  # in scripts and models; never to be changed
    TITLE = ""
    SHORT = ""  # one line
    HELP = ""  # plain words, as HTML
    TAGS: tuple[str, ...] = ()

    def name(self) -> str:
        return self.NAME

    def displayName(self) -> str:
        return self.TITLE

    def shortDescription(self) -> str:
        return self.SHORT

    def shortHelpString(self) -> str:
        said = " ".join(self.HELP.split())  # QGIS breaks lines where the text does
        try:
            installation()
        except NotFoundError as error:
            said = "<p><b>{}</b></p>{}".format(html.escape(str(error)).replace("\n", "<br>"), said)
        return said

    def tags(self) -> list[str]:
        return ["sar", "radar", *self.TAGS]

    def icon(self) -> QIcon:
        return QIcon(str(Path(__file__).with_name("icon.svg")))

    def createInstance(self) -> QgsProcessingAlgorithm:
        return type(self)()

    def put(self, parameter: QgsProcessingParameterDefinition, said: str = "", advanced: bool = False) -> None:
        """Add a parameter, with its tooltip; folded away if it is `advanced`."""
        parameter.setHelp(said)
        if advanced:
            parameter.setFlags(parameter.flags() | ADVANCED)
        self.addParameter(parameter)

    def choice(
        self, name: str, title: str, options: Sequence[str], default: str, said: str, advanced: bool = False
    ) -> None:
        """Add a choice of words, which scripts and models write out too."""
        self.put(
            QgsProcessingParameterEnum(
                name, title, options=list(options), defaultValue=default, usesStaticStrings=True
            ),
            said,
            advanced,
        )

    def number(
        self,
        name: str,
        title: str,
        said: str,
        *,
        default: float | None = None,
        low: float | None = None,
        high: float | None = None,
        whole: bool = False,
        advanced: bool = False,
    ) -> None:
        """Add a number; without a default it may be left unset."""
        parameter = QgsProcessingParameterNumber(
            name, title, type=INTEGER if whole else REAL, defaultValue=default, optional=default is None
        )
        if low is not None:
            parameter.setMinimum(low)
        if high is not None:
            parameter.setMaximum(high)
        self.put(parameter, said, advanced)

    def text(self, name: str, title: str, said: str, advanced: bool = True) -> None:
        """Add a text that may be left empty."""
        self.put(QgsProcessingParameterString(name, title, optional=True), said, advanced)

    def bands(self, name: str, title: str, layer: str, said: str) -> None:
        """Add a choice of bands of a layer."""
        self.put(
            QgsProcessingParameterBand(name, title, parentLayerParameterName=layer, optional=True, allowMultiple=True),
            said,
            advanced=True,
        )

    def of_computing(self) -> None:
        """Add what decides how fast and with how much memory, and what every output has."""
        self.number("SEED", "Seed", "The same seed gives the same image.", default=0, low=0, whole=True, advanced=True)
        self.put(
            QgsProcessingParameterFile(
                "WEIGHTS", "Another prior", behavior=FILE, fileFilter="Weights (*.safetensors)", optional=True
            ),
            "A network of your own, made by sardiff train, its .json beside it.",
            advanced=True,
        )
        self.put(
            QgsProcessingParameterString("DEVICE", "Device", defaultValue="auto", optional=True),
            "auto, cpu, cuda, cuda:1, ...",
            advanced=True,
        )
        self.number(
            "TILE", "Side of a tile (pixels)", "Smaller takes less memory; the result stays the same.",
            low=32, whole=True, advanced=True,
        )  # fmt: skip
        self.choice("COMPRESSION", "Compression", COMPRESSIONS, "deflate", "All lossless.", advanced=True)

    def result(self, name: str, title: str, said: str = "", *, optional: bool = False) -> None:
        """Add a raster to write; an optional one is left out unless asked for."""
        self.put(
            QgsProcessingParameterRasterDestination(name, title, optional=optional, createByDefault=not optional), said
        )

    def value(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> Any:
        """Read a parameter as its own kind; None for one left unset."""
        definition = self.parameterDefinition(name)
        if parameters.get(name) in (None, "") and definition.defaultValue() is None:
            return None
        kind = definition.type()
        if kind == "number":
            whole = definition.dataType() == INTEGER
            return (self.parameterAsInt if whole else self.parameterAsDouble)(parameters, name, context)
        if kind == "boolean":
            return self.parameterAsBoolean(parameters, name, context)
        if kind == "enum":
            return self.parameterAsEnumString(parameters, name, context)
        if kind == "band":
            return self.parameterAsInts(parameters, name, context)
        if kind == "file":
            return self.parameterAsFile(parameters, name, context)
        if kind == "raster":
            return self.raster(parameters, name, context)
        return self.parameterAsString(parameters, name, context).strip()

    def raster(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> str | None:
        """The file of a raster layer; None for an optional one left out.

        Raises
        ------
        QgsProcessingException
            In a sentence, if it is no file.
        """
        layer = self.parameterAsRasterLayer(parameters, name, context)
        if layer is None:
            if parameters.get(name) in (None, ""):
                return None
            raise QgsProcessingException(self.invalidRasterError(parameters, name))
        provider = layer.dataProvider().name() if layer.dataProvider() is not None else "?"
        try:
            return file_of_raster(layer.name(), provider, layer.source())
        except ValueError as error:
            raise QgsProcessingException(str(error)) from error

    def crs(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """The CRS that QGIS shows a layer in, as WKT; a number of an authority can mean another thing elsewhere."""
        layer = self.parameterAsRasterLayer(parameters, name, context)
        return layer.crs().toWkt(WKT) if layer is not None and layer.crs().isValid() else ""

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        fine, said = super().checkParameterValues(parameters, context)
        if fine:
            try:
                for definition in self.parameterDefinitions():
                    if definition.type() == "raster":
                        self.raster(parameters, definition.name(), context)
            except QgsProcessingException as error:
                return False, str(error)
        return fine, said

    def sardiff(self) -> Installation:
        """The program to start.

        Raises
        ------
        QgsProcessingException
            With the two commands that install it.
        """
        try:
            return installation()
        except NotFoundError as error:
            raise QgsProcessingException(str(error)) from error


class SceneAlgorithm(SardiffAlgorithm):
    """A task on a scene: rasters in, rasters out."""

    COMMAND = ""
    INPUTS: tuple[str, ...] = ("INPUT",)
    GIVEN: tuple[str, ...] = ()  # further parameters that become options
    RESULTS: tuple[tuple[str, str], ...] = ()  # and how each looks when it is loaded

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        # Layers belong to the thread this runs in; the rest happens in another.
        self._files = [str(self.raster(parameters, name, context)) for name in self.INPUTS]
        self._values = self.values(parameters, context)
        self._wkt = self.crs(parameters, self.INPUTS[-1], context)
        return True

    def values(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what becomes options."""
        return {name: self.value(parameters, name, context) for name in self.GIVEN}

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        sardiff = self.sardiff()
        results = {}
        for name, _ in self.RESULTS:
            path = self.parameterAsOutputLayer(parameters, name, context)
            if path:
                results[name] = os.path.abspath(path)
        further = {name: path for name, path in results.items() if name != "OUTPUT"}
        words = command_line(self.COMMAND, [*self._files, results["OUTPUT"]], {**self._values, **further})
        if not run(sardiff, words, feedback):
            return {}
        for name, look in self.RESULTS:
            if name in results:
                load_with(context, results[name], look, self._wkt, over=results["OUTPUT"])
        return results
