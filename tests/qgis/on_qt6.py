"""The plugin's runner on Qt 6, without QGIS: runs of a stand-in for sardiff, and what came of them, as JSON.

The tests of this folder start it in a Python that has PyQt6: `python on_qt6.py SARDIFF FOLDER`.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import PyQt6
import PyQt6.QtCore

WAYS = ("good", "slow", "deaf", "newer", "refuses", "crashes", "older")


class Feedback:
    """What the runner asks of QgsProcessingFeedback; may cancel when it first hears of progress."""

    def __init__(self, cancel=False):
        self.cancel_wanted = cancel
        self.cancelled_at = None
        self.heard = []
        self.share = 0

    def pushInfo(self, info):
        self.heard.append(info)

    def pushCommandInfo(self, info):
        self.heard.append(info)

    def setProgress(self, share):
        self.share = share

    def setProgressText(self, text):
        self.heard.append(text)
        if self.cancel_wanted:
            self.cancel_wanted = False
            threading.Timer(0.5, self._cancel).start()

    def isCanceled(self):
        return self.cancelled_at is not None

    def _cancel(self):
        self.cancelled_at = time.monotonic()


def main():
    program, folder = sys.argv[1:]
    core = ModuleType("qgis.core")
    core.QgsProcessingException, core.QgsProcessingFeedback = RuntimeError, Feedback
    sys.modules.update({"qgis": ModuleType("qgis"), "qgis.core": core})
    sys.modules.update({"qgis.PyQt": PyQt6, "qgis.PyQt.QtCore": PyQt6.QtCore})
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "qgis_plugin")]
    from sardiff_qgis.find import Installation
    from sardiff_qgis.runner import ask, run

    installation = Installation((program,), "a test")
    answers = {}
    for way in WAYS:
        os.environ["FAKE_SARDIFF"] = way
        feedback = Feedback(cancel=way in ("slow", "deaf"))
        answer = answers[way] = {"error": None, "heard": feedback.heard}
        words = ["--lifeline", "despeckle", "scene.tif", str(Path(folder) / f"{way}.tif")]
        try:
            answer["ended"] = run(installation, words, feedback)
        except RuntimeError as error:
            answer["error"] = str(error)
        answer["share"] = feedback.share
        if feedback.cancelled_at is not None:
            answer["seconds_to_end"] = time.monotonic() - feedback.cancelled_at
    os.environ["FAKE_SARDIFF"] = "good"
    answers["doctor"] = json.loads(ask(installation, ["doctor", "--json"], Feedback(), fine=(0, 1)))
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
