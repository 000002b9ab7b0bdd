"""Whole scenes made small, in strips."""

import numpy as np
import pytest

from geo_io import Grid
from sardiff.metrics import enl
from sardiff.plot import overview
from sardiff.plot.blocks import Blocks, reduction, strips
from sardiff.plot.counts import Histogram


class Scene:
    """A raster made up while it is read; remembers how much was read at once."""

    def __init__(self, pixels=None, shape=None):
        self.pixels, self.shape = pixels, pixels.shape if shape is None else shape
        self.grid, self.name, self.most, self.read = Grid(self.shape[1:]), "made up", 0, 0

    def __getitem__(self, index):
        size = [len(range(length)[part]) for part, length in zip(index, self.shape, strict=True)]
        self.most, self.read = max(self.most, np.prod(size)), self.read + np.prod(size)
        return np.ones(size, np.float32) if self.pixels is None else self.pixels[index]


def scene(shape, seed=0):
    pixels = np.random.default_rng(seed).gamma(1, 1, shape).astype(np.float32)
    pixels[:, 3:9, 5:20] = np.nan
    return pixels


@pytest.mark.parametrize("shape", [(1, 40, 64), (2, 37, 50), (1, 1, 100), (1, 100, 1), (3, 5, 5)])
@pytest.mark.parametrize("side", [1, 7, 10, 1000])
def test_every_block_is_the_mean_of_what_was_measured(shape, side):
    pixels = scene(shape)
    small = overview(Scene(pixels), side=side, budget=300)
    step = small.step
    assert max(small.pixels.shape[1:]) <= side
    assert small.pixels.shape == (shape[0], -(-shape[1] // step), -(-shape[2] // step))
    for (band, row, col), value in np.ndenumerate(small.pixels):
        part = pixels[band, row * step : (row + 1) * step, col * step : (col + 1) * step]
        assert value == pytest.approx(np.nanmean(part) if np.isfinite(part).any() else np.nan, rel=1e-5, nan_ok=True)
    if step == 1:
        np.testing.assert_array_equal(small.pixels, pixels)


def test_memory_does_not_grow_with_the_scene():
    large = Scene(shape=(1, 6000, 9000))
    small = overview(large, side=512)
    assert large.read == 6000 * 9000  # every pixel once
    assert large.most <= 4_100_000
    assert max(small.pixels.shape) == 500
    assert (small.pixels == 1).all()


def test_a_strip_is_at_least_a_block_high():
    parts = list(strips((1, 100, 10**7), 16))
    assert [part.stop - part.start for part in parts] == [16] * 6 + [4]
    assert reduction((100, 101), 50) == 3


def test_looks_are_those_of_the_pixels():
    pixels = scene((1, 64, 48))
    blocks = Blocks(pixels.shape, 4, squares=True)
    for part in strips(pixels.shape, 4, budget=500):
        blocks.add(pixels[:, part], part.start)
    looks = blocks.looks(16)
    assert looks.shape == (1, 4, 3)
    assert looks[0, 2, 1] == pytest.approx(enl(pixels[0, 32:48, 16:32]), rel=1e-5)
    assert looks[0, 0, 0] == pytest.approx(enl(pixels[0, :16, :16]), rel=1e-5)
    assert np.isnan(Blocks((1, 16, 16), 16, squares=True).looks()).all()  # nothing was added
    with pytest.raises(ValueError, match="squares=True"):
        Blocks((1, 16, 16), 4).looks()


def test_a_histogram_counts_every_value_once():
    counted = Histogram(np.linspace(0, 10, 11))
    counted.add(np.array([[-5, 0.5, 5.5], [np.nan, 9.9, 40]]))
    assert counted.counts.tolist() == [2, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert counted.share.sum() == pytest.approx(1)
    assert counted.quantile(0.5) == 5.5
    assert np.isnan(Histogram().quantile(0.5))
