"""A simulated scene is what it says, on disk."""

import numpy as np
import rasterio

from sardiff.simulate import ImpulseResponse


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.profile, dataset.descriptions, dataset.units


def test_scene_and_truth_share_a_grid_and_differ_by_speckle(scene):
    (image, profile, names, units), (truth, of_truth, *_) = read(scene), read(scene.with_name("scene_truth.tif"))
    assert (profile["crs"].to_epsg(), profile["transform"].a, profile["dtype"]) == (32633, 10, "float32")
    assert (profile["transform"], profile["crs"]) == (of_truth["transform"], of_truth["crs"])
    assert np.isnan(profile["nodata"])
    assert (names, units) == (("sigma0_vv (simulated)",), ("intensity",))
    np.testing.assert_array_equal(np.isnan(image), np.isnan(truth))
    assert np.isnan(image[0, 0])
    ratio = (image / truth)[np.isfinite(image)]
    assert abs(ratio.mean() - 1) < 5 / np.sqrt(4 * ratio.size)
    assert abs(ratio.var() * 4 - 1) < 0.1


def test_correlated_speckle_has_the_correlation_of_its_band(run, tmp_path):
    path = tmp_path / "a.tif"
    assert run("simulate", path, "--size", 200, "--looks", 4, "--correlated", 0.38).exit_code == 0
    ratio = read(path)[0] / read(tmp_path / "a_truth.tif")[0] - 1
    both = ratio[:, 1:] * ratio[:, :-1]
    lag1 = np.nanmean(both) / np.nanvar(ratio)
    assert abs(lag1 - ImpulseResponse(looks=4).correlation(1, axis=1)) < 0.05


def test_the_same_seed_gives_the_same_scene(run, tmp_path):
    for name in "ab":
        assert run("simulate", tmp_path / f"{name}.tif", "--size", 40, "--seed", 7).exit_code == 0
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0], read(tmp_path / "b.tif")[0])


def test_what_cannot_be_is_refused_before_anything_is_written(run, tmp_path):
    path = tmp_path / "a.tif"
    for args, said in (
        (("--correlated", 0.4, "--looks", 4.4), "give --looks 4, not 4.4"),
        (("--truth", path), "cannot be both"),
        (("--size", 8), "32<=x<=16384"),
        (("--truth", tmp_path / "no" / "t.tif"), "there is no folder"),
    ):
        result = run("simulate", path, *args)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
    assert list(tmp_path.iterdir()) == []
