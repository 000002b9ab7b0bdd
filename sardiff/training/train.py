"""The training loop: resumable, measured, and ending in weights with a card."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sardiff.device import bfloat16
from sardiff.errors import SettingsError
from sardiff.priors.base import UNKNOWN, Given
from sardiff.priors.checkpoint import load_weights, save_prior
from sardiff.priors.network import LocalUNet
from sardiff.priors.variance import Calibration
from sardiff.simulate import landscape
from sardiff.training.calibrate import calibration, local_variance_table, variance_table
from sardiff.training.ema import Average
from sardiff.training.loss import denoising_loss, posterior_loss, random_sigmas
from sardiff.training.patches import Image, Patches, find_images, held_out, load_images
from sardiff.training.speckled import Speckled, speckled

__all__ = ["Train", "TrainProgress", "train"]

CALIBRATION_PATCHES, CALIBRATION_BATCHES = 64, 40
FEW = 50  # images: fewer are worth a word
CURVE_POINTS = 20
PRIOR_SHARE, STATE_SHARE = 0.05, 0.2  # of the patches that have no measurement; of those that have a state as well
LANDSCAPE_PIXELS = 640  # side of a simulated landscape


@dataclass(frozen=True, kw_only=True)
class Train:
    """Everything that decides a trained prior, apart from the images.

    Parameters
    ----------
    minutes : float
        Time to train for, all resumptions together; the learning rate falls to zero at its end.
    widths, depths, sigma_data, mean_radius, measured
        Of the network: see `sardiff.priors.network.LocalUNet`. With `measured`, it learns the posterior of
        speckled images too.
    landscapes : int
        Simulated landscapes (`sardiff.simulate.landscape`) to train on, beside the images.
    patch : int
        Side of a training window in pixels.
    batch : int
        Windows a step.
    rate : float
        Peak learning rate of AdamW.
    decay : float
        Of the averaged weights that are shipped.
    held : float
        Share of the images kept out of training, for the validation curve and the variance table.
    seed : int
    """

    minutes: float = 120.0
    widths: tuple[int, ...] = (64, 128, 256)
    depths: tuple[int, ...] = (2, 2, 2)
    sigma_data: float = 0.7
    mean_radius: int = 16
    measured: bool = False
    landscapes: int = 0
    patch: int = 128
    batch: int = 8
    rate: float = 5e-4
    decay: float = 0.999
    held: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("minutes", "patch", "batch", "rate", "sigma_data"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be > 0, got {getattr(self, name)}")
        stride = 2 ** len(self.widths)
        if self.patch % stride:
            raise SettingsError(f"patch must be a multiple of {stride} (the network's stride), got {self.patch}")


@dataclass(frozen=True)
class TrainProgress:
    """How far training has come: steps done, seconds spent of all, and the losses."""

    step: int
    seconds: float
    total_seconds: float
    loss: float
    validation: float | None


@dataclass
class _Course:
    """What a training has done so far, and what it began with; this is what a resumed one has to know."""

    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)


def train(
    folders: Sequence[Path],
    out: Path,
    settings: Train,
    *,
    licence: str = "MIT",
    data: str = "",
    note: str = "",
    start: Path | None = None,
    device: str = "cpu",
    report: Callable[[TrainProgress], None] = lambda progress: None,
    say: Callable[[str], None] = lambda sentence: None,
    save_every: float = 120.0,
) -> Path:
    """Train a prior on folders of 8-bit images and write `out`.safetensors and `out`.json.

    Computes in bfloat16 where that is faster (`sardiff.device.bfloat16`). State is kept beside the result
    (`out`.state.safetensors) every `save_every` seconds; the same call again goes on from there. `start` names
    weights (of the same widths) to begin with, which a kept state no longer needs. Returns the path of the weights.

    Raises
    ------
    SettingsError
        If no image is found, the kept state was made with other settings, or `start` is of another network.
    """
    images = load_images(find_images(folders), settings.patch)
    if len(images) < FEW:
        say(f"Images: {len(images)}. A prior that is good for more than these takes some hundreds.")
    held = held_out(len(images), settings.held)
    mine = [im for im, h in zip(images, held, strict=True) if not h]
    patches = Patches([*mine, *_landscapes(settings, settings.landscapes)], settings.patch)
    aside = [im for im, h in zip(images, held, strict=True) if h] or images
    kept = Patches(aside, settings.patch)

    torch.manual_seed(settings.seed)
    network = LocalUNet(
        widths=settings.widths,
        depths=settings.depths,
        sigma_data=settings.sigma_data,
        mean_radius=settings.mean_radius,
        measured=settings.measured,
    ).to(device)
    state = out.with_name(out.name + ".state.safetensors")
    course = _Course(origin={} if start is None or state.exists() else _begin(network, start))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(network, settings.decay)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, betas=(0.9, 0.99), weight_decay=1e-3)
    if state.exists():
        course = _resume(state, settings, network, average, optimizer)

    total = settings.minutes * 60
    saved = began = time.monotonic()
    before, smooth = course.seconds, math.nan
    while course.seconds < total:
        rate = settings.rate * min(1.0, (course.step + 1) / 300) * (1 - course.seconds / total)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with bfloat16(torch.device(device)):
            loss = _loss(network, patches, settings, course.step, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update(network, course.step)
        course.step += 1
        course.seconds = before + time.monotonic() - began
        value = float(loss.detach())
        smooth = value if math.isnan(smooth) else 0.99 * smooth + 0.01 * value
        validation = None
        if time.monotonic() - saved > save_every or course.seconds >= total:
            validation = _validation(network, average, kept, settings, device)
            minutes = course.seconds / 60
            course.curve.append({"step": course.step, "minutes": minutes, "loss": smooth, "validation": validation})
            _keep(state, settings, network, average, optimizer, course)
            saved = time.monotonic()
        report(TrainProgress(course.step, course.seconds, total, smooth, validation))

    say("Trained. What it is worth is measured now, which takes a few minutes more.")
    _use(network, average)
    clean = kept.batch(CALIBRATION_PATCHES, settings.seed + 1, 0).to(device)
    return save_prior(
        out,
        network,
        variance=variance_table(network, clean),
        local_variance=local_variance_table(network, clean),
        calibration=_calibration(network, aside, settings, device) if settings.measured else None,
        licence=licence,
        data=data or ", ".join(sorted({folder.name for folder in folders})),
        training={
            **asdict(settings),
            "steps": course.step,
            "seconds": round(course.seconds),
            "note": note,
            "curve": _thinned(course.curve),
            **course.origin,
        },
    )


def _thinned(curve: list[dict[str, float]]) -> list[dict[str, float]]:
    """The curve for the card: every few points, and the last, in four digits."""
    every = -(-len(curve) // CURVE_POINTS)
    kept = curve[::-1][:: max(every, 1)][::-1]
    return [
        {name: value if name == "step" else float(f"{value:.4g}") for name, value in point.items()} for point in kept
    ]


def _begin(network: LocalUNet, start: Path) -> dict[str, Any]:
    """Load weights to start from; what the card then says of the training before."""
    try:
        weights, card = load_weights(start)
        network.start_from(weights)
    except (KeyError, ValueError) as error:
        raise SettingsError(f"{start} is no start for this network: {error}.") from error
    return {"before": {"sha256": card["sha256"], **card.get("training", {})}}


def _calibration(network: LocalUNet, images: Sequence[Image], settings: Train, device: str) -> Calibration:
    """Of the posterior, on the images that were held out, if any were, and landscapes that were not trained on."""
    seed = settings.seed + 1
    patches = Patches(
        [*images, *_landscapes(replace(settings, seed=seed + 5000), settings.landscapes // 6)], settings.patch
    )
    batches = (patches.batch(8, seed, i) for i in range(CALIBRATION_BATCHES))
    return calibration(network, (speckled(x0, seed, i).to(device) for i, x0 in enumerate(batches)))


def _landscapes(settings: Train, count: int) -> list[NDArray[np.float32]]:
    side = max(LANDSCAPE_PIXELS, settings.patch)
    steps_m = (3.0, 10.0, 10.0, 20.0)
    return [
        landscape((side, side), seed=settings.seed + 1000 + i, step_m=steps_m[i % len(steps_m)]).intensity[..., None]
        for i in range(count)
    ]


def _loss(network: LocalUNet, patches: Patches, settings: Train, step: int, device: str) -> Tensor:
    """Loss of one step's batch, which depends on the settings and the step alone."""
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    x0 = patches.batch(settings.batch, settings.seed, step)
    sigma = random_sigmas(settings.batch, generator)
    z = torch.randn(x0.shape, generator=generator).to(device)
    if not settings.measured:
        return denoising_loss(network, x0.to(device), sigma.to(device), z)
    seen = speckled(x0, settings.seed, step)
    role = torch.rand(settings.batch, generator=generator)
    blind = role < PRIOR_SHARE
    sigma = torch.where(role < PRIOR_SHARE + STATE_SHARE, sigma, torch.inf)
    given = Given(
        seen.given.y,
        torch.where(blind, torch.inf, seen.given.variance),
        torch.where(blind[:, None, None, None], 0.0, seen.given.holes),
        torch.where(blind[:, None], UNKNOWN, seen.given.correlation),
    )
    return posterior_loss(network, Speckled(seen.x0, given).to(device), sigma.to(device), z)


