"""Signals become one exception, and the handlers that were there come back."""

import os
import signal
import threading

import pytest

from sardiff.cli.signals import Stopped, stoppable


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_what_waits(number, status):
    before = signal.getsignal(number)
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    with pytest.raises(Stopped) as stopped, stoppable():
        threading.Event().wait(10)
    assert stopped.value.status == status
    assert str(stopped.value).startswith(f"by {'Ctrl-C' if number == signal.SIGINT else number.name}. ")
    assert signal.getsignal(number) is before


def test_no_ordinary_handler_catches_it():
    assert not issubclass(Stopped, Exception)


def test_outside_the_main_thread_signals_are_left_alone():
    found = []

    def work():
        with stoppable():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
