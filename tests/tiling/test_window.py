"""Weights sum to one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tiling import Layout
from tiling.window import profile


@given(layout=st.from_type(Layout))
def test_weights_sum_to_one_at_every_pixel(layout):
    total = np.zeros(layout.shape)
    for i, j in np.ndindex(layout.counts):
        (rows, down), (cols, across) = profile(layout, 0, i), profile(layout, 1, j)
        total[rows.slice, cols.slice] += down[:, None] * across
    np.testing.assert_allclose(total, 1, rtol=0, atol=1e-12)


@given(layout=st.from_type(Layout))
def test_a_tile_counts_where_its_neighbours_expect_it(layout):
    for axis in (0, 1):
        for i in range(layout.counts[axis]):
            span, weights = profile(layout, axis, i)
            kept = layout.kept(i, 0).rows if axis == 0 else layout.kept(0, i).cols
            assert span & kept == span
            assert weights.shape == (len(span),)
            assert (weights > 0).all()
            assert (weights <= 1).all()


def test_a_ramp_passes_one_half_at_the_edge_and_is_smooth():
    layout = Layout((4, 3 * 64), tile=64, overlap=32)
    assert layout.ramp == 8
    span, weights = profile(layout, 1, 1)
    assert (span.start, span.stop) == (56, 136)
    np.testing.assert_allclose(weights[:16] + weights[:16][::-1], 1, atol=1e-15)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-15)
    assert weights[7] < 0.5 < weights[8]
    assert (weights[16:64] == 1).all()
    assert np.abs(np.diff(weights)).max() < 0.1  # the steepest step of the cosine is pi / 32


def test_at_the_rim_of_the_scene_the_weight_stays_one():
    layout = Layout((64, 128), tile=64, overlap=32)
    assert (profile(layout, 0, 0)[1] == 1).all()
    assert (profile(layout, 1, 0)[1][:56] == 1).all()
    assert (profile(layout, 1, 1)[1][16:] == 1).all()
