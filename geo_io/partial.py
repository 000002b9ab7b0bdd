"""The unfinished scene on disk: blocks that survive a kill at any instant, and a journal that says which are whole.

Two hidden files lie beside the final name. The *partial* is an uncompressed tiled GeoTIFF whose directory is
written once, when it is made: every block has its place from the start (a hole on disk until it is filled), so
a block is one plain write of known bytes at a known offset, and GDAL never edits the file underneath. The
*journal* is text that only grows: a first line with what decides the image and a copy of the partial's
directory, then one line per block with its checksum, appended after the block's pixels. A block counts when its
line is whole and its pixels match, whatever instant the last run ended at.
"""

from __future__ import annotations

import base64
import glob
import json
import math
import os
import re
import threading
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from geo_io.errors import GridMismatch, WriteError
from geo_io.geotiff import gdal, georeferencing, opened, same_rpcs, set_metadata, storable
from geo_io.grid import Grid, require_same
from geo_io.leftovers import announce, forget
from geo_io.source import Metadata

try:
    import fcntl
except ImportError:  # not on Windows: there two runs at once go unnoticed
    fcntl = None  # type: ignore[assignment]

__all__ = ["Partial", "Place", "discard", "family", "hidden_names", "remove_family"]

Place = tuple[int, int]  # of a block: (block_row, block_col)

_JOURNAL_LINE = re.compile(rb"(\d+) (\d+) ([0-9a-f]{8})")


