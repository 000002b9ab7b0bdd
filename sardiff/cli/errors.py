"""What went wrong, in one sentence, and the exit status that goes with it."""

from __future__ import annotations

import errno
from pathlib import Path

import click

from geo_io.errors import GeoIOError
from sardiff.errors import SardiffError

__all__ = ["exit_status", "sentence"]

NO_MEMORY = "There is not enough memory: try a smaller --tile, --batch 1 or --workers 1"
OUT_OF_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory")  # of torch, a RuntimeError


def exit_status(error: BaseException) -> int:
    """2 for what a user can mend, 1 for a bug."""
    return 1 if _expected(_cause(error)) is None else 2


def sentence(error: BaseException) -> str:
    """What was found and what to do, on one line."""
    error = _cause(error)
    said = _expected(error)
    if said is None:
        said = (
            f"{type(error).__name__}: {str(error).rstrip('.')}. This is a bug, please report it with the output of "
            "`sardiff doctor` (SARDIFF_DEBUG=1 shows where it happened)"
        )
    return " ".join(said.split())


def _cause(error: BaseException) -> BaseException:
    """What was raised inside a tile, if that is where it happened."""
    while type(error).__module__.startswith("tiling") and error.__cause__ is not None:
        error = error.__cause__
    return error


def _expected(error: BaseException) -> str | None:
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx is not None else "sardiff"
        said = error.format_message().rstrip(".")
        return f"{said}{'' if said.endswith('?') else '.'} See '{where} --help'"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, click.Abort):
        return "interrupted"
    if isinstance(error, SardiffError | GeoIOError):
        return str(error)
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in OUT_OF_MEMORY_WORDS):
        return NO_MEMORY
    if isinstance(error, OSError):
        return _of_the_system(error)
    return None


def _of_the_system(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    said = f"{Path(error.filename)}: {what}" if isinstance(error.filename, str) else what
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{said}; make room, then run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{said}; choose a file or folder that you may use"
    return said
