"""A landscape as radar sees it, whose backscatter is known: fields, woods, water, roads, villages, hills."""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from sardiff.simulate.ground import Image, Parcels, Plane, fractal, line_distance, parcels, swath
from sardiff.simulate.settlement import Settlement, settlement

__all__ = ["Cover", "Landscape", "landscape"]


class Cover(IntEnum):
    """What covers the ground."""

    FIELD = 0
    FOREST = 1
    WATER = 2
    URBAN = 3
    ROAD = 4


@dataclass(frozen=True, eq=False)
class Landscape:
    """Noise-free backscatter of a made-up landscape, and what is there.

    Parameters
    ----------
    intensity : ndarray (rows, cols), float32
        Linear backscatter (sigma nought), about -26 to +15 dB. NaN: not measured.
    measured : ndarray (rows, cols), bool
        False on the rim outside the swath.
    cover : ndarray (rows, cols), uint8
        A `Cover` for each pixel, also where nothing was measured.
    elevation_m : ndarray (rows, cols), float32
        Height of the ground.
    step_m : float
        Side of a pixel in metres.
    """

    intensity: NDArray[np.float32]
    measured: NDArray[np.bool_]
    cover: NDArray[np.uint8]
    elevation_m: NDArray[np.float32]
    step_m: float


def landscape(shape: tuple[int, int] = (1024, 1024), seed: int = 0, step_m: float = 10.0) -> Landscape:
    """Make a landscape of which every pixel's backscatter is known.

    The sensor looks from the left. Slopes that face it are bright and those that turn away dark, by the area they
    cover in the image; woods and houses have a bright near edge and cast a shadow; backscatter falls slowly with
    the angle of incidence. Levels are those commonly seen at C band, VV.

    Parameters
    ----------
    shape : tuple of int
        (rows, cols), each >= 32.
    seed : int
        Same seed, same landscape.
    step_m : float
        Side of a pixel in metres, > 0; features keep their size on the ground.

    Raises
    ------
    ValueError
        If the shape is too small or the step not positive.

    Examples
    --------
    >>> scene = landscape((64, 64), seed=1)
    >>> scene.intensity.dtype, bool(np.isnan(scene.intensity[0, 0])), bool((scene.intensity[scene.measured] > 0).all())
    (dtype('float32'), True, True)
    """
    if len(shape) != 2 or min(shape) < 32:
        raise ValueError(f"a landscape has at least 32 rows and 32 cols, got {shape}")
    if not 0 < step_m < math.inf:
        raise ValueError(f"step_m must be > 0 and finite, got {step_m}")
    plane = Plane((int(shape[0]), int(shape[1])), float(step_m))
    rng = np.random.default_rng(seed)

    hilly = _smoothstep(fractal(plane, rng, slope=4, largest_m=9000, smallest_m=900), -0.1, 1.3)
    relief = fractal(plane, rng, slope=3.8, largest_m=2600, smallest_m=80)
    elevation = 320 + 75 * hilly * (2.2 + relief) + 6 * (1 - hilly) * relief
    patchwork = parcels(plane, rng)
    water, bank_m = _water(plane, rng)
    roads, crossings = _roads(plane, rng)
    village = settlement(plane, rng, avoid=(water > 0.2) | (hilly > 0.75))
    roads = np.maximum(roads * (1 - water), 0.8 * village.streets * (1 - water))
    wood = _forest(plane, rng, patchwork, hilly) & (bank_m > 25) & (village.density < 0.12)

    level = _fields(plane, rng, patchwork, wood)
    level = np.where(wood, _canopy(plane, rng), level)
    power = _linear(level)
    power = _edges(power, wood, height_m=19.0, bright=1.9, dark=0.30, step_m=step_m)
    power = _mix(power, _linear(-15.5 + 0.5 * fractal(plane, rng, slope=1, largest_m=200)), roads)
    power = _village(power, village, rng, step_m)
    power *= _linear(_relief_gain(elevation, step_m))
    wind = fractal(plane, rng, slope=3, largest_m=2500, smallest_m=120)
    ripple = fractal(plane, rng, slope=2, largest_m=250, smallest_m=20)
    power = _mix(power, _linear(np.clip(-20.5 + 1.3 * wind + 0.25 * ripple, -25.5, -17)), water)
    bridge = crossings * (water > 0.1)
    power = _mix(power, np.full(shape, 10**-0.1, np.float32), bridge)
    power = _lone_points(power, rng, water, wood, step_m)
    incidence = np.linspace(1.2, -1.8, shape[1], dtype=np.float32)[None, :]
    power *= _linear(incidence * (1 + 0.8 * water))

    cover = np.full(shape, Cover.FIELD, np.uint8)
    cover[wood] = Cover.FOREST
    cover[village.density > 0.25] = Cover.URBAN
    cover[roads > 0.4] = Cover.ROAD
    cover[village.roofs > 0.4] = Cover.URBAN
    cover[water > 0.5] = Cover.WATER
    cover[bridge > 0.4] = Cover.ROAD
    measured = swath(plane, rng)
    intensity = np.where(measured, np.clip(power, 10**-2.6, 10**1.5), np.nan).astype(np.float32)
    return Landscape(intensity, measured, cover, np.asarray(elevation, np.float32), float(step_m))


