"""A grid holds what a file says about place, equal by value, and says what differs."""

import pickle
import threading
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC

from geo_io.errors import GridMismatch
from geo_io.grid import Grid, require_same, unplaced_is_no_news

UTM = CRS.from_epsg(32633)
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)
ROTATED = Affine(-0.03, -2.5, 5e5, -2.5, 0.03, 5e6)
SOUTH_UP = Affine(10, 0, 500_000, 0, 10, 5_000_000)
LOCAL = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]')


def points(z=None):
    return tuple(GroundControlPoint(row=r, col=c, x=10 + c / 9, y=45 - r / 9, z=z) for r in (0, 5) for c in (0, 7, 9))


def rpc():
    ones = [0.0] * 18
    return RPC(500.0, 500.0, 45.0, 0.1, [1.0, 0.0, *ones], [0.0, 1.0, *ones], 2.0, 2.0, 10.0, 0.1, [1.0, 0.0, *ones],
               [1.0, 1.0, *ones], 2.0, 2.0)  # fmt: skip


GRIDS = {
    "north up": Grid((5, 9), UTM, NORTH_UP),
    "rotated": Grid((5, 9), UTM, ROTATED),
    "south up": Grid((5, 9), UTM, SOUTH_UP),
    "no EPSG": Grid((5, 9), LOCAL, NORTH_UP),
    "gcps": Grid((5, 9), gcps=points(), gcp_crs=CRS.from_epsg(4326)),
    "rpcs": Grid((5, 9), rpcs=rpc()),
    "none": Grid((5, 9)),
}


def write(path, grid):
    with rasterio.open(path, "w", driver="GTiff", height=5, width=9, count=1, dtype="float32") as d:
        if grid.transform:
            d.transform, d.crs = grid.transform, grid.crs
        if grid.gcps:
            d.gcps = grid.gcps, grid.gcp_crs
        if grid.rpcs:
            d.rpcs = grid.rpcs


@pytest.mark.filterwarnings(f"ignore::{NotGeoreferencedWarning.__module__}.{NotGeoreferencedWarning.__name__}")
@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_is_what_was_written(tmp_path, name):
    write(tmp_path / "a.tif", GRIDS[name])
    with rasterio.open(tmp_path / "a.tif") as dataset:
        found = Grid.from_dataset(dataset)
    assert found == GRIDS[name]
    assert found.kind == {"gcps": "gcps", "rpcs": "rpcs", "none": "none"}.get(name, "affine")
    assert pickle.loads(pickle.dumps(found)) == found
    assert hash(found) == hash(GRIDS[name])


@pytest.mark.parametrize("name", GRIDS)
def test_only_a_grid_is_the_same_as_itself(name):
    for other in GRIDS:
        if other == name:
            require_same("a.tif", GRIDS[name], "b.tif", GRIDS[other])
        else:
            assert GRIDS[name] != GRIDS[other]
            with pytest.raises(GridMismatch, match=r"^a\.tif and b\.tif lie on different grids: "):
                require_same("a.tif", GRIDS[name], "b.tif", GRIDS[other])


def test_half_a_pixel_is_another_grid_and_rounding_is_not():
    shifted = Grid((5, 9), UTM, Affine(10, 0, 500_005, 0, -10, 5_000_000))
    with pytest.raises(GridMismatch, match=r"0\.5 pixels apart"):
        require_same("a", GRIDS["north up"], "b", shifted)
    require_same("a", GRIDS["north up"], "b", Grid((5, 9), UTM, Affine(10, 0, 500_000.001, 0, -10, 5_000_000)))


def test_one_moved_control_point_is_another_grid():
    moved = list(points())
    moved[2] = GroundControlPoint(row=0, col=9, x=11.5, y=45)
    other = Grid((5, 9), gcps=tuple(moved), gcp_crs=CRS.from_epsg(4326))
    assert other != GRIDS["gcps"]
    with pytest.raises(GridMismatch, match="control points differ"):
        require_same("a", GRIDS["gcps"], "b", other)


def test_points_without_height_are_points_at_height_zero():
    assert Grid((5, 9), gcps=points(None)) == Grid((5, 9), gcps=points(0.0))


def test_silencing_puts_the_filters_back_whichever_thread_ends_last():
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def first():
        with unplaced_is_no_news():
            inside.set()
            leave.wait(10)

    def second():
        with unplaced_is_no_news():
            pass

    threads = [threading.Thread(target=work) for work in (first, second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert warnings.filters == before


def test_step_is_the_length_of_a_pixel():
    np.testing.assert_allclose(GRIDS["rotated"].step, (np.hypot(2.5, 0.03), np.hypot(2.5, 0.03)))
    assert GRIDS["north up"].step == (10, 10)
    assert GRIDS["gcps"].step is None


@pytest.mark.parametrize(
    ("shape", "transform"),
    [
        ((0, 4), None),
        ((4, 4), Affine(1, 1, 0, 1, 1, 0)),
        ((4, 4), Affine(0, 0, 0, 0, 0, 0)),
        ((4, 4), Affine(1, 0, np.nan, 0, 1, 0)),
        ((4, 4), Affine(np.inf, 0, 0, 0, 1, 0)),
    ],
)
def test_impossible_grids_are_refused(shape, transform):
    with pytest.raises(ValueError, match=r"at least one row|onto a line|is not finite"):
        Grid(shape, UTM, transform)
