"""SIGINT and SIGTERM as one exception, so that work is let go of in order and soon; the life line to a program."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from geo_io.leftovers import abandon

__all__ = ["Stopped", "hang_on", "hang_up", "stoppable"]

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
        return f"by {_said(self.number)}. {self.advice}"


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


def _said(number: int) -> str:
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def _leave(number: int) -> None:
    sys.stderr.write(
        f"sardiff: stopped: by {_said(number)}. What was finished is kept; run the same command to go on.\n"
    )
    sys.stderr.flush()
    os._exit(128 + number)


def hang_on() -> None:
    """From now on, end as soon as standard input ends: whoever started this process has cancelled, closed or died.

    Nothing is unwound, so it takes no longer than deleting the unfinished files does, whatever is being computed.
    Signals do the same: nobody will go on with the run. To be called inside `stoppable`, which puts handlers back.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: hang_up())
    # Away from where others look for it: on Windows a library that asks for the state of standard input while it is
    # loaded, as OpenBLAS does, would wait for as long as we do.
    line = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_wait_for_the_end, args=(line,), name="life line", daemon=True).start()


def hang_up() -> None:
    """Leave at once, and leave nothing behind."""
    abandon()
    with suppress(OSError):  # where that program is gone
        os.write(2, b"sardiff: stopped: by the program that started it. Nothing was left behind.\n")
    os._exit(128 + signal.SIGTERM)


def _wait_for_the_end(line: int) -> None:
    with suppress(OSError):  # a broken pipe is an end too
        while os.read(line, 4096):
            pass
    hang_up()
