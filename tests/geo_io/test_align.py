"""One raster on another's grid: where pixels land, whatever the window; what is measured; what is refused."""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.warp import transform
from scipy.interpolate import RectBivariateSpline

from geo_io.align import VALUES, Aligned
from geo_io.covering import overlap
from geo_io.errors import GridMismatch
from geo_io.grid import Grid

WGS84, UTM32, UTM33 = (CRS.from_epsg(code) for code in (4326, 32632, 32633))
ROUND = CRS.from_proj4("+proj=laea +lat_0=45.1 +lon_0=12.1 +a=6371000 +b=6371000 +units=km")  # no EPSG, no datum, km
LOCAL = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]')
LON, LAT = 12.05, 45.08  # near the rims of both zones
EVERYTHING = slice(None), slice(None), slice(None)


class Made:
    """Pixels in memory; keeps the shapes of what was read."""

    def __init__(self, pixels, grid, name="made.tif"):
        self.pixels, self.grid, self.name = np.atleast_3d(np.asarray(pixels, np.float32)), grid, name
        if np.ndim(pixels) == 2:
            self.pixels = np.asarray(pixels, np.float32)[None]
        self.shape = self.pixels.shape
        self.reads = []

    def __getitem__(self, index):
        window = self.pixels[index]
        self.reads.append(window.shape)
        return window.copy()


