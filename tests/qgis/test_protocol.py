"""What sardiff says, and what of it a person sees."""

import json

import pytest
from sardiff_qgis.protocol import PACE, PROTOCOL, Conversation, clock, complaint

from sardiff.cli import progress


def line(event, **facts):
    return (json.dumps({"protocol": 1, "event": event, **facts}) + "\n").encode()


def tiles(done, total=100, **facts):
    return line("progress", phase="tiles", done=done, total=total, share=done / total, **facts)


def test_the_plugin_understands_what_this_sardiff_speaks():
    assert progress.PROTOCOL <= PROTOCOL
    assert [clock(seconds) for seconds in (42, 185, 7800)] == [progress.clock(s) for s in (42, 185, 7800)]


def test_lines_may_come_in_pieces():
    talk = Conversation()
    data = line("start", command="despeckle", device="CPU") + line("note", text="Looks: 4.")
    heard = [shown for i in range(0, len(data), 7) for shown in talk.hear(data[i : i + 7], 0.0)]
    assert heard == [("info", "Computing on CPU."), ("info", "Looks: 4.")]


def test_words_on_progress_come_now_and_then_and_the_share_always():
    talk = Conversation()
    talk.hear(line("start", command="despeckle", device="CPU"), 0.0)
    shown, shares = [], []
    for second in range(31):
        shown += talk.hear(tiles(second, eta_seconds=100.0 - second), float(second))
        shares.append(talk.share)
    assert len(shown) == 1 + 30 // PACE
    assert shown[1] == ("progress", "Despeckling: 5 of 100 tiles, about 1:35 min left")
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.95 * 30)
    assert talk.hear(line("progress", phase="finish", share=0.5), 31.0) == [
        ("progress", "Finishing: overviews, reading back")  # a new phase is said at once
    ]
    talk.hear(line("done", text="out.tif: 1 MB."), 32.0)
    assert talk.share == 100
    assert talk.ended["event"] == "done"


def test_tiles_that_wait_for_neighbours_count():
    talk = Conversation()
    talk.hear(line("start", command="despeckle", device="CPU"), 0.0)
    (shown,) = talk.hear(line("progress", phase="tiles", done=20, total=100, resumed=20, computed=7, share=0.27), 0.0)
    assert shown == ("progress", "Despeckling: 27 of 100 tiles")


def test_the_share_of_a_fusion_never_falls():
    talk = Conversation()
    talk.hear(line("start", command="fuse", device="CPU"), 0.0)
    shares = []
    for phase in ("despeckle", "despeckle", "measure", "tiles", "finish"):  # despeckling has tiles, then a finish
        for share in (0.0, 0.5, 1.0):
            talk.hear(line("progress", phase=phase, done=1, total=2, share=share), 0.0)
            shares.append(talk.share)
    assert shares == sorted(shares)
    assert shares[-1] == 100


def test_what_is_no_event_is_passed_over_and_so_is_an_unknown_one():
    talk = Conversation()
    data = b"a word of some library\n[1, 2]\n\xff\xfe\n" + line("weather", text="rain")
    assert talk.hear(data, 0.0) == []


@pytest.mark.parametrize("spoken", [2, 99, None, "1"])
def test_a_newer_protocol_is_refused_in_a_sentence(spoken):
    data = (json.dumps({"protocol": spoken, "event": "start"}) + "\n").encode()
    with pytest.raises(ValueError, match=r"speaks version .* of the protocol .*: update the plugin\."):
        Conversation().hear(data, 0.0)


def test_an_end_that_is_not_well_gets_a_sentence():
    talk = Conversation()
    talk.hear(line("error", message="scene.tif: what a scene; take another", exit_status=2), 0.0)
    assert complaint(talk, "noise", 2, False) == "scene.tif: what a scene; take another"
    silent = Conversation()
    for stderr, crashed, words in (
        ("sardiff: error: out.tif: no room; make some\n", False, "out.tif: no room; make some"),
        ("sardiff: error: No such option '--lifeline'. See 'sardiff --help'\n", False, "older than the plugin"),
        ("sardiff: error: No such command 'fill'. See 'sardiff --help'\n", False, "older than the plugin"),
        ("/bin/python: No module named sardiff\n", False, "has no sardiff"),
        ("", True, "crashed"),
        ("", False, "ended with status 2 and said nothing"),
    ):
        assert words in complaint(silent, stderr, 2, crashed)
