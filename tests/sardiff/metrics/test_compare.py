import math

import numpy as np
import pytest
from scipy import ndimage

from sardiff.metrics import compare
from sardiff.simulate import landscape, speckle


@pytest.fixture(scope="module")
def images():
    x = landscape((320, 320), seed=6).intensity
    return x * speckle(x.shape, 2, np.random.default_rng(0)), x


def test_the_truth_scores_as_the_ideal_result(images):
    y, x = images
    rows = compare(y, x, truth=x, looks=2)
    assert list(rows)[:5] == ["psnr", "ssim", "rmse", "mae", "bias"]
    assert rows["psnr"].after == math.inf > rows["psnr"].before
    for name in ("ssim", "rmse", "mae", "bias", "power", "ratio_mean", "ratio_variance", "ratio_structure", "edges"):
        assert rows[name].after == pytest.approx(rows[name].ideal, abs=0.03), name
    for axis in ("rows", "cols"):
        assert rows[f"ratio_lag1_{axis}"].after == pytest.approx(0, abs=0.02)
    assert rows["enl"].before == pytest.approx(2, rel=0.15)
    assert rows["enl"].after > 10 * rows["enl"].before
    assert "data range" in rows["psnr"].meaning


def test_a_filter_is_told_from_nothing_done(images):
    y, x = images
    smooth = ndimage.uniform_filter(np.nan_to_num(y), 3)
    smooth[np.isnan(y)] = np.nan
    done, nothing = compare(y, smooth, truth=x), compare(y, y, truth=x)
    assert done["enl"].after > 3 * done["enl"].before
    assert done["rmse"].after < 0.7 * done["rmse"].before
    assert done["ssim"].after > done["ssim"].before
    assert nothing["psnr"].after == nothing["psnr"].before == done["psnr"].before
    assert done["edges"].after < done["edges"].before
    assert done["ratio_variance"].ideal == pytest.approx(0.5, rel=0.2)
    assert nothing["enl"].after == nothing["enl"].before
    assert nothing["ratio_variance"].after == 0


def test_blind_scores_have_no_reference_rows_and_survive_an_empty_image(images):
    y, _ = images
    assert next(iter(compare(y, y))) == "power"
    empty = np.full((64, 64), np.nan)
    assert all(math.isnan(row.after) for row in compare(empty, empty, truth=empty).values())


def test_images_of_different_shapes_are_refused(images):
    y, x = images
    with pytest.raises(ValueError, match=r"one shape \(rows, cols\), got \(320, 320\), \(319, 320\)"):
        compare(y, y[1:], truth=x)
