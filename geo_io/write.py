"""Blocks into an unfinished GeoTIFF; whole and read back, it becomes a cloud-optimised GeoTIFF under its final name."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray

from geo_io.errors import GridMismatch, WriteError
from geo_io.geotiff import GDAL_ERRORS, gdal, opened, set_tags
from geo_io.grid import Grid, require_same
from geo_io.partial import Partial, Place, discard, family, hidden_names, remove_family
from geo_io.source import Metadata

__all__ = ["COMPRESSIONS", "SceneWriter", "check_folder", "check_output", "discard", "require_space"]

COMPRESSIONS = ("deflate", "zstd", "lzw", "none")  # all lossless: what is read back must be what was written

_COPYING = 0.8  # of the progress of `finish`; the rest is reading back


class SceneWriter:
    """Write a scene block by block, resume it after a kill, and finish it as a cloud-optimised GeoTIFF.

    `write` may be called from several threads. Leaving it as a context manager, or `close`, lets go of its files;
    an unfinished scene stays to be resumed.

    Parameters
    ----------
    final : Path
        Where the finished GeoTIFF goes; nothing new has this name before `finish` is through.
    grid : Grid
        Size and georeferencing, of any kind. A GeoTIFF holds an affine or control points: of both, the affine.
    bands : int
        Number of bands, at least 1.
    block : int
        Side of a block in pixels, a multiple of 16. Blocks at the lower and right rim end with the scene.
    metadata : Metadata or None
        Descriptions, units, tags, scales, offsets, colours to write; its nodata and dtype are not looked at.
    nodata : float or None
        Stored value of unmeasured pixels, NaN included; None: the file names none.
    fingerprint : mapping of str to str
        What decides the pixels: input, settings, weights. An unfinished scene is resumed only if all are equal.
    dtype : str
        Of the stored pixels.

    Raises
    ------
    WriteError
        If an unfinished scene of another fingerprint lies there, another run is writing it, the grid cannot be
        kept by a GeoTIFF, or the files cannot be made.
    ValueError
        If `block` is not a positive multiple of 16, or `bands` is not positive.
    """

    def __init__(
        self,
        final: Path,
        *,
        grid: Grid,
        bands: int,
        block: int,
        metadata: Metadata | None,
        nodata: float | None,
        fingerprint: Mapping[str, str],
        dtype: str = "float32",
    ) -> None:
        if block < 16 or block % 16:
            raise ValueError(f"block must be a positive multiple of 16, got {block}")
        if bands < 1:
            raise ValueError(f"bands must be at least 1, got {bands}")
        self.final = Path(final)
        metadata = metadata if metadata is not None else Metadata()
        # GDAL's COG driver copies the bands' own tags or the further domains of metadata, never both.
        self._all_domains = bool(metadata.namespaces) and not any(metadata.band_tags)
        self._notes: tuple[str, ...] = ()
        if metadata.namespaces and not self._all_domains:
            self._notes = (f"{final}: tags of {', '.join(metadata.namespaces)} are left out, those of bands are kept",)
        self._replaces = self.final.exists()  # then the caller has asked; what comes up later is someone else's
        self.nodata = None if nodata is None else float(np.dtype(dtype).type(nodata))  # as a pixel can hold it
        try:
            self._partial = Partial(
                self.final,
                grid=grid,
                bands=bands,
                block=block,
                metadata=metadata,
                fingerprint={**fingerprint, "nodata": str(self.nodata)},
                dtype=dtype,
            )
        except GDAL_ERRORS as error:
            raise WriteError(f"{self.final} cannot be begun: {error}; choose a folder that can be written") from error

    @property
    def partial(self) -> Path:
        """The unfinished file: a GeoTIFF that can be looked at, kept until the scene is finished."""
        return self._partial.path

    @property
    def done(self) -> set[Place]:
        """The finished blocks as (block_row, block_col)."""
        return set(self._partial.checksums)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: damaged blocks to be redone, and what of CRS and tags the output cannot keep."""
        return self._notes + self._partial.notes

    def write(self, block_row: int, block_col: int, array: NDArray[Any]) -> None:
        """Write one block; when this returns, it outlives the process.

        Parameters
        ----------
        block_row, block_col : int
            The block whose first pixel is (block_row * block, block_col * block).
        array : ndarray (bands, h, w)
            Stored values; h = w = block, less at the lower and right rim.

        Raises
        ------
        WriteError
            If the disk does not take it.
        ValueError
            If there is no such block, or the array has another shape.
        """
        try:
            self._partial.write((block_row, block_col), array)
        except OSError as error:
            raise WriteError(
                f"{self.final}: block {(block_row, block_col)} cannot be written: {error}; {self._what_to_do()}"
            ) from error

    def finish(
        self,
        tags: Mapping[str, str],
        compression: str = "deflate",
        progress: Callable[[float], None] | None = None,
        *,
        threads: int = 1,
        overwrite: bool = False,
    ) -> None:
        """Make the scene a cloud-optimised GeoTIFF, read it back, and give it its name: `prepare`, then `publish`."""
        self.prepare(tags, compression, progress, threads=threads)
        self.publish(overwrite=overwrite)

    def prepare(
        self,
        tags: Mapping[str, str],
        compression: str = "deflate",
        progress: Callable[[float], None] | None = None,
        *,
        threads: int = 1,
    ) -> None:
        """Make the cloud-optimised GeoTIFF beside its name, and read it back.

        It has overviews (means of what was measured). Every block is read back and compared with its checksum,
        grid and nodata with what was asked for. A signal interrupts the wait.

        Parameters
        ----------
        tags : mapping of str to str
            Further tags of the dataset, such as provenance.
        compression : {"deflate", "zstd", "lzw", "none"}
            All lossless.
        progress : callable, optional
            Called with the finished share, rising from 0 to 1.
        threads : int
            That compress, at least 1.

        Raises
        ------
        WriteError
            If blocks are missing, or the file cannot be written whole. What was finished stays to be resumed.
        ValueError
            If the compression is none of these.
        """
        if compression not in COMPRESSIONS:
            raise ValueError(f"compression must be one of {', '.join(COMPRESSIONS)}, got {compression!r}")
        if self._partial.missing:
            raise WriteError(f"{self.final}: {self._partial.missing} blocks are missing; write them, then finish")
        report = progress if progress is not None else lambda share: None
        fresh = hidden_names(self.final)[2]
        report(0.0)
        try:
            remove_family(fresh)
            grid = self._describe(tags)
            self._copy(fresh, compression, threads, report)
            self._read_back(fresh, grid, report)
            _force_to_disk(fresh)
        except WriteError:
            remove_family(fresh)
            raise
        except GDAL_ERRORS as error:
            remove_family(fresh)
            raise WriteError(f"{self.final} cannot be written: {error}; {self._what_to_do()}") from error
        report(1.0)

    def require_free(self, *, overwrite: bool = False) -> None:
        """Raise `WriteError` if a file has got the final name since this writer was made, unless `overwrite`."""
        if self.final.exists() and not (overwrite or self._replaces):
            raise WriteError(
                f"{self.final} was made by someone else during this run and is left as it is; what this run made is "
                f"kept beside it: move {self.final.name} away, or add --overwrite, and run the same command again, "
                f"which goes on from {self.partial}"
            )

    def publish(self, *, overwrite: bool = False) -> None:
        """Give what `prepare` made its final name, and remove the partial; of several files, prepare all first.

        Raises
        ------
        WriteError
            If the folder does not allow it, or `require_free` does not.
        """
        self.require_free(overwrite=overwrite)
        try:
            hidden_names(self.final)[2].replace(self.final)
            _force_to_disk(self.final.parent)
        except OSError as error:
            raise WriteError(f"{self.final} cannot be named: {error}; {self._what_to_do()}") from error
        self._partial.remove()

    def close(self) -> None:
        """Let go of the files; what is finished stays to be resumed. Closing twice is harmless."""
        self._partial.close()

    def __enter__(self) -> SceneWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _describe(self, tags: Mapping[str, str]) -> Grid:
        """Add to the partial what is known only at the end; return its grid, as a GeoTIFF keeps it."""
        with gdal(), opened(self.partial, "r+") as dataset:
            if self.nodata is not None:
                dataset.nodata = self.nodata
            set_tags(dataset, tags)
        with gdal(), opened(self.partial) as dataset:
            return Grid.from_dataset(dataset)

    def _copy(self, fresh: Path, compression: str, threads: int, report: Callable[[float], None]) -> None:
        p = self._partial
        size = math.prod(p.grid.shape) * p.bands * p.dtype.itemsize * 5 / 3  # pixels, overviews, theirs in the making
        failures: list[BaseException] = []

        def copy() -> None:
            try:
                with gdal(p.cache_mb):
                    rasterio.shutil.copy(
                        str(self.partial),
                        str(fresh),
                        driver="COG",
                        compress=compression,
                        predictor="YES",
                        blocksize=512,
                        bigtiff="IF_SAFER",
                        overview_resampling="AVERAGE",
                        copy_src_mdd="YES" if self._all_domains else "AUTO",
                        num_threads=threads,
                    )
            except BaseException as error:
                failures.append(error)

        # In a thread, because this one has to hear signals; GDAL holds no lock of Python's while it copies.
        thread = threading.Thread(target=copy, name=f"copy to {fresh}", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
            report(_COPYING * min(sum(map(_size, family(fresh))) / size, 1.0))
        if failures:
            raise failures[0]
        report(_COPYING)

    def _read_back(self, fresh: Path, grid: Grid, report: Callable[[float], None]) -> None:
        """Raise unless the new file holds everything; GDAL may not tell that a disk filled up."""
        p = self._partial
        with gdal(p.cache_mb), opened(fresh) as dataset:
            for what, wanted, got in (
                ("shape", (p.bands, *p.grid.shape), (dataset.count, *dataset.shape)),
                ("nodata", str(self.nodata), str(dataset.nodata)),
            ):
                if wanted != got:
                    raise WriteError(f"{self.final}: {what} {wanted} comes back as {got}; {self._what_to_do()}")
            try:
                require_same(str(self.final), Grid.from_dataset(dataset), str(self.partial), grid)
            except GridMismatch as error:
                raise WriteError(f"{self.final} does not come back as written: {error}") from error
            for count, place in enumerate(sorted(p.checksums), start=1):
                if p.checksum_in(dataset, place) != p.checksums[place]:
                    raise WriteError(f"{self.final}: block {place} does not come back as written; {self._what_to_do()}")
                report(_COPYING + (1 - _COPYING) * count / (len(p.checksums) + 1))

    def _what_to_do(self) -> str:
        return (
            f"see that the disk is well and has room, then run the same command again: "
            f"{len(self._partial.checksums)} finished blocks are kept in {self.partial}"
        )


def check_output(final: Path, inputs: Iterable[Path], overwrite: bool = False) -> None:
    """Raise `WriteError` unless `final` is a name that a GeoTIFF can be written to without harm.

    Parameters
    ----------
    final : Path
        The name asked for; must end in .tif or .tiff, in a folder that exists and can be written.
    inputs : iterable of Path
        Files and folders that are read; `final` may be none of them, by whatever name or link, nor lie inside.
    overwrite : bool
        Whether an existing file may be replaced.
    """
    final = Path(final)
    if final.suffix.lower() not in (".tif", ".tiff"):
        raise WriteError(f"{final}: output is a GeoTIFF, give a name that ends in .tif or .tiff")
    if final.is_dir():
        raise WriteError(f"{final} is a folder; give the name of a file in it, such as {final / 'result.tif'}")
    for path in map(Path, inputs):
        for name in (final, *hidden_names(final)):
            if _same_file(path, name):
                raise WriteError(f"{final}: output and input {path} are the same file; give the output another name")
        if path.is_dir() and path.resolve() in final.resolve().parents:
            raise WriteError(f"{final}: output would lie inside the input {path}; give a name elsewhere")
    if final.exists() and not overwrite:
        raise WriteError(f"{final} exists; give another name, or --overwrite to replace it")
    if not final.parent.is_dir():
        raise WriteError(f"{final}: there is no folder {final.parent}; make it first")
    # The longest hidden name, so that a name too long for the file system is found here too.
    check_folder(final, hidden_names(final)[0].name)


def check_folder(final: Path, name: str = "") -> None:
    """Raise `WriteError` unless something can be written beside `final`, under a name that begins like that."""
    try:
        with tempfile.NamedTemporaryFile(dir=final.parent, prefix=f"{name}."):
            pass
    except OSError as error:
        raise WriteError(
            f"{final}: nothing can be written in the folder {final.parent}: {error.strerror}; choose another"
        ) from error


def require_space(
    final: Path, *, bands: int, shape: tuple[int, int], block: int, dtype: str = "float32", promised: float = 0.0
) -> float:
    """Raise `WriteError` unless the disk holds the scene at its worst: unfinished beside finished, uncompressed.

    What an unfinished run already occupies is not asked for again.

    Parameters
    ----------
    promised : float
        Bytes on the same disk that other outputs of the run will take.

    Returns
    -------
    float
        Bytes that this one takes at its worst.
    """
    final = Path(final)
    down, across = math.ceil(shape[0] / block), math.ceil(shape[1] / block)
    each = bands * np.dtype(dtype).itemsize
    partial = down * across * block**2 * each
    finished = math.prod(shape) * each * 5 / 3  # pixels, overviews, and overviews in the making
    have = getattr(_stat(hidden_names(final)[0]), "st_blocks", 0) * 512
    needed = max(partial - have, 0) + finished * 1.02
    free = shutil.disk_usage(final.parent).free
    if needed + promised > free:
        others = f" besides {_said(promised)} of the other results" if promised else ""
        raise WriteError(
            f"{final}: writing {bands} x {shape[0]} x {shape[1]} pixels takes up to {_said(needed)}{others}, and "
            f"{final.parent} has {_said(free)} free; make room or choose another disk"
        )
    return needed


def _said(count: float) -> str:
    size, unit = next((s, u) for s, u in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if count >= s or u == "MB")
    return f"{count / size:.3g} {unit}"


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:  # one of them does not exist
        return False


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _size(path: Path) -> int:
    stat = _stat(path)
    return stat.st_size if stat is not None else 0


def _force_to_disk(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # Windows keeps its folders itself
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
