"""What geo_io says when it cannot go on: one sentence with the file, what was found and what to do."""

__all__ = ["GeoIOError", "GridMismatch", "LooksOptical", "ReadError", "UnclearValues", "UnsafeInput", "WriteError"]


class GeoIOError(Exception):
    """Something about a file or a grid that a user can mend."""


class ReadError(GeoIOError):
    """A file that is missing, damaged, of the wrong kind, or whose pixels cannot be understood."""


class LooksOptical(ReadError):  # noqa: N818
    """An input that should be a radar image, and whose bands have the names of an optical one."""


class UnclearValues(ReadError):  # noqa: N818
    """An input that may be intensity or amplitude: only a person can tell."""


class UnsafeInput(ReadError):  # noqa: N818
    """An input that would read other files, reach the network, or cost absurd amounts of memory."""


class WriteError(GeoIOError):
    """An output that cannot be written, finished or resumed."""


class GridMismatch(GeoIOError):  # noqa: N818
    """Two rasters that should lie on one grid and do not."""
