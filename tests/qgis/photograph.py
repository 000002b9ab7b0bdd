"""Photograph the plugin in QGIS with its windows: the toolbox, a dialog, the finished map.

Run by hand, where there is QGIS and Xvfb, in the folder of the repository:

    SCENE=scene.tif OUT=/tmp/pictures SARDIFF_PYTHON=.venv/bin/python QGIS_PLUGINPATH=$PWD/qgis_plugin \\
        xvfb-run -s "-screen 0 1600x1000x24" \\
        qgis.bin --nologo --profiles-path /tmp/profile --code tests/qgis/photograph.py

SCENE is a SAR image; with OPTICAL an optical one is fused with it. The pictures go to OUT, as PNG. QGIS closes by
itself.
"""

import os
import sys
import time
import traceback
from pathlib import Path

import processing
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QGroupBox, QTreeView
from qgis.utils import iface, loadPlugin, startPlugin

OUT = Path(os.environ["OUT"])
SCENE = Path(os.environ["SCENE"]).resolve()


def breathe(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.02)


def keep(widget, name):
    breathe(1)
    widget.grab().save(str(OUT / f"{name}.png"))


def finished(dialog, patience=900):
    """Wait for a run that was started with the button."""
    until = time.monotonic() + patience
    breathe(2)
    while time.monotonic() < until and not dialog.runButton().isEnabled():
        breathe(0.5)
    breathe(2)


def opened(name, **values):
    dialog = AlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById(f"sardiff:{name}"), False)
    dialog.setParameters(values)
    dialog.resize(1000, 760)
    dialog.show()
    return dialog


def photograph():
    OUT.mkdir(parents=True, exist_ok=True)
    if QgsApplication.processingRegistry().providerById("sardiff") is None:
        loadPlugin("sardiff_qgis")
        startPlugin("sardiff_qgis")
    iface.mainWindow().resize(1500, 950)
    QgsProject.instance().addMapLayer(QgsRasterLayer(str(SCENE), SCENE.stem))
    iface.zoomFull()
    breathe(3)
    for name in ("despeckle", "fuse", "inspect", "deblur", "fill", "check"):
        dialog = opened(name)
        keep(dialog, f"dialog-{name}")
        for box in dialog.findChildren(QGroupBox):
            box.setProperty("collapsed", False)
            dialog.resize(1000, 1500)
            keep(dialog, f"dialog-{name}-advanced")
        dialog.close()
    python = os.environ.pop("SARDIFF_PYTHON")
    keep(dialog := opened("despeckle"), "dialog-without-sardiff")
    dialog.runButton().click()
    finished(dialog)
    keep(dialog, "log-without-sardiff")
    dialog.close()
    os.environ["SARDIFF_PYTHON"] = python
    dialog = opened("despeckle", INPUT=str(SCENE), QUALITY="fast", UNCERTAINTY=str(OUT / "std.tif"))
    dialog.runButton().click()
    finished(dialog)
    keep(dialog, "log-despeckle")
    dialog.close()
    show("scene", SCENE.name)
    show("despeckled", "OUTPUT.tif")
    show("uncertainty", "std.tif")
    if "OPTICAL" in os.environ:
        photograph_fusion(Path(os.environ["OPTICAL"]).resolve())


def photograph_fusion(optical):
    results = {"OUTPUT": str(OUT / "fused.tif"), "SOURCES": str(OUT / "sources.tif")}
    dialog = opened("fuse", SAR=str(SCENE), OPTICAL=str(optical), QUALITY="fast", **results)
    dialog.runButton().click()
    finished(dialog)
    keep(dialog, "log-fuse")
    dialog.close()
    show("fused", "fused.tif")
    show("sources", "sources.tif")


def show(name, file):
    """Photograph the window, one layer on the map."""
    for dock in iface.mainWindow().findChildren(QDockWidget):
        if dock.objectName() == "ProcessingToolbox":
            dock.show()
            for tree in dock.findChildren(QTreeView):
                tree.expandAll() if tree.model().rowCount() == 1 else _expand(tree, "sardiff")
        elif dock.objectName() == "Browser":
            dock.hide()
    for node in QgsProject.instance().layerTreeRoot().findLayers():
        node.setItemVisibilityChecked(Path(node.layer().source()).name == file)
        node.setExpanded(True)
    breathe(4)
    keep(iface.mainWindow(), f"map-{name}")


def _expand(tree, name):
    for row in range(tree.model().rowCount()):
        index = tree.model().index(row, 0)
        if tree.model().data(index) == name:
            tree.expand(index)
            tree.scrollTo(index)


def main():
    try:
        photograph()
    except BaseException:
        traceback.print_exc()
        OUT.joinpath("error.txt").write_text(traceback.format_exc())
    finally:
        sys.stdout.flush()
        QgsProject.instance().clear()
        os._exit(0)


assert processing
QTimer.singleShot(3000, main)
