"""One pass of a denoiser that was trained with the measurement: the posterior mean, and its variance."""

import math

from sardiff.arrays import Images
from sardiff.likelihoods.gamma import GammaSpeckle
from sardiff.priors.base import UNKNOWN, Given, Posterior

__all__ = ["measurement", "one_pass"]


def measurement(likelihood: GammaSpeckle, start: Images) -> Given:
    """Return the speckled images as a `Posterior` takes them; holes as in `start`, correlation not told."""
    y, variance = likelihood.pseudo_observation(start, power=0.0)
    count, variance = len(y), variance / likelihood.area  # that of speckle itself
    return Given(y, y.new_full((count,), variance), (~likelihood.measured).to(y), y.new_full((count, 2), UNKNOWN))


def one_pass(posterior: Posterior, likelihood: GammaSpeckle, start: Images) -> tuple[Images, Images]:
    """Return E[x_0 | y] and Var[x_0 | y], both (b, c, h, w), natural log units.

    Parameters
    ----------
    start : Images
        Debiased log-intensity where nothing was measured, finite everywhere; elsewhere it does not matter.
    """
    given = measurement(likelihood, start)
    return posterior(given.y, math.inf, given)
