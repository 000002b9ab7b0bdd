"""Whether a TIFF is whole: every block its directories promise lies inside the file."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from geo_io.errors import ReadError

__all__ = ["MAGIC", "check_whole"]

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

NEW_SUBFILE_TYPE, REDUCED = 254, 1
BLOCKS = ((273, 279), (324, 325))  # (offsets, byte counts) of strips and of tiles
NUMBERS = {3: "u2", 4: "u4", 13: "u4", 16: "u8"}
MOST_DIRECTORIES = 64


def check_whole(path: Path) -> None:
    """Raise `ReadError` when a block of a TIFF lies beyond its end; a copy cut short opens like a whole one.

    Reads directories only, not pixels. Overviews are left out: nothing here reads them.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[:4] in MAGIC[2:]
        try:
            offset = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
            seen: set[int] = set()
            while offset and offset not in seen and len(seen) < MOST_DIRECTORIES:
                seen.add(offset)
                tags, offset = _directory(file, offset, size, order, big)
                if not any(int(kind) & REDUCED for kind in tags.get(NEW_SUBFILE_TYPE, ())[:1]):
                    _check_blocks(path, tags, size)
        except (struct.error, EOFError) as error:
            raise ReadError(
                f"{path} is truncated or damaged: its directory does not lie within its {size} bytes; copy it again"
            ) from error


def _directory(file: BinaryIO, offset: int, size: int, order: str, big: bool) -> tuple[dict[int, NDArray[Any]], int]:
    """Return the numeric tags of the directory at `offset` that matter here, and where the next one lies."""
    entry, counter, pointer = (20, "Q", "Q") if big else (12, "H", "I")
    count = struct.unpack(order + counter, _take(file, offset, struct.calcsize(order + counter), size))[0]
    start = offset + struct.calcsize(order + counter)
    body = _take(file, start, count * entry, size)
    following = struct.unpack(order + pointer, _take(file, start + len(body), struct.calcsize(order + pointer), size))[
        0
    ]
    wanted = {NEW_SUBFILE_TYPE, *(tag for pair in BLOCKS for tag in pair)}
    tags: dict[int, NDArray[Any]] = {}
    for at in range(0, len(body), entry):
        tag, kind = struct.unpack_from(order + "HH", body, at)
        if tag not in wanted or kind not in NUMBERS:
            continue
        values = struct.unpack_from(order + pointer, body, at + 4)[0]
        dtype = np.dtype(order + NUMBERS[kind])
        inline = at + entry - struct.calcsize(order + pointer)
        length = values * dtype.itemsize
        if length <= struct.calcsize(order + pointer):
            raw = body[inline : inline + length]
        else:
            raw = _take(file, struct.unpack_from(order + pointer, body, inline)[0], length, size)
        tags[tag] = np.frombuffer(raw, dtype)
    return tags, following


def _take(file: BinaryIO, offset: int, length: int, size: int) -> bytes:
    if offset + length > size:
        raise EOFError
    file.seek(offset)
    return file.read(length)


def _check_blocks(path: Path, tags: dict[int, NDArray[Any]], size: int) -> None:
    for offsets_tag, counts_tag in BLOCKS:
        if offsets_tag not in tags or counts_tag not in tags:
            continue
        offsets, counts = tags[offsets_tag], tags[counts_tag]
        n = min(len(offsets), len(counts))
        # A block of no bytes was never written: that is a sparse file, not a damaged one.
        ends = np.where(counts[:n] > 0, offsets[:n].astype("f8") + counts[:n].astype("f8"), 0.0)
        if n and ends.max() > size:
            raise ReadError(
                f"{path} is truncated: {int((ends > size).sum())} of its {n} blocks lie beyond its end at byte {size} "
                f"(the last would end at {int(ends.max())}); copy or download it again"
            )