def carried(source, target, x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    if source == target:
        return x, y
    out = transform(source, target, x.ravel(), y.ravel())
    return tuple(np.array(n).reshape(x.shape) for n in out[:2])


def product(*affines):
    """One after the other, the last first: by `@` in some versions of affine, by `*` in others."""
    matrix = np.linalg.multi_dot([*(np.array(tuple(part), float).reshape(3, 3) for part in affines), np.eye(3)])
    return Affine(*matrix.ravel()[:6])


def moved(grid, rows, cols):
    """The transform of a grid whose upper left corner lies so many pixels down and right."""
    return product(grid.transform, Affine.translation(cols, rows))


def centred(crs, step, shape, *, turn=0.0, south_up=False, at=(LON, LAT)):
    """A grid of this step with `at` in its middle."""
    (x,), (y,) = carried(WGS84, crs, [at[0]], [at[1]])
    rows, cols = shape
    scale = Affine.scale(step, step if south_up else -step)
    return Grid(
        shape,
        crs,
        product(Affine.translation(x, y), Affine.rotation(turn), scale, Affine.translation(-cols / 2, -rows / 2)),
    )


def centres(grid):
    rows, cols = np.meshgrid(*(np.arange(n) + 0.5 for n in grid.shape), indexing="ij")
    a, b, c, d, e, f = tuple(grid.transform)[:6]
    return a * cols + b * rows + c, d * cols + e * rows + f


def ripples(lon, lat):
    """A smooth image of the ground, of which every place has a value; waves of about 400 m."""
    east, north = (lon - LON) * 78_700 / 65, (lat - LAT) * 111_130 / 65
    return 3 + np.sin(east + 0.3 * north) + np.cos(north - 0.5 * east)


def seen(grid):
    return ripples(*carried(grid.crs, WGS84, *centres(grid)))


# Where pixels land

SOURCES = {
    "UTM 33": centred(UTM33, 10, (420, 430)),
    "rotated": centred(UTM33, 10, (420, 430), turn=33),
    "south up": centred(UTM33, 10, (420, 430), south_up=True),
    "degrees": centred(WGS84, 1e-4, (430, 480)),
    "no EPSG": centred(ROUND, 0.01, (420, 430)),
    "Gauss-Krueger, another datum": centred(CRS.from_epsg(31468), 10, (420, 430)),
}
TARGETS = {
    "UTM 32": centred(UTM32, 10, (150, 190)),
    "turned round": centred(UTM32, 10, (150, 190), turn=180),
    "degrees, finer": centred(WGS84, 6e-5, (190, 150)),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_ground_is_found_where_it_lies(source, target):
    grid = TARGETS[target]
    got = Aligned(Made(seen(SOURCES[source]), SOURCES[source]), grid, resampling="cubic")[EVERYTHING]
    # In a wave of 65 m per radian and with pixels of 10 m, 0.003 is 2% of a pixel.
    np.testing.assert_allclose(got[0], seen(grid), atol=0.003)


@pytest.mark.parametrize("shift", [(3.0, -5.0), (0.5, 0.25), (-0.3, 2.75)])
def test_a_shift_moves_the_content_down_and_right(shift):
    source, grid = SOURCES["UTM 33"], TARGETS["UTM 32"]
    got = Aligned(Made(seen(source), source), grid, resampling="cubic", shift=shift)[EVERYTHING]
    from_where = moved(grid, -shift[0], -shift[1])
    np.testing.assert_allclose(got[0], seen(Grid(grid.shape, grid.crs, from_where)), atol=0.003)
    same = Aligned(Made(seen(source), source), source, shift=(3, -5))[EVERYTHING]
    np.testing.assert_allclose(same[0, 3:, :-5], seen(source)[:-3, 5:], rtol=1e-5)
    assert np.isnan(same[0, :3]).all()
    assert np.isnan(same[0, :, -5:]).all()


def orbit(rows, cols, shape, lon=LON):
    """Longitude and latitude as a radar that flies along sees them: turned, scaled, and bent as ranges are."""
    r, c = np.asarray(rows) / shape[0], np.asarray(cols) / shape[1]
    u = c + 0.02 * c * (1 - c) + 0.007 * c**2 * (1 - c) * (1 + 0.3 * r) + 0.005 * np.sin(2 * c + r)
    v = r + 0.002 * np.sin(2.5 * r) + 0.01 * r * c + 0.003 * c**2
    return lon + 3.2 * (u - 0.5) + 0.6 * (v - 0.5), LAT + 1.5 * (v - 0.5) - 0.4 * (u - 0.5)


def lattice(shape, places=orbit, counts=(10, 21), **options):
    rows, cols = (np.linspace(0, n - 1, k).round() for n, k in zip(shape, counts, strict=True))
    return tuple(
        GroundControlPoint(row=r, col=c, x=float(x), y=float(y), z=0.0)
        for r in rows
        for c in cols
        for x, y in [places(r, c, shape, **options)]
    )


def ramps(shape, top=0, left=0):
    """The image that knows where it is: rows and cols of pixel centres."""
    return np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"))


class Ramps:
    """The same without its pixels in memory."""

    name = "ramps.tif"

    def __init__(self, grid):
        self.grid, self.shape = grid, (2, *grid.shape)

    def __getitem__(self, index):
        bands, rows, cols = index
        places = np.meshgrid(np.arange(rows.start, rows.stop), np.arange(cols.start, cols.stop), indexing="ij")
        return np.stack(places)[bands].astype(np.float32) + np.float32(0.5)


@pytest.mark.parametrize("crs", [UTM33, WGS84], ids=["UTM", "degrees"])
def test_control_points_place_every_pixel(crs):
    """Oracle: splines of scipy through the lattice, from rows and cols to the map. Full size of a Sentinel-1 scene."""
    shape = (16_700, 26_100)
    grid = Grid(shape, gcps=lattice(shape), gcp_crs=WGS84)
    axes = (sorted({getattr(p, axis) for p in grid.gcps}) for axis in ("row", "col"))
    rows, cols = axes
    x, y = carried(WGS84, crs, [p.x for p in grid.gcps], [p.y for p in grid.gcps])
    map_x, map_y = (RectBivariateSpline(rows, cols, n.reshape(len(rows), len(cols))) for n in (x, y))
    worst = 0.0
    for row, col in [(40, 50), (8000, 13_000), (16_500, 26_000), (900, 25_000), (15_200, 700)]:
        step = 10 if crs == UTM33 else 1e-4
        (west,), (north,) = map_x.ev([row], [col]), map_y.ev([row], [col])
        target = Grid((40, 70), crs, Affine(step, 0, west - 20 * step, 0, -step, north + 20 * step))
        got = Aligned(Ramps(grid), target)[EVERYTHING]
        inside = np.isfinite(got).all(0)
        assert inside.mean() > 0.6
        back = np.stack([map_x.ev(got[0], got[1]), map_y.ev(got[0], got[1])])
        worst = max(worst, np.abs(back - np.stack(centres(target)))[:, inside].max() / step)
    assert worst < 0.05


def test_control_points_are_met_where_relief_bends_the_lattice():
    rng = np.random.default_rng(0)
    shape = (16_700, 26_100)

    def rough(row, col, shape):
        lon, lat = orbit(row, col, shape)
        return lon + rng.normal(0, 3e-4), lat + rng.normal(0, 1e-4)  # 30 m and 10 m

    grid = Grid(shape, gcps=lattice(shape, rough), gcp_crs=WGS84)
    for point in (grid.gcps[0], grid.gcps[100], grid.gcps[55]):
        around = Grid((2, 2), WGS84, Affine(1e-4, 0, point.x - 1e-4, 0, -1e-4, point.y + 1e-4))
        way = Aligned(Ramps(grid), around)._way
        _, down, right = next(way.block(1, 1, 1, 1))
        assert (down[0, 0], right[0, 0]) == pytest.approx((point.row, point.col), abs=1e-6)


def test_the_date_line_is_no_line_on_the_ground():
    lon = 180.0
    images = {
        "points": Grid((900, 1400), gcps=tuple(
            GroundControlPoint(row=p.row, col=p.col, x=(p.x + 180) % 360 - 180, y=p.y)
            for p in lattice((900, 1400), lon=lon)), gcp_crs=WGS84),
        "beyond 180": Grid((900, 1400), WGS84, Affine(3e-3, 0, 178, 0, -3e-3, LAT + 1.35)),
        "beyond -180": Grid((900, 1400), WGS84, Affine(3e-3, 0, -182, 0, -3e-3, LAT + 1.35)),
        "the whole globe": Grid((900, 120_000), WGS84, Affine(3e-3, 0, -180, 0, -3e-3, LAT + 1.35)),
    }  # fmt: skip
    for crs in (CRS.from_epsg(32601), CRS.from_epsg(32660)):
        target = centred(crs, 300, (128, 150), at=(-179.98, LAT))
        for name, image in images.items():
            got = Aligned(Ramps(image), target)[EVERYTHING]
            seam = 0 if name != "the whole globe" else 1 / 100  # the two rims of the image meet, and are not mixed
            assert np.isnan(got).mean() <= seam, name
            if image.transform is not None:
                x, y = carried(crs, WGS84, *centres(target))
                back = image.transform.c + 3e-3 * got[1]
                away = np.abs((back - x + 180) % 360 - 180)
                assert np.nanmax(away[:, 1:]) < 0.6 * 3e-3, name  # at the seam the nearest pixel, else
                assert np.nanmedian(away) < 0.01 * 3e-3, name
                assert np.nanmax(np.abs(image.transform.f - 3e-3 * got[0] - y)) < 0.03 * 3e-3, name


def test_a_pole_is_looked_around():
    degrees = Grid((1000, 36_000), WGS84, Affine(0.01, 0, -180, 0, -0.01, 90))
    target = Grid((120, 120), CRS.from_epsg(3413), Affine(1000, 0, -50_300, 0, -1000, 70_100))
    got = Aligned(Ramps(degrees), target, resampling="nearest")[EVERYTHING]
    assert np.isnan(got[0]).mean() < 0.1  # the pole itself
    x, y = carried(target.crs, WGS84, *centres(target))
    assert np.nanmax(np.abs(90 - 0.01 * got[0] - y)) < 0.006  # a pixel has 0.01 degrees; this is half of one
    away = np.abs((-180 + 0.01 * got[1] - x + 180) % 360 - 180)
    assert np.nanmax(away * np.cos(np.radians(y))) < 0.001


def test_what_a_projection_does_not_show_is_not_measured():
    globe = CRS.from_proj4("+proj=ortho +lat_0=45 +lon_0=12 +datum=WGS84")
    target = Grid((100, 100), globe, Affine(150_000, 0, -7.5e6, 0, -150_000, 7.5e6))
    got = Aligned(Made(np.ones((180, 360)), Grid((180, 360), WGS84, Affine(1, 0, -180, 0, -1, 90))), target)[EVERYTHING]
    x, y = centres(target)
    assert np.isnan(got[0][np.hypot(x, y) > 6.38e6]).all()
    assert np.isfinite(got[0][np.hypot(x, y) < 5.5e6]).mean() > 0.95  # but the pole


# Windows


def small(rows, cols, shape):
    """Some kilometres, bent as an orbit bends hundreds."""
    lon, lat = orbit(rows, cols, shape)
    return 0.02 * lon + 0.98 * LON, 0.03 * lat + 0.97 * LAT


LANDSCAPES = {name: (SOURCES[name], "bilinear", 1) for name in SOURCES}
LANDSCAPES["coarser"] = SOURCES["UTM 33"], "bilinear", 3.7
LANDSCAPES["cubic"] = SOURCES["rotated"], "cubic", 1.9
LANDSCAPES["points"] = Grid((420, 430), gcps=lattice((420, 430), small), gcp_crs=WGS84), "bilinear", 1


@pytest.fixture(scope="module")
def wholes():
    made = {}
    rng = np.random.default_rng(0)
    for name, (source, kernel, coarser) in LANDSCAPES.items():
        pixels = rng.gamma(1, 1, (2, *source.shape)) ** 2  # rough: a slip of a hundredth of a pixel would show
        pixels[0, 200:230, 190:260] = np.nan
        grid = centred(UTM32, 10 * coarser, (300, 310))
        aligned = Aligned(Made(pixels, source), grid, resampling=kernel, shift=(0.3, -0.6))
        made[name] = aligned, aligned[EVERYTHING]
        assert np.isfinite(made[name][1]).mean() > (0.3 if coarser == 1 else 0.1)
    return made


@pytest.mark.parametrize("name", LANDSCAPES)
@given(st.data())
def test_a_window_is_the_crop_of_the_whole(wholes, name, data):
    aligned, whole = wholes[name]
    (top, bottom), (left, right) = (
        sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n)))) for n in aligned.grid.shape
    )
    bands = data.draw(st.sampled_from([slice(0, 2), slice(0, 1), slice(1, 2)]))
    got = aligned[bands, top:bottom, left:right]
    expected = whole[bands, top:bottom, left:right]
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_the_same_grid_passes_pixels_through():
    grid = SOURCES["rotated"]
    pixels = np.random.default_rng(0).gamma(1, 1, (3, *grid.shape)).astype(np.float32)
    pixels[1, 5, 7] = np.nan
    rounded = Grid(grid.shape, grid.crs, moved(grid, -1e-4, 1e-4))
    for target in (grid, rounded):
        aligned = Aligned(Made(pixels, grid), target, resampling="cubic")
        np.testing.assert_array_equal(aligned[EVERYTHING], pixels)
        np.testing.assert_array_equal(aligned[1:3, 3:9, 4:20], pixels[1:3, 3:9, 4:20])


