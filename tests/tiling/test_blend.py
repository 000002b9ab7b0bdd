"""Blending is the sum of tiles times weights, and exact where they agree."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tiling import Layout
from tiling.blend import blend_core
from tiling.window import profile


def results(layout, seed=0):
    rng = np.random.default_rng(seed)
    side = layout.tile + 2 * layout.ramp
    return {index: rng.normal(size=(2, side, side)) for index in np.ndindex(layout.counts)}


@given(layout=st.from_type(Layout))
def test_blending_is_the_weighted_sum(layout):
    tiles = results(layout)
    scene = np.zeros((2, *layout.shape))
    for (i, j), result in tiles.items():  # an oracle: every tile, whole, times its weights
        (rows, down), (cols, across) = profile(layout, 0, i), profile(layout, 1, j)
        kept = layout.kept(i, j)
        scene[:, rows.slice, cols.slice] += (
            result[:, rows.within(kept.rows), cols.within(kept.cols)] * down[:, None] * across
        )
    for tile in layout:
        needed = {index: tiles[index] for index in layout.contributors(*tile.index)}
        np.testing.assert_allclose(
            blend_core(layout, tile.index, needed), scene[:, tile.core.rows.slice, tile.core.cols.slice], atol=1e-12
        )


def test_where_tiles_agree_their_value_comes_out_to_the_last_bit():
    layout = Layout((40, 40), 16, 12)
    side = layout.tile + 2 * layout.ramp
    for value in np.float32([0.1, 1e-30, 3.3e30]):
        tiles = {index: np.full((1, side, side), value) for index in np.ndindex(layout.counts)}
        core = blend_core(layout, (1, 1), tiles)
        assert core.dtype == np.float32
        assert (core == value).all()


def test_results_are_left_alone():
    layout = Layout((40, 40), 16, 12)
    tiles, before = results(layout), results(layout)
    core = blend_core(layout, (1, 1), tiles)
    core[:] = 0
    assert all(np.array_equal(tiles[index], before[index]) for index in before)


def test_nan_spreads_from_every_tile_that_counts_and_no_further():
    layout = Layout((32, 32), 16, 16)  # ramp 4
    tiles = {index: np.zeros((1, 24, 24)) for index in np.ndindex(layout.counts)}
    tiles[0, 1][:] = np.nan
    assert np.isnan(blend_core(layout, (0, 0), tiles)[0]).sum() == 16 * 4
    assert np.isnan(blend_core(layout, (1, 0), tiles)[0]).sum() == 4 * 4
