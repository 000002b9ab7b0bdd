"""Names that QGIS moved between 3.22 and 4, and that Qt 6 knows in their enumeration alone; each found once."""

from __future__ import annotations

from functools import reduce
from typing import Any

import qgis.core

__all__ = [
    "ADVANCED",
    "CUMULATIVE_CUT",
    "FILE",
    "INTEGER",
    "REAL",
    "STRETCH",
    "WKT",
]


def _first(*names: str) -> Any:
    """The first of these names of qgis.core that this QGIS has."""
    for name in names:
        try:
            return reduce(getattr, name.split("."), qgis.core)
        except AttributeError:
            continue
    raise ImportError("This QGIS has none of {}".format(", ".join(names)))


ADVANCED = _first(
    "Qgis.ProcessingParameterFlag.Advanced",
    "QgsProcessingParameterDefinition.Flag.FlagAdvanced",
    "QgsProcessingParameterDefinition.FlagAdvanced",
)
INTEGER = _first(
    "Qgis.ProcessingNumberParameterType.Integer",
    "QgsProcessingParameterNumber.Type.Integer",
    "QgsProcessingParameterNumber.Integer",
)
REAL = _first(
    "Qgis.ProcessingNumberParameterType.Double",
    "QgsProcessingParameterNumber.Type.Double",
    "QgsProcessingParameterNumber.Double",
)
FILE = _first(
    "Qgis.ProcessingFileParameterBehavior.File",
    "QgsProcessingParameterFile.Behavior.File",
    "QgsProcessingParameterFile.File",
)
CUMULATIVE_CUT = _first(
    "Qgis.RasterRangeLimit.CumulativeCut",
    "QgsRasterMinMaxOrigin.Limits.CumulativeCut",
    "QgsRasterMinMaxOrigin.CumulativeCut",
)
STRETCH = _first(
    "Qgis.ContrastEnhancementAlgorithm.StretchToMinimumMaximum",
    "QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum",
    "QgsContrastEnhancement.StretchToMinimumMaximum",
)
WKT = _first(
    "Qgis.CrsWktVariant.Preferred",
    "QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED",
    "QgsCoordinateReferenceSystem.WKT_PREFERRED",
)