def test_pixels_of_a_cut_out_are_those_of_the_whole():
    grid = SOURCES["UTM 33"]
    pixels = np.random.default_rng(0).gamma(1, 1, grid.shape).astype(np.float32)
    inside = Grid((100, 90), UTM33, moved(grid, 17, 31))
    np.testing.assert_allclose(
        Aligned(Made(pixels, grid), inside)[0:1, 0:100, 0:90][0], pixels[17:117, 31:121], rtol=1e-5
    )


def test_only_what_a_window_needs_is_read():
    source = Made(np.ones((420, 430)), SOURCES["rotated"])
    far = centred(UTM32, 10, (2000, 2000))
    aligned = Aligned(source, far)
    assert np.isnan(aligned[0:1, 0:128, 0:128]).all()
    assert source.reads == []
    assert np.isfinite(aligned[0:1, 900:1028, 900:1028]).all()
    assert sum(np.prod(shape) for shape in source.reads) < (2 * 256) ** 2
    elsewhere = Aligned(source, centred(CRS.from_epsg(3031), 10, (500, 500), at=(0, -85)))
    source.reads.clear()
    assert np.isnan(elsewhere[EVERYTHING]).all()
    assert source.reads == []
    assert aligned[0:1, 5:5, 0:9].shape == (1, 0, 9)


