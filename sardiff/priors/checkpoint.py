"""Weights on disk: safetensors and a JSON card that says what they are and proves it."""

import hashlib
import json
import math
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sardiff.arrays import Images, PerImage
from sardiff.errors import PriorError
from sardiff.priors.adapters.diffusers import load_folder
from sardiff.priors.base import UNKNOWN, Given, Prior
from sardiff.priors.network import LocalUNet
from sardiff.priors.variance import Calibration, LocalVariance

__all__ = ["SHIPPED", "load_prior", "load_weights", "measured_reach", "save_prior"]

SHIPPED = Path(__file__).parents[1] / "weights" / "log_intensity.safetensors"
"""The prior that comes with sardiff."""

FORMAT = "sardiff-prior/1"
REACH_TOLERANCE_DB = 0.002  # a fifth of what tiles may differ by


def save_prior(
    out: Path,
    network: LocalUNet,
    *,
    variance: list[tuple[float, float]],
    local_variance: LocalVariance | None = None,
    calibration: Calibration | None = None,
    licence: str,
    data: str,
    training: dict[str, Any],
) -> Path:
    """Write `out`.safetensors (float16) and its card `out`.json; returns the path of the weights.

    The card holds: format, network and its config, sha256 of the weights, units, bands, receptive field,
    reach (`measured_reach`), stride, the variance tables (v(sigma), and by local contrast), the calibration of the
    variance given measurements, licence, data and training settings.
    """
    weights = out.with_name(out.name + ".safetensors")
    new_weights, new_card = (out.with_name(out.name + end) for end in (".safetensors.new", ".json.new"))
    save_file({k: v.detach().half().cpu().contiguous() for k, v in network.state_dict().items()}, new_weights)
    new_weights.chmod(0o644)  # safetensors writes what only its owner may read
    card = {
        "format": FORMAT,
        "network": "LocalUNet",
        "config": network.config,
        "sha256": hashlib.sha256(new_weights.read_bytes()).hexdigest(),
        "units": "log_intensity",
        "bands": network.config["bands"],
        "receptive_field": network.receptive_field,
        "reach": measured_reach(network),
        "stride": network.stride,
        "variance": variance,
        "local_variance": None if local_variance is None else asdict(local_variance),
        "calibration": None if calibration is None else asdict(calibration),
        "licence": licence,
        "data": data,
        "training": training,
    }
    new_card.write_text(json.dumps(card, indent=1) + "\n")
    new_weights.replace(weights)
    new_card.replace(out.with_name(out.name + ".json"))
    return weights


def load_prior(weights: Path = SHIPPED, device: str | torch.device = "cpu") -> Prior:
    """Load a prior from safetensors and the card beside it; the same files, unchanged, are loaded once.

    A folder holds a model of diffusers: see `sardiff.priors.adapters.diffusers.load_folder`.
    Where the card names a `posterior`, a file beside it, that network reads the measurements and this one is
    the prior.

    Raises
    ------
    PriorError
        If a file is missing or damaged, the checksum differs from the card's, or the card does not
        describe a prior that this version can use.
    """
    path = Path(weights).resolve()
    if path.is_dir():
        return load_folder(path, device)
    return _load(path, str(device), _written(path))


