"""What is asked of the plugin in a Python that has QGIS: questions on stdin, their answers on stdout, as JSON.

The tests of this folder start it; it needs QGIS and the standard library.
"""

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path

PLUGIN = Path(__file__).resolve().parents[2] / "qgis_plugin"
sys.path[:0] = [str(PLUGIN)]
for place in os.environ.get("QGIS_PYTHON_PLUGINS", "/usr/share/qgis/python/plugins").split(os.pathsep):
    sys.path.append(place)

from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProject,
    QgsRasterLayer,
)

ADVANCED = getattr(QgsProcessingParameterDefinition, "Flag", QgsProcessingParameterDefinition).FlagAdvanced


class Listening(QgsProcessingFeedback):
    """Keeps what it is told, and may cancel when it first hears of progress."""

    def __init__(self, cancel):
        super().__init__(False)
        self.heard = []
        self.shares = []
        self.cancelled_at = None
        self.cancel_wanted = cancel
        self.progressChanged.connect(self.shares.append)

    def pushInfo(self, info):
        self.heard.append(["info", info, time.monotonic()])

    def pushCommandInfo(self, info):
        self.heard.append(["command", info, time.monotonic()])

    def pushWarning(self, warning):
        self.heard.append(["warning", warning, time.monotonic()])

    def setProgressText(self, text):
        self.heard.append(["progress", text, time.monotonic()])
        if self.cancel_wanted and self.cancelled_at is None:
            self.cancelled_at = 0.0
            threading.Timer(0.5, self._cancel).start()

    def _cancel(self):
        self.cancelled_at = time.monotonic()
        self.cancel()


def algorithms():
    provider = QgsApplication.processingRegistry().providerById("sardiff")
    return {
        algorithm.name(): {
            "title": algorithm.displayName(),
            "short": algorithm.shortDescription(),
            "help": algorithm.shortHelpString(),
            "parameters": {
                p.name(): {
                    "type": p.type(),
                    "title": p.description(),
                    "advanced": bool(int(p.flags()) & int(ADVANCED)),
                    "default": p.defaultValue(),
                    "options": p.options() if p.type() == "enum" else None,
                }
                for p in algorithm.parameterDefinitions()
            },
            "outputs": [output.name() for output in algorithm.outputDefinitions()],
        }
        for algorithm in provider.algorithms()
    }


def run(algorithm, parameters, environ, setting="", cancel=False):
    """Run an algorithm, its OUTPUT to be loaded; say what came of it and what was heard."""
    from processing.core.ProcessingConfig import ProcessingConfig

    kept = dict(os.environ)
    os.environ.update(environ)
    ProcessingConfig.setSettingValue("SARDIFF_PYTHON", setting)
    context, project, feedback = QgsProcessingContext(), QgsProject(), Listening(cancel)
    context.setProject(project)
    path = parameters.get("OUTPUT")
    if path:
        parameters["OUTPUT"] = QgsProcessingOutputLayerDefinition(path, project)
    made = QgsApplication.processingRegistry().createAlgorithmById(f"sardiff:{algorithm}")
    answer = {"error": None, "results": None, "help": made.shortHelpString()}
    try:
        answer["fine"], answer["complaint"] = made.checkParameterValues(parameters, context)
        if answer["fine"]:
            answer["results"], _ = made.run(parameters, context, feedback, {}, False)
    except Exception as error:
        answer["error"] = str(error)
    finally:
        os.environ.clear()
        os.environ.update(kept)
    if feedback.cancelled_at:
        answer["seconds_to_end"] = time.monotonic() - feedback.cancelled_at
    loading = context.layersToLoadOnCompletion()
    answer["styled"] = path in loading and loading[path].postProcessor() is not None
    return {**answer, "heard": feedback.heard, "shares": feedback.shares}


def looks(results):
    """How results look once QGIS has loaded them: path, look, and WKT of the CRS of the input, by name."""
    from sardiff_qgis.style import load_with

    found = {}
    context, project = QgsProcessingContext(), QgsProject()
    for name, (path, look, wkt) in results.items():
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project))
        load_with(context, path, look, wkt)
        layer = QgsRasterLayer(path, name)
        context.layerToLoadOnCompletionDetails(path).postProcessor().postProcessLayer(layer, context, None)
        found[name] = {"kind": layer.renderer().type(), "crs": layer.crs().description(), **drawn(layer.renderer())}
    return found


def drawn(renderer):
    if renderer.type() == "singlebandgray":
        return {"limits": [between(renderer.contrastEnhancement())]}
    if renderer.type() == "multibandcolor":
        colours = (renderer.redContrastEnhancement(), renderer.greenContrastEnhancement())
        return {"limits": [between(colour) for colour in (*colours, renderer.blueContrastEnhancement())]}
    if renderer.type() == "paletted":
        return {"classes": {str(int(part.value)): part.label for part in renderer.classes()}}
    return {"limits": [[renderer.classificationMin(), renderer.classificationMax()]]}


def between(enhancement):
    return [enhancement.minimumValue(), enhancement.maximumValue()]


def order(results):
    """The layers of a project from the top, once QGIS has loaded results; the first of them is the chief one."""
    from processing.gui.Postprocessing import handleAlgorithmResults
    from sardiff_qgis.style import load_with

    context, project = QgsProcessingContext(), QgsProject()
    context.setProject(project)
    for path, look in results:
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(Path(path).stem, project))
        load_with(context, path, look, over=results[0][0])
    made = QgsApplication.processingRegistry().createAlgorithmById("sardiff:despeckle")
    handleAlgorithmResults(made, context, QgsProcessingFeedback(False))
    return [Path(node.layer().source()).stem for node in project.layerTreeRoot().findLayers()]


def other_layers(paths):
    """What is said of layers that are no files."""
    from sardiff_qgis.words import file_of_raster

    said = {}
    for name, (source, provider) in paths.items():
        layer = QgsRasterLayer(source, name, provider)
        kind = layer.dataProvider().name() if layer.dataProvider() else provider
        try:
            said[name] = file_of_raster(name, kind, layer.source())
        except ValueError as error:
            said[name] = f"refused: {error}"
    return said


QUESTIONS = {"algorithms": algorithms, "run": run, "looks": looks, "order": order, "other_layers": other_layers}


def main():
    application = QgsApplication([], False)
    application.initQgis()
    from processing.core.Processing import Processing

    Processing.initialize()
    from sardiff_qgis import classFactory

    plugin = classFactory(None)
    plugin.initProcessing()
    answers = {}
    for name, question, arguments in json.load(sys.stdin):
        try:
            answers[name] = QUESTIONS[question](**arguments)
        except Exception:
            answers[name] = {"failed": traceback.format_exc()}
    plugin.unload()
    gone = QgsApplication.processingRegistry().providerById("sardiff") is None
    print("\nANSWERS " + json.dumps({**answers, "unloaded": gone}), flush=True)
    os._exit(0)  # QGIS does not always come down well without windows


if __name__ == "__main__":
    main()
