"""The whole scene is one image: it does not depend on tiles, batches or workers."""

import math

import numpy as np
import pytest

from sardiff.simulate import landscape, speckle
from sardiff.tasks.despeckle import ESTIMATES, Despeckle, DespeckleTiles, Quality, overlap_for
from sardiff.tasks.scene import scene_layout
from tiling import Layout, stream_tiles

TOLERANCE_DB = 0.01


@pytest.fixture(scope="module")
def scene():
    clean = landscape((400, 336), seed=4).intensity
    intensity = clean * speckle(clean.shape, 1.0, np.random.default_rng(1))
    intensity[100:130, 200:230] = np.nan  # a hole besides the rim
    intensity[300, 50:80] = 0.0  # zeros are not measurements
    return np.where(intensity > 0, intensity, np.nan).astype(np.float32)[None]


def despeckled(scene, settings, *, tile, origin=(0, 0), batch=1, workers=1):
    apply = DespeckleTiles(settings, device="cpu")
    layout = Layout(scene.shape[1:], tile=tile, overlap=overlap_for(settings, apply.prior), origin=origin, multiple=16)
    out = np.full((1 + settings.uncertainty, *scene.shape[1:]), np.inf, np.float32)
    for t, core in stream_tiles(apply, scene, layout, out_bands=len(out), batch=batch, workers=workers):
        out[:, t.core.rows.slice, t.core.cols.slice] = core
    return out


def largest_difference_db(a, b):
    assert np.array_equal(np.isnan(a), np.isnan(b))
    assert np.isfinite(a).any()
    return 10 / math.log(10) * float(np.nanmax(np.abs(a[0] - b[0])))


def settings(method):
    quality: Quality = "fast" if method == "scoring" else "balanced"  # the other orientation takes as long again
    return Despeckle(looks=1.0, method=method, quality=quality, uncertainty=True)


@pytest.fixture(scope="module")
def reference(scene):
    return {method: despeckled(scene, settings(method), tile=512) for method in ESTIMATES}


@pytest.mark.parametrize(
    ("method", "tiles"),
    [
        ("one-pass", {"tile": 192}),
        ("one-pass", {"tile": 256, "origin": (-80, 112)}),
        ("scoring", {"tile": 192}),
        ("scoring", {"tile": 256}),
        ("scoring", {"tile": 256, "origin": (-80, 112)}),
        ("scoring", {"tile": 192, "batch": 4}),
        ("scoring", {"tile": 256, "workers": 2}),
    ],
    ids=str,
)
def test_estimates_are_one_image_however_it_is_tiled(scene, reference, method, tiles):
    result = despeckled(scene, settings(method), **tiles)
    assert largest_difference_db(result, reference[method]) <= TOLERANCE_DB
    np.testing.assert_allclose(result[1], reference[method][1], atol=TOLERANCE_DB)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["posterior", "moment", "sar-dps", "diffpir", "gibbs"])
def test_samplers_give_one_image_however_it_is_tiled(scene, method):
    part = scene[:, :288, :288]
    few = Despeckle(looks=1.0, method=method, steps=4)
    whole = despeckled(part, few, tile=288)
    cut = despeckled(part, few, tile=192, origin=(32, 80))
    assert largest_difference_db(cut, whole) <= TOLERANCE_DB


def test_a_small_scene_is_not_refused_and_not_padded_more_than_it_needs():
    layout = scene_layout((40, 25), tile=512, overlap=48, stride=8)
    assert layout.counts == (1, 1)
    assert layout.tile == 48
    small = np.full((1, 40, 25), 2.0, np.float32)
    out = despeckled(small, Despeckle(looks=4.0), tile=48)
    np.testing.assert_allclose(out, math.log(2.0), atol=0.1)
