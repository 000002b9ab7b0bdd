"""How far a run has come: a bar for people, JSON lines for programs, or nothing. All of it but JSON on stderr."""

from __future__ import annotations

import json
import math
import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from sardiff.tasks.scene import Progress
    from sardiff.training.train import TrainProgress

__all__ = ["PROTOCOL", "Kind", "Reporter", "clock", "reporter"]

Kind = Literal["auto", "json", "none"]
PROTOCOL = 1  # of the lines; a program that knows a lower number alone cannot read them
DOING = {"despeckle": "despeckling", "fuse": "fusing"}  # what tiles are for, by command
EVERY = 0.5  # seconds between two words on training, which takes many steps a second


class Reporter(AbstractContextManager["Reporter"], ABC):
    """Who is told of a run: its start, what was decided, how far it is, its end.

    Errors are not told here but where the command line ends, which also knows those of usage.
    """

    @abstractmethod
    def start(self, command: str, device: str, **facts: Any) -> None:
        """Begin: a command, what computes, and what else decides the run."""

    @abstractmethod
    def note(self, sentence: str) -> None:
        """Say what was found or decided."""

    @abstractmethod
    def progress(self, now: Progress) -> None:
        """Tell of a scene."""

    @abstractmethod
    def training(self, now: TrainProgress) -> None:
        """Tell of training."""

    @abstractmethod
    def done(self, sentence: str, **facts: Any) -> None:
        """End well."""

    def __exit__(self, *exception: object) -> None:
        """Let go of the terminal."""


class Nothing(Reporter):
    """Says nothing at all."""

    def start(self, command: str, device: str, **facts: Any) -> None: ...
    def note(self, sentence: str) -> None: ...
    def progress(self, now: Progress) -> None: ...
    def training(self, now: TrainProgress) -> None: ...
    def done(self, sentence: str, **facts: Any) -> None: ...


class Sentences(Nothing):
    """Notes and the closing line, for logs: when stderr is no terminal."""

    def note(self, sentence: str) -> None:
        click.echo(sentence, err=True)

    def done(self, sentence: str, **facts: Any) -> None:
        click.echo(sentence, err=True)


class Lines(Reporter):
    """One JSON object per line on stdout, each with "protocol" and "event"; numbers that are not finite are null."""

    def __init__(self) -> None:
        self.pace = _Pace()

    def start(self, command: str, device: str, **facts: Any) -> None:
        self._tell("start", command=command, device=device, **facts)

    def note(self, sentence: str) -> None:
        self._tell("note", text=sentence)

    def progress(self, now: Progress) -> None:
        self._tell("progress", **vars(now), rate=now.rate, eta_seconds=now.eta_seconds)

    def training(self, now: TrainProgress) -> None:
        if not self.pace(now):
            return
        self._tell("progress", phase="training", share=min(now.seconds / now.total_seconds, 1.0), **vars(now))

    def done(self, sentence: str, **facts: Any) -> None:
        self._tell("done", text=sentence, **facts)

    def _tell(self, event: str, **facts: Any) -> None:
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in facts.items()}
        click.echo(json.dumps({"protocol": PROTOCOL, "event": event, **finite}, default=str))


class Bar(Reporter):
    """A live bar on stderr, what was decided above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Live

        self.console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=28), TextColumn("{task.fields[words]}"))
        self.live = Live(*columns, console=self.console, transient=True)
        self.task: Any = None
        self.device = self.doing = ""

    def start(self, command: str, device: str, **facts: Any) -> None:
        self.device, self.doing = device, DOING.get(command, command)
        self.task = self.live.add_task(command, total=1.0, words="reading")
        self.live.start()

    def note(self, sentence: str) -> None:
        self.console.print(sentence, markup=False, soft_wrap=True)

    def progress(self, now: Progress) -> None:
        if now.phase in ("tiles", "despeckle"):
            eta = "" if now.eta_seconds is None else f", {clock(now.eta_seconds)} left"
            words = f"{now.resumed + now.computed}/{now.total} tiles, {now.rate:.3g} Mpx/s{eta} · {self.device}"
            self._show("despeckling" if now.phase == "despeckle" else self.doing, now.share, words)
        elif now.phase == "measure":
            self._show("measuring", now.share, "grey ranges and colours of the pair")
        elif now.phase == "report":
            self._show("reporting", now.share, "pictures and numbers")
        else:
            self._show("finishing", now.share, "overviews, reading back")

    def training(self, now: TrainProgress) -> None:
        if now.validation is not None:
            self.note(f"step {now.step}, {clock(now.seconds)}: loss {now.loss:.4f}, held out {now.validation:.4f}")
        left = clock(max(now.total_seconds - now.seconds, 0))
        words = f"step {now.step}, loss {now.loss:.4f}, {left} left · {self.device}"
        self._show("training", now.seconds / now.total_seconds, words)

    def done(self, sentence: str, **facts: Any) -> None:
        self.live.stop()
        self.note(sentence)

    def __exit__(self, *exception: object) -> None:
        """Give the terminal back."""
        self.live.stop()

    def _show(self, what: str, share: float, words: str) -> None:
        self.live.update(self.task, description=what, completed=min(share, 1.0), words=words)


class _Pace:
    """Whether it is time to speak of training again: now and then, at each measurement, and at the end."""

    def __init__(self) -> None:
        self.last = -math.inf

    def __call__(self, now: TrainProgress) -> bool:
        if now.validation is None and now.seconds < min(self.last + EVERY, now.total_seconds):
            return False
        self.last = now.seconds
        return True


def reporter(kind: Kind) -> Reporter:
    """Return who is told: `auto` is a bar on a terminal, and sentences elsewhere."""
    if kind == "json":
        return Lines()
    if kind == "none":
        return Nothing()
    return Bar() if sys.stderr.isatty() else Sentences()


def clock(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3:05 min, 2:10 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
