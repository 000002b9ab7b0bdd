"""What programs and people are told while they wait."""

import json
import math

import pytest

from sardiff.cli.progress import Bar, Lines, Sentences, clock, reporter
from sardiff.tasks.scene import Progress
from sardiff.training.train import TrainProgress

HALF = Progress(
    phase="tiles", done=6, total=10, resumed=2, megapixels=8.0, seconds=4.0, share=0.6, computed=4, pace=1.0
)


def tell(told):
    with told:
        told.start("despeckle", "CPU, 2 cores", input="a.tif", seed=0)
        told.note("Looks: 4.4 (as asked for).")
        told.progress(HALF)
        told.training(TrainProgress(1, 1.0, 60.0, math.nan, None))
        told.done("a.tif: 3 MB.", outputs=["a.tif"], seconds=1.5)


def test_programs_get_one_json_object_per_line(capsys):
    tell(Lines())
    out, err = capsys.readouterr()
    events = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["start", "note", "progress", "progress", "done"]
    assert {event["protocol"] for event in events} == {1}
    assert events[2].items() >= {"done": 6, "total": 10, "rate": 2.0, "eta_seconds": 4.0, "share": 0.6}.items()
    assert events[3]["loss"] is None  # NaN is no JSON
    assert err == ""


def test_logs_get_sentences_on_stderr_and_no_bar(capsys):
    told = reporter("auto")  # pytest's stderr is no terminal
    assert isinstance(told, Sentences)
    tell(told)
    assert capsys.readouterr() == ("", "Looks: 4.4 (as asked for).\na.tif: 3 MB.\n")


def test_people_get_a_bar_on_stderr(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    tell(Bar())
    out, err = capsys.readouterr()
    assert out == ""
    for words in ("Looks: 4.4", "a.tif: 3 MB."):
        assert words in err


def test_none_says_nothing(capsys):
    tell(reporter("none"))
    assert capsys.readouterr() == ("", "")


def test_times_as_people_say_them():
    assert [clock(s) for s in (0, 59.4, 59.6, 185, 7800)] == ["0 s", "59 s", "1:00 min", "3:05 min", "2:10 h"]