def _linear(db: Image) -> Image:
    """Decibels to linear power."""
    return np.asarray(np.power(np.float32(10), np.asarray(db, np.float32) / 10), np.float32)


def _mix(below: Image, above: Image, share: Image) -> Image:
    """Power of a pixel of which `share` is covered by something else."""
    return np.asarray(below + (above - below) * share, np.float32)


def _smoothstep(x: Image, low: float, high: float) -> Image:
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _coverage(distance_m: Image, width_m: Image | float, step_m: float) -> Image:
    """Share of a pixel that a line of this width covers, the pixel's centre lying so far from its axis."""
    return np.asarray(
        np.clip((width_m / 2 - distance_m) / step_m + 0.5, 0, np.minimum(1.0, width_m / step_m)), np.float32
    )


def _water(plane: Plane, rng: np.random.Generator) -> tuple[Image, Image]:
    """Share of water in each pixel (a river, a lake, some ponds), and the distance to the nearest bank in metres."""
    height, width = plane.extent_m
    meander = 380 * fractal(plane, rng, slope=4, largest_m=2200, smallest_m=450)
    slant = rng.uniform(0.35, 0.7) * rng.choice((-1, 1))
    potential = plane.cols_m + np.float32(slant) * plane.rows_m + meander
    level = rng.uniform(0.35, 0.65) * width + slant * 0.5 * height
    broad = 85 + 20 * fractal(plane, rng, slope=3, largest_m=1500, smallest_m=200)
    bank = line_distance(potential.astype(np.float32), level, plane.step_m) - np.clip(broad, 50, 150) / 2
    # A level line may have islands of its own; the river is the longest piece.
    shore_m = max(40.0, 2 * plane.step_m)
    pieces = label(bank < shore_m)
    longest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])) if pieces.any() else 0
    bank = np.where(pieces == longest, bank, np.maximum(bank, shore_m))

    def lake(centre: tuple[float, float], radius_m: float) -> Image:
        dent = 1 + 0.22 * fractal(plane, rng, slope=4, largest_m=1.6 * radius_m, smallest_m=0.3 * radius_m)
        away = np.hypot((plane.rows_m - centre[0]) * 1.25, plane.cols_m - centre[1])
        return np.asarray(away - radius_m * np.clip(dent, 0.4, 1.6), np.float32)

    bank = np.minimum(bank, lake((rng.uniform(0.2, 0.8) * height, rng.uniform(0.08, 0.25) * width), 620.0))
    for _ in range(round(height * width / 2.5e7)):
        bank = np.minimum(bank, lake((rng.uniform(0, height), rng.uniform(0, width)), rng.uniform(40, 110)))
    return np.asarray(np.clip(0.5 - bank / plane.step_m, 0, 1), np.float32), np.asarray(bank, np.float32)