@torch.no_grad()
def _validation(network: LocalUNet, average: Average, patches: Patches, settings: Train, device: str) -> float:
    """Denoising loss of the averaged weights on fixed held-out patches and noise."""
    present = {name: p.detach().clone() for name, p in network.named_parameters()}
    _use(network, average)
    held = replace(settings, batch=32, seed=settings.seed + 1)
    with bfloat16(torch.device(device)):
        loss = float(_loss(network, patches, held, 0, device))
    for name, p in network.named_parameters():
        p.copy_(present[name])
    return loss


@torch.no_grad()
def _use(network: LocalUNet, average: Average) -> None:
    for name, p in network.named_parameters():
        p.copy_(average.weights[name])


def _keep(
    state: Path,
    settings: Train,
    network: LocalUNet,
    average: Average,
    optimizer: torch.optim.Optimizer,
    course: _Course,
) -> None:
    tensors = {f"network.{name}": p.detach().contiguous() for name, p in network.named_parameters()}
    tensors |= {f"average.{name}": p.contiguous() for name, p in average.weights.items()}
    for name, p in network.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            tensors[f"{moment}.{name}"] = optimizer.state[p][moment].contiguous()
    record = {"settings": asdict(settings), **asdict(course)}
    beside = state.with_name(state.name + ".new")
    save_file(tensors, beside, {"sardiff": json.dumps(record)})
    beside.replace(state)


