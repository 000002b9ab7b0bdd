"""The provider: the list of algorithms, in the order people need them."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .check import CheckInstallation
from .deblur import Deblur
from .despeckle import Despeckle
from .fill import FillGaps
from .fuse import Fuse
from .inspect import Inspect
from .settings import add_settings, remove_settings

__all__ = ["SardiffProvider"]

ALGORITHMS = (Despeckle, Fuse, Inspect, Deblur, FillGaps, CheckInstallation)


class SardiffProvider(QgsProcessingProvider):
    """sardiff in the toolbox; its algorithms are there whether sardiff is installed or not."""

    def id(self) -> str:
        return "sardiff"

    def name(self) -> str:
        return "sardiff"

    def longName(self) -> str:
        return "sardiff: restoring satellite scenes with diffusion models"

    def icon(self) -> QIcon:
        return QIcon(str(Path(__file__).with_name("icon.svg")))

    def load(self) -> bool:
        add_settings(self.icon())
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        remove_settings()

    def loadAlgorithms(self) -> None:
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return ["tif", "tiff"]

    def defaultRasterFileExtension(self, hasGeometry: bool = True) -> str:
        return "tif"
