"""A task on a scene, run from the command line: who computes, who is told, what to do after a stop, the last word."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sardiff.cli.progress import Kind, clock, reporter
from sardiff.cli.signals import Stopped

if TYPE_CHECKING:
    import torch

    from sardiff.tasks.scene import Progress

__all__ = ["PAGE", "page_wanted", "run_scene", "size_of", "told_of_page", "write_page"]

WORTH_A_RATE = 0.5  # megapixels
PAGE = "a page to open in any browser: before and after, uncertainty, numbers, and how it was made."


def run_scene(
    command: str,
    output: Path,
    *,
    progress: Kind,
    device: str,
    workers: int | None,
    facts: Mapping[str, Any],
    task: Callable[[int, Callable[[Progress], None], Callable[[str], None]], Mapping[Path, str]],
) -> None:
    """Run a task, told of from start to end; a stop comes with advice on how to go on.

    Parameters
    ----------
    command : str
        Its name.
    output : Path
        Its result.
    facts : mapping
        What programs are told at the start.
    task : callable
        Given the workers, whom to report progress to, and whom to tell sentences, it does the work, and returns the
        further files it wrote, with what each of them is. It imports what it needs: torch takes seconds, which a signal
        may interrupt.
    """
    began, last, computed = time.monotonic(), None, None
    with reporter(progress) as told:
        try:
            from geo_io import check_proj
            from sardiff.device import choose_device, describe_device

            check_proj()
            where = choose_device(device)
            workers = workers or _default_workers(where)
            told.start(command, describe_device(where), workers=workers, **facts)

            def report(now: Progress) -> None:
                nonlocal last, computed
                last = now
                computed = now if now.megapixels else computed
                told.progress(now)

            further = task(workers, report, told.note)
        except Stopped as stop:
            stop.advice = _how_to_go_on(output, last)
            raise
        written = [output, *further]
        seconds = time.monotonic() - began
        told.done(
            _closing(written, seconds, computed, list(further.values())),
            outputs=[str(path) for path in written],
            bytes=sum(path.stat().st_size for path in written),
            seconds=round(seconds, 3),
        )


def page_wanted(output: Path, flag: bool, file: Path | None, *, overwrite: bool) -> Path | None:
    """Where the report on a result shall go, checked before anything is computed; None where none is asked for."""
    if not (flag or file):
        return None
    from sardiff.report import check_page, report_path

    page = report_path(output, file or True)
    check_page(page, overwrite=overwrite)
    return page


def write_page(
    before: Path,
    after: Path,
    page: Path | None,
    *,
    report: Callable[[Progress], None],
    say: Callable[[str], None],
    **options: Any,
) -> dict[Path, str]:
    """Write the report on a result, if there shall be one; return it with what it is."""
    if page is None:
        return {}
    from sardiff.report import write_report

    say(f"Writing the report {page}.")
    write_report(before, after, page, say=say, progress=told_of_page(report), **options)
    return {page: PAGE}


def told_of_page(report: Callable[[Progress], None]) -> Callable[[float], None]:
    """Tell of the share of a report that is done as one tells of a scene."""
    from sardiff.tasks.scene import Progress

    return lambda share: report(Progress("report", 0, 0, 0, 0.0, 0.0, share))


def _default_workers(device: torch.device) -> int:
    """One where a GPU computes; on a CPU two, each with half of the cores: one reads and blends while one computes."""
    return 2 if device.type == "cpu" and (os.cpu_count() or 1) >= 2 else 1


def _how_to_go_on(output: Path, last: Progress | None) -> str:
    """What someone who stopped a run should know."""
    begin_again = "Nothing was written yet; run the same command to begin again."
    if last is None:  # perhaps in the middle of an import: import nothing more
        return begin_again
    if last.phase in ("despeckle", "measure"):
        return "What was despeckled so far is kept beside the output; run the same command to go on from there."
    if last.phase in ("report", "done"):
        return f"{output} is whole; what is missing is its report, which `sardiff report` writes."
    from geo_io.partial import hidden_names

    partial = hidden_names(output)[0]
    if not partial.exists():
        return begin_again
    if not last.done:
        return "No tile is kept yet, for the first wait for their neighbours; run the same command to begin again."
    kept = "All tiles are" if last.done == last.total else f"{last.done} of {last.total} tiles are"
    return f"{kept} kept in {partial}; run the same command to go on from there."


def _closing(written: Sequence[Path], seconds: float, last: Progress | None, about: Sequence[str]) -> str:
    """The last word on a scene: its files, how large each is, and of those after the first what they are (`about`)."""
    # Of a small scene most of the time is the start.
    rate = f", {seconds / last.megapixels:.3g} s/Mpx" if last is not None and last.megapixels >= WORTH_A_RATE else ""
    lines = [f"{written[0]}: {size_of(written[0])}, {clock(seconds)}{rate}."]
    lines += [f"{path}: {size_of(path)}, {what}" for path, what in zip(written[1:], about, strict=True)]
    return "\n".join(lines)


def size_of(path: Path) -> str:
    """Bytes of a file as people say them."""
    size = float(path.stat().st_size)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
