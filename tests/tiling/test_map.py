"""Laws of a function mapped over tiles, on any dask scheduler."""

import pickle
import threading
from collections import Counter

import cloudpickle
import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tiling import Layout, TileError, field, map_tiles


def image(shape, bands=1):
    rows, cols = np.indices(shape)
    return np.stack([1000.0 * rows + cols + 0.25 * band for band in range(bands)]).astype("float32")


def same(pixels, tiles):
    return pixels


class Counted:
    """Counts how often each tile was computed."""

    def __init__(self):
        self.calls, self.sizes, self.lock = Counter(), Counter(), threading.Lock()

    def __call__(self, pixels, tiles):
        assert len(pixels) == len(tiles)
        with self.lock:
            self.calls.update(tile.index for tile in tiles)
            self.sizes[len(tiles)] += 1
        return pixels

    def __dask_tokenize__(self):
        return id(self)


@given(layout=st.from_type(Layout), batch=st.integers(1, 5))
def test_a_function_that_changes_nothing_returns_the_image(layout, batch):
    scene = image(layout.shape, bands=2)
    result = map_tiles(same, scene, layout, out_bands=2, batch=batch)
    assert result.chunks == ((2,), *layout.chunks)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result.compute(scheduler="sync"), scene)


@given(layout=st.from_type(Layout).filter(lambda layout: layout.overlap > 0), batch=st.integers(1, 3), data=st.data())
def test_a_local_function_gives_the_whole_image_result(layout, batch, data):
    reach = data.draw(st.integers(0, layout.overlap - layout.ramp))
    scene = field.normal(3, 0, 1, slice(0, layout.shape[0]), slice(0, layout.shape[1]))

    def peak(pixels, tiles):  # what lies outside of the window is infinite: who looks there is found out
        return ndimage.maximum_filter(pixels, (1, 1, 2 * reach + 1, 2 * reach + 1), mode="constant", cval=np.inf)

    result = map_tiles(peak, scene, layout, out_bands=1, batch=batch).compute(scheduler="sync")
    whole = ndimage.maximum_filter(scene[0], 2 * reach + 1, mode="reflect")
    np.testing.assert_array_equal(result[0], whole)


def test_a_box_filter_gives_the_whole_image_result():
    layout = Layout((300, 170), 48, 32, origin=(11, -5))
    scene = field.normal(3, 0, 1, slice(0, 300), slice(0, 170)).astype(float)

    def box(pixels, tiles):
        return ndimage.uniform_filter(pixels, (1, 1, 49, 49), mode="constant", cval=1e6)

    result = map_tiles(box, scene, layout, out_bands=1, dtype="float64").compute(scheduler="sync")
    np.testing.assert_allclose(result[0], ndimage.uniform_filter(scene[0], 49, mode="reflect"), atol=1e-8)


@given(layout=st.from_type(Layout), batch=st.integers(1, 5))
def test_each_tile_is_computed_once(layout, batch):
    counted = Counted()
    map_tiles(counted, image(layout.shape), layout, out_bands=1, batch=batch).compute(scheduler="threads")
    assert counted.calls == Counter(np.ndindex(layout.counts))
    down, across = layout.counts
    assert counted.sizes == Counter([min(batch, across - j) for j in range(0, across, batch)] * down)


def test_only_what_is_asked_for_is_computed():
    counted = Counted()
    result = map_tiles(counted, image((64, 64)), Layout((64, 64), 8, 4), out_bands=1)
    assert not counted.calls
    result[:, 16:24, 32:40].compute(scheduler="sync")
    assert counted.calls == Counter((i, j) for i in (1, 2, 3) for j in (3, 4, 5))


def test_tiles_know_where_they_are():
    layout = Layout((50, 30), 16, 4, origin=(3, 7))

    def where(pixels, tiles):
        return np.stack([np.add.outer(1000 * np.r_[t.read.rows.slice], np.r_[t.read.cols.slice])[None] for t in tiles])

    result = map_tiles(where, image(layout.shape), layout, out_bands=1, batch=4)
    np.testing.assert_array_equal(result.compute(scheduler="sync"), image(layout.shape))


