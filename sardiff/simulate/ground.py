"""The ground a landscape stands on: fractal terrain, meandering lines, patchworks of parcels, the edge of a swath."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Parcels", "Plane", "fractal", "line_distance", "parcels", "swath"]

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """Where the pixels of an image lie on the ground.

    Parameters
    ----------
    shape : tuple of int
        (rows, cols).
    step_m : float
        Side of a pixel in metres, > 0.
    """

    shape: tuple[int, int]
    step_m: float

    @property
    def rows_m(self) -> Image:
        """Distance of each pixel from the top, in metres, (rows, 1)."""
        return (np.arange(self.shape[0], dtype=np.float32) * np.float32(self.step_m))[:, None]

    @property
    def cols_m(self) -> Image:
        """Distance of each pixel from the left, in metres, (1, cols)."""
        return (np.arange(self.shape[1], dtype=np.float32) * np.float32(self.step_m))[None, :]

    @property
    def extent_m(self) -> tuple[float, float]:
        """Height and width in metres."""
        return self.shape[0] * self.step_m, self.shape[1] * self.step_m


def fractal(
    plane: Plane, rng: np.random.Generator, *, slope: float, largest_m: float, smallest_m: float = 0.0
) -> Image:
    """Random relief with power spectrum 1 / f^slope between two wavelengths: mean 0, standard deviation 1.

    Parameters
    ----------
    plane : Plane
        Where.
    rng : numpy.random.Generator
        Decides the draw.
    slope : float
        2 to 4 for terrain, 0 for white noise.
    largest_m, smallest_m : float
        Wavelengths in metres beyond which the spectrum levels off, and below which it falls to zero.
    """
    pad = tuple(side + min(side, math.ceil(largest_m / plane.step_m / 2)) for side in plane.shape)
    rows = np.fft.fftfreq(pad[0], plane.step_m).astype(np.float32)[:, None]
    cols = np.fft.rfftfreq(pad[1], plane.step_m).astype(np.float32)[None, :]
    square = rows**2 + cols**2
    gain = (square + np.float32(1 / largest_m**2)) ** np.float32(-slope / 4) * np.exp(
        -square * np.float32(smallest_m**2)
    )
    noise = np.fft.rfft2(rng.standard_normal(pad, dtype=np.float32))
    relief = np.fft.irfft2(noise * gain, s=pad)[: plane.shape[0], : plane.shape[1]]
    relief -= relief.mean()
    return np.asarray(relief / max(float(relief.std()), 1e-12), dtype=np.float32)


def line_distance(potential: Image, level: float, step_m: float) -> Image:
    """Distance in metres from the line where a smooth potential takes a level: |u - level| / |grad u|.

    Exact for a plane, and to first order near the line: what is needed to give a river or a road its width.
    """
    down, right = np.gradient(potential, np.float32(step_m))
    steepness = np.sqrt(down**2 + right**2)
    return np.asarray(np.abs(potential - level) / np.maximum(steepness, 1e-6), dtype=np.float32)


@dataclass(frozen=True)
class Parcels:
    """A patchwork of fields.

    Parameters
    ----------
    label : ndarray (rows, cols) of int64
        Which parcel a pixel belongs to; any non-negative number.
    block : ndarray (rows, cols) of int64
        Which group of parallel parcels.
    border_m : ndarray (rows, cols)
        Distance to the nearest border of a parcel, in metres.
    across_m : ndarray (rows, cols)
        Coordinate across the rows of a field, in metres: what is sown in lines varies along it alone.
    """

    label: NDArray[np.int64]
    block: NDArray[np.int64]
    border_m: Image
    across_m: Image

    def draw(self, rng: np.random.Generator, *, whole_blocks: bool = False) -> Image:
        """One uniform number in [0, 1) for each parcel, or for each block."""
        table = rng.random(65521, dtype=np.float32)
        return table[(self.block if whole_blocks else self.label) % table.size]


def parcels(plane: Plane, rng: np.random.Generator, *, block_m: float = 850.0, width_m: float = 140.0) -> Parcels:
    """Divide the plane as farmland is: irregular blocks, each cut into parallel parcels of its own direction.

    Blocks are the cells of a jittered Voronoi diagram on gently bent coordinates; in each, parcels have widths
    around `width_m` and lengths of two to five times that.
    """
    bend = np.float32(0.05 * block_m)
    v = plane.rows_m + bend * fractal(plane, rng, slope=4, largest_m=2 * block_m, smallest_m=block_m / 2)
    u = plane.cols_m + bend * fractal(plane, rng, slope=4, largest_m=2 * block_m, smallest_m=block_m / 2)
    cells = tuple(math.ceil(side / block_m) + 6 for side in plane.extent_m)
    site_v, site_u = (rng.uniform(0.08, 0.92, cells).astype(np.float32) for _ in range(2))
    row = np.clip(np.floor(v / block_m).astype(np.int64) + 3, 1, cells[0] - 2)
    col = np.clip(np.floor(u / block_m).astype(np.int64) + 3, 1, cells[1] - 2)
    nearest = np.full(plane.shape, np.inf, np.float32)
    second = nearest.copy()
    block = np.zeros(plane.shape, np.int64)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = row + down, col + right
            dv = (i - 3 + site_v[i, j]) * np.float32(block_m) - v
            du = (j - 3 + site_u[i, j]) * np.float32(block_m) - u
            distance = np.hypot(dv, du)
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            nearest = np.where(closer, distance, nearest)
            block = np.where(closer, i * cells[1] + j, block)

    count = cells[0] * cells[1]
    # Neighbouring blocks share two main directions of a district, more or less.
    turn = rng.normal(0.3, 0.22, count) + (rng.random(count) < 0.5) * (math.pi / 2)
    width = (width_m * np.exp(rng.normal(0, 0.35, count))).astype(np.float32)
    length = (width * rng.uniform(1.6, 4.5, count)).astype(np.float32)
    cos, sin = np.cos(turn).astype(np.float32)[block], np.sin(turn).astype(np.float32)[block]
    across, along = cos * u - sin * v, sin * u + cos * v
    strip = across / width[block]
    # Each strip is cut at its own places.
    first = np.floor(strip)
    piece = along / length[block] + np.float32(0.618) * first
    label = (block * 7919 + first.astype(np.int64) * 104729 + np.floor(piece).astype(np.int64) * 1299709) & 0x7FFFFFFF
    to_side = np.minimum(strip - first, 1 - strip + first) * width[block]
    fraction = piece - np.floor(piece)
    to_end = np.minimum(fraction, 1 - fraction) * length[block]
    border = np.minimum(np.minimum(to_side, to_end), (second - nearest) / 2)
    return Parcels(label, block, border.astype(np.float32), across.astype(np.float32))


def swath(
    plane: Plane, rng: np.random.Generator, *, turn_deg: float = 11.0, burst_m: float = 1400.0
) -> NDArray[np.bool_]:
    """Where a tilted pass of the sensor measured: straight flanks, and ends stepped burst by burst.

    About nine tenths of the plane are inside; every rim has some pixels that are not.
    """
    height, width = plane.extent_m
    tilt = math.tan(math.radians(turn_deg))
    v, u = plane.rows_m, plane.cols_m
    margin = 0.012 * min(height, width)
    # The flanks cut opposite corners: each touches its rim in one corner and leaves it towards the other.
    reach = min(tilt * height, 0.16 * width)
    flank = reach * (v / height)
    left = u - (margin + 0.55 * reach - flank)
    right = (width - margin + 0.45 * reach - flank) - u
    lean = min(tilt * width, 0.12 * height)
    step = np.floor(u / burst_m)
    jitter = rng.uniform(0, 0.015 * height, int(step.max()) + 1).astype(np.float32)[step.astype(np.int64)]
    top = v - (margin + jitter - 0.6 * lean + lean * (u / width))
    bottom = (height - margin - jitter + 0.4 * lean - lean * (1 - u / width)) - v
    inside = (left > 0) & (right > 0) & (top > 0) & (bottom > 0)
    inside[0] = inside[-1] = False
    inside[:, 0] = inside[:, -1] = False
    return np.asarray(inside)