# What is measured


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
def test_unmeasured_pixels_stay_where_they_are(kernel):
    grid = Grid((60, 60), UTM33, Affine(10, 0, 5e5, 0, -10, 5e6))
    pixels = np.full((60, 60), 2.0)
    pixels[20:40, 30:33] = np.nan
    pixels[0, 0], pixels[50, 50] = np.inf, -np.inf
    moved = Aligned(Made(pixels, grid), grid, resampling=kernel, shift=(0.25, -0.25))[EVERYTHING][0]
    inner = moved[1:-1, 1:-1]
    np.testing.assert_array_equal(np.isnan(inner), ~np.isfinite(pixels)[1:-1, 1:-1])  # the nearest pixel decides
    np.testing.assert_allclose(inner[np.isfinite(inner)], 2, rtol=1e-6)  # by measured pixels alone
    halfway = Aligned(Made(pixels, grid), grid, resampling="bilinear", shift=(0, 0.5))[EVERYTHING][0]
    assert np.isnan(halfway[30]).sum() == 2  # of three pixels: half of the weight is enough
    finer = Grid((600, 600), UTM33, Affine(1, 0, 5e5, 0, -1, 5e6))
    fine = Aligned(Made(pixels, grid), finer, resampling=kernel)[EVERYTHING][0]
    hole = np.isnan(np.repeat(np.repeat(np.where(np.isfinite(pixels), 2, np.nan), 10, 0), 10, 1))
    assert (np.isnan(fine) != hole).mean() < 1e-3  # but for rounded corners
    assert np.nanmax(np.abs(fine - 2)) < 1e-5