def _roads(plane: Plane, rng: np.random.Generator) -> tuple[Image, Image]:
    """Share of road in each pixel; and that of the wide roads alone, which have bridges."""
    height, width = plane.extent_m
    roads = np.zeros(plane.shape, np.float32)
    wide = np.zeros(plane.shape, np.float32)
    count = max(3, round(math.sqrt(height * width) / 1600))
    for k in range(count):
        turn = rng.uniform(0, math.pi) if k else rng.uniform(1.2, 1.9)  # the first crosses the scene from side to side
        bend = rng.uniform(60, 200) * fractal(plane, rng, slope=4, largest_m=3000, smallest_m=500)
        potential = math.cos(turn) * plane.cols_m + math.sin(turn) * plane.rows_m + bend
        level = math.cos(turn) * rng.uniform(0.15, 0.85) * width + math.sin(turn) * rng.uniform(0.15, 0.85) * height
        share = _coverage(
            line_distance(potential.astype(np.float32), level, plane.step_m), 24 if k < 2 else 13, plane.step_m
        )
        roads = np.maximum(roads, share)
        if k < 2:
            wide = np.maximum(wide, share)
    return roads, wide


def _forest(plane: Plane, rng: np.random.Generator, patchwork: Parcels, hilly: Image) -> NDArray[np.bool_]:
    """Woods: on hills with ragged edges, elsewhere in parcels."""
    score = fractal(plane, rng, slope=3, largest_m=3000, smallest_m=60) + 1.6 * hilly
    wild = score > 1.35
    planted = (score > 0.1) & (patchwork.draw(rng) < 0.13)
    return np.asarray(wild | planted)


def _canopy(plane: Plane, rng: np.random.Generator) -> Image:
    """Backscatter of woods in dB: stands of some hundred metres, crowns of some ten."""
    stands = fractal(plane, rng, slope=3, largest_m=700, smallest_m=60)
    crowns = fractal(plane, rng, slope=2, largest_m=90, smallest_m=14)
    return np.asarray(-8.3 + 0.5 * stands + 0.7 * crowns, np.float32)


def _fields(plane: Plane, rng: np.random.Generator, patchwork: Parcels, wood: NDArray[np.bool_]) -> Image:
    """Backscatter of farmland in dB: one crop a parcel, moisture, rows, hedges and tracks along borders."""
    crops_db = np.array([-16.5, -15.0, -14.0, -13.0, -12.2, -11.5, -10.8, -10.0, -9.0, -7.8], np.float32)
    choice = patchwork.draw(rng) * len(crops_db)
    level = crops_db[choice.astype(np.int64)] + 0.9 * (choice % 1 - 0.5)
    level = level + 0.55 * fractal(plane, rng, slope=3, largest_m=1200, smallest_m=60)
    # Ploughed rows show in some parcels, as stripes that a 10 m pixel still resolves: tramlines, vineyards, drains.
    striped = 0.7 * (patchwork.draw(rng) > 0.86)
    period_m = 45 + 50 * patchwork.draw(rng)
    level += striped * np.sin(2 * math.pi * patchwork.across_m / period_m)
    kind = patchwork.draw(rng)
    hedge = (kind < 0.16) & ~wood
    broken = fractal(plane, rng, slope=2, largest_m=300, smallest_m=20) > -0.9
    share = _coverage(patchwork.border_m, 20.0, plane.step_m)
    level = level + np.where(hedge & broken, (-6.5 - level) * share, 0)
    track = (kind > 0.55) & ~wood
    share = _coverage(patchwork.border_m, 8.0, plane.step_m)
    return np.asarray(level + np.where(track, (-16.5 - level) * share, 0), np.float32)


