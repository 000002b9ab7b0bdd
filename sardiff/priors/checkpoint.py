"""Weights on disk: safetensors and a JSON card that says what they are."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from sardiff.priors.network import LocalUNet

__all__ = ["save_prior"]


def save_prior(
    out: Path, network: LocalUNet, *, variance: list[tuple[float, float]], licence: str, data: str, training: dict[str, Any]
) -> Path:
    """Write `out`.safetensors and its card `out`.json; returns the path of the weights."""
    weights = out.with_name(out.name + ".safetensors")
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, weights)
    card = {
        "format": "sardiff-prior/1",
        "network": "LocalUNet",
        "config": network.config,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "units": "log_intensity",
        "bands": network.config["bands"],
        "receptive_field": network.receptive_field,
        "stride": network.stride,
        "variance": variance,
        "licence": licence,
        "data": data,
        "training": training,
    }
    beside = out.with_name(out.name + ".json.new")
    beside.write_text(json.dumps(card, indent=1) + "\n")
    os.replace(beside, out.with_name(out.name + ".json"))
    return weights