def load_weights(weights: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors of a file, to start training from, and the card that vouches for them.

    Raises
    ------
    PriorError
        As `load_prior`.
    """
    card = _read_card(weights)
    try:
        return load_file(weights), card
    except SafetensorError as error:
        raise PriorError(f"{weights} is not a safetensors file: {error}.") from error


def _written(weights: Path) -> tuple[tuple[str, int], ...]:
    """When the weights, their card, and what lies beside them (perhaps a posterior) were written."""
    found = []
    for suffix in (".safetensors", ".json"):
        for file in sorted(weights.parent.glob(f"*{suffix}")):
            with suppress(OSError):  # gone by now: another program's
                found.append((file.name, file.stat().st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=4)
def _load(weights: Path, device: str, written: tuple[tuple[str, int], ...]) -> Prior:
    prior = _load_alone(weights, device)
    companion = prior.card.get("posterior")
    if companion is None:
        return prior
    if not (isinstance(companion, str) and companion and Path(companion).name == companion):
        raise PriorError(
            f"The card of {weights} names the posterior {companion!r}, which is no name of a file beside it."
        )
    other = _load_alone(weights.with_name(companion), device)
    if other.posterior is None or (other.bands, other.stride) != (prior.bands, prior.stride):
        raise PriorError(
            f"{weights.with_name(companion)} does not go with {weights}: it is the posterior of another prior."
        )
    reach = max(int(p.card.get("reach", p.receptive_field)) for p in (prior, other))
    return replace(
        prior,
        posterior=other.posterior,
        calibration=other.calibration,
        receptive_field=max(prior.receptive_field, other.receptive_field),
        sha256=f"{prior.sha256}+{other.sha256}",
        card={**prior.card, "reach": reach},
    )


def _load_alone(weights: Path, device: str) -> Prior:
    card = _read_card(weights)
    try:
        network = LocalUNet(**card["config"])
        network.load_state_dict(load_file(weights))
        variance = tuple((float(s), float(v)) for s, v in card["variance"])
        local, worth = card.get("local_variance"), card.get("calibration")
        calibration = None if worth is None else Calibration(**worth)
        network = network.float().to(device).eval().requires_grad_(False)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

        def denoise(x: Images, sigma: float | PerImage) -> Images:
            return network(x, _per_image(sigma, x))

        def posterior(x: Images, sigma: float | PerImage, given: Given) -> tuple[Images, Images]:
            mean, variance = network.moments(x, _per_image(sigma, x), given)
            assert variance is not None
            return mean, variance if calibration is None else calibration(variance)

        return Prior(
            denoise=denoise,
            bands=int(card["bands"]),
            receptive_field=network.receptive_field,
            stride=network.stride,
            variance=variance,
            local_variance=None if local is None else LocalVariance(**local),
            name=weights.stem,
            sha256=card["sha256"],
            units=card["units"],
            card=card,
            posterior=posterior if network.measured else None,
            calibration=calibration,
        )
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PriorError(f"{weights} does not hold the weights its card describes: {reason}.") from error


def _per_image(sigma: float | PerImage, x: Images) -> PerImage:
    return sigma if isinstance(sigma, torch.Tensor) else x.new_full((len(x),), float(sigma))


def _read_card(weights: Path) -> dict[str, Any]:
    path = weights.with_suffix(".json")
    for file in (weights, path):
        if not file.is_file():
            raise PriorError(f"{file} is missing. A prior is a .safetensors file with its .json card beside it.")
    try:
        card = json.loads(path.read_text())
        expected = card["sha256"]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise PriorError(f"{path} is not the card of a prior ({type(error).__name__}: {error}).") from error
    if card.get("format") != FORMAT:
        raise PriorError(f"{path} has format {card.get('format')!r}; this version of sardiff reads {FORMAT!r}.")
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != expected:
        raise PriorError(
            f"{weights} is damaged or not the file its card describes: "
            f"sha256 is {found[:12]}…, the card says {str(expected)[:12]}…. Fetch it again."
        )
    return card


@torch.no_grad()
def measured_reach(network: LocalUNet, tolerance_db: float = REACH_TOLERANCE_DB) -> int:
    """How far, in pixels, a change in the input still changes the output by `tolerance_db`.

    Measured: images of noise around steps and points are denoised at several levels, whole and cut, and the
    reach is the distance from the cut beyond which no pixel differs more. A convolutional network's
    influence fades long before its `receptive_field`, which bounds it.
    """
    field = -(-network.receptive_field // network.stride) * network.stride
    side = 2 * field + 128
    generator = torch.Generator().manual_seed(0)
    device = network.window.device
    rows, cols = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    scene = 2.0 * ((rows // 37 + cols // 53) % 2) + 6.0 * (torch.rand(side, side, generator=generator) > 0.999)
    reach = 0
    for sigma in (0.1, 0.3, 0.6, 1.0, 1.5):
        x = (scene + sigma * torch.randn(side, side, generator=generator))[None, None].to(device)
        cut = slice(network.stride * (side // 4 // network.stride), side)
        for whole, part in zip(_uses(network, x, sigma), _uses(network, x[..., cut, :], sigma), strict=True):
            difference = (whole[..., cut, :] - part).abs()[0, 0].amax(dim=1)
            beyond = (difference[: side // 2] * 10 / math.log(10) > tolerance_db).nonzero()
            reach = max(reach, int(beyond.max()) + 1 if len(beyond) else 0)
    return min(reach, network.receptive_field)


def _uses(network: LocalUNet, x: Images, sigma: float) -> list[Images]:
    """What the network makes of x as a noisy state and, if it was trained with them, as a measurement."""
    denoised = network(x, x.new_full((1,), sigma))
    if not network.measured:
        return [denoised]
    given = Given(x, x.new_full((1,), sigma**2), torch.zeros_like(x), x.new_full((1, 2), UNKNOWN))
    return [denoised, network.moments(x, x.new_full((1,), math.inf), given)[0]]
