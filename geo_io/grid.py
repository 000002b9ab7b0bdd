"""Where pixels lie on Earth, whatever way the file says it: an affine, ground control points, RPCs, or not at all."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC

from geo_io.errors import GridMismatch

__all__ = ["Grid", "GridKind", "require_same", "same_grid", "unplaced_is_no_news"]

GridKind = Literal["affine", "gcps", "rpcs", "none"]

SAME_PLACE_PX = 0.01  # two affines are one grid when no corner moves by more than this

_silencing = threading.RLock()


@contextmanager
def unplaced_is_no_news() -> Iterator[None]:
    """Silence rasterio on files without georeferencing: `Grid.kind` says it, and the caller warns.

    One thread at a time: the filters of warnings belong to the process, and are put back as they were found.
    """
    with _silencing, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _renew_lock() -> None:
    global _silencing
    _silencing = threading.RLock()


if hasattr(os, "register_at_fork"):  # another thread of the parent may have held it
    os.register_at_fork(after_in_child=_renew_lock)


@dataclass(frozen=True, eq=False)
class Grid:
    """The pixel grid of a raster: its size, and every georeferencing its file carries.

    Nothing is derived from anything else: ground control points stay points (one fitted affine is off by
    hundreds of metres on a radar scene), and a file with both an affine and RPCs keeps both.

    Parameters
    ----------
    shape : tuple of int
        (rows, cols), both at least 1.
    crs : CRS, optional
        Of the affine. Any CRS, with or without an EPSG code.
    transform : Affine, optional
        (col, row) to (x, y); may be rotated or south-up. None: the file has none (an identity is none).
    gcps : tuple of GroundControlPoint
        In pixels and `gcp_crs`; empty when there are none.
    gcp_crs : CRS, optional
        Of the ground control points.
    rpcs : RPC, optional
        Rational polynomial coefficients.

    Raises
    ------
    ValueError
        If the shape is empty, or the transform is not finite or maps all pixels onto a line.
    """

    shape: tuple[int, int]
    crs: CRS | None = None
    transform: Affine | None = None
    gcps: tuple[GroundControlPoint, ...] = ()
    gcp_crs: CRS | None = None
    rpcs: RPC | None = None

    def __post_init__(self) -> None:
        rows, cols = self.shape
        if rows < 1 or cols < 1:
            raise ValueError(f"a grid needs at least one row and one column, got {self.shape}")
        if self.transform is not None:
            a, b, _, d, e, _ = numbers = tuple(self.transform)[:6]
            if not np.isfinite(numbers).all():
                raise ValueError(f"the transform {numbers} is not finite")
            if a * e == b * d:
                raise ValueError(f"the transform {numbers} maps all pixels onto a line")
        object.__setattr__(self, "shape", (int(rows), int(cols)))
        object.__setattr__(self, "gcps", tuple(self.gcps))

    @classmethod
    def from_dataset(cls, dataset: Any) -> Grid:
        """Read the grid of an open rasterio dataset; a file without georeferencing gives kind "none", unwarned."""
        with unplaced_is_no_news():
            transform = dataset.transform
            gcps, gcp_crs = dataset.gcps
        return cls(
            shape=(dataset.height, dataset.width),
            crs=dataset.crs or None,
            transform=None if transform == Affine.identity() else transform,
            gcps=tuple(gcps),
            gcp_crs=(gcp_crs or None) if gcps else None,
            rpcs=dataset.rpcs,
        )

    @property
    def kind(self) -> GridKind:
        """The georeferencing that places pixels: the affine where there is one, else points, else RPCs."""
        if self.transform is not None:
            return "affine"
        if self.gcps:
            return "gcps"
        return "rpcs" if self.rpcs is not None else "none"

    @property
    def step(self) -> tuple[float, float] | None:
        """Length of one pixel (down a column, along a row) in units of the CRS; None without an affine."""
        if self.transform is None:
            return None
        a, b, _, d, e, _ = tuple(self.transform)[:6]
        return (float((b * b + e * e) ** 0.5), float((a * a + d * d) ** 0.5))

    @property
    def origin(self) -> tuple[float, float] | None:
        """Map position (x, y) of the outer corner of pixel (0, 0); None without an affine."""
        return None if self.transform is None else (float(self.transform.c), float(self.transform.f))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.shape, self.transform, len(self.gcps)))  # CRSs may be equal and spelt differently

    def _key(self) -> tuple[object, ...]:
        return (
            self.shape,
            self.crs,
            self.transform,
            _points(self.gcps),
            self.gcp_crs,
            None if self.rpcs is None else _coefficients(self.rpcs),
        )


def same_grid(a: Grid, b: Grid) -> bool:
    """Whether two rasters lie on one grid, as `require_same` has it."""
    try:
        require_same("", a, "", b)
    except GridMismatch:
        return False
    return True


def require_same(name: str, grid: Grid, other_name: str, other: Grid) -> None:
    """Raise `GridMismatch` unless both rasters lie on one grid, and say what differs.

    Affines may differ by rounding: up to a hundredth of a pixel at any corner.
    """
    for part, a, b in (
        ("shape", grid.shape, other.shape),
        ("kind of georeferencing", grid.kind, other.kind),
        ("crs", _crs_name(grid), _crs_name(other)) if grid.crs != other.crs else ("crs", None, None),
        ("crs of the ground control points", grid.gcp_crs, other.gcp_crs),
    ):
        if a != b:
            raise _mismatch(name, other_name, f"{part} is {a} and {b}")
    if grid.transform is not None and other.transform is not None:
        moved = _largest_move_px(grid.shape, grid.transform, other.transform)
        if moved > SAME_PLACE_PX:
            a, b = tuple(grid.transform)[:6], tuple(other.transform)[:6]
            raise _mismatch(name, other_name, f"transform is {a} and {b}, up to {moved:.3g} pixels apart")
    elif grid.kind == "gcps" and _points(grid.gcps) != _points(other.gcps):
        raise _mismatch(name, other_name, f"their {len(grid.gcps)} and {len(other.gcps)} control points differ")
    elif grid.kind == "rpcs" and grid.rpcs is not None and other.rpcs is not None:
        mine, yours = _coefficients(grid.rpcs), _coefficients(other.rpcs)
        if mine != yours:
            differing = ", ".join(sorted(key for key in mine if mine[key] != yours.get(key)))
            raise _mismatch(name, other_name, f"their RPCs differ in {differing}")


def _mismatch(name: str, other_name: str, what: str) -> GridMismatch:
    return GridMismatch(f"{name} and {other_name} lie on different grids: {what}; bring one onto the other first")


def _crs_name(grid: Grid) -> str:
    return "missing" if grid.crs is None else grid.crs.to_string()


def _points(gcps: tuple[GroundControlPoint, ...]) -> tuple[tuple[float, ...], ...]:
    # A point without height is written, and comes back, at height 0.
    return tuple((p.row, p.col, p.x, p.y, p.z or 0.0) for p in gcps)


def _coefficients(rpcs: RPC) -> dict[str, Any]:
    # An unknown error is written, and comes back, as -1.
    return {key: None if key.startswith("err_") and value == -1 else value for key, value in rpcs.to_dict().items()}


def _largest_move_px(shape: tuple[int, int], a: Affine, b: Affine) -> float:
    rows, cols = shape
    corners = np.array([[0, cols, 0, cols], [0, 0, rows, rows], [1, 1, 1, 1]], float)  # (col, row, 1)
    moved = np.linalg.solve(_matrix(a), _matrix(b) @ corners) - corners
    return float(np.abs(moved).max())


def _matrix(transform: Affine) -> NDArray[np.float64]:
    return np.array(tuple(transform), float).reshape(3, 3)