class Partial:
    """A scene of which some blocks are written; taken up where an earlier run left it, else made anew.

    Parameters
    ----------
    final : Path
        The name the finished scene will have; decides the names of the hidden files beside it.
    grid, bands, block, metadata, dtype
        As in `SceneWriter`.
    fingerprint : mapping of str to str
        What decides the pixels.

    Attributes
    ----------
    checksums : dict of Place to int
        CRC-32 of each finished block: of its stored values (bands, h, w), little-endian.
    notes : tuple of str
        What a person should know.

    Raises
    ------
    WriteError
        If an unfinished scene of another fingerprint lies there, another run is writing it, or the grid cannot be
        kept by a GeoTIFF.
    OSError, RasterioError
        If the files cannot be made.
    """

    def __init__(
        self,
        final: Path,
        *,
        grid: Grid,
        bands: int,
        block: int,
        metadata: Metadata,
        fingerprint: Mapping[str, str],
        dtype: str,
    ) -> None:
        rows, cols = grid.shape
        self.final = final
        self.grid = storable(grid)
        self.bands = bands
        self.block = block
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.blocks = math.ceil(rows / block), math.ceil(cols / block)
        self.checksums: dict[Place, int] = {}
        self.notes: tuple[str, ...] = ()
        self.path, self._journal_path, _ = hidden_names(final)
        self._fingerprint = {
            **{str(key): str(value) for key, value in fingerprint.items()},
            "image": f"{bands} x {rows} x {cols} {self.dtype.name}",
            "block": str(block),
        }
        self._offsets: dict[Place, int] = {}
        self._pixels: IO[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._journal = _open_alone(self._journal_path, final)
        announce(self.path, self.remove)
        try:
            if not self._resume():
                self._create(metadata)
            self._pixels = open(self.path, "r+b", buffering=0)  # noqa: SIM115  (open until `close`)
        except BaseException:
            if not self.path.exists():
                self.remove()
            self.close()
            raise

    def write(self, place: Place, array: NDArray[Any]) -> None:
        """Write one block (bands, h, w), smaller than `block` only at the rim; then it outlives the process.

        Raises
        ------
        OSError
            If the disk does not take it.
        ValueError
            If there is no such block, the array has another shape, or the partial is closed.
        """
        if place not in self._offsets:
            raise ValueError(f"there is no block {place} among {self.blocks[0]} x {self.blocks[1]}")
        rows, cols = self.span(place)
        height, width = rows.stop - rows.start, cols.stop - cols.start
        if array.shape != (self.bands, height, width):
            raise ValueError(f"block {place} has shape {(self.bands, height, width)}, got {array.shape}")
        stored = np.ascontiguousarray(array, dtype=self.dtype)
        checksum = zlib.crc32(stored.data)
        tile = np.moveaxis(stored, 0, -1)
        if (height, width) != (self.block, self.block):
            tile = np.pad(tile, ((0, self.block - height), (0, self.block - width), (0, 0)))
        with self._one_at_a_time:
            if self._pixels is None:
                raise ValueError(f"the writer of {self.final} is closed")
            self.checksums.pop(place, None)
            self._pixels.seek(self._offsets[place])
            _write_all(self._pixels, np.ascontiguousarray(tile).data.cast("B"))
            _write_all(self._journal, b"%d %d %08x\n" % (*place, checksum))
            self.checksums[place] = checksum

    def checksum_in(self, dataset: Any, place: Place) -> int:
        """CRC-32 of a block as an open dataset of the same scene holds it."""
        rows, cols = self.span(place)
        pixels = dataset.read(window=((rows.start, rows.stop), (cols.start, cols.stop)))
        return zlib.crc32(np.ascontiguousarray(pixels, dtype=self.dtype).data)

    def span(self, place: Place) -> tuple[slice, slice]:
        """Rows and columns of a block in the scene."""
        rows, cols = self.grid.shape
        top, left = place[0] * self.block, place[1] * self.block
        return slice(top, min(top + self.block, rows)), slice(left, min(left + self.block, cols))

    @property
    def missing(self) -> int:
        """How many blocks are not finished."""
        return len(self._offsets) - len(self.checksums)

    @property
    def cache_mb(self) -> int:
        """Room for GDAL to keep one row of blocks, within bounds: reading by rows then decodes each once."""
        row = self.blocks[1] * self.block**2 * self.bands * self.dtype.itemsize
        return min(64 + 2 * row // 2**20, 384)

    def close(self) -> None:
        """Let go of the files; what is finished stays. Closing twice is harmless."""
        with self._one_at_a_time:
            if self._pixels is not None:
                self._pixels.close()
                self._pixels = None
            self._journal.close()

    def remove(self) -> None:
        """Close and delete both files, and what `SceneWriter` made of them that has no final name yet."""
        if os.name != "posix":
            self.close()  # Windows deletes no open file; elsewhere the lock is kept until nothing is left to take up
        for path in (self.path, hidden_names(self.final)[2]):
            remove_family(path)
        self._journal_path.unlink(missing_ok=True)
        forget(self.path)
        self.close()

    def _create(self, metadata: Metadata) -> None:
        """Make an empty partial, then the first line of its journal."""
        rows, cols = self.grid.shape
        making = self.path.with_name(f"{self.path.name}.making")
        with gdal(), opened(
            making, "w", width=cols, height=rows, count=self.bands, dtype=self.dtype.name,
            tiled=True, blockxsize=self.block, blockysize=self.block, interleave="pixel", bigtiff="YES",
            endianness="LITTLE", **georeferencing(self.grid),
        ) as dataset:  # fmt: skip
            # Without nodata: with it GDAL would fill every block instead of leaving holes. `finish` sets it.
            set_metadata(dataset, metadata, self.grid)
        with gdal(), opened(making) as dataset:
            self._locate_blocks(dataset)
            self._check_grid(Grid.from_dataset(dataset))
        with open(making, "rb") as file:
            directory = file.read(min(self._offsets.values()))
        header = {
            "fingerprint": self._fingerprint,
            "directory": base64.b64encode(zlib.compress(directory)).decode(),
            "length": making.stat().st_size,
        }
        self._journal.truncate(0)
        making.replace(self.path)
        _write_all(self._journal, json.dumps(header).encode() + b"\n")

    def _resume(self) -> bool:
        """Take up what an earlier run left; False when there is nothing to take up."""
        journal = self._journal_path.read_bytes()
        whole = journal[: journal.rfind(b"\n") + 1]  # a line cut off by a kill is no line
        first, *lines = whole.split(b"\n")
        if not first or not self.path.is_file():
            return False
        header = _read_header(first)
        if header is None:
            self.notes += (f"{self._journal_path} is damaged: the unfinished run in {self.path} is begun anew",)
            return False
        if header["fingerprint"] != self._fingerprint and not any(map(_JOURNAL_LINE.fullmatch, lines)):
            return False  # of another run, which kept nothing
        self._require_same_fingerprint(header["fingerprint"])
        self._journal.truncate(len(whole))
        # Put the directory back as it was made: `finish` edits it, and may have been cut short.
        with open(self.path, "r+b") as file:
            file.write(zlib.decompress(base64.b64decode(header["directory"])))
            file.truncate(header["length"])
        claimed: dict[Place, int] = {}
        for line in lines:
            if match := _JOURNAL_LINE.fullmatch(line):
                claimed[int(match[1]), int(match[2])] = int(match[3], 16)  # the last word on a block counts
        with gdal(self.cache_mb), opened(self.path) as dataset:
            self._locate_blocks(dataset)
            for place, checksum in sorted(claimed.items()):
                if place in self._offsets and self.checksum_in(dataset, place) == checksum:
                    self.checksums[place] = checksum
        if torn := len(claimed) - len(self.checksums):
            self.notes += (f"{self.path}: {torn} damaged blocks will be written again",)
        return True

    def _require_same_fingerprint(self, theirs: Mapping[str, str]) -> None:
        ours = self._fingerprint
        differing = [
            f"{key} was {theirs.get(key, 'not given')} and is now {ours.get(key, 'not given')}"
            for key in sorted({*ours, *theirs})
            if ours.get(key) != theirs.get(key)
        ]
        if differing:
            raise WriteError(
                f"{self.final}: an unfinished run lies in {self.path}, but of another kind: "
                f"{'; '.join(differing)}; repeat the earlier command to finish it, or delete that file to begin anew"
            )

    def _locate_blocks(self, dataset: Any) -> None:
        down, across = self.blocks
        for i in range(down):
            for j in range(across):
                # All bands of a pixel lie together, so a block has one place.
                offset = dataset.get_tag_item(f"BLOCK_OFFSET_{j}_{i}", "TIFF", 1)
                if not offset:
                    raise WriteError(f"{self.final}: GDAL {rasterio.__gdal_version__} gave block {(i, j)} no place")
                self._offsets[i, j] = int(offset)

    def _check_grid(self, written: Grid) -> None:
        """Refuse, before any work, a grid that would come back as another one."""
        wanted = self.grid
        if (written.crs, written.gcp_crs) != (wanted.crs, wanted.gcp_crs):
            self.notes += (
                f"{self.final}: a GeoTIFF cannot say this CRS exactly and holds "
                f"{written.crs or written.gcp_crs or 'none'} instead",
            )
        if same_rpcs(written.rpcs, wanted.rpcs):
            written = replace(written, rpcs=wanted.rpcs)
        written = replace(written, crs=wanted.crs, gcp_crs=wanted.gcp_crs)
        try:
            require_same(str(self.final), written, "its input", wanted)
        except GridMismatch as error:
            raise WriteError(f"{self.final}: a GeoTIFF cannot keep the grid of the input: {error}") from error


def hidden_names(final: Path) -> tuple[Path, Path, Path]:
    """Names beside the final one: of the partial, its journal, and the finished file before it is renamed."""
    stem = f".{final.name}"
    return tuple(final.with_name(stem + end) for end in (".partial.tif", ".journal", ".new.tif"))  # type: ignore[return-value]


def discard(final: Path) -> None:
    """Delete what an unfinished run left beside `final`; nothing to delete is fine.

    Raises
    ------
    WriteError
        If that run is still going on.
    """
    partial, journal, fresh = hidden_names(Path(final))
    if journal.exists():
        _open_alone(journal, final).close()
    for path in (partial, fresh, journal):
        remove_family(path)


def family(path: Path) -> list[Path]:
    """A hidden file and those made on the way to it: GDAL builds overviews beside a COG, as NAME.ovr.tmp."""
    return [path, *path.parent.glob(f"{glob.escape(path.name)}.*")]


def remove_family(path: Path) -> None:
    """Delete a hidden file and what was made on the way to it, where they exist."""
    for each in family(path):
        each.unlink(missing_ok=True)


def _open_alone(journal: Path, final: Path) -> IO[bytes]:
    """Open the journal to read and append; raise if another process has it."""
    while True:
        file = open(journal, "a+b", buffering=0)  # noqa: SIM115  (it is the lock)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise WriteError(
                f"{final}: another run is writing it now; wait for it or stop it, then try again"
            ) from error
        except OSError:
            return file  # a file system without locks
        # Between opening and locking, the other run may have finished and removed it.
        if _is(file, journal):
            return file
        file.close()


def _is(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _read_header(line: bytes) -> dict[str, Any] | None:
    """First line of a journal; None when it is not one."""
    try:
        header = json.loads(line)
        zlib.decompress(base64.b64decode(header["directory"]))
        return dict(header) if isinstance(header["fingerprint"], dict) and isinstance(header["length"], int) else None
    except (KeyError, TypeError, ValueError, zlib.error):
        return None


def _write_all(file: IO[bytes], data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
