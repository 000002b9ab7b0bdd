"""Noise levels."""

import math
from itertools import pairwise

import numpy as np
import pytest

from sardiff.priors.schedule import betas_to_sigmas, karras


@pytest.mark.parametrize("rho", [1.0, 7.0, math.inf])
def test_levels_fall_from_first_to_last_then_to_zero(rho):
    sigmas = karras(3.0, 0.05, 7, rho)
    assert len(sigmas) == 8
    assert sigmas[0] == pytest.approx(3.0)
    assert sigmas[-2:] == pytest.approx((0.05, 0.0))
    assert all(a > b for a, b in pairwise(sigmas))


def test_betas_give_the_levels_of_the_variance_preserving_schedule():
    abar = np.cumprod(1 - np.linspace(1e-4, 2e-2, 1000))  # an oracle: the definition
    np.testing.assert_allclose(betas_to_sigmas()[:-1], np.sqrt((1 - abar) / abar)[::-1], rtol=1e-9)


@pytest.mark.parametrize(("high", "low", "steps"), [(1.0, 2.0, 3), (1.0, 0.0, 3), (1.0, 0.1, 0)])
def test_levels_that_make_no_sense_are_refused(high, low, steps):
    with pytest.raises(ValueError, match=r"need|steps"):
        karras(high, low, steps)
