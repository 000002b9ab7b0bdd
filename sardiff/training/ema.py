"""Averaged weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """Exponential moving average of a network's parameters.

    The decay grows as (1 + step) / (10 + step) up to `decay`, so that early weights fade soon.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's present weights."""
        keep = min(self.decay, (1 + step) / (10 + step))
        for name, p in network.named_parameters():
            self.weights[name].lerp_(p, 1 - keep)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take these as the average."""
        for name, average in self.weights.items():
            average.copy_(weights[name])
