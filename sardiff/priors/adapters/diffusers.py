"""A diffusers UNet and its scheduler as a prior: a folder of theirs, with a card of ours in it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from sardiff.arrays import Images, PerImage
from sardiff.errors import PriorError
from sardiff.priors.base import Denoiser, Prior, tabulate
from sardiff.priors.parametrize import Network, edm, grey, log_intensity, variance_preserving

__all__ = ["CARD", "FORMAT", "Card", "load_folder"]

CARD = "sardiff.json"
FORMAT = "sardiff-diffusers/1"
WEIGHTS = "diffusion_pytorch_model.safetensors"
LATENT = ("vae", "vqvae", "movq")  # folders beside a UNet that does not see pixels
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
LARGEST, FARTHEST, WIDEST = 1e6, 4096, 16384  # of a number, of a distance in pixels, of all channels together
SIDE = 256  # pixels: what a model was trained on, where its config does not say
# What attention was called before diffusers 0.15, in weights that are still about.
OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass(frozen=True, kw_only=True)
class Card:
    """What `sardiff.json` says: how the model's pixels relate to log-intensity, and where it comes from.

    Parameters
    ----------
    format : str
        `FORMAT`.
    scale, offset : float
        The model's pixels are (u - offset) / scale, u the natural log of intensity; `scale` > 0.
    licence, data : str
        Of the weights; what images they were trained on.
    around : str, optional
        "local mean": the model sees u less its Gaussian local mean, less offset, and absolute calibration does not
        matter. Without it, u.
    radius : int
        Of the window of that mean, in pixels (its standard deviation is radius / 2.5), >= 1.
    variance : list of [sigma, v], optional
        As `Prior.variance`. Without it v = sigma^2 s^2 / (sigma^2 + s^2), s being `sigma_data`: the error
        if pixels had nothing to do with each other, which a good model stays far below.
    sigma_data : float, optional
        Standard deviation of clean u about offset (or the local mean), natural log units, > 0. By default
        scale / 2: that of images from -1 to 1 (Karras et al. 2022, arXiv:2206.00364, Table 1).
    reach : int, optional
        Pixels that tiles look beyond their cores for one pass; by default `Prior.receptive_field`.
    note : str
        Anything else.

    Raises
    ------
    ValueError
        If any of these is of another kind or out of its range.
    """

    format: str
    scale: float
    licence: str
    data: str
    offset: float = 0.0
    around: str | None = None
    radius: int = 16
    variance: list[list[float]] | None = None
    sigma_data: float | None = None
    reach: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format must be {FORMAT!r}, got {self.format!r}")
        for name in ("licence", "data", "note"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a text, got {getattr(self, name)!r}")
        if self.around not in (None, "local mean"):
            raise ValueError(f"around must be 'local mean' or left out, got {self.around!r}")
        if not _is_number(self.offset):
            raise ValueError(f"offset must be a number, got {self.offset!r}")
        for name in ("scale", "sigma_data"):
            value = getattr(self, name)
            if not (_is_number(value) and value > 0) and not (name == "sigma_data" and value is None):
                raise ValueError(f"{name} must be a number > 0, got {value!r}")
        for name, least in (("radius", 1), ("reach", 0)):
            value = getattr(self, name)
            if not (type(value) is int and least <= value <= FARTHEST) and not (name == "reach" and value is None):
                raise ValueError(f"{name} must be a whole number from {least} to {FARTHEST}, got {value!r}")
        if not all(map(_is_number, (number for row in self.table for number in row))):
            raise ValueError("variance must be a table of numbers, [[sigma, v], ...]")

    @property
    def table(self) -> tuple[tuple[float, float], ...]:
        """The variance table, or the one that stands in for it."""
        if self.variance is not None:
            return tuple((float(sigma), float(v)) for sigma, v in self.variance)
        spread = (self.scale / 2 if self.sigma_data is None else self.sigma_data) ** 2
        return tabulate(lambda sigma: sigma**2 * spread / (sigma**2 + spread))


def load_folder(folder: Path, device: str | torch.device = "cpu") -> Prior:
    """Load a `UNet2DModel` and its scheduler as a prior of single-band images; unchanged, it is loaded once.

    The folder is a pipeline's (`unet/config.json`, `unet/diffusion_pytorch_model.safetensors`,
    `scheduler/scheduler_config.json`) or has these files at its top, and `sardiff.json`, a `Card`. Networks that
    predict noise, v or the image over a variance-preserving schedule, and those of Karras et al. (2022); of one
    band or three (`grey`); of a learnt variance, only the mean is used. Nothing is fetched or unpickled, no code
    of the folder's is run, and no file outside it is read.

    Such a model has attention, or normalises over the whole tile: it is not `local`. Its `receptive_field` is, by
    convention, a quarter of the side of the images it was trained on.

    Raises
    ------
    PriorError
        If a file is missing or of another kind, or diffusers is not installed.
    """
    folder = Path(folder).resolve()
    return _load(folder, str(device), tuple((str(file), file.stat().st_mtime_ns) for file in _files(folder)))


@lru_cache(maxsize=2)
def _load(folder: Path, device: str, written: tuple[tuple[str, int], ...]) -> Prior:
    files = _files(folder)
    card, config, schedule = _read_card(files[0]), _read(files[1]), _read(files[2])
    if config.get("_class_name") != "UNet2DModel":
        raise PriorError(f"{files[1]} is of a {config.get('_class_name')!r}; only a 'UNet2DModel' can be a prior.")
    bands, out = config.get("in_channels", 3), config.get("out_channels", 3)
    if bands not in (1, 3) or out not in (bands, 2 * bands):
        raise PriorError(
            f"{files[1]}: the model takes {bands} bands and gives {out}; a prior takes 1 or 3, and gives as many "
            "or, with a variance of each, twice as many."
        )
    if config.get("time_embedding_type", "positional") != "positional":
        raise PriorError(
            f"{files[1]}: time_embedding_type is {config['time_embedding_type']!r}; only 'positional' can be told a "
            "noise level between two timesteps."
        )
    side = config.get("sample_size") or SIDE
    sides, widths = (v if isinstance(v, list) else [v] for v in (side, config.get("block_out_channels", [0] * 4)))
    steps = schedule.get("num_train_timesteps", 1)
    if not all(type(n) is int and 0 <= n <= LARGEST for n in (*sides, *widths, steps)) or sum(widths) > WIDEST:
        raise PriorError(f"{files[1]} or {files[2].name} asks for more than a model of images has.")
    try:
        denoise = _denoiser(_network(config, files[3], device), schedule)
        stride = 2 ** (len(widths) - 1)
        x = torch.zeros(2, bands, 4 * stride, 4 * stride, device=device)
        with torch.no_grad():
            if not bool(denoise(x, 1.0).isfinite().all()):
                raise ValueError("what it makes of an empty image is not finite")
        return Prior(
            denoise=log_intensity(
                grey(denoise, bands),
                offset=card.offset,
                scale=card.scale,
                mean_radius=None if card.around is None else card.radius,
            ),
            bands=1,
            receptive_field=min(max(sides), FARTHEST) // 4,
            stride=stride,
            variance=card.table,
            name=folder.name,
            sha256=_fingerprint(files),
            card={name: value for name, value in asdict(card).items() if value is not None},
            local=False,
        )
    except PriorError:
        raise
    except Exception as error:  # whatever diffusers makes of a config that does not fit
        reason = " ".join(str(error).split())[:200]
        raise PriorError(f"{folder} holds no model that can be a prior: {type(error).__name__}: {reason}.") from error


def _denoiser(network: Network, schedule: dict[str, Any]) -> Denoiser:
    """D in the model's own units, by what its scheduler's config says of the training, not of the sampling."""
    from diffusers import DDPMScheduler

    name = str(schedule.get("_class_name"))
    if name.startswith("EDM"):
        return edm(
            network,
            schedule.get("sigma_data", 0.5),
            (schedule.get("sigma_min", 0.002), schedule.get("sigma_max", 80.0)),
            schedule.get("prediction_type", "epsilon"),
        )
    if schedule.get("beta_start") is None and schedule.get("trained_betas") is None:
        raise PriorError(
            f"The scheduler {name} is not of a kind that is known here: DDPM and others with betas, or EDM. "
            "Save the one that the model was trained with."
        )
    trained = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
    known = {part: schedule[part] for part in (*trained, "rescale_betas_zero_snr") if part in schedule}
    abar = DDPMScheduler(**known).alphas_cumprod
    return variance_preserving(network, abar, schedule.get("prediction_type", "epsilon"))


def _network(config: dict[str, Any], weights: Path, device: str) -> Network:
    try:
        from diffusers import UNet2DModel
    except ImportError as error:
        raise PriorError(
            f"{weights.parent} holds a model of diffusers, which cannot be imported ({error}). Install it: "
            'pip install "sardiff[diffusers]".'
        ) from error
    unet = UNet2DModel.from_config(config)
    unet.load_state_dict({_new_name(name): tensor for name, tensor in load_file(weights).items()})
    unet = unet.float().to(device).eval().requires_grad_(False)

    def network(x: Images, t: PerImage) -> Images:
        return unet(x.float(), t.float(), return_dict=False)[0][:, : x.shape[1]].to(x)

    return network


def _new_name(name: str) -> str:
    for old, new in OLD_NAMES.items():
        name = name.replace(old, new)
    return name


def _files(folder: Path) -> tuple[Path, Path, Path, Path]:
    """The card, the configs of UNet and scheduler, and the weights: all there, and all inside the folder."""
    latent = [name for name in LATENT if (folder / name).exists()]
    if latent:
        raise PriorError(f"{folder} holds a model of latents ({latent[0]}); a prior works on pixels.")
    unet, scheduler = (folder / name if (folder / name).is_dir() else folder for name in ("unet", "scheduler"))
    files = (folder / CARD, unet / "config.json", scheduler / "scheduler_config.json", unet / WEIGHTS)
    for file in files:
        if not file.is_file():
            raise PriorError(_missing(file))
        if not file.resolve().is_relative_to(folder):
            raise PriorError(
                f"{file} leads out of the folder, to {file.resolve()}. Copy what it leads to into its place."
            )
    return files


def _missing(file: Path) -> str:
    if file.name == CARD:
        example = {"format": FORMAT, "scale": 2.0, "offset": 0.0, "licence": "…", "data": "…"}
        return (
            f"{file} is missing. A folder of diffusers needs this card to be a prior, for example "
            f"{json.dumps(example, ensure_ascii=False)}, where the model's pixels are (u - offset) / scale, u the "
            "natural log of intensity."
        )
    if file.name == WEIGHTS:
        pickled = sorted(other.name for other in file.parent.glob("*") if other.suffix in PICKLED)
        if pickled:
            return (
                f"{file} is missing, and {pickled[0]} is a pickle, which can run any code and is never opened. "
                "Save the model with save_pretrained(folder, safe_serialization=True), where you trust it."
            )
        if (file.parent / f"{WEIGHTS}.index.json").exists():
            return f"{file} is missing: the weights are in parts. Save them as one, with max_shard_size='100GB'."
    return f"{file} is missing. A prior of diffusers is a folder with a UNet, its scheduler and {CARD}."


def _read_card(path: Path) -> Card:
    try:
        return Card(**_read(path))
    except (TypeError, ValueError) as error:
        reason = str(error).replace("Card.__init__() got an unexpected keyword argument", "there is no entry")
        raise PriorError(f"{path} is not the card of a prior: {reason}.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PriorError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(record, dict):
        raise PriorError(f"{path} must hold a JSON object, not a {type(record).__name__}.")
    return record


def _fingerprint(files: tuple[Path, ...]) -> str:
    """Of all that decides the pixels: weights, both configs and the card."""
    parts = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
