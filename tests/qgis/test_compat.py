"""Names that differ between QGIS 3.22 and QGIS 4, on stand-ins for either."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

OLD = {
    "QgsProcessingParameterDefinition.FlagAdvanced": 2,
    "QgsProcessingParameterNumber.Integer": 0,
    "QgsProcessingParameterNumber.Double": 1,
    "QgsProcessingParameterFile.File": 0,
    "QgsRasterMinMaxOrigin.CumulativeCut": 3,
    "QgsContrastEnhancement.StretchToMinimumMaximum": 1,
    "QgsCoordinateReferenceSystem.WKT_PREFERRED": 4,
}
NEW = {
    "Qgis.ProcessingParameterFlag.Advanced": 2,
    "Qgis.ProcessingNumberParameterType.Integer": 0,
    "Qgis.ProcessingNumberParameterType.Double": 1,
    "Qgis.ProcessingFileParameterBehavior.File": 0,
    "Qgis.RasterRangeLimit.CumulativeCut": 3,
    "QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum": 1,
    "Qgis.CrsWktVariant.Preferred": 4,
}


def core(names):
    """A qgis.core that has these names alone."""
    module = ModuleType("qgis.core")
    for path, value in names.items():
        *parents, last = path.split(".")
        place = module
        for parent in parents:
            if not hasattr(place, parent):
                setattr(place, parent, SimpleNamespace())
            place = getattr(place, parent)
        setattr(place, last, value)
    return module


def imported(monkeypatch, names):
    package, module = ModuleType("qgis"), core(names)
    package.core = module
    monkeypatch.setitem(sys.modules, "qgis", package)
    monkeypatch.setitem(sys.modules, "qgis.core", module)
    monkeypatch.delitem(sys.modules, "sardiff_qgis.compat", raising=False)
    found = importlib.import_module("sardiff_qgis.compat")
    monkeypatch.delitem(sys.modules, "sardiff_qgis.compat")
    return found


@pytest.mark.parametrize("names", [OLD, NEW], ids=["3.22", "4"])
def test_every_name_is_found(monkeypatch, names):
    compat = imported(monkeypatch, names)
    found = [compat.ADVANCED, compat.INTEGER, compat.REAL, compat.FILE, compat.CUMULATIVE_CUT, compat.STRETCH]
    assert [*found, compat.WKT] == [2, 0, 1, 0, 3, 1, 4]


def test_a_name_that_is_nowhere_is_said(monkeypatch):
    with pytest.raises(ImportError, match=r"none of Qgis\.RasterRangeLimit"):
        imported(monkeypatch, {name: value for name, value in OLD.items() if "CumulativeCut" not in name})
