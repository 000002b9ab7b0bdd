"""A whole scene: open, lay tiles, solve, blend, write; the one driver that all tasks share."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo_io import Metadata, SceneWriter, Source, check_output
from geo_io.write import require_space
from sardiff.device import one_share_of_threads
from sardiff.errors import SettingsError
from sardiff.provenance import stale
from tiling import Apply, Layout, Tile, TileError, stream_tiles

__all__ = [
    "Output",
    "Progress",
    "beside",
    "check_outputs",
    "check_running",
    "chosen_layout",
    "metadata_of_classes",
    "restore_scene",
    "scene_layout",
]

MULTIPLE = 16  # pixels: blocks of a tiled GeoTIFF
PACED = 8  # tiles a worker by which it is said how long the others will take


@dataclass(frozen=True)
class Output:
    """One file of a result.

    Parameters
    ----------
    path : Path
        Its final name.
    bands : slice
        Which bands of the tiles' result it holds.
    encode : callable
        From these bands of one core, and its rows and cols, to the pixels that are stored.
    metadata : Metadata, optional
        Names, units, tags of the bands.
    nodata : float, optional
        Stored value of unmeasured pixels.
    count : int, optional
        Bands of the file, where `encode` makes more or fewer of them.
    dtype : str
        Of the stored pixels.
    """

    path: Path
    bands: slice
    encode: Callable[[NDArray[np.float32], slice, slice], NDArray[np.float32]]
    metadata: Metadata | None
    nodata: float | None
    count: int | None = None
    dtype: str = "float32"

    def stored_bands(self, out_bands: int) -> int:
        """Bands of the file, of tiles with so many."""
        return len(range(out_bands)[self.bands]) if self.count is None else self.count


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Parameters
    ----------
    phase : str
        "tiles", then "finish" (overviews, read back), then "done"; before these perhaps "despeckle" and "measure",
        after them perhaps "report".
    done, total : int
        Tiles; `done` counts those that are kept should the run be interrupted, from earlier runs too. A tile waits for
        its neighbours, so the first are kept when two rows of them are computed.
    resumed : int
        Tiles of those earlier runs.
    megapixels : float
        Computed in this run.
    seconds : float
        Since this run began with the first tile.
    share : float
        Of the present phase, 0 to 1.
    computed : int
        Tiles that this run has computed.
    pace : float
        Seconds that a tile took lately, 0 where that is not known yet.
    """

    phase: str
    done: int
    total: int
    resumed: int
    megapixels: float
    seconds: float
    share: float
    computed: int = 0
    pace: float = 0.0

    @property
    def rate(self) -> float:
        """Megapixels per second of this run, 0 before the first tile."""
        return self.megapixels / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds that the remaining tiles will take at the present pace; None where that is not known yet."""
        left = max(self.total - self.resumed - self.computed, 0)
        return left * self.pace if self.pace > 0 else None


def scene_layout(shape: tuple[int, int], *, tile: int, overlap: int, stride: int) -> Layout:
    """Lay tiles over a scene: no larger than the scene needs, sizes rounded up to blocks and the prior's stride."""
    return Layout(shape, tile=min(tile, max(shape)), overlap=overlap, multiple=math.lcm(MULTIPLE, stride))


def chosen_layout(
    shape: tuple[int, int], tile: int | None, overlap: int | None, *, usual: tuple[int, int], stride: int
) -> Layout:
    """Lay tiles of the size and overlap that were asked for, or the `usual` ones, over a scene.

    Raises
    ------
    SettingsError
        If less than 32 pixels are asked for, or an overlap below 0.
    """
    for name, value, least in (("tile", tile, 32), ("overlap", overlap, 0)):
        if value is not None and value < least:
            raise SettingsError(f"{name} must be at least {least} pixels, got {value}.")
    size, margin = (ours if asked is None else asked for asked, ours in zip((tile, overlap), usual, strict=True))
    return scene_layout(shape, tile=size, overlap=margin, stride=stride)


def beside(output: Path, what: str, wanted: bool | str | os.PathLike[str] = True) -> Path:
    """Where a further file of a result goes: as asked for, or OUT_what.tif beside OUT.tif."""
    return output.with_name(f"{output.stem}_{what}{output.suffix}") if wanted is True else Path(wanted)  # type: ignore[arg-type]


def check_running(workers: int, batch: int) -> None:
    """Raise `SettingsError` unless tiles computed at once, and handed over at once, are >= 1."""
    if workers < 1 or batch < 1:
        raise SettingsError(f"workers and batch must be >= 1, got {workers} and {batch}.")


def check_outputs(wanted: Sequence[Path | None], inputs: Sequence[Path], overwrite: bool) -> None:
    """Raise unless all files of a result (None: not asked for) can be written, under names of their own.

    Raises
    ------
    SettingsError
        If two of them are one.
    GeoIOError
        If one of them is an input, exists and may not be replaced, or cannot be written.
    """
    paths = [path for path in wanted if path is not None]
    for path in paths:
        check_output(path, inputs, overwrite)
    if len({path.resolve() for path in paths}) < len(paths):
        raise SettingsError(f"{paths[0]} and the files beside it need different names.")


def metadata_of_classes(what: str, names: Mapping[str, int]) -> Metadata:
    """What a file of one band of classes says of itself: what they tell, and the value of each."""
    said = ", ".join(f"{value}: {name}" for name, value in names.items())
    return Metadata(descriptions=(f"{what} ({said})",), scales=(1.0,), offsets=(0.0,), stored_dtype="uint8")