@pytest.mark.parametrize(("kernel", "radius"), [("bilinear", 1), ("cubic", 2)])
@pytest.mark.parametrize("factor", [2, 3.5, 8])
def test_larger_pixels_average(kernel, radius, factor):
    """Oracle: the kernel, as wide as a target pixel, summed by hand."""
    rng = np.random.default_rng(1)
    pixels = rng.gamma(1, 1, (400, 400))
    pixels[100:130, 90:140] = np.nan
    grid = Grid((400, 400), UTM33, Affine(10, 0, 5e5, 0, -10, 5e6))
    side = int(400 / factor)
    coarse = Grid((side, side), UTM33, Affine(10 * factor, 0, 5e5, 0, -10 * factor, 5e6))
    got = Aligned(Made(pixels, grid), coarse, resampling=kernel)[EVERYTHING][0]

    away = np.abs((np.arange(side)[:, None] + 0.5) * factor - (np.arange(400)[None] + 0.5)) / factor
    if kernel == "bilinear":
        weights = np.clip(1 - away, 0, None)
    else:  # Keys, a = -0.5
        weights = np.where(away < 1, 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2)
        weights = np.where(away < 2, weights, 0)
    known = np.isfinite(pixels)
    total = weights @ np.where(known, pixels, 0) @ weights.T
    share = weights @ known @ weights.T
    full = np.outer(weights.sum(1), weights.sum(1))
    clear = np.abs(share / full - 0.5) > 0.01
    np.testing.assert_array_equal(np.isnan(got)[clear], (share / full < 0.5)[clear])
    seen_there = np.isfinite(got)
    np.testing.assert_allclose(got[seen_there], total[seen_there] / share[seen_there], rtol=1e-4, atol=1e-4)


def test_pixels_a_hundred_times_as_large_are_read_bit_by_bit():
    grid = Grid((20_000, 30_000), UTM33, Affine(10, 0, 5e5, 0, -10, 5e6))
    target = Grid((150, 150), UTM33, Affine(1000, 0, 5.3e5, 0, -1000, 4.98e6))
    source = Ramps(grid)
    asked = []

    class Watched:
        name, shape = "watched.tif", source.shape

        def __init__(self):
            self.grid = grid

        def __getitem__(self, index):
            window = source[index]
            asked.append(window.size)
            return window

    got = Aligned(Watched(), target)[:, 20:40, 30:60]
    assert max(asked) <= VALUES
    rows, cols = np.meshgrid(np.arange(20, 40), np.arange(30, 60), indexing="ij")
    np.testing.assert_allclose(got[0], 2000 + (rows + 0.5) * 100, atol=0.05)
    np.testing.assert_allclose(got[1], 3000 + (cols + 0.5) * 100, atol=0.05)
    huge = Grid((1, 1), UTM33, Affine(3e5, 0, 5e5, 0, -2e5, 5e6))
    with pytest.raises(GridMismatch, match=r"one pixel .* needs 20000 x 30000 pixels of watched\.tif: .*-r average"):
        Aligned(Watched(), huge)[EVERYTHING]


