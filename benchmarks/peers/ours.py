"""Ours, as a peer among the others: `sardiff.despeckle` on an array."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sardiff import despeckle
from sardiff.tasks.despeckle import ESTIMATES

from .base import Image, Peer, Scene

__all__ = ["ours"]


def ours(weights: str, device: str = "cpu", seed: int = 0) -> dict[str, Peer]:
    """The methods that give one estimate; nothing in them is tuned."""

    def run(scene: Scene, method: str) -> Image:
        da = xr.DataArray(np.asarray(scene.intensity, np.float32), dims=("y", "x"))
        options = {"weights": weights, "device": device, "seed": seed}
        return np.asarray(despeckle(da, looks=scene.looks, values="intensity", method=method, **options).values)

    return {
        name: Peer(
            name=name, source="sardiff", run=lambda scene, _, method=name: run(scene, method), licence="MIT", own=True
        )
        for name in ESTIMATES
    }
