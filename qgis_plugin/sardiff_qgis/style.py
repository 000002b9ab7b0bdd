"""How results look when they are loaded: stretched to what they hold; linear SAR is a black square otherwise."""

from __future__ import annotations

from math import isfinite

from qgis.core import (
    QgsColorRampShader,
    QgsContrastEnhancement,
    QgsCoordinateReferenceSystem,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsLayerTreeLayer,
    QgsMultiBandColorRenderer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProject,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsRasterShader,
    QgsSingleBandGrayRenderer,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from .compat import CUMULATIVE_CUT, STRETCH

__all__ = ["load_with"]

LOWER, UPPER = 0.02, 0.98
SIDE = 256  # of the grid of pixels that are looked at

_alive: list[_Look] = []  # QGIS keeps no reference to a post-processor


def load_with(context: QgsProcessingContext, path: str, look: str, wkt: str = "", over: str = "") -> None:
    """If the result is to be loaded, have it look as it should.

    Parameters
    ----------
    path : str
        Of the result.
    look : str
        "image" (cumulative cut), "doubt" (a ramp from none to much), or "sources" or "filled" (a colour for each).
    wkt : str
        CRS of the input, for a file that names none.
    over : str
        Path of the result that is to lie over this one; QGIS heaps them up by their paths.
    """
    if context.willLoadLayerOnCompletion(path):
        post = _Look(look, wkt, over if over != path else "")
        _alive.append(post)
        context.layerToLoadOnCompletionDetails(path).setPostProcessor(post)


class _Look(QgsProcessingLayerPostProcessorInterface):
    def __init__(self, look: str, wkt: str, over: str) -> None:
        super().__init__()
        self.look = look
        self.wkt = wkt
        self.over = over

    def postProcessLayer(
        self, layer: QgsRasterLayer | None, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        if isinstance(layer, QgsRasterLayer) and layer.isValid():
            if self.wkt and not layer.crs().isValid():
                layer.setCrs(QgsCoordinateReferenceSystem.fromWkt(self.wkt))
            {"image": stretch, "doubt": doubt}.get(self.look, lambda layer: classes(layer, self.look))(layer)
            layer.emitStyleChanged()
            layer.triggerRepaint()
            if self.over and context.project() is not None:
                lay_under(layer, self.over, context.project())
        if self in _alive:
            _alive.remove(self)


def stretch(layer: QgsRasterLayer) -> None:
    """From the 2nd to the 98th percentile, one band or three."""
    renderer = layer.renderer()
    if isinstance(renderer, QgsMultiBandColorRenderer):
        renderer.setRedContrastEnhancement(_cut(layer, renderer.redBand()))
        renderer.setGreenContrastEnhancement(_cut(layer, renderer.greenBand()))
        renderer.setBlueContrastEnhancement(_cut(layer, renderer.blueBand()))
    else:
        renderer = QgsSingleBandGrayRenderer(layer.dataProvider(), 1)
        renderer.setContrastEnhancement(_cut(layer, 1))
        layer.setRenderer(renderer)
    origin = QgsRasterMinMaxOrigin()
    origin.setLimits(CUMULATIVE_CUT)
    origin.setCumulativeCutLower(LOWER)
    origin.setCumulativeCutUpper(UPPER)
    layer.renderer().setMinMaxOrigin(origin)


def doubt(layer: QgsRasterLayer) -> None:
    """From dark, where the result is sure, to yellow, where it is not."""
    low, high = _limits(layer, 1)
    ramp = QgsGradientColorRamp(
        QColor("#440154"),
        QColor("#fde725"),
        False,
        [
            QgsGradientStop(0.25, QColor("#3b528b")),
            QgsGradientStop(0.5, QColor("#21918c")),
            QgsGradientStop(0.75, QColor("#5ec962")),
        ],
    )
    function = QgsColorRampShader(low, high, ramp)
    function.classifyColorRamp(5, 1, layer.extent(), layer.dataProvider())
    shader = QgsRasterShader(low, high)
    shader.setRasterShaderFunction(function)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader)
    renderer.setClassificationMin(low)
    renderer.setClassificationMax(high)
    layer.setRenderer(renderer)


def lay_under(layer: QgsRasterLayer, path: str, project: QgsProject) -> None:
    """Move a layer below that of another file, if it lies above it."""
    node = project.layerTreeRoot().findLayer(layer.id())
    if node is None:
        return
    group = node.parent()
    beside = group.children()
    first = beside.index(node) + 1
    for place, other in enumerate(beside[first:], first):
        if isinstance(other, QgsLayerTreeLayer) and other.layer() is not None and other.layer().source() == path:
            group.insertChildNode(place + 1, node.clone())
            group.removeChildNode(node)
            return


CLASSES = {
    "sources": (
        (0, "#7fbf7b", "both"),
        (1, "#4575b4", "the optical image alone"),
        (2, "#f46d43", "the SAR image alone (clouds)"),
        (255, "#bdbdbd", "neither"),
    ),
    "filled": (
        (0, "#7fbf7b", "measured"),
        (1, "#f46d43", "filled"),
        (2, "#762a83", "a gap still"),
    ),
}


def classes(layer: QgsRasterLayer, which: str) -> None:
    """A colour and a name for each value."""
    kinds = [QgsPalettedRasterRenderer.Class(value, QColor(colour), name) for value, colour, name in CLASSES[which]]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, kinds))


def _cut(layer: QgsRasterLayer, band: int) -> QgsContrastEnhancement:
    low, high = _limits(layer, band)
    enhancement = QgsContrastEnhancement(layer.dataProvider().dataType(band))
    enhancement.setContrastEnhancementAlgorithm(STRETCH, False)
    enhancement.setMinimumValue(low, False)
    enhancement.setMaximumValue(high)
    return enhancement


def _limits(layer: QgsRasterLayer, band: int) -> tuple[float, float]:
    """The two percentiles, of a sample.

    Not by `cumulativeCut` of the provider: that counts in a thousand bins from the least to the greatest value, and of
    linear backscatter with one bright corner reflector all else lies in the first.
    """
    rows, cols = (min(size, SIDE) for size in (layer.height(), layer.width()))
    block = layer.dataProvider().block(band, layer.extent(), cols, rows)
    places = ((row, col) for row in range(rows) for col in range(cols))
    values = sorted(block.value(row, col) for row, col in places if not block.isNoData(row, col))
    values = [value for value in values if isfinite(value)]
    if not values:
        return 0.0, 1.0
    low, high = (values[int(share * (len(values) - 1))] for share in (LOWER, UPPER))
    return low, high if high > low else low + 1.0