# A source like others


def test_it_travels_and_serves_threads():
    grid = TARGETS["UTM 32"]
    aligned = Aligned(Made(seen(SOURCES["degrees"]), SOURCES["degrees"]), grid, shift=(0.5, 1))
    assert (aligned.shape, aligned.dtype, aligned.name, aligned.files) == ((1, 150, 190), np.float32, "made.tif", ())
    whole = aligned[EVERYTHING]
    twin = pickle.loads(pickle.dumps(aligned))
    assert twin.identity == aligned.identity
    wrong = []

    def work(k):
        for n in range(8):
            top = (k * 17 + n * 11) % 110
            wrong.append(not np.array_equal(twin[0:1, top : top + 40, 0:190], whole[:, top : top + 40]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 24
    assert not any(wrong)


def test_identity_follows_all_that_decides():
    source = Made(np.ones((420, 430)), SOURCES["UTM 33"])
    one, other = TARGETS["UTM 32"], TARGETS["turned round"]
    made = [
        Aligned(source, one),
        Aligned(source, other),
        Aligned(source, one, shift=(0, 1)),
        Aligned(source, one, resampling="cubic"),
    ]
    named = Made(np.ones((420, 430)), SOURCES["UTM 33"])
    named.identity, named.files = "f00", (Path("a.tif"),)
    made.append(Aligned(named, one))
    assert len({aligned.identity for aligned in made}) == 5
    assert Aligned(source, one).identity == made[0].identity
    assert made[4].files == (Path("a.tif"),)


# The door


def rpc():
    ones = [0.0] * 18
    return RPC(500.0, 500.0, 45.0, 0.1, [1.0, 0.0, *ones], [0.0, 1.0, *ones], 2.0, 2.0, 10.0, 0.1, [1.0, 0.0, *ones],
               [1.0, 1.0, *ones], 2.0, 2.0)  # fmt: skip


def few(count):
    return Grid((5, 9), gcps=lattice((5, 9), counts=(1, 3))[:count], gcp_crs=WGS84)


PLACED = TARGETS["UTM 32"]
NORTH_UP = Affine(10, 0, 5e5, 0, -10, 5e6)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (PLACED, Grid((5, 9), gcps=lattice((5, 9)), gcp_crs=WGS84), "control points alone.* geocode it first"),
        (PLACED, Grid((5, 9), rpcs=rpc()), "RPCs alone"),
        (PLACED, Grid((5, 9)), "placed by nothing"),
        (PLACED, Grid((5, 9), transform=NORTH_UP), r"has no CRS: .* gdal_edit -a_srs EPSG:\.\.\. b\.tif"),
        (Grid((5, 9), transform=NORTH_UP), PLACED, r"a\.tif has no CRS: .* gdal_edit -a_srs EPSG:\.\.\. a\.tif"),
        (Grid((5, 9), gcps=lattice((5, 9))), PLACED, r"a\.tif has no CRS"),
        (Grid((5, 9)), PLACED, r"a\.tif has no georeferencing"),
        (Grid((5, 9), rpcs=rpc()), PLACED, r"a\.tif is placed by RPCs alone.* gdalwarp -rpc -to RPC_DEM"),
        (few(2), PLACED, r"the 2 control points of a\.tif do not place it"),
        (few(3), PLACED, r"the 3 control points of a\.tif do not place it"),
        (
            Grid((5, 9), LOCAL, NORTH_UP),
            PLACED,
            r"no way from the CRS of b\.tif \(EPSG:32632\) to .*a\.tif \(site grid\)",
        ),
    ],
)
def test_what_has_no_place_is_refused(source, target, said):
    with pytest.raises(GridMismatch, match=said):
        overlap(target, "b.tif", source, "a.tif")
    with pytest.raises(GridMismatch, match=said.replace(r"b\.tif", "the grid to align with")):
        Aligned(Made(np.ones((5, 9)), source, "a.tif"), target)


