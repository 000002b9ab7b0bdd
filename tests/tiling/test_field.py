"""Noise belongs to places, and is noise."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tiling import Span
from tiling.field import normal, philox, uniform

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # kat_vectors of Random123: zeros, ones, digits of pi
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(counter, key, words):
    assert tuple(int(word) for word in philox(counter, key)) == words


def test_a_field_is_made_of_the_words_of_its_places():
    seed, step, band, row, col = 2**40 + 7, 9, 2, -3, 4 * 5
    a, b, c, d = (
        int(word) / 2**32 for word in philox((row % 2**32, col // 4, band, step), (seed % 2**32, seed // 2**32))
    )
    radius, other = np.sqrt(-2 * np.log([a, c]))
    angle, turned = 2 * np.pi * b, 2 * np.pi * d
    expected = radius * np.cos(angle), radius * np.sin(angle), other * np.cos(turned), other * np.sin(turned)
    field = normal(seed, step, slice(2, 3), slice(row, row + 1), slice(col, col + 4))
    np.testing.assert_allclose(field.ravel(), expected, atol=1e-5)


spans = st.builds(lambda start, size: Span(start, start + size), st.integers(-40, 60), st.integers(1, 70))


@given(rows=spans, cols=spans, band=st.integers(0, 2), draw=st.sampled_from([normal, uniform]))
def test_cut_outs_are_equal_to_the_last_bit(rows, cols, band, draw):
    whole = draw(4, 1, 3, Span(-40, 130), Span(-40, 130))
    cut = draw(4, 1, slice(band, band + 1), rows, cols)
    assert cut.dtype == np.float32
    assert cut.flags.c_contiguous
    np.testing.assert_array_equal(
        cut[0], whole[band, rows.start + 40 : rows.stop + 40, cols.start + 40 : cols.stop + 40]
    )


def test_large_cut_outs_are_equal_to_the_last_bit():
    whole = normal(4, 1, 1, slice(0, 300), slice(0, 40_000))
    np.testing.assert_array_equal(normal(4, 1, 1, slice(41, 43), slice(39_000, 39_077)), whole[:, 41:43, 39_000:39_077])


def test_normals_are_standard_normal():
    z = normal(0, 0, 1, slice(-500, 500), slice(-500, 500)).ravel().astype(float)
    n = z.size
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(stats.skew(z)) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(z)) < 4 * np.sqrt(24 / n)
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_uniforms_are_uniform_and_never_reach_the_ends():
    u = uniform(0, 0, 1, slice(0, 1000), slice(0, 1000)).ravel()
    assert stats.kstest(u.astype(float), "uniform").pvalue > 1e-3
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    assert np.float32(2**-24) + np.float32(2**23 - 1) * np.float32(2**-23) < 1


def test_fields_of_other_seeds_steps_bands_and_places_are_independent():
    box = (slice(0, 400), slice(0, 400))
    fields = [
        normal(0, 0, 1, *box),
        normal(1, 0, 1, *box),
        normal(2**32, 0, 1, *box),
        normal(0, 1, 1, *box),
        normal(0, 0, slice(1, 2), *box),
        normal(0, 0, 1, slice(1, 401), slice(0, 400)),
        normal(0, 0, 1, slice(0, 400), slice(1, 401)),
        normal(0, 0, 1, slice(0, 400), slice(2, 402)),
        normal(0, 0, 1, slice(0, 400), slice(-400, 0)),
        uniform(0, 0, 1, *box),
    ]
    flat = np.stack([field.ravel() for field in fields])
    for view in (flat, flat**2):  # squares too: the two normals of a pair share a radius
        correlation = np.corrcoef(view) - np.eye(len(fields))
        assert np.abs(correlation).max() < 5 / np.sqrt(flat.shape[1])


def test_nothing_is_asked_and_nothing_comes():
    assert normal(0, 0, 2, slice(3, 3), slice(5, 9)).shape == (2, 0, 4)
    assert normal(0, 0, 1, slice(3, 5), slice(5, 5)).shape == (1, 2, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0, 1), r"seed must be in \[0, 2\*\*64\), got -1"),
        ((2**64, 0, 1), r"seed must be in \[0, 2\*\*64\)"),
        ((0, -1, 1), r"step must be in \[0, 2\*\*32\), got -1"),
        ((0, 0, slice(-1, 1)), r"first band must be in \[0, 2\*\*31\), got -1"),
    ],
)
def test_keys_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        normal(*arguments, slice(0, 4), slice(0, 4))


def test_three_megapixels_a_second():
    begun = time.process_time()
    normal(0, 0, 1, slice(0, 1000), slice(0, 3000))
    assert time.process_time() - begun < 1
