"""What tasks that take long have in common on the command line: how many workers, and the last word."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sardiff.cli.progress import clock

if TYPE_CHECKING:
    import torch

    from sardiff.tasks.scene import Progress

__all__ = ["closing", "default_workers", "how_to_go_on"]


def default_workers(device: torch.device) -> int:
    """One where a GPU computes; on a CPU two, each with half of the cores: one reads and blends while one computes."""
    return 2 if device.type == "cpu" and (os.cpu_count() or 1) >= 2 else 1


def how_to_go_on(output: Path, last: Progress | None) -> str:
    """What someone who stopped a run should know."""
    begin_again = "Nothing was written yet; run the same command to begin again."
    if last is None:  # perhaps in the middle of an import: import nothing more
        return begin_again
    if last.phase in ("despeckle", "measure"):
        return "What was despeckled so far is kept beside the output; run the same command to go on from there."
    from geo_io.partial import hidden_names

    partial = hidden_names(output)[0]
    if not partial.exists():
        return begin_again
    kept = "All tiles are" if last.done == last.total else f"{last.done} of {last.total} tiles are"
    return f"{kept} kept in {partial}; run the same command to go on from there."


def closing(written: Sequence[Path], seconds: float, last: Progress | None, about: Sequence[str] = ()) -> str:
    """The last word on a scene: its files, how large each is, and of those after the first what they are (`about`)."""
    rate = f", {seconds / last.megapixels:.3g} s/Mpx" if last is not None and last.megapixels else ""
    lines = [f"{written[0]}: {_size(written[0])}, {clock(seconds)}{rate}."]
    lines += [f"{path}: {_size(path)}, {what}" for path, what in zip(written[1:], about, strict=True)]
    return "\n".join(lines)


def _size(path: Path) -> str:
    size = float(path.stat().st_size)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