def test_a_crs_of_a_site_is_enough_for_both():
    source = Grid((50, 60), LOCAL, Affine(1, 0, 0, 0, -1, 0))
    target = Grid((20, 20), LOCAL, Affine(2, 0, 4, 0, -2, -4))
    got = Aligned(Made(ramps((50, 60)), source), target)[EVERYTHING]
    np.testing.assert_allclose(got[0][:, 0], 4 + 2 * (np.arange(20) + 0.5), rtol=1e-5)
    assert overlap(target, "b", source, "a").fraction == 1


def test_settings_are_refused_in_a_sentence():
    source = Made(np.ones((5, 9)), Grid((5, 9), UTM33, NORTH_UP))
    with pytest.raises(ValueError, match="resampling must be one of nearest, bilinear, cubic, got 'lanczos'"):
        Aligned(source, PLACED, resampling="lanczos")
    with pytest.raises(ValueError, match="shift must be two finite numbers"):
        Aligned(source, PLACED, shift=(0, np.nan))
    with pytest.raises(ValueError, match="without steps"):
        Aligned(source, PLACED)[:, ::2, :]


# Overlap


@pytest.mark.parametrize("source", [*SOURCES, "points"])
def test_the_overlap_is_where_pixels_are_seen(source):
    grid = SOURCES.get(source, LANDSCAPES["points"][0])
    target = centred(UTM32, 10, (700, 500), at=(LON + 0.02, LAT + 0.01))
    seen_there = np.isfinite(Aligned(Made(np.ones(grid.shape), grid), target)[EVERYTHING][0])
    found = overlap(target, "b", grid, "a")
    assert found.fraction == pytest.approx(seen_there.mean(), abs=0.005)
    for axis, window in enumerate((found.rows, found.cols)):
        places = np.flatnonzero(seen_there.any(1 - axis))
        assert (window.start, window.stop) == pytest.approx((places[0], places[-1] + 1), abs=3)


def test_a_small_overlap_is_found():
    big = Grid((20_000, 30_000), UTM32, Affine(10, 0, 5e5, 0, -10, 5e6))
    corner = Grid((100, 100), UTM32, Affine(10, 0, 5e5 + 299_800, 0, -10, 4.8e6 + 140))
    found = overlap(big, "b", corner, "a")
    assert (found.rows.start, found.cols.start) == pytest.approx((19_986, 29_980), abs=2)
    assert (found.rows.stop, found.cols.stop) == (20_000, 30_000)
    assert found.fraction == pytest.approx(14 * 20 / 6e8, rel=0.1)
    assert overlap(corner, "a", big, "b").fraction == pytest.approx(14 * 20 / 1e4, rel=0.1)
    inside = Grid((50, 50), UTM32, Affine(10, 0, 6e5, 0, -10, 4.9e6))
    assert overlap(inside, "a", big, "b").fraction == 1
    found = overlap(big, "b", inside, "a")
    assert (found.rows.start, found.rows.stop, found.cols.start, found.cols.stop) == pytest.approx(
        (10_000, 10_050, 10_000, 10_050), abs=1
    )


def test_no_overlap_says_where_both_lie():
    here, there = centred(UTM32, 10, (100, 100)), centred(UTM33, 10, (100, 100), at=(15, 50))
    with pytest.raises(
        GridMismatch,
        match=r"^b\.tif and a\.tif do not overlap: b\.tif lies at longitude 12\.043 to 12\.057 and latitude 45\.075 to "
        r"45\.085 \(EPSG:32632\), and a\.tif lies at longitude 14\.993 to 15\.007 .* \(EPSG:32633\); choose",
    ):
        overlap(here, "b.tif", there, "a.tif")
    points = Grid((900, 1400), gcps=lattice((900, 1400), lon=180.0), gcp_crs=WGS84)
    with pytest.raises(GridMismatch, match=r"a\.tif lies at longitude 178\.\d+ to 181\.\d+"):
        overlap(here, "b.tif", points, "a.tif")
    with pytest.raises(GridMismatch, match=r"lies at x 0\.000 to 10\.000 and y -10\.000 to 0\.000 \(site grid\)"):
        overlap(
            Grid((10, 10), LOCAL, Affine(1, 0, 0, 0, -1, 0)),
            "b",
            Grid((10, 10), LOCAL, Affine(1, 0, 99, 0, -1, 0)),
            "a",
        )
