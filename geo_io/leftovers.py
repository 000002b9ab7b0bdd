"""Hidden files of a run under way, so that a run which nobody will go on with can take them along as it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["abandon", "announce", "forget"]

_REMOVERS: dict[Path, Callable[[], None]] = {}


def announce(path: Path, remove: Callable[[], None]) -> None:
    """Say, before a hidden file is made, what removes it and all that goes with it."""
    _REMOVERS[path] = remove


def forget(path: Path) -> None:
    """Say that it is gone; one that was never announced is fine."""
    _REMOVERS.pop(path, None)


def abandon() -> None:
    """Delete all that was announced and is not gone: nobody will go on with it.

    For the last moment of a process, from whichever thread sees that it has come: work that still goes on loses its
    files. Windows does not delete what is open; such a file stays.
    """
    for remove in list(_REMOVERS.values()):
        with suppress(OSError):
            remove()