def test_the_source_is_never_changed():
    scene = image((20, 20))

    def spoil(pixels, tiles):
        pixels[:] = -1
        return pixels

    map_tiles(spoil, scene, Layout((20, 20), 10, 0), out_bands=1).compute(scheduler="sync")
    np.testing.assert_array_equal(scene, image((20, 20)))


def smoothing(layout):
    """A picklable function of tiles, and what it makes of the image."""
    scene = image(layout.shape)

    def smooth(pixels, tiles):
        return ndimage.uniform_filter(pixels, (1, 1, 5, 5))

    return smooth, scene, map_tiles(smooth, scene, layout, out_bands=1, batch=3)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_schedulers_agree(scheduler):
    _, _, result = smoothing(Layout((60, 45), 16, 8))
    with dask.config.set(num_workers=2):
        np.testing.assert_array_equal(result.compute(scheduler=scheduler), result.compute(scheduler="sync"))


def test_a_distributed_cluster_agrees():
    distributed = pytest.importorskip("distributed")
    _, _, result = smoothing(Layout((60, 45), 16, 8))
    expected = result.compute(scheduler="sync")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster),
    ):
        np.testing.assert_array_equal(result.compute(), expected)


def test_the_graph_pickles_and_its_name_tells_the_same_work():
    layout = Layout((60, 45), 16, 8)
    scene = image(layout.shape)
    one, two = (map_tiles(np.add, scene, layout, out_bands=1) for _ in range(2))
    assert one.name == two.name
    assert one.name != map_tiles(np.add, scene, layout, out_bands=1, batch=2).name
    assert one.name != map_tiles(np.add, scene + 1, layout, out_bands=1).name
    _, _, result = smoothing(layout)
    again = pickle.loads(cloudpickle.dumps(result))
    np.testing.assert_array_equal(again.compute(scheduler="sync"), result.compute(scheduler="sync"))


def failing(pixels, tiles):
    if (1, 1) in [tile.index for tile in tiles]:
        raise ZeroDivisionError("no looks left")
    return pixels


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_failure_tells_where_and_why(scheduler):
    def fails(pixels, tiles):  # by value to other processes
        if (1, 1) in [tile.index for tile in tiles]:
            raise ZeroDivisionError("no looks left")
        return pixels

    result = map_tiles(fails, image((40, 40)), Layout((40, 40), 16, 8), out_bands=1)
    with dask.config.set(num_workers=1), pytest.raises(TileError, match=r"rows 16:32, cols 16:32: no looks left"):
        result.compute(scheduler=scheduler)


def test_a_failure_keeps_its_cause():
    result = map_tiles(failing, image((40, 40)), Layout((40, 40), 16, 8), out_bands=1, batch=2)
    with pytest.raises(TileError, match=r"^rows 16:32, cols 0:32: no looks left$") as caught:
        result.compute(scheduler="sync")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_result_of_another_shape_is_refused():
    result = map_tiles(lambda pixels, tiles: pixels[:, :, 1:], image((8, 8)), Layout((8, 8), 8, 0), out_bands=1)
    with pytest.raises(
        TileError, match=r"should have \(tiles, bands, rows, cols\) \(1, 1, 8, 8\), it has \(1, 1, 7, 8\)"
    ):
        result.compute(scheduler="sync")


def test_scene_and_layout_must_agree():
    with pytest.raises(ValueError, match=r"for a scene of \(rows, cols\) \(8, 9\), but the scene .* \(1, 8, 8\)"):
        map_tiles(same, image((8, 8)), Layout((8, 9), 4, 0), out_bands=1)
    with pytest.raises(ValueError, match="batch must be >= 1, got 0"):
        map_tiles(same, image((8, 8)), Layout((8, 8), 4, 0), out_bands=1, batch=0)
    with pytest.raises(ValueError, match="dtype must be a float, got int16"):
        map_tiles(same, image((8, 8)), Layout((8, 8), 4, 0), out_bands=1, dtype="int16")
    with pytest.raises(ValueError, match="out_bands must be >= 1, got 0"):
        map_tiles(same, image((8, 8)), Layout((8, 8), 4, 0), out_bands=0)
