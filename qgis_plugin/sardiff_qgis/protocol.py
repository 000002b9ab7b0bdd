"""What sardiff says with `--progress json`, line by line: how far it is, what it found, how it ended."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["PROTOCOL", "Conversation", "clock", "complaint"]

PROTOCOL = 1  # the newest that this plugin understands
PACE = 5.0  # seconds between two words on progress

# What share of a run each phase is, in per cent: (from, to), and what to call it. Of fusion the first is left out where
# the SAR image is despeckled already.
WHOLE = {"tiles": (0.0, 95.0), "finish": (95.0, 100.0), "done": (100.0, 100.0)}
PHASES = {
    "fuse": {"despeckle": (0.0, 45.0), "measure": (45.0, 50.0), "tiles": (50.0, 95.0), "finish": (95.0, 100.0)},
}
DOING = {"despeckle": "Despeckling", "fuse": "Fusing", "deblur": "Deblurring", "fill": "Filling"}


class Conversation:
    """What has been said so far, and what of it a person should see now.

    Attributes
    ----------
    share : float
        How much of the run is done, in per cent; it never falls.
    ended : dict or None
        The last event, "done" or "error".
    """

    def __init__(self) -> None:
        self.share = 0.0
        self.ended: dict[str, Any] | None = None
        self._command = ""
        self._rest = b""
        self._spoke = float("-inf")
        self._phase = ""

    def hear(self, data: bytes, now: float) -> list[tuple[str, str]]:
        """Take in what was read, whole lines or not, and return what to show: ("info" or "progress", text).

        Parameters
        ----------
        data : bytes
            As they come from the pipe.
        now : float
            Seconds of a clock that never goes back.

        Raises
        ------
        ValueError
            If sardiff speaks a newer protocol; the message says what to do.
        """
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        shown = []
        for line in lines:
            event = _event(line)
            if event is not None:
                shown += self._said(event, now)
        return shown

    def _said(self, event: dict[str, Any], now: float) -> list[tuple[str, str]]:
        spoken = event.get("protocol")
        if not isinstance(spoken, int) or spoken > PROTOCOL:
            raise ValueError(
                f"This sardiff speaks version {spoken} of the protocol and the plugin understands up to {PROTOCOL}: "
                "update the plugin."
            )
        kind = event.get("event")
        if kind == "start":
            self._command = str(event.get("command", ""))
            return [("info", "Computing on {}.".format(event.get("device", "?")))]
        if kind == "note":
            return [("info", str(event.get("text", "")))]
        if kind == "progress":
            return self._went_on(event, now)
        if kind in ("done", "error"):
            self.ended = event
            if kind == "done":
                self.share = 100.0
                return [("info", str(event.get("text", "")))]
        return []  # kinds that a later sardiff may add are no harm

    def _went_on(self, event: dict[str, Any], now: float) -> list[tuple[str, str]]:
        phase = str(event.get("phase", ""))
        low, high = PHASES.get(self._command, WHOLE).get(phase, (self.share, self.share))
        self.share = max(self.share, low + (high - low) * min(max(_number(event.get("share")), 0.0), 1.0))
        # A new phase is said at once, the rest now and then.
        if phase == "done" or (phase == self._phase and now < self._spoke + PACE):
            return []
        self._phase, self._spoke = phase, now
        return [("progress", self._sentence(phase, event))]

    def _sentence(self, phase: str, event: dict[str, Any]) -> str:
        if phase == "measure":
            return "Measuring grey ranges and colours of the pair: {:.0f} %".format(100 * _number(event.get("share")))
        if phase == "finish":
            return "Finishing: overviews, reading back"
        doing = DOING["despeckle"] if phase == "despeckle" else DOING.get(self._command, "Computing")
        eta = event.get("eta_seconds")
        left = f", about {clock(eta)} left" if isinstance(eta, (int, float)) and eta >= 1 else ""
        if phase == "despeckle" and left:
            left += " for this step"
        done = event.get("done", "?")
        if "computed" in event and "resumed" in event:
            done = int(_number(event["resumed"]) + _number(event["computed"]))
        return "{}: {} of {} tiles{}".format(doing, done, event.get("total", "?"), left)


def complaint(conversation: Conversation, stderr: str, status: int, crashed: bool) -> str:
    """Return, in a sentence, why a run did not end well."""
    ended = conversation.ended
    if ended is not None and ended.get("event") == "error":
        message = str(ended.get("message", ""))
    else:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        ours = [line.split(": ", 2)[-1] for line in lines if line.startswith("sardiff: ")]
        message = ours[-1] if ours else (lines[-1] if lines else "")
    if "No such option" in message or "No such command" in message:
        return "This sardiff is older than the plugin and does not know what was asked: {} Update sardiff.".format(
            message if message.endswith(".") else message + "."
        )
    if "No module named" in message and "sardiff" in message:
        return (
            f"The Python that was found has no sardiff ({message}): install it there, or name another Python in the "
            "Processing options."
        )
    if message:
        return message
    if crashed:
        return "sardiff was ended from outside, or crashed; perhaps memory was short: try a smaller tile."
    return f"sardiff ended with status {status} and said nothing."


def clock(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3:05 min, 2:10 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def _event(line: bytes) -> dict[str, Any] | None:
    """A line as an event; None for what is none, such as a word of some library's."""
    try:
        event = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
