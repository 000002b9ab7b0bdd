"""SIGINT and SIGTERM as one exception, so that work is let go of in order and soon."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Stopped", "stoppable"]

PATIENCE = 5.0  # seconds from the signal to the end, come what may


class Stopped(BaseException):
    """A signal asked to stop; whoever knows how to go on says so in `advice`.

    Not an Exception: nothing but the way out may catch it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.advice = "Nothing was left behind."

    @property
    def status(self) -> int:
        """Exit status as shells give it: 128 plus the signal."""
        return 128 + self.number

    def __str__(self) -> str:
        return f"by {signal.Signals(self.number).name}. {self.advice}"


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the main thread at SIGINT and SIGTERM; at a second one, or after `PATIENCE`, leave at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = False
    watchdog: threading.Timer | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal heard, watchdog
        if heard:
            os._exit(128 + number)
        heard = True
        # An exception raised inside a callback can be swallowed; this cannot.
        watchdog = threading.Timer(PATIENCE, _leave, (number,))
        watchdog.daemon = True
        watchdog.start()
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if watchdog is not None:
            watchdog.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int) -> None:
    name = signal.Signals(number).name
    sys.stderr.write(f"sardiff: stopped: by {name}. What was finished is kept; run the same command to go on.\n")
    sys.stderr.flush()
    os._exit(128 + number)
