"""Does the prior of despeckling serve for optical luminance, or would fusion need a second one?

Fusion asks the prior about log-luminance, 2 ln((grey + .3) / 1.3), but it was trained on grey as amplitude, 2 ln(grey)
but for the darkest. Held-out optical images are denoised as log-luminance, at noise levels that fusion uses, by

    shipped       the prior as it is
    luminance     the same, trained on for some minutes on log-luminance alone: the second prior one might ship
    as before     the same, trained on for as many minutes on what it knew, so that more training is told apart

PSNR in dB of grey, mean and by image. Minutes are those of the processor.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import record
import torch
from numpy.typing import NDArray
from skimage.io import imread, imsave

from sardiff.priors.checkpoint import SHIPPED, load_prior
from sardiff.training import Train, train
from sardiff.training.patches import find_images
from sardiff.units import DARK, grey_from_log_luminance, log_luminance_from_grey

SIGMAS = (0.05, 0.1, 0.3, 0.6)
FOLDERS = ("s2_rgb", "oam_rgb", "neon_rgb", "ucm_grey")
SIDE = 256  # pixels of a validation image that are denoised
MOST = 255.0


def darkened(folders: Sequence[Path], to: Path) -> None:
    """The training images with grey (g + .3) / 1.3, so that training's own logarithm makes them log-luminance."""
    for folder in folders:
        for path in find_images([folder]):
            grey = imread(path).astype(np.float64) / MOST
            lifted = MOST * (grey + DARK) / (1 + DARK)
            imsave(to / f"{folder.name}-{path.stem}.png", lifted.round().astype(np.uint8), check_contrast=False)


def validation(count: int | None) -> dict[str, NDArray[np.float32]]:
    """Grey of 0..1 of held-out images, by name."""
    paths = find_images([record.data_folder() / "validation"])[:count]
    images = {}
    for path in paths:
        grey = imread(path).astype(np.float32) / MOST
        grey = grey[..., :3].mean(axis=2) if grey.ndim == 3 else grey
        rows, cols = (min(n, SIDE) // 16 * 16 for n in grey.shape)
        images[path.stem] = grey[:rows, :cols]
    return images


def trained(name: str, folders: Sequence[Path], to: Path, options: argparse.Namespace) -> Path:
    settings = Train(minutes=options.minutes, rate=options.rate, seed=options.seed)
    with patch("sardiff.training.train.time", SimpleNamespace(monotonic=time.process_time)):
        return train(folders, to / name, settings, start=SHIPPED)


def psnr(weights: Path, images: dict[str, NDArray[np.float32]], seed: int) -> list[dict[str, Any]]:
    prior = load_prior(weights, torch.device("cpu"))
    rows = []
    for sigma in SIGMAS:
        draw = torch.Generator().manual_seed(seed)
        for name, grey in images.items():
            truth = torch.from_numpy(grey)[None, None]
            x = log_luminance_from_grey(truth)
            with torch.no_grad():
                found = grey_from_log_luminance(prior.denoise(x + sigma * torch.randn(x.shape, generator=draw), sigma))
            error = float((found - truth).square().mean())
            rows.append({"image": name, "sigma": sigma, "psnr": -10 * float(np.log10(error))})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=10.0, help="of one core, for each training")
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    images = validation(None)
    folders = [record.data_folder() / "train" / name for name in FOLDERS]
    if options.quick:
        options.minutes, images, folders = 0.02, dict(list(images.items())[:1]), folders[1:2]
    record.use_threads(options.threads)
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        lifted = scratch / "lifted"
        lifted.mkdir()
        darkened(folders, lifted)
        networks = {"shipped": SHIPPED}
        networks["luminance"] = trained("luminance", [lifted], scratch, options)
        networks["as before"] = trained("before", folders, scratch, options)
        for network, weights in networks.items():
            rows += [{"network": network, **row} for row in psnr(weights, images, options.seed)]
            print(f"{network}: done", file=sys.stderr, flush=True)
    means = []
    for network in networks:
        at = {s: [row["psnr"] for row in rows if row["network"] == network and row["sigma"] == s] for s in SIGMAS}
        means.append({"network": network, **{f"sigma {s:g}": statistics.fmean(at[s]) for s in SIGMAS}})
    record.table(means, "PSNR of held-out luminance, dB")
    record.emit("luminance", options, {"means": means, "rows": rows}, began=began)


if __name__ == "__main__":
    main()
