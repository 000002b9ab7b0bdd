"""Noise that belongs to places of the scene, as solvers ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sardiff.arrays import Images
from tiling import Tile, field

__all__ = ["PlaceNoise"]


@dataclass(frozen=True)
class PlaceNoise:
    """Noise of one sample and band for a batch of tiles: two tiles that share a place share its noise."""

    seed: int
    sample: int
    band: int
    tiles: Sequence[Tile]
    device: torch.device

    def normal(self, step: int) -> Images:
        """Return standard normal noise of a step."""
        return self._stack(field.normal, step)

    def uniform(self, step: int) -> Images:
        """Return uniform noise of a step, in (0, 1)."""
        return self._stack(field.uniform, step)

    def _stack(self, draw: Any, step: int) -> Images:
        key = self.seed + (self.sample << 32)
        bands = slice(self.band, self.band + 1)
        fields = [draw(key, step, bands, tile.read.rows, tile.read.cols) for tile in self.tiles]
        return torch.from_numpy(np.stack(fields)).to(self.device)