def _resume(
    state: Path, settings: Train, network: LocalUNet, average: Average, optimizer: torch.optim.Optimizer
) -> _Course:
    """Load a kept state into what is given; the course that it was kept at."""
    with safe_open(state, framework="pt") as kept:
        record: dict[str, Any] = json.loads(kept.metadata()["sardiff"])
        mine = json.loads(json.dumps(asdict(settings)))
        theirs = json.loads(json.dumps(asdict(Train()))) | record["settings"]  # what came up since has its default
        differ = [k for k, v in mine.items() if k != "minutes" and theirs[k] != v]
        if differ:
            raise SettingsError(
                f"{state} was made with other settings ({', '.join(differ)}). "
                "Train with those, or delete it to start anew."
            )
        average.load({name: kept.get_tensor(f"average.{name}") for name in average.weights})
        with torch.no_grad():
            for name, p in network.named_parameters():
                p.copy_(kept.get_tensor(f"network.{name}"))
                optimizer.state[p] = {
                    "step": torch.tensor(float(record["step"])),
                    "exp_avg": kept.get_tensor(f"exp_avg.{name}").to(p),
                    "exp_avg_sq": kept.get_tensor(f"exp_avg_sq.{name}").to(p),
                }
    return _Course(**{name: value for name, value in record.items() if name != "settings"})
