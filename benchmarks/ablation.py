"""What each ingredient of training brings, and what size and time do: small networks, trained alike but for one thing.

Each network learns to despeckle in one pass (`sardiff train --measured`) for the same minutes of the processor, from
nothing, with the same seed and one thread; so other load on the machine sways nothing. "all" has everything, "without
X" lacks X:

    landscapes  simulated ones beside the aerial images
    contrast    random contrast, and now and then almost none
    shores      a jump of level along a smooth line
    targets     bright points and clusters of them
    texture     log-normal roughness of one scale
    correlated  speckle of random bandwidth, resampled, imaged with the ground
    state       patches with a diffusion state, and those without a measurement: the other two uses of the network

"wide", "narrow", "longer" are "all" of other widths, or trained twice as long. Scored by PSNR in dB of the amplitude of
validation images (independent speckle of one and four looks; one look of .45 of the band), by the RMSE in dB on
simulated landscapes at one look, by what point targets 15 dB over even clutter lose, and by the standard deviation in
dB of what becomes of a constant, both at one look.

The curve of the shipped networks' own training, validation loss against minutes, comes from their cards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import dask
import numpy as np
import record
import trust
from despeckle_peers import response_of
from peers.ledger import Ledger
from quality import SUBSET, load

from sardiff.metrics import amplitude_psnr, rmse_db
from sardiff.priors.checkpoint import SHIPPED, load_weights
from sardiff.simulate import correlated_speckle, landscape, speckle
from sardiff.training import Train, train

PATCHES, SPECKLED, TRAINING = "sardiff.training.patches", "sardiff.training.speckled", "sardiff.training.train"
SMALL = {"widths": (32, 64, 128), "measured": True, "landscapes": 24, "rate": 1e-3, "decay": 0.998}
TARGET_DB, TARGETS = 15.0, 60
FLAT, SIDE = 256, 256  # pixels: side of a constant, and of a landscape


@dataclass(frozen=True)
class Variant:
    """A training: what differs from `SMALL`, which constants are set to 0, and how many times as long it takes."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    zero: tuple[tuple[str, str], ...] = ()
    longer: float = 1.0


VARIANTS = (
    Variant("all"),
    Variant("without landscapes", {"landscapes": 0}),
    Variant("without contrast", zero=((PATCHES, "CONTRAST"), (PATCHES, "FLAT"))),
    Variant("without shores", zero=((PATCHES, "SHORES"),)),
    Variant("without targets", zero=((PATCHES, "TARGETS"),)),
    Variant("without texture", zero=((PATCHES, "TEXTURE"),)),
    Variant("without correlated", zero=((SPECKLED, "CORRELATED"),)),
    Variant("without state", zero=((TRAINING, "PRIOR_SHARE"), (TRAINING, "STATE_SHARE"))),
    Variant("narrow", {"widths": (16, 32, 64)}),
    Variant("wide", {"widths": (64, 128, 256)}),
    Variant("longer", longer=2.0),
)


