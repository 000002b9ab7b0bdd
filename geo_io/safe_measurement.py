"""The digital numbers of a Sentinel-1 measurement TIFF, read in windows by any thread of any process."""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window

from geo_io.errors import ReadError, UnsafeInput
from geo_io.grid import unplaced_is_no_news
from geo_io.harden import read_options
from geo_io.safe_files import Stamp

__all__ = ["Measurement"]

DTYPES = ("uint16", "int16", "complex_int16", "float32", "complex64")
MAX_BLOCK_BYTES = 2**30  # of one strip; real strips have one line

_INHERITED: list[Any] = []


class Measurement:
    """The digital numbers of a measurement TIFF; opened once per thread and process, pickled as a path.

    Parameters
    ----------
    path : str
        As GDAL opens it: a file, or a member of a zip.
    name : str
        For messages.
    stamp : Stamp
        The file on disk, with its size and time: it must not change while it is read.
    """

    def __init__(self, path: str, name: str, stamp: Stamp) -> None:
        self.path, self.name, self.stamp = path, name, stamp
        self._local = threading.local()

    def __reduce__(self) -> tuple[type[Measurement], tuple[str, str, Stamp]]:
        return (Measurement, (self.path, self.name, self.stamp))

    def dataset(self) -> Any:
        """Return this thread's open dataset."""
        process, dataset = getattr(self._local, "open", (None, None))
        if process != os.getpid():
            if dataset is not None:
                _INHERITED.append(dataset)  # of the parent of a fork: sharing its file position, not ours to close
            if not self.stamp.holds():
                raise ReadError(f"{self.name} changed after it was opened; start again")
            dataset = self._open()
            self._local.open = (os.getpid(), dataset)
        return dataset

    def read(self, rows: tuple[int, int], cols: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Digital numbers of a window, and which of them were measured."""
        try:
            with rasterio.Env(**read_options()):
                dataset = self.dataset()
                dn = dataset.read(1, window=Window.from_slices(rows, cols))
        except RasterioError as error:
            where = f"rows {rows[0]}-{rows[1] - 1}, cols {cols[0]}-{cols[1] - 1}"
            raise ReadError(f"{self.name}, {where}: {error}; download the product again") from error
        measured = dn != 0
        if dataset.nodata is not None and math.isfinite(dataset.nodata):
            measured &= dn != dataset.nodata
        return dn, measured

    def _open(self) -> Any:
        try:
            with unplaced_is_no_news(), rasterio.Env(**read_options()):
                dataset = rasterio.open(self.path, driver="GTiff", sharing=False)
        except RasterioIOError as error:
            raise ReadError(f"{self.name} is not a whole TIFF ({error}); download the product again") from error
        block = math.prod(dataset.block_shapes[0]) * 4
        if dataset.count != 1 or dataset.dtypes[0] not in DTYPES:
            raise ReadError(
                f"{self.name} has {dataset.count} bands of {dataset.dtypes[0]}; "
                "a Sentinel-1 measurement has one, of uint16 (GRD) or complex_int16 (SLC)"
            )
        if block > MAX_BLOCK_BYTES:
            raise UnsafeInput(
                f"{self.name} is stored in blocks of {block} bytes, more than can be read at once; "
                "give the product as the agency delivers it"
            )
        return dataset
