"""What blurred an image: kernels by name, or from a file of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geo_io import open_raster
from sardiff.errors import SettingsError

__all__ = ["LARGEST", "is_named", "kernel_of"]

LARGEST = 101  # pixels along a side
FINE = 16  # parts of a pixel that a motion is traced in
MOST_BYTES = 1_000_000  # of a text file
FORMS = "gaussian:SIGMA, box:N, motion:LENGTH,ANGLE, or a file (.txt, .csv, .tif)"


def kernel_of(blur: str) -> NDArray[np.float64]:
    """Return the kernel that is meant: (rows, cols), both odd, >= 0, of sum 1.

    Parameters
    ----------
    blur : str
        "gaussian:SIGMA", standard deviation in pixels. "box:N", a mean over N x N pixels, N odd. "motion:LENGTH,ANGLE",
        a straight line, in pixels and in degrees counter-clockwise from the direction of rows. Or a file: numbers in
        rows, separated by blanks or commas, or a raster of one band; scaled to sum 1.

    Raises
    ------
    SettingsError
        If it is none of these, is no kernel, or larger than `LARGEST`.
    GeoIOError
        If a raster cannot be read.
    """
    name, colon, rest = blur.partition(":")
    makers: dict[str, tuple[Callable[..., NDArray[np.float64]], int]] = {
        "gaussian": (_gaussian, 1),
        "box": (_box, 1),
        "motion": (_motion, 2),
    }
    if colon and name in makers:
        make, count = makers[name]
        numbers = [_number(part) for part in rest.split(",")]
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise SettingsError(f"{blur!r} is no blur: say {FORMS}.")
        kernel = make(*numbers)
    elif Path(blur).suffix.lower() in (".txt", ".csv"):
        kernel = _read_text(Path(blur))
    elif Path(blur).suffix.lower() in (".tif", ".tiff"):
        kernel = _read_raster(Path(blur))
    else:
        raise SettingsError(f"{blur!r} is no blur: say {FORMS}.")
    return _checked(kernel, blur)


def is_named(blur: str) -> bool:
    """Whether a blur is meant by name, so that `kernel_of` reads no file."""
    return blur.startswith(("gaussian:", "box:", "motion:"))


def _gaussian(sigma: float) -> NDArray[np.float64]:
    if not 0 < sigma <= LARGEST / 8:
        raise SettingsError(
            f"The sigma of a Gaussian blur must be > 0 and at most {LARGEST / 8:g} pixels, got {sigma:g}."
        )
    radius = math.ceil(4 * sigma)
    line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.outer(line, line)


def _box(side: float) -> NDArray[np.float64]:
    if side % 2 != 1 or not 1 <= side <= LARGEST:
        raise SettingsError(f"The side of a box must be odd, from 1 to {LARGEST} pixels, got {side:g}.")
    return np.ones((int(side), int(side)))


def _motion(length: float, angle_deg: float) -> NDArray[np.float64]:
    if not 1 <= length <= LARGEST - 2:
        raise SettingsError(f"A motion must be from 1 to {LARGEST - 2} pixels long, got {length:g}.")
    # Shares of the line's points go to the four pixels around each, by distance.
    count = math.ceil(length * FINE)
    along = (np.arange(count) + 0.5) / count * length - length / 2
    radius = math.ceil(length / 2) + 1
    rows = radius - along * math.sin(math.radians(angle_deg))
    cols = radius + along * math.cos(math.radians(angle_deg))
    kernel = np.zeros((2 * radius + 1,) * 2)
    top, left = np.floor(rows).astype(int), np.floor(cols).astype(int)
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - (rows - top)) * np.abs(1 - right - (cols - left))
            np.add.at(kernel, (top + down, left + right), share)
    return kernel


def _read_text(path: Path) -> NDArray[np.float64]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SettingsError(f"{path} is larger than a kernel can be; give at most {LARGEST} rows of numbers.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"The kernel {path} cannot be read: {why}; check the path.") from error
    rows = [[_number(part) for part in line.replace(",", " ").split()] for line in lines if line.strip()]
    if not rows or len({len(row) for row in rows}) != 1:
        raise SettingsError(f"{path} is no kernel: give rows of numbers, all of one length.")
    return np.array(rows)


def _read_raster(path: Path) -> NDArray[np.float64]:
    source = open_raster(path, values="physical", classes=True)
    bands, rows, cols = source.shape
    if bands != 1 or max(rows, cols) > LARGEST:
        raise SettingsError(
            f"{path} has {bands} bands of {rows} x {cols} pixels: a kernel has one, of at most {LARGEST} x {LARGEST}."
        )
    return source[slice(0, 1), slice(0, rows), slice(0, cols)][0].astype(np.float64)


def _checked(kernel: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    rows, cols = kernel.shape
    if not (rows % 2 and cols % 2) or max(rows, cols) > LARGEST:
        raise SettingsError(
            f"The kernel {name} is {rows} x {cols}: both must be odd, so that it has a middle, and at most {LARGEST}."
        )
    most = float(kernel.max())  # NaN if one of them is
    if not 0 < most < math.inf or kernel.min() < 0:
        raise SettingsError(f"The kernel {name} must hold numbers >= 0, not all of them 0.")
    kernel = kernel / most
    return _trimmed(kernel / kernel.sum())


def _trimmed(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel without rims of zeros, as far as both ends have them."""
    for axis in (0, 1):
        empty = kernel.max(axis=1 - axis) == 0
        rim = int(np.argmin(empty & empty[::-1]))
        part = slice(rim, kernel.shape[axis] - rim)
        kernel = kernel[part] if axis == 0 else kernel[:, part]
    return kernel


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
