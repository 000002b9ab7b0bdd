"""A painted landscape: levels of each cover, what it shares with radar, and that it repeats."""

import numpy as np
import pytest

from sardiff.simulate import Cover, landscape, reflectance


@pytest.fixture(scope="module")
def scene():
    return landscape((256, 256), seed=7)


def test_covers_look_as_they_do_from_above(scene):
    red, green, blue = reflectance(scene, seed=7)
    wood, water, fields = (scene.cover == kind for kind in (Cover.FOREST, Cover.WATER, Cover.FIELD))
    assert green[wood].mean() > 1.2 * red[wood].mean()
    assert blue[water].mean() > 1.5 * red[water].mean()
    assert red[fields].mean() > 2 * red[wood].mean() > 2 * red[water].mean()
    assert red[fields].std() > 0.02  # crops differ


def test_every_pixel_is_a_reflectance(scene):
    image = reflectance(scene)
    assert image.shape == (3, 256, 256)
    assert image.dtype == np.float32
    assert not scene.measured.all()
    assert 0 < image.min() < image.max() < 1


def test_colours_follow_the_seed_and_not_the_backscatter(scene):
    first, again, other = (reflectance(scene, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    fields = (scene.cover == Cover.FIELD) & scene.measured
    assert abs(np.corrcoef(first[0][fields], other[0][fields])[0, 1]) < 0.8
    level = np.log(scene.intensity[fields])
    assert abs(np.corrcoef(first[0][fields], level)[0, 1]) < 0.6
