"""Posterior sampling, one method a file."""

from sardiff.solvers.base import Noise, Step, finite, last
from sardiff.solvers.ddfm import ddfm
from sardiff.solvers.ddim import ddim, ddpm, heun
from sardiff.solvers.ddnm import ddnm
from sardiff.solvers.diffpir import diffpir
from sardiff.solvers.dpir import dpir
from sardiff.solvers.dps import dps
from sardiff.solvers.gibbs import gibbs
from sardiff.solvers.moment import moment
from sardiff.solvers.one_pass import measurement, one_pass
from sardiff.solvers.posterior import posterior_samples
from sardiff.solvers.reddiff import reddiff
from sardiff.solvers.scoring import scoring

__all__ = [
    "SOLVERS",
    "Noise",
    "Step",
    "ddfm",
    "ddim",
    "ddnm",
    "ddpm",
    "diffpir",
    "dpir",
    "dps",
    "finite",
    "gibbs",
    "heun",
    "last",
    "measurement",
    "moment",
    "one_pass",
    "posterior_samples",
    "reddiff",
    "scoring",
]

SOLVERS = {"scoring": scoring, "moment": moment, "sar-dps": dps, "diffpir": diffpir, "gibbs": gibbs}
"""Solvers that yield steps, by the name of the method on the command line."""
