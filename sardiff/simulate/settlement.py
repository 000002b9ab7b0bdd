"""Villages and works: streets, houses on their lots, large sheds; what of them radar sees."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sardiff.simulate.ground import Image, Plane, fractal

__all__ = ["Settlement", "settlement"]


@dataclass(frozen=True)
class Settlement:
    """Where people live. All images are (rows, cols), float32.

    Parameters
    ----------
    density : ndarray
        How densely built, 0 to 1.
    streets, roofs, shadows : ndarray
        Share of the pixel, 0 to 1.
    corners : ndarray
        Linear power that double bounce between walls and ground adds, up to about 15 dB.
    """

    density: Image
    streets: Image
    roofs: Image
    shadows: Image
    corners: Image


def settlement(plane: Plane, rng: np.random.Generator, avoid: NDArray[np.bool_]) -> Settlement:
    """Place villages where it is neither wet nor steep, about one for 12 square kilometres, and build them."""
    maps = [np.zeros(plane.shape, np.float32) for _ in range(5)]
    built = Settlement(*maps)
    height, width = plane.extent_m
    for k in range(max(1, round(height * width / 1.2e7))):
        radius_m = (820.0, 520.0)[k] if k < 2 else rng.uniform(180, 420)
        centre = _free_place(plane, rng, avoid, margin_m=min(0.6 * radius_m, 0.3 * min(height, width)))
        if centre is not None:
            _village(plane, rng, built, centre, radius_m, avoid)
    for k in range(max(2, round(height * width / 6e6))):
        centre = _free_place(plane, rng, avoid, margin_m=0.05 * min(height, width))
        if centre is not None:
            _shed(plane, rng, built, centre, large=k < 4)
    return built


def _free_place(
    plane: Plane, rng: np.random.Generator, avoid: NDArray[np.bool_], margin_m: float
) -> tuple[float, float] | None:
    """Somewhere to build, in metres, or None after some tries."""
    height, width = plane.extent_m
    for _ in range(30):
        v, u = rng.uniform(margin_m, height - margin_m), rng.uniform(margin_m, width - margin_m)
        if not avoid[int(v / plane.step_m), int(u / plane.step_m)]:
            return v, u
    return None


def _village(
    plane: Plane,
    rng: np.random.Generator,
    built: Settlement,
    centre: tuple[float, float],
    radius_m: float,
    avoid: NDArray[np.bool_],
) -> None:
    """Streets in a bent grid around a centre, one house a lot; denser and brighter towards the middle."""
    reach = 1.7 * radius_m / plane.step_m
    row, col = centre[0] / plane.step_m, centre[1] / plane.step_m
    rows = slice(max(0, int(row - reach)), min(plane.shape[0], int(row + reach) + 1))
    cols = slice(max(0, int(col - reach)), min(plane.shape[1], int(col + reach) + 1))
    here = Plane((rows.stop - rows.start, cols.stop - cols.start), plane.step_m)
    v = here.rows_m + rows.start * plane.step_m - centre[0]
    u = here.cols_m + cols.start * plane.step_m - centre[1]
    ragged = 1 + 0.3 * fractal(here, rng, slope=3, largest_m=radius_m, smallest_m=25)
    density = np.clip(1.5 * (1 - np.hypot(u, v) / (radius_m * np.clip(ragged, 0.3, 2))), 0, 1)
    density = np.where(avoid[rows, cols], 0, density).astype(np.float32)

    turn = rng.uniform(0, math.pi / 2)
    bend = 55 * fractal(here, rng, slope=4, largest_m=700, smallest_m=150)
    across = math.cos(turn) * u - math.sin(turn) * v + bend
    along = math.sin(turn) * u + math.cos(turn) * v + bend
    side_m, front_m = 115.0, 230.0  # of a block of houses
    to_street = np.minimum(
        np.abs((across + side_m / 2) % side_m - side_m / 2), np.abs((along + front_m / 2) % front_m - front_m / 2)
    )
    street = np.clip((6.0 - to_street) / plane.step_m + 0.5, 0, 1) * (density > 0.05)
    lot_m = 27.0
    i, j = np.floor(across / lot_m).astype(np.int64), np.floor(along / lot_m).astype(np.int64)
    table = rng.random((6, 65521), dtype=np.float32)
    lot = (i * 92821 + j * 68917) % 65521
    stands = table[0][lot] < 0.2 + 0.6 * density
    # Houses stand anywhere on their lots, and are of any size that fits.
    off_across = np.abs(across / lot_m - i - 0.5 - 0.35 * (table[3][lot] - 0.5))
    off_along = np.abs(along / lot_m - j - 0.5 - 0.35 * (table[4][lot] - 0.5))
    inside = np.maximum(off_across, off_along) * lot_m < 4.5 + 6 * table[5][lot]
    roof = (inside & stands & (to_street > 7) & (density > 0.05)).astype(np.float32)
    # Walls along the track throw the wave straight back; a few corners do so whatever their bearing.
    aligned = math.exp(-((min(turn, math.pi / 2 - turn) / 0.3) ** 2))
    wall = np.zeros_like(roof)
    wall[:, :-1] = np.clip(roof[:, 1:] - roof[:, :-1], 0, 1)
    strength = 10 ** (-0.9 + 1.3 * table[1][lot] + 0.35 * aligned) * (0.4 + 0.8 * density)
    strength *= 1 + 9 * (table[2][lot] > 0.965)
    _lay(built.density, rows, cols, density)
    _lay(built.streets, rows, cols, street)
    _lay(built.roofs, rows, cols, roof)
    shadow = np.zeros_like(roof)
    shadow[:, 1:] = 0.6 * np.clip(roof[:, :-1] - roof[:, 1:], 0, 1)
    _lay(built.shadows, rows, cols, shadow)
    _lay(built.corners, rows, cols, np.roll(strength, -1, axis=1) * wall)


def _shed(plane: Plane, rng: np.random.Generator, built: Settlement, centre: tuple[float, float], large: bool) -> None:
    """A long building: bright where its wall faces the sensor, a flat roof, a shadow behind."""
    length_m, depth_m = (
        (rng.uniform(90, 220), rng.uniform(45, 90)) if large else (rng.uniform(30, 70), rng.uniform(18, 35))
    )
    height_m = rng.uniform(8, 16)
    turn = rng.normal(0, 0.25) + (rng.random() < 0.3) * math.pi / 2
    step = plane.step_m
    reach = math.hypot(length_m, depth_m) + 4 * height_m
    row, col = centre[0] / step, centre[1] / step
    rows = slice(max(0, int(row - reach / step)), min(plane.shape[0], int(row + reach / step) + 2))
    cols = slice(max(0, int(col - reach / step)), min(plane.shape[1], int(col + reach / step) + 2))
    v = (np.arange(rows.start, rows.stop, dtype=np.float32) * step - centre[0])[:, None]
    u = (np.arange(cols.start, cols.stop, dtype=np.float32) * step - centre[1])[None, :]

    def footprint(shift_m: float) -> Image:
        across = math.cos(turn) * (u - shift_m) - math.sin(turn) * v
        along = math.sin(turn) * (u - shift_m) + math.cos(turn) * v
        beyond = np.maximum(np.abs(across) - depth_m / 2, np.abs(along) - length_m / 2)
        return np.asarray(np.clip(0.5 - beyond / step, 0, 1), np.float32)

    roof = footprint(0.0)
    tan = math.tan(math.radians(38))
    front = np.clip(footprint(-min(height_m / tan, 1.6 * step)) - roof, 0, 1)
    shadow = np.clip(footprint(height_m * tan + 0.5 * step) - roof, 0, 1) * (1 - front)
    aligned = math.exp(-((math.remainder(turn, math.pi / 2) / 0.25) ** 2))
    _lay(built.roofs, rows, cols, roof)
    _lay(built.shadows, rows, cols, shadow)
    _lay(built.corners, rows, cols, front * (0.5 + rng.uniform(4, 18) * aligned))


def _lay(onto: Image, rows: slice, cols: slice, what: Image) -> None:
    """Put a piece into a map where it exceeds what is there."""
    onto[rows, cols] = np.maximum(onto[rows, cols], what)
