"""sardiff as a child of QGIS: started, listened to, cancelled; a life line ends it with QGIS."""

from __future__ import annotations

import os
import time
from typing import Any

from qgis.core import QgsProcessingException, QgsProcessingFeedback
from qgis.PyQt.QtCore import QProcess, QProcessEnvironment

from .environment import child_environment
from .find import Installation
from .protocol import Conversation, complaint

__all__ = ["ask", "run"]

LISTEN = 200  # milliseconds between two looks whether someone has cancelled
PATIENCE = 1200  # milliseconds that a child whose life line was cut has to clear away what it wrote


def run(installation: Installation, words: list[str], feedback: QgsProcessingFeedback) -> dict[str, Any]:
    """Run a task to its end, or until someone cancels it.

    Parameters
    ----------
    installation : Installation
        What to start.
    words : list of str
        What follows `sardiff`, from `words.command_line`.
    feedback
        Told of the progress and of what was found.

    Returns
    -------
    dict
        The last event; empty if it was cancelled.

    Raises
    ------
    QgsProcessingException
        In a sentence, if it did not end well.
    """
    process = _started(installation, words, feedback)
    conversation = Conversation()
    errors = bytearray()
    cancelled = False
    try:
        while True:
            going = process.state() != QProcess.ProcessState.NotRunning
            if going:
                process.waitForReadyRead(LISTEN)
            errors += bytes(process.readAllStandardError())
            for kind, text in conversation.hear(bytes(process.readAllStandardOutput()), time.monotonic()):
                (feedback.pushInfo if kind == "info" else feedback.setProgressText)(text)
            feedback.setProgress(conversation.share)
            cancelled = feedback.isCanceled()
            if cancelled or not going:
                break
    except ValueError as error:  # a newer protocol
        raise QgsProcessingException(str(error)) from error
    finally:
        heard = _end(process)
    if cancelled:
        left = "Nothing was left behind" if heard else "It had to be killed: a hidden file may lie beside the output"
        feedback.pushInfo(f"Cancelled. {left}.")
        return {}
    crashed = process.exitStatus() != QProcess.ExitStatus.NormalExit
    ended = conversation.ended
    if crashed or process.exitCode() != 0 or ended is None or ended.get("event") != "done":
        said = bytes(errors).decode("utf-8", "replace")
        raise QgsProcessingException(complaint(conversation, said, process.exitCode(), crashed))
    return ended


def ask(
    installation: Installation, words: list[str], feedback: QgsProcessingFeedback, fine: tuple[int, ...] = (0,)
) -> str:
    """Run a command that answers on standard output; return the answer, empty if someone cancelled.

    Raises
    ------
    QgsProcessingException
        In a sentence, if it ends with a status that is not `fine`.
    """
    process = _started(installation, ["--lifeline", *words], feedback)
    try:
        while process.state() != QProcess.ProcessState.NotRunning:
            process.waitForFinished(LISTEN)
            if feedback.isCanceled():
                return ""
    finally:
        _end(process)
    said, errors = (
        bytes(data).decode("utf-8", "replace")
        for data in (process.readAllStandardOutput(), process.readAllStandardError())
    )
    crashed = process.exitStatus() != QProcess.ExitStatus.NormalExit
    # A Python without sardiff ends with 1, as a sardiff does that found something wrong, and answers nothing.
    if crashed or process.exitCode() not in fine or not said.strip():
        raise QgsProcessingException(complaint(Conversation(), errors, process.exitCode(), crashed))
    return said


def _started(installation: Installation, words: list[str], feedback: QgsProcessingFeedback) -> QProcess:
    program, *first = installation.words
    process = QProcess()
    environment = QProcessEnvironment()
    for name, value in child_environment(os.environ).items():
        environment.insert(name, value)
    process.setProcessEnvironment(environment)
    process.setProcessChannelMode(QProcess.ProcessChannelMode.SeparateChannels)
    # `python -m sardiff` looks for modules where it is started: in no folder of the user's.
    process.setWorkingDirectory(os.path.dirname(program))
    feedback.pushCommandInfo(" ".join(_shown(word) for word in (program, *first, *words)))
    process.start(program, [*first, *words])
    if not process.waitForStarted():
        raise QgsProcessingException(f"{program} does not start: {process.errorString()}")
    return process


def _end(process: QProcess) -> bool:
    """Cut the life line; the child then takes its unfinished files along. One that is deaf is killed: False."""
    process.closeWriteChannel()
    if process.state() == QProcess.ProcessState.NotRunning or process.waitForFinished(PATIENCE):
        return True
    process.kill()
    process.waitForFinished(PATIENCE)
    return False


def _shown(word: str) -> str:
    return f'"{word}"' if " " in word else word
