"""Cores in reading order, the same as mapped, in bounded memory, stopped when closed."""

import threading
import time
import weakref
from collections import Counter

import dask
import dask.multiprocessing
import dask.threaded
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tiling import Layout, TileError, field, map_tiles, stream_tiles
from tiling.map import Work


def noise(shape):
    return field.normal(5, 0, 1, slice(0, shape[0]), slice(0, shape[1]))


def same(pixels, tiles):
    return pixels


def smooth(pixels, tiles):
    return ndimage.uniform_filter(pixels, (1, 1, 5, 5))


def assembled(layout, stream):
    """The scene of the streamed cores, and their order."""
    scene, order = np.full((1, *layout.shape), np.nan, "float32"), []
    for tile, core in stream:
        scene[:, tile.core.rows.slice, tile.core.cols.slice] = core
        order.append(tile.index)
    return scene, order


@given(layout=st.from_type(Layout), batch=st.integers(1, 5), workers=st.integers(1, 3))
def test_streaming_equals_mapping(layout, batch, workers):
    scene = noise(layout.shape)
    mapped = map_tiles(smooth, scene, layout, out_bands=1, batch=batch).compute(scheduler="sync")
    streamed, order = assembled(layout, stream_tiles(smooth, scene, layout, out_bands=1, batch=batch, workers=workers))
    np.testing.assert_array_equal(streamed, mapped)
    assert order == list(np.ndindex(layout.counts))


@given(layout=st.from_type(Layout))
def test_batches_of_one_and_four_agree(layout):
    scene = noise(layout.shape)
    one, four = (assembled(layout, stream_tiles(smooth, scene, layout, out_bands=1, batch=b))[0] for b in (1, 4))
    np.testing.assert_array_equal(one, four)


