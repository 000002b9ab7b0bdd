"""Noise that belongs to places of the scene, as solvers ask for it, and how often it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sardiff.arrays import Images
from sardiff.errors import SettingsError
from tiling import Tile, field

__all__ = ["PlaceNoise", "check_draws"]


def check_draws(steps: int | None, samples: int, seed: int) -> None:
    """Raise `SettingsError` unless steps (if any) and samples are >= 1 and the seed is one of 32 bits."""
    if steps is not None and steps < 1:
        raise SettingsError(f"steps must be >= 1, got {steps}.")
    if samples < 1:
        raise SettingsError(f"samples must be >= 1, got {samples}.")
    if not 0 <= seed < 2**32:
        raise SettingsError(f"seed must be from 0 to 4294967295, got {seed}.")


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