def _edges(
    power: Image, standing: NDArray[np.bool_], *, height_m: float, bright: float, dark: float, step_m: float
) -> Image:
    """Brighten the near edge of what stands, over its layover, and darken the far side, in its shadow.

    At 38 degrees of incidence layover reaches height / tan towards the sensor, shadow height * tan away from it.
    """
    tan = math.tan(math.radians(38))
    power = power.copy()
    for factor, reach_m, near in ((bright, height_m / tan, True), (dark, height_m * tan, False)):
        edge = np.zeros(power.shape, np.float32)
        left, right = standing[:, :-1], standing[:, 1:]
        if near:
            edge[:, :-1] = ~left & right
        else:
            edge[:, 1:] = left & ~right
        pixels, reach = edge.copy(), reach_m / step_m - 1
        for k in range(1, math.ceil(reach) + 1):
            moved = np.zeros_like(edge)
            moved[:, k:] = edge[:, :-k]  # away from the sensor: over the front itself, and over the ground behind
            pixels = np.maximum(pixels, moved * min(1.0, reach - k + 1))
        power *= 1 + (factor - 1) * pixels * min(1.0, reach_m / step_m)
    return power


def _village(power: Image, village: Settlement, rng: np.random.Generator, step_m: float) -> Image:
    """Lay houses over the ground: gardens, roofs, shadows, and the corners that walls make with streets."""
    gardens = _linear(-9.0 + rng.normal(0, 1.2, power.shape).astype(np.float32))
    power = _mix(power, gardens, np.clip(1.5 * village.density, 0, 0.85) * (1 - village.streets))
    power = power * (1 - 0.75 * village.shadows)
    power = _mix(power, _linear(np.full(power.shape, -8.5, np.float32)), village.roofs)
    return np.asarray(power + village.corners, np.float32)


def _relief_gain(elevation_m: Image, step_m: float) -> Image:
    """Gain of slopes in dB, those that face the sensor being bright; from -6 to 7.

    The area that a pixel images grows as sin(i) / sin(i - slope), and rough ground sends back a little more of what
    meets it steeply.
    """
    incidence = math.radians(38)
    slope = np.arctan(np.gradient(elevation_m, np.float32(step_m), axis=1))
    local = np.clip(incidence - slope, math.radians(5), math.radians(85))
    area = math.sin(incidence) / np.sin(local)
    steepness = np.cos(local) / math.cos(incidence)
    gain = 10 * np.log10(area) + 4 * np.log10(steepness)
    return np.asarray(np.clip(gain, -6, 7), np.float32)


def _lone_points(power: Image, rng: np.random.Generator, water: Image, wood: NDArray[np.bool_], step_m: float) -> Image:
    """Add farms, masts and a line of pylons: single bright pixels of 0 to 13 dB."""
    rows, cols = power.shape
    power = power.copy()
    count = max(4, round(rows * cols * step_m**2 / 1.2e6))
    places = [(int(rng.integers(rows)), int(rng.integers(cols))) for _ in range(count)]
    start, turn, spacing = rng.uniform(0, rows), rng.uniform(0.6, 2.4), 320 / step_m
    for k in range(math.ceil(2 * math.hypot(rows, cols) / spacing)):
        pylon = math.floor(start + k * spacing * math.cos(turn)), math.floor(k * spacing * math.sin(turn))
        if 0 <= pylon[0] < rows and 0 <= pylon[1] < cols:
            places.append(pylon)
    for row, col in places:
        strength = 10 ** rng.uniform(-0.2, 1.0)
        if water[row, col] == 0 and not wood[row, col]:
            power[row, col] += strength
            power[row, min(col + 1, cols - 1)] += 0.3 * strength
            power[min(row + 1, rows - 1), col] += 0.2 * strength
    return power