@given(layout=st.from_type(Layout), batch=st.integers(1, 5), workers=st.integers(1, 2), data=st.data())
def test_each_tile_is_computed_once_and_only_if_needed(layout, batch, workers, data):
    every = list(np.ndindex(layout.counts))
    skip = data.draw(st.one_of(st.just(set()), st.sets(st.sampled_from(every)), st.just(set(every[: len(every) // 2]))))
    calls, lock = Counter(), threading.Lock()

    def counted(pixels, tiles):
        with lock:
            calls.update(tile.index for tile in tiles)
        return pixels

    scene = noise(layout.shape)
    streamed, order = assembled(
        layout, stream_tiles(counted, scene, layout, out_bands=1, batch=batch, workers=workers, skip=skip)
    )
    assert order == [index for index in every if index not in skip]
    needed = {tile for core in order for tile in layout.contributors(*core)}
    groups = {(i, j // batch) for i, j in needed}
    assert calls == Counter((i, j) for i, j in every if (i, j // batch) in groups)
    assert batch > 1 or set(calls) == needed
    for index in order:
        core = layout.at(*index).core
        pixels = streamed[:, core.rows.slice, core.cols.slice]
        np.testing.assert_array_equal(pixels, scene[:, core.rows.slice, core.cols.slice])


def test_reading_goes_along_the_rows():
    layout = Layout((64, 64), 8, 4)
    order = []

    def record(pixels, tiles):
        order.extend(tile.index for tile in tiles)
        return pixels

    for _ in stream_tiles(record, noise(layout.shape), layout, out_bands=1, batch=3):
        pass
    assert order == list(np.ndindex(layout.counts))


@pytest.mark.parametrize("workers", [1, 2])
def test_two_rows_of_tiles_are_held_at_most(monkeypatch, workers):
    layout = Layout((40 * 8, 10 * 8), 8, 4)
    alive, peak, lock = set(), 0, threading.Lock()
    run = Work.run

    def watched(self, batch):
        nonlocal peak
        result = run(self, batch)
        with lock:
            alive.add(batch)
            peak = max(peak, len(alive))
        weakref.finalize(result, alive.discard, batch)
        return result

    monkeypatch.setattr(Work, "run", watched)
    for _ in stream_tiles(same, noise(layout.shape), layout, out_bands=1, workers=workers):
        pass
    assert peak <= 2 * 10 + 3 + 2 * workers


def test_a_core_comes_before_the_scene_is_done():
    layout = Layout((80, 80), 8, 4)
    started = []

    def record(pixels, tiles):
        started.append(tiles[0].index)
        return pixels

    stream = stream_tiles(record, noise(layout.shape), layout, out_bands=1, workers=2)
    next(stream)
    time.sleep(0.1)
    assert len(started) <= 12 + 4  # a row, two more, and what runs ahead
    stream.close()


def test_closing_stops_at_once():
    layout = Layout((80, 80), 8, 0)
    started, go = [], threading.Event()

    def slow(pixels, tiles):
        started.append(tiles[0].index)
        if len(started) > 2:
            go.wait(20)
        return pixels

    stream = stream_tiles(slow, noise(layout.shape), layout, out_bands=1, workers=1)
    next(stream)
    begun = time.perf_counter()
    stream.close()
    assert time.perf_counter() - begun < 5  # though a tile is still at work
    go.set()
    time.sleep(0.2)
    assert len(started) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tiles")]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_reaches_the_consumer(workers):
    layout = Layout((64, 64), 16, 8)

    def failing(pixels, tiles):
        if tiles[0].index == (2, 1):
            raise ZeroDivisionError("no looks left")
        return pixels

    stream = stream_tiles(failing, noise(layout.shape), layout, out_bands=1, workers=workers)
    done = []
    with pytest.raises(TileError, match=r"^rows 32:48, cols 16:32: no looks left$") as caught:
        done.extend(tile.index for tile, _ in stream)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert done == [(0, j) for j in range(4)]  # all that did not depend on it


def test_a_source_that_fails_is_told_with_its_place():
    class Torn:
        shape = (1, 64, 64)

        def __getitem__(self, index):
            raise OSError("torn.tif: strip 7 is truncated")

    with pytest.raises(TileError, match=r"^rows 0:16, cols 0:16: torn.tif: strip 7 is truncated$"):
        next(stream_tiles(same, Torn(), Layout((64, 64), 16, 8), out_bands=1))


def by_value(layout):
    def local(pixels, tiles):
        return ndimage.uniform_filter(pixels, (1, 1, 5, 5))

    return local, noise(layout.shape), layout


@pytest.mark.parametrize("get", [dask.get, dask.threaded.get], ids=["sync", "threaded"])
def test_any_dask_scheduler_computes_the_batches(get):
    work = by_value(Layout((40, 40), 16, 8))
    expected, _ = assembled(work[2], stream_tiles(*work, out_bands=1, batch=2))
    streamed, _ = assembled(work[2], stream_tiles(*work, out_bands=1, batch=2, workers=2, get=get))
    np.testing.assert_array_equal(streamed, expected)


def test_processes_compute_the_batches():
    work = by_value(Layout((20, 20), 16, 4))
    expected, _ = assembled(work[2], stream_tiles(*work, out_bands=1, batch=2))
    with dask.config.set(num_workers=1):
        streamed, _ = assembled(work[2], stream_tiles(*work, out_bands=1, batch=2, get=dask.multiprocessing.get))
    np.testing.assert_array_equal(streamed, expected)


def test_a_distributed_cluster_computes_the_batches():
    distributed = pytest.importorskip("distributed")
    work = by_value(Layout((60, 45), 16, 8))
    expected, _ = assembled(work[2], stream_tiles(*work, out_bands=1, batch=2))
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        streamed, _ = assembled(work[2], stream_tiles(*work, out_bands=1, batch=2, workers=2, get=client.get))
    np.testing.assert_array_equal(streamed, expected)


def test_settings_are_checked_before_the_first_tile():
    layout = Layout((8, 8), 4, 0)
    with pytest.raises(ValueError, match="workers must be >= 1, got 0"):
        stream_tiles(same, noise((8, 8)), layout, out_bands=1, workers=0)
    with pytest.raises(ValueError, match="the scene has"):
        stream_tiles(same, noise((8, 9)), layout, out_bands=1)
