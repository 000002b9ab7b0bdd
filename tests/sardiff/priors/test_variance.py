"""The variance of a pixel, by noise level and local contrast."""

import math

import numpy as np
import pytest
import torch
from skimage.filters import gaussian

from sardiff.priors.network import LocalUNet
from sardiff.priors.variance import Calibration, LocalVariance, local_contrast
from sardiff.training.calibrate import local_variance_table, variance_table

TABLE = LocalVariance((0.1, 1.0), (0.1, 1.0), ((0.01, 0.04), (0.1, 0.4)))


def test_contrast_is_the_local_standard_deviation():
    x = np.random.default_rng(0).normal(size=(40, 40))
    smooth = {"sigma": 3, "truncate": 3, "mode": "nearest"}  # an oracle: scikit-image
    expected = np.sqrt(gaussian((x - gaussian(x, **smooth)) ** 2, **smooth))
    found = local_contrast(torch.from_numpy(x)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_the_table_is_interpolated_in_logs():
    flat = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    assert TABLE(flat, 0.1).unique().tolist() == pytest.approx([0.01])
    assert TABLE(flat, 0.1**0.5).unique().tolist() == pytest.approx([0.001**0.5])
    assert TABLE(flat, 9.0).unique().tolist() == pytest.approx([0.1])
    busy = 50 * torch.randn(1, 1, 16, 16, dtype=torch.float64)
    assert TABLE(busy, 1.0).unique().tolist() == pytest.approx([0.4])


def test_the_variance_rises_with_the_contrast():
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64)
    assert (TABLE(0.4 * x, 0.5) > TABLE(0.2 * x, 0.5)).all()


def test_calibration_finds_the_error_there_is():
    """An untrained network returns c_skip x: its error is known, and the tables say it."""
    network = LocalUNet(widths=(4,), depths=(1,), sigma_data=1e3, mean_radius=2)  # c_skip = 1: it changes nothing
    clean = torch.zeros(8, 1, 96, 96)
    for sigma, v in variance_table(network, clean):
        assert v == pytest.approx(sigma**2, rel=0.05)
    local = local_variance_table(network, clean)
    for sigma, row in zip(local.sigmas, local.table, strict=True):
        assert np.mean(row) == pytest.approx(sigma**2, rel=0.15)


@pytest.mark.parametrize(
    ("sigmas", "contrasts", "table"),
    [
        ((0.1,), (0.1, 1.0), ((1, 1),)),
        ((1.0, 0.1), (0.1, 1.0), ((1, 1), (1, 1))),
        ((0.1, 1.0), (0.1, 1.0), ((1, 1),)),
        ((0.1, 1.0), (0.1, 1.0), ((1, 1), (1, 0))),
    ],
)
def test_tables_that_make_no_sense_are_refused(sigmas, contrasts, table):
    with pytest.raises(ValueError, match="local variance table"):
        LocalVariance(sigmas, contrasts, table)


def test_a_calibration_scales_what_was_stated_and_holds_beyond_its_ends():
    worth = Calibration((0.1, 1.0), (2.0, 1.0), ((0.9, 1.6),))
    stated = torch.tensor([0.01, 0.1, 10**-0.5, 1.0, 5.0])
    expected = stated * torch.tensor([2.0, 2.0, 2**0.5, 1.0, 1.0])
    torch.testing.assert_close(worth(stated[None, None, None] ** 2).sqrt().flatten(), expected)


@pytest.mark.parametrize(
    ("deviations", "factors", "intervals"),
    [
        ((0.1,), (1.0,), ()),
        ((1.0, 0.1), (1.0, 1.0), ()),
        ((0.1, 1.0), (1.0,), ()),
        ((0.1, 1.0), (1.0, -1.0), ()),
        ((0.1, 1.0), (1.0, 1.0), ((1.5, 1.0),)),
        ((0.1, 1.0), (1.0, 1.0), ((0.5, 1.6), (0.9, 0.7))),
        ((0.1, 1.0), (1.0, 1.0), ((0.5, math.nan),)),
    ],
)
def test_a_calibration_that_is_none_is_refused(deviations, factors, intervals):
    with pytest.raises(ValueError, match=r"calibration needs|intervals hold"):
        Calibration(deviations, factors, intervals)
