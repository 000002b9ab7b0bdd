"""Quality on images whose truth is known: solvers, steps and samples beside Lee, a boxcar and BM3D on the logarithm.

Validation images (grey by luminance, amplitude a = (x + 1) / 256, intensity a^2), at most the middle 512 x 512
pixels of each, times independent gamma speckle. Ours runs whole, as `sardiff.despeckle` does on an array. PSNR and SSIM
are of the amplitude sqrt(estimate), data range 1, means over images; "ratio" is the mean of measured over despeckled
intensity; "detail" is how much fine contrast there is over that of the truth (standard deviation of the amplitude less
its 5 x 5 means): a posterior mean has less than 1, since it shows what is sure, a sample should have 1. Seconds per
megapixel are of the image; CPU seconds hold on a busy machine too; "in a scene" is what these come to in a large scene,
where less is read beyond the rim.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import record
import xarray as xr
from numpy.typing import NDArray
from rivals import boxcar, lee, log_bm3d, with_mean_of
from scipy.ndimage import uniform_filter
from scipy.stats import spearmanr
from skimage.io import imread

from sardiff import despeckle
from sardiff.metrics import amplitude_psnr, amplitude_ssim
from sardiff.priors.checkpoint import load_prior
from sardiff.simulate import speckle
from sardiff.tasks.despeckle import ESTIMATES, Despeckle, overlap_for
from sardiff.tasks.despeckle_scene import SAMPLER_TILE, TILE

CROP = 512  # pixels: larger images are cut to their middle
SUBSET = (  # for what is slow: of both kinds of camera, field to town, all of them 256 x 256
    "agricultural35",
    "buildings93",
    "overpass30",
    "OAM-309606-261636-19",
    "OAM-619212-523272-20",
)
MEASURES = ("psnr", "ssim", "ratio", "detail")
Image = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """One validation image: its name, clean intensity, and speckled intensity."""

    name: str
    truth: Image
    measured: Image


def intensity_of(pixels: NDArray[Any]) -> Image:
    """Grey by luminance where there are colours, amplitude (x + 1) / 256, squared; at most the middle CROP^2."""
    grey = pixels[..., :3] @ np.array([0.299, 0.587, 0.114]) if pixels.ndim == 3 else pixels.astype(float)
    top, left = (max(side - CROP, 0) // 2 for side in grey.shape)
    grey = grey[top : top + CROP, left : left + CROP]
    return (((grey + 1) / 256) ** 2).astype(np.float32)


def load(folder: Path, looks: float, seed: int, names: Sequence[str] = ()) -> list[Case]:
    """The validation images, or those named, with speckle that depends on (seed, looks, place in the list) alone."""
    cases = []
    for i, path in enumerate(sorted(folder.glob("*/*.png"))):
        if names and path.stem not in names:
            continue
        truth = intensity_of(imread(path))
        rng = np.random.default_rng([seed, i, round(1000 * looks)])
        cases.append(Case(path.stem, truth, truth * speckle(truth.shape, looks, rng)))
    if not cases:
        raise SystemExit(f"There are no validation images in {folder}.")
    return cases


def ours(case: Case, looks: float, options: argparse.Namespace, **settings: Any) -> NDArray[np.float32]:
    """(1, rows, cols) intensity, and with uncertainty a second band of dB: `sardiff.despeckle` on an array."""
    da = xr.DataArray(case.measured, dims=("y", "x"))
    lazy = despeckle(
        da,
        looks=looks,
        values="intensity",
        weights=options.weights,
        device=options.device,
        seed=options.seed,
        **settings,
    )
    return np.asarray(lazy.values).reshape(-1, *case.truth.shape)


def score(
    name: str, method: Callable[[Case], Image], cases: Sequence[Case], looks: float, inflation: float = 1.0
) -> dict[str, Any]:
    """One row of the table, and per image what it is the mean of."""
    per_image, seconds, cpu = {}, 0.0, 0.0
    for case in cases:
        began, cpu_began = time.perf_counter(), time.process_time()
        estimate = method(case)
        seconds, cpu = seconds + time.perf_counter() - began, cpu + time.process_time() - cpu_began
        per_image[case.name] = {
            "psnr": amplitude_psnr(estimate, case.truth, data_range=1.0),
            "ssim": amplitude_ssim(estimate, case.truth, data_range=1.0),
            "ratio": float(np.mean(case.measured / np.maximum(estimate, 1e-12))),
            "detail": detail(estimate) / detail(case.truth),
        }
    megapixels = sum(case.truth.size for case in cases) / 1e6
    means = {key: float(np.mean([row[key] for row in per_image.values()])) for key in MEASURES}
    speed = {"s/MP": seconds / megapixels, "cpu s/MP": cpu / megapixels, "in a scene": cpu / megapixels / inflation}
    row = {"method": name, "L": looks, **means, **speed}
    print(f"{name:34} L={looks:g}  {means['psnr']:.2f} dB  {seconds:.1f} s", file=sys.stderr, flush=True)
    return {**row, "images": len(cases), "per_image": per_image}


def detail(intensity: Image) -> float:
    """Standard deviation of the amplitude less its means over 5 x 5 pixels."""
    amplitude = np.sqrt(np.maximum(intensity, 0).astype(np.float64))
    return float((amplitude - uniform_filter(amplitude, 5)).std())


def inflation_of(cases: Sequence[Case], settings: Despeckle, prior: Any) -> float:
    """How much more is read and computed for each pixel of these small images than for each of a large scene."""
    overlap, tile = overlap_for(settings, prior), TILE.get(settings.solver(prior), SAMPLER_TILE)
    read = 0
    for case in cases:
        side = math.ceil(min(tile, max(case.truth.shape)) / 16) * 16
        down, across = (math.ceil(n / side) for n in case.truth.shape)
        read += down * across * (side + 2 * overlap) ** 2
    return read / sum(case.truth.size for case in cases) / (1 + 2 * overlap / tile) ** 2


def our_rows(
    cases: Sequence[Case], looks: float, options: argparse.Namespace, wanted: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    prior, rows = load_prior(options.weights), []
    for settings in wanted:
        full = Despeckle(looks=looks, **settings)
        count = f" x {full.samples}" if full.samples > 1 else ""
        steps = full.levels(prior)
        name = f"{full.solver(prior)}, {full.quality}, {steps} {'step' if steps == 1 else 'steps'}{count}"
        method = lambda case, s=settings: ours(case, looks, options, **s)[0]  # noqa: E731
        rows.append(score(name, method, cases, looks, inflation_of(cases, full, prior)))
    return rows


def classic_rows(cases: Sequence[Case], looks: float) -> list[dict[str, Any]]:
    boxes = [score(f"boxcar {n} x {n}", lambda case, n=n: boxcar(case.measured, n), cases, looks) for n in (3, 5, 7)]
    best = max(boxes, key=lambda row: row["psnr"])
    best["method"] += " (best of 3, 5, 7)"
    done: dict[str, Image] = {}

    def bm3d(case: Case) -> Image:
        done[case.name] = log_bm3d(case.measured, looks)
        return done[case.name]

    return [
        score("speckled", lambda case: case.measured, cases, looks),
        best,
        score("Lee 7 x 7", lambda case: lee(case.measured, looks), cases, looks),
        score("log-BM3D", bm3d, cases, looks),
        score("log-BM3D, mean kept", lambda case: with_mean_of(done[case.name], case.measured), cases, looks),
    ]


def uncertainty_row(name: str, cases: Sequence[Case], looks: float, predict: Callable[[Case], Image]) -> dict[str, Any]:
    """Does the stated standard deviation hold what it says?"""
    errors, spreads = [], []
    for case in cases:
        mean, spread = predict(case)
        errors.append(10 * np.log10(mean / case.truth).ravel())
        spreads.append(spread.ravel())
    error, spread = np.concatenate(errors), np.concatenate(spreads)
    print(f"{name:34} L={looks:g}  done", file=sys.stderr, flush=True)
    return {
        "method": name,
        "L": looks,
        "within 1 std (.683)": float(np.mean(abs(error) <= spread)),
        "within 1.96 std (.95)": float(np.mean(abs(error) <= 1.96 * spread)),
        "rms error dB": float(np.sqrt(np.mean(error**2))),
        "rms std dB": float(np.sqrt(np.mean(spread**2))),
        "rms ratio": float(np.sqrt(np.mean(error**2) / np.mean(spread**2))),
        "rank correlation": float(spearmanr(abs(error), spread).statistic),
        "images": len(cases),
    }


FAST: list[dict[str, Any]] = [
    {"method": "one-pass", "quality": "fast"},
    {"method": "one-pass"},
    {"method": "scoring", "quality": "fast"},
]
SLOW: dict[str, dict[str, Any]] = {
    "best": {"method": "one-pass", "quality": "best"},
    "posterior": {"method": "posterior"},
    "posterior8": {"method": "posterior", "samples": 8},
    "moment": {"method": "moment"},
    "diffpir": {"method": "diffpir"},
    "gibbs": {"method": "gibbs"},
    "moment4": {"method": "moment", "samples": 4},
    "sar-dps": {"method": "sar-dps"},
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.add_argument("--parts", default="fast", help="of fast, slow, uncertainty, separated by commas")
    parser.add_argument("--looks", default="1,4", help="numbers of looks, separated by commas")
    parser.add_argument("--slow-images", type=int, default=2, help="how many images of the subset the slow part takes")
    parser.add_argument("--methods", default=",".join(SLOW), help="of the slow part, by commas")
    parser.add_argument("--samples", type=int, default=8, help="samples of posterior behind its uncertainty; 0: none")
    record.network_options(parser)
    options = parser.parse_args(arguments)
    parts = set(options.parts.split(","))
    if unknown := parts - {"fast", "slow", "uncertainty"}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    levels = [float(text) for text in options.looks.split(",")]
    record.use_threads(options.threads)
    dask.config.set(scheduler="synchronous")
    folder, began = record.data_folder() / "validation", time.monotonic()
    subset = SUBSET[:1] if options.quick else SUBSET[: options.slow_images]
    chosen = options.methods.split(",")
    if unknown := set(chosen) - set(SLOW):
        parser.error(f"there is no method {', '.join(sorted(unknown))}")
    slow = [SLOW[name] for name in chosen]
    if options.quick:
        few = {"steps": 2}, {"steps": 2, "samples": 2}
        slow = [s if s["method"] in ESTIMATES else {**s, **few["samples" in s]} for s in slow]
    results: dict[str, Any] = {"prior": record.weights(options.weights)}
    load_prior(options.weights).denoise(*_warm_up())
    if "fast" in parts:
        rows = []
        for looks in levels:
            cases = load(folder, looks, options.seed, subset if options.quick else ())
            rows += classic_rows(cases, looks) + our_rows(cases, looks, options, FAST)
        results["fast"] = rows
        _show(rows, f"{rows[0]['images']} validation images")
    if "slow" in parts:
        rows = []
        for looks in levels:
            cases = load(folder, looks, options.seed, subset)
            if "fast" in parts:  # the same figures, of these images alone
                rows += [_of(row, subset) for row in results["fast"] if row["L"] == looks]
            else:
                rows += classic_rows(cases, looks) + our_rows(cases, looks, options, FAST)
            rows += our_rows(cases, looks, options, slow)
        results["slow"] = rows
        _show(rows, f"a subset of {len(subset)}: {', '.join(subset)}")
    if "uncertainty" in parts:
        rows = []
        for looks in levels:
            cases = load(folder, looks, options.seed, SUBSET[:1] if options.quick else SUBSET)
            for method in ESTIMATES:
                predict = partial(_with_spread, looks=looks, options=options, method=method)
                rows.append(uncertainty_row(method, cases, looks, predict))
            if options.samples:
                count = 2 if options.quick else options.samples
                extra = {"method": "posterior", "samples": count, **({"steps": 2} if options.quick else {})}
                predict = partial(_with_spread, looks=looks, options=options, **extra)
                rows.append(uncertainty_row(f"posterior x {count}", cases[: len(subset)], looks, predict))
        results["uncertainty"] = rows
        record.table(rows, "Stated standard deviation against the error, in dB")
    record.emit("quality", options, results, began=began)


def _with_spread(case: Case, *, looks: float, options: argparse.Namespace, **settings: Any) -> Image:
    return ours(case, looks, options, uncertainty=True, **settings)


def _of(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    kept = {name: row["per_image"][name] for name in names}
    means = {key: float(np.mean([r[key] for r in kept.values()])) for key in MEASURES}
    return {**row, **means, "images": len(kept), "per_image": kept}


def _show(rows: Sequence[dict[str, Any]], title: str) -> None:
    record.table([{k: v for k, v in row.items() if k not in ("per_image", "images")} for row in rows], title)


def _warm_up() -> tuple[Any, float]:
    import torch

    return torch.zeros(1, 1, 64, 64), 1.0


if __name__ == "__main__":
    main()