def restore_scene(
    source: Source,
    apply: Apply,
    layout: Layout,
    outputs: Sequence[Output],
    *,
    out_bands: int,
    fingerprint: Mapping[str, str],
    tags: Mapping[str, str],
    inputs: Sequence[Path] = (),
    batch: int = 1,
    workers: int = 1,
    overwrite: bool = False,
    compression: str = "deflate",
    report: Callable[[Progress], None] = lambda progress: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Restore a scene into GeoTIFFs, block by block, going on where an interrupted run stopped.

    Parameters
    ----------
    source : Source
        Where pixels come from.
    apply : Apply
        What is done to tiles.
    layout : Layout
        The tiles; each core is one block of the unfinished files.
    outputs : sequence of Output
        The files; all of them or none get their final names.
    out_bands : int
        Bands of the tiles' result.
    fingerprint : mapping
        What decides the pixels; an unfinished run is gone on with only if it is the same.
    tags : mapping
        Provenance, for the tags of the files.
    inputs : sequence of Path
        Files that must not be written over.
    report, say : callable
        Told of the progress after every tile, from the threads that compute, and every core; told in a sentence that an
        unfinished run is gone on with.

    Raises
    ------
    GeoIOError
        If an output cannot be written, or an unfinished one is of another run.
    """
    promised: dict[int, float] = defaultdict(float)  # bytes on each disk
    for output in outputs:
        check_output(output.path, inputs, overwrite)
        count, disk = output.stored_bands(out_bands), output.path.parent.stat().st_dev
        promised[disk] += require_space(
            output.path,
            bands=count,
            shape=layout.shape,
            block=layout.tile,
            dtype=output.dtype,
            promised=promised[disk],
        )
    down, across = layout.counts
    total = down * across
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                SceneWriter(
                    output.path,
                    grid=source.grid,
                    bands=output.stored_bands(out_bands),
                    block=layout.tile,
                    metadata=_fresh(output.metadata),
                    nodata=output.nodata,
                    fingerprint=fingerprint,
                    dtype=output.dtype,
                )
            )
            for output in outputs
        ]
        finished = set.intersection(*(writer.done for writer in writers))
        resumed = done = len(finished)
        began, lock = time.monotonic(), threading.Lock()
        computed: set[tuple[int, int]] = set()
        pixels, ends = 0, deque([began], maxlen=PACED * workers + 1)  # when the last tiles were done, and the beginning
        unheard: list[BaseException] = []  # what came of reporting from a thread

        def tell(phase: str, share: float | None = None) -> None:
            with lock:
                seconds = time.monotonic() - began
                far = (resumed + len(computed)) / total if share is None else share
                # Workers begin together: before each has done a tile, the first would count for all.
                pace = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > workers else 0.0
                report(Progress(phase, done, total, resumed, pixels / 1e6, seconds, far, len(computed), pace))

        def counted(read: NDArray[np.float32], tiles: Sequence[Tile]) -> NDArray[np.float32]:
            nonlocal pixels
            result = apply(read, tiles)
            with lock:
                fresh = [tile for tile in tiles if tile.index not in finished and tile.index not in computed]
                computed.update(tile.index for tile in fresh)
                ends.extend([time.monotonic()] * len(fresh))
                pixels += sum(len(tile.core.rows) * len(tile.core.cols) for tile in fresh)
            try:
                tell("tiles")
            except BaseException as error:  # not the tile's fault
                unheard.append(error)
                raise
            return result

        if resumed:
            say(f"Going on with an unfinished run: {resumed} of {total} tiles were kept.")
        tell("tiles")
        stack.enter_context(one_share_of_threads(workers))
        cores = stream_tiles(counted, source, layout, out_bands=out_bands, batch=batch, workers=workers, skip=finished)
        try:
            for tile, core in cores:
                rows, cols = tile.core.rows.slice, tile.core.cols.slice
                for output, writer in zip(outputs, writers, strict=True):
                    writer.write(*tile.index, output.encode(core[output.bands], rows, cols))
                done += 1
                tell("tiles")
        except TileError as error:
            if unheard:
                raise unheard[0] from error
            if error.__cause__ is not None and type(error.__cause__).__module__.startswith(("geo_io", "sardiff")):
                raise error.__cause__ from error
            raise
        finally:
            cores.close()  # type: ignore[attr-defined]
        for i, writer in enumerate(writers):
            writer.prepare(tags, compression, partial(_tell_finish, tell, i, len(writers)), threads=workers)
        for writer in writers:
            writer.require_free(overwrite=overwrite)  # of all, before the first gets its name
        for writer in writers:
            writer.publish(overwrite=overwrite)
        tell("done", 1.0)


def _fresh(metadata: Metadata | None) -> Metadata | None:
    """What the input says of itself, without how it was made."""
    if metadata is None:
        return None
    old = stale(metadata.tags)
    return replace(metadata, tags={key: text for key, text in metadata.tags.items() if key not in old})


def _tell_finish(tell: Callable[[str, float], None], i: int, count: int, share: float) -> None:
    tell("finish", (i + share) / count)


def encode_log(source: Source, units: Any) -> Callable[[NDArray[np.float32], slice, slice], NDArray[np.float32]]:
    """Return an `Output.encode` from log-intensity to what the source's file stores, or `units`."""

    def encode(log_intensity: NDArray[np.float32], rows: slice, cols: slice) -> NDArray[np.float32]:
        return source.encode(np.exp(log_intensity), rows, cols, units)

    return encode
