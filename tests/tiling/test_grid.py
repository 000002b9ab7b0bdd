"""Laws of the tile grid, and what a read window holds."""

import pickle

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiling import Layout, Span, Tile, Window, read_window


def image(shape, bands=1):
    """The image knows where it is."""
    rows, cols = np.indices(shape)
    return np.stack([1000.0 * rows + cols + 0.25 * band for band in range(bands)]).astype("float32")


@given(layout=st.from_type(Layout))
def test_every_pixel_is_in_exactly_one_core(layout):
    seen = np.zeros(layout.shape, int)
    for tile in layout:
        assert len(tile.core.rows) > 0
        assert len(tile.core.cols) > 0
        seen[tile.core.rows.slice, tile.core.cols.slice] += 1
    assert (seen == 1).all()
    assert [tile.index for tile in layout] == list(np.ndindex(layout.counts))
    assert tuple(map(sum, layout.chunks)) == layout.shape


@given(layout=st.from_type(Layout))
def test_every_read_has_one_size_and_starts_at_the_multiple(layout):
    for tile in layout:
        for core, read in zip(tile.core, tile.read, strict=True):
            assert len(read) == layout.window == layout.tile + 2 * layout.overlap
            assert read.start % layout.multiple == 0
            assert len(read) % layout.multiple == 0
            assert core.grown(layout.overlap) & read == core.grown(layout.overlap)


@given(layout=st.from_type(Layout))
def test_cores_meet_at_the_origin(layout):
    for axis in (0, 1):
        edges = [tile.core[axis].start for tile in layout if tile.core[axis].start > 0]
        assert all((edge - layout.origin[axis]) % layout.tile == 0 for edge in edges)


@given(layout=st.from_type(Layout))
def test_counting_in_a_core_is_mutual(layout):
    cores = {tile.index: layout.contributors(*tile.index) for tile in layout}
    assert all(core in cores[tile] for core, tiles in cores.items() for tile in tiles)


@given(layout=st.from_type(Layout), data=st.data())
def test_a_read_window_is_a_cut_of_the_mirrored_scene(layout, data):
    scene = image(layout.shape, bands=2)
    tile = data.draw(st.sampled_from(list(layout)))
    plane = np.block([[scene, scene[:, :, ::-1]], [scene[:, ::-1], scene[:, ::-1, ::-1]]])  # an oracle: it repeats
    rows, cols = (np.r_[span.slice] for span in tile.read)
    expected = np.take(np.take(plane, rows, axis=1, mode="wrap"), cols, axis=2, mode="wrap")
    np.testing.assert_array_equal(read_window(scene, tile), expected)


class Door:
    """An array that lets nobody reach outside of it."""

    def __init__(self, array):
        self.array, self.shape, self.pixels = array, array.shape, 0

    def __getitem__(self, index):
        for part, size in zip(index, self.shape, strict=True):
            assert 0 <= part.start < part.stop <= size
            assert part.step is None
        self.pixels += self.array[index].size
        return self.array[index]


@given(layout=st.from_type(Layout))
def test_only_pixels_of_the_scene_are_read(layout):
    for tile in layout:
        door = Door(image(layout.shape))
        assert read_window(door, tile).shape == (1, layout.window, layout.window)
        assert door.pixels <= layout.window**2


def test_any_window_of_any_array_like_can_be_read():
    scene = image((9, 9))
    window = Window(Span(-2, 3), Span(7, 12))
    expected = scene[:, [1, 0, 0, 1, 2]][:, :, [7, 8, 8, 7, 6]]
    for source in (scene, da.from_array(scene, chunks=4)):
        np.testing.assert_array_equal(read_window(source, window), expected)


def test_sizes_are_rounded_to_the_multiple():
    layout = Layout((100, 100), tile=30, overlap=9, origin=(5, -3), multiple=4)
    assert (layout.tile, layout.overlap, layout.origin) == (32, 12, (4, -4))
    assert layout == Layout((100, 100), tile=32, overlap=12, origin=(4, -4), multiple=4)


def test_a_tile_that_fits_is_one_tile():
    assert list(Layout((256, 256), 256, 32)) == [
        Tile((0, 0), Window(Span(0, 256), Span(0, 256)), Window(Span(-32, 288), Span(-32, 288)))
    ]


def test_layouts_pickle_and_name_what_they_hold():
    layout = Layout((5, 7), 4, 1, origin=(1, 2))
    assert pickle.loads(pickle.dumps(layout)) == layout
    assert str(layout.at(1, 1).core) == "rows 1:5, cols 2:6"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tile": 0}, "tile must be >= 1 pixels, got 0"),
        ({"overlap": -1}, "overlap must be >= 0 pixels, got -1"),
        ({"multiple": 0}, "multiple must be >= 1 pixels, got 0"),
        ({"shape": (0, 4)}, "needs at least one row and one column, got shape \\(0, 4\\)"),
    ],
)
def test_layouts_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        Layout(**{"shape": (8, 8), "tile": 4, "overlap": 1} | wrong)


def test_there_is_no_tile_before_the_first():
    with pytest.raises(IndexError, match="there is none at -1"):
        Layout((8, 8), 4, 1).at(-1, 0)


def test_spans_run_forwards():
    with pytest.raises(ValueError, match="must not end before it starts, got 3:2"):
        Span(3, 2)
