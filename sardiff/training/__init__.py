"""Training of the prior: random windows, denoising loss, averaged weights, a loop that resumes."""

from sardiff.training.train import Train, train

__all__ = ["Train", "train"]
