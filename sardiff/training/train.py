"""The training loop: resumable, measured, and ending in weights with a card."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sardiff.errors import SettingsError
from sardiff.priors.checkpoint import save_prior
from sardiff.priors.network import LocalUNet
from sardiff.training.calibrate import local_variance_table, variance_table
from sardiff.training.ema import Average
from sardiff.training.loss import denoising_loss, random_sigmas
from sardiff.training.patches import Patches, find_images, held_out, load_images

__all__ = ["Train", "TrainProgress", "train"]

CALIBRATION_PATCHES = 64


@dataclass(frozen=True, kw_only=True)
class Train:
    """Everything that decides a trained prior, apart from the images.

    Parameters
    ----------
    minutes : float
        Time to train for, all resumptions together; the learning rate falls to zero at its end.
    widths, depths, sigma_data, mean_radius
        Of the network: see `sardiff.priors.network.LocalUNet`.
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
    patch: int = 128
    batch: int = 8
    rate: float = 5e-4
    decay: float = 0.9995
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


def train(
    folders: Sequence[Path],
    out: Path,
    settings: Train,
    *,
    licence: str = "MIT",
    data: str = "",
    note: str = "",
    device: str = "cpu",
    report: Callable[[TrainProgress], None] = lambda progress: None,
    save_every: float = 120.0,
) -> Path:
    """Train a prior on folders of 8-bit images and write `out`.safetensors and `out`.json.

    Runs with bfloat16 autocast. State is kept beside the result (`out`.state.safetensors) every
    `save_every` seconds; the same call again goes on from there. Returns the path of the weights.

    Raises
    ------
    SettingsError
        If no image is found, or the kept state was made with other settings.
    """
    images = load_images(find_images(folders), settings.patch)
    held = held_out(len(images), settings.held)
    patches = Patches([im for im, h in zip(images, held, strict=True) if not h], settings.patch)
    kept = Patches([im for im, h in zip(images, held, strict=True) if h] or images, settings.patch)

    torch.manual_seed(settings.seed)
    network = LocalUNet(
        widths=settings.widths,
        depths=settings.depths,
        sigma_data=settings.sigma_data,
        mean_radius=settings.mean_radius,
    ).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(network, settings.decay)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, betas=(0.9, 0.99), weight_decay=1e-3)
    state = out.with_name(out.name + ".state.safetensors")
    step, spent, curve = _resume(state, settings, network, average, optimizer)

    total = settings.minutes * 60
    saved = began = time.monotonic()
    before, smooth = spent, math.nan
    while spent < total:
        rate = settings.rate * min(1.0, (step + 1) / 300) * (1 - spent / total)
        for group in optimizer.param_groups:
            group["lr"] = rate
        x0 = patches.batch(settings.batch, settings.seed, step).to(device)
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        sigma = random_sigmas(settings.batch, generator).to(device)
        z = torch.randn(x0.shape, generator=generator).to(device)
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
            loss = denoising_loss(network, x0, sigma, z)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update(network, step)
        step += 1
        spent = before + time.monotonic() - began
        value = float(loss.detach())
        smooth = value if math.isnan(smooth) else 0.99 * smooth + 0.01 * value
        validation = None
        if time.monotonic() - saved > save_every or spent >= total:
            validation = _validation(network, average, kept, settings, device)
            curve.append({"step": step, "minutes": spent / 60, "loss": smooth, "validation": validation})
            _keep(state, settings, network, average, optimizer, step, spent, curve)
            saved = time.monotonic()
        report(TrainProgress(step, spent, total, smooth, validation))

    _use(network, average)
    clean = kept.batch(CALIBRATION_PATCHES, settings.seed + 1, 0).to(device)
    return save_prior(
        out,
        network,
        variance=variance_table(network, clean),
        local_variance=local_variance_table(network, clean),
        licence=licence,
        data=data or ", ".join(sorted({folder.name for folder in folders})),
        training={**asdict(settings), "steps": step, "seconds": round(spent), "note": note, "curve": curve[-1:]},
    )


@torch.no_grad()
def _validation(network: LocalUNet, average: Average, patches: Patches, settings: Train, device: str) -> float:
    """Denoising loss of the averaged weights on fixed held-out patches and noise."""
    present = {name: p.detach().clone() for name, p in network.named_parameters()}
    _use(network, average)
    x0 = patches.batch(32, settings.seed + 1, 0).to(device)
    sigma = torch.tensor(np.geomspace(0.05, 2.0, len(x0)), dtype=torch.float32, device=device)
    z = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        loss = float(denoising_loss(network, x0, sigma, z))
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
    step: int,
    spent: float,
    curve: list[dict[str, float]],
) -> None:
    tensors = {f"network.{name}": p.detach().contiguous() for name, p in network.named_parameters()}
    tensors |= {f"average.{name}": p.contiguous() for name, p in average.weights.items()}
    for name, p in network.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            tensors[f"{moment}.{name}"] = optimizer.state[p][moment].contiguous()
    record = {"settings": asdict(settings), "step": step, "seconds": spent, "curve": curve}
    beside = state.with_name(state.name + ".new")
    save_file(tensors, beside, {"sardiff": json.dumps(record)})
    beside.replace(state)


def _resume(
    state: Path, settings: Train, network: LocalUNet, average: Average, optimizer: torch.optim.Optimizer
) -> tuple[int, float, list[dict[str, float]]]:
    """Step, seconds spent and curve of a kept state, loaded into what is given; zeros without one."""
    if not state.exists():
        return 0, 0.0, []
    with safe_open(state, framework="pt") as kept:
        record: dict[str, Any] = json.loads(kept.metadata()["sardiff"])
        mine = json.loads(json.dumps(asdict(settings)))
        differ = [k for k, v in mine.items() if k != "minutes" and record["settings"].get(k) != v]
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
    return record["step"], record["seconds"], record["curve"]