def trained(variant: Variant, folder: Path, options: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Train one network; its weights, and how far it came."""
    settings = Train(minutes=options.minutes * variant.longer, seed=options.seed, **{**SMALL, **variant.settings})
    if options.quick:
        settings = Train(minutes=options.minutes, widths=(8, 16), depths=(1, 1), patch=48, batch=2, measured=True)
    with ExitStack() as changed:
        changed.enter_context(patch(f"{TRAINING}.time", SimpleNamespace(monotonic=time.process_time)))
        for module, name in variant.zero:
            changed.enter_context(patch(f"{module}.{name}", 0.0))
        out = folder / variant.name.replace(" ", "-")
        weights = train([record.data_folder() / "train" / name for name in options.folders.split(",")], out, settings)
    tensors, card = load_weights(weights)
    return weights, {
        "variant": variant.name,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "steps": card["training"]["steps"],
    }


def scores(weights: Path, options: argparse.Namespace) -> dict[str, float]:
    """What a network does, in dB."""
    given = argparse.Namespace(**{**vars(options), "weights": str(weights), "method": "one-pass", "device": "cpu"})
    rng = np.random.default_rng(options.seed)
    row = {}
    for looks in (1.0, 4.0):
        cases = load(record.data_folder() / "validation", looks, options.seed, SUBSET[: options.images])
        estimates = [trust.clean(case.measured, looks, given)[0] for case in cases]
        row[f"L = {looks:g}"] = _mean_psnr(estimates, [case.truth for case in cases])
    response = response_of("band .45", 1)
    truths = [case.truth for case in cases]
    speckled = [truth * correlated_speckle(truth.shape, rng, looks=1, bandwidth=response.bandwidth) for truth in truths]
    row["band .45"] = _mean_psnr([trust.clean(measured, response.enl, given)[0] for measured in speckled], truths)

    truth = np.asarray(landscape((SIDE, SIDE), seed=options.seed + 200).intensity)
    row["landscape"] = rmse_db(trust.clean(truth * speckle(truth.shape, 1.0, rng), 1.0, given)[0], truth)

    side = trust.SPACING * int(np.ceil(np.sqrt(len(trust.LEVELS_DB) * TARGETS)))
    even = np.full((side, side), 0.1)
    targets = trust.scatter(even, rng, within_pixel=False)
    mean, measured = trust.one_pixel(even, targets, 1.0, rng)
    lost = trust.target_rows(targets, mean, measured, trust.clean(measured, 1.0, given)[0], {})
    row["targets lose"] = next(found["loss dB"] for found in lost if found["level dB"] == TARGET_DB)

    nothing = trust.clean(0.1 * speckle((FLAT, FLAT), 1.0, rng), 1.0, given)[0]
    return {**row, "of a constant": float(np.std(10 * np.log10(nothing)))}


def _mean_psnr(estimates: Sequence[Any], truths: Sequence[Any]) -> float:
    pairs = zip(estimates, truths, strict=True)
    return float(np.mean([amplitude_psnr(estimate, truth, data_range=1.0) for estimate, truth in pairs]))


def curves() -> dict[str, Any]:
    """Training of the shipped networks, as their cards tell it."""
    cards = sorted(SHIPPED.parent.glob("*.json"))
    return {path.stem: json.loads(path.read_text())["training"] for path in cards}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=3.0, help="of the processor, to train each for")
    parser.add_argument("--variants", default="", help="of those above, separated by commas; all by default")
    parser.add_argument("--folders", default="ucm_grey,s2_rgb,oam_rgb,neon_rgb", help="of images to train on")
    parser.add_argument("--images", type=int, default=len(SUBSET), help="how many validation images, at most 5")
    parser.add_argument("--scratch", type=Path, help="keep findings in this file, and begin with those it holds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    chosen = [v for v in VARIANTS if not options.variants or v.name in options.variants.split(",")]
    if options.quick:
        chosen, options.minutes, options.folders, options.images = chosen[:1], 0.02, "s2_rgb", 1
    record.use_threads(1)
    dask.config.set(scheduler="synchronous")
    began = time.monotonic()
    decides = {key: getattr(options, key) for key in ("minutes", "folders", "images", "seed", "quick")}
    try:
        ledger = Ledger(options.scratch, decides)
    except ValueError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as folder:
        for variant in chosen:
            if ledger.of("row", variant=variant.name):
                continue
            weights, about = trained(variant, Path(folder), options)
            print(ledger.add("row", **about, **scores(weights, options)), file=sys.stderr, flush=True)
    order = [variant.name for variant in VARIANTS]
    rows = sorted(ledger.of("row"), key=lambda row: order.index(row["variant"]))
    record.table(rows, "Trained alike but for one thing: PSNR in dB, then dB")
    record.emit("ablation", options, {"rows": rows, "curves": curves()}, began=began)


if __name__ == "__main__":
    main()
