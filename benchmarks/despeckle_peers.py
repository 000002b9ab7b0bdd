"""Peers, side by side in one run: despecklers that people can install, published ones written here, and ours.

Truth: validation images as in `quality.py` (amplitude, data range 1). Speckle, L = 1, 2, 4, 8:

    independent  from pixel to pixel
    band .8      correlated by an impulse response that fills .8 of the sampled band, as single-look products have it
    band .45     the same with .45 of the band, near a product on a 10 m grid
    resampled    that of band .8, interpolated bilinearly onto a grid turned by 12 degrees, as geocoding does

Everybody is told the equivalent number of looks, and nothing of the correlation. Each free parameter is tuned for each
set and L by the PSNR on crops of training images, none of which is scored; ours has none. PSNR and SSIM are of the
amplitude, "dB" is the RMSE of 10 log10 intensity, "edges" the contrast kept across the true edges, "mean %" how far the
mean intensity moved from the measured one. Seconds and the growth of resident memory are per megapixel of the image
(memory: on the largest image scored; for programs of their own all they hold).

"claims" asks, of one image: how many pixels does one NaN take along, does the result change with the number of looks
told (1 : 4), and how much of the log-speckle stays, for networks also when they are shown calibrated sigma nought.
A peer that cannot run here is listed with the reason, and so is one that fails.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask
import numpy as np
import record
from numpy.typing import NDArray
from peers import NOT_PACKAGED, PEERS, Peer, Scene
from peers.ours import ours
from quality import intensity_of
from scipy.ndimage import map_coordinates
from skimage.io import imread

from sardiff.metrics import amplitude_psnr, amplitude_ssim, edge_preservation, rmse_db
from sardiff.simulate import ImpulseResponse, correlated_speckle, speckle

BANDS = {"band .8": 0.8, "band .45": 0.45, "resampled": 0.8}
SETS = ("independent", *BANDS)
TURN_DEG = 12.0
TUNING_FOLDERS = ("ucm_grey", "s2_rgb")
TUNING_CROP, QUICK_CROP = 256, 64  # pixels
SIGMA_NOUGHT = 0.1  # mean intensity of land, calibrated
Image = NDArray[np.floating]


@dataclass(frozen=True)
class Case:
    """An image whose truth is known, and what the despecklers are given."""

    name: str
    truth: Image
    scene: Scene


def response_of(kind: str, looks: float) -> ImpulseResponse:
    """The impulse response of a correlated set."""
    if looks != int(looks):
        raise SystemExit(f"Correlated speckle needs a whole number of looks, got {looks:g}.")
    return ImpulseResponse(looks=int(looks), bandwidth=(BANDS[kind], BANDS[kind]))


def expected_looks(kind: str, looks: float) -> float:
    """Equivalent number of looks of a set.

    Between two pixels of correlation r, at a fraction f that takes all values, linear interpolation leaves the mean of
    f^2 + (1 - f)^2 + 2 f (1 - f) r of the variance, which is 2 / 3 + r / 3.
    """
    if kind == "independent":
        return looks
    response = response_of(kind, looks)
    if kind != "resampled":
        return response.enl
    kept = [2 / 3 + response.correlation(1, axis) / 3 for axis in (0, 1)]
    return response.enl / (kept[0] * kept[1])


def draw(
    kind: str, shape: tuple[int, int], looks: float, rng: np.random.Generator
) -> tuple[Image, NDArray[np.complexfloating] | None]:
    """Speckle of mean one and, for one look of a detected pixel, the complex pixels that it is the power of."""
    if kind == "independent":
        return speckle(shape, looks, rng), None  # one look: a uniform phase says all there is
    response = response_of(kind, looks)
    if kind == "resampled":
        return resampled(shape, response, rng), None
    if response.looks == 1:
        field = single_look(shape, response, rng)
        return np.abs(field) ** 2, field
    return correlated_speckle(shape, rng, looks=response.looks, bandwidth=response.bandwidth), None


def single_look(
    shape: tuple[int, int], response: ImpulseResponse, rng: np.random.Generator, margin: int = 32
) -> NDArray[np.complexfloating]:
    """Complex speckle of mean power one, distributed like that behind `correlated_speckle`, which gives its power."""
    fine = tuple(side + 2 * margin for side in shape)
    rows, cols = (response.weights(count, axis) for axis, count in enumerate(fine))
    window = np.outer(rows / math.sqrt(np.mean(rows**2)), cols / math.sqrt(np.mean(cols**2)))
    white = (rng.standard_normal(fine) + 1j * rng.standard_normal(fine)) / math.sqrt(2)
    field = np.fft.ifft2(window * white, norm="ortho")
    return field[margin : margin + shape[0], margin : margin + shape[1]]


def resampled(shape: tuple[int, int], response: ImpulseResponse, rng: np.random.Generator) -> Image:
    """Speckle read bilinearly at the pixels of a grid that is turned about its middle."""
    angle = math.radians(TURN_DEG)
    side = math.ceil(max(shape) * math.cos(angle) + max(shape) * math.sin(angle)) + 4
    fine = correlated_speckle((side, side), rng, looks=response.looks, bandwidth=response.bandwidth)
    row, col = (np.arange(count) - (count - 1) / 2 for count in shape)
    down = math.cos(angle) * row[:, None] - math.sin(angle) * col[None]
    right = math.sin(angle) * row[:, None] + math.cos(angle) * col[None]
    return map_coordinates(fine, [down + (side - 1) / 2, right + (side - 1) / 2], order=1)


def middle(image: Image, crop: int) -> Image:
    """At most the middle crop x crop pixels."""
    top, left = (max(side - crop, 0) // 2 for side in image.shape)
    return image[top : top + crop, left : left + crop]


def make(paths: Sequence[Path], kind: str, looks: float, seed: int, crop: int) -> list[Case]:
    """The images with speckle that depends on (seed, set, looks, place in the list) alone."""
    cases = []
    for i, path in enumerate(paths):
        truth = middle(intensity_of(imread(path)), crop)
        rng = np.random.default_rng([seed, SETS.index(kind), i, round(1000 * looks)])
        noise, field = draw(kind, truth.shape, looks, rng)
        complex_pixels = None if field is None else np.sqrt(truth) * field
        scene = Scene((truth * noise).astype(np.float32), expected_looks(kind, looks), complex_pixels)
        cases.append(Case(path.stem, truth, scene))
    return cases


def tuning_paths(folder: Path, count: int) -> list[Path]:
    """So many training images, evenly through both folders."""
    found = []
    for i, name in enumerate(TUNING_FOLDERS):
        paths = sorted((folder / name).glob("*.png"))
        wanted = len(range(i, count, len(TUNING_FOLDERS)))
        found += [paths[(2 * k + 1) * len(paths) // (2 * wanted)] for k in range(wanted)] if paths else []
    if not found:
        raise SystemExit(f"There are no training images in {folder} to tune the peers on.")
    return found


def scored_paths(folder: Path, wanted: str) -> list[Path]:
    """The validation images: "all", the first so many, or those named."""
    paths = sorted(folder.glob("*/*.png"))
    if wanted.isdigit():
        paths = paths[: int(wanted)]
    elif wanted != "all":
        paths = [path for path in paths if path.stem in wanted.split(",")]
    if not paths:
        raise SystemExit(f"There are no validation images {wanted!r} in {folder}.")
    return paths


@dataclass(frozen=True)
class Run:
    """An estimate and what it cost."""

    estimate: Image
    seconds: float
    grown_mb: float | None


def watch(peer: Peer, scene: Scene, setting: Any) -> Run:
    """Run a peer; on Linux the peak of resident memory is reset before, elsewhere nothing is said of memory."""
    held = _reset_peak()
    began = time.perf_counter()
    estimate = np.asarray(peer.run(scene, setting), np.float64).reshape(scene.intensity.shape)
    seconds = time.perf_counter() - began
    if peer.child_peak_mb is not None:
        return Run(estimate, seconds, peer.child_peak_mb())
    return Run(estimate, seconds, None if held is None else max(record.peak_mb() - held, 0.0))


def _reset_peak() -> float | None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return record.peak_mb()


def tune(peer: Peer, cases: Sequence[Case], choices: Sequence[Any]) -> dict[Any, float]:
    """Mean PSNR of each choice."""
    return {
        choice: float(
            np.mean([amplitude_psnr(watch(peer, c.scene, choice).estimate, c.truth, data_range=1.0) for c in cases])
        )
        for choice in choices
    }


def score(peer: Peer, cases: Sequence[Case], setting: Any) -> dict[str, Any]:
    """One row of the table, and per image what it is the mean of."""
    per_image, seconds, memory = {}, 0.0, None
    largest = max(case.truth.size for case in cases)
    for case in cases:
        run = watch(peer, case.scene, setting)
        seconds += run.seconds
        if case.truth.size == largest and run.grown_mb is not None:
            memory = max(memory or 0.0, run.grown_mb / (largest / 1e6))
        per_image[case.name] = {
            "psnr": amplitude_psnr(run.estimate, case.truth, data_range=1.0),
            "ssim": amplitude_ssim(run.estimate, case.truth, data_range=1.0),
            "dB": rmse_db(run.estimate, case.truth),
            "edges": edge_preservation(case.truth, run.estimate, case.truth),
            "mean %": 100 * (float(np.mean(run.estimate)) / float(np.mean(case.scene.intensity)) - 1),
            "invalid": int((~(np.isfinite(run.estimate) & (run.estimate > 0))).sum()),
        }
    rows = list(per_image.values())
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("psnr", "ssim", "dB", "edges", "mean %")}
    megapixels = sum(case.truth.size for case in cases) / 1e6
    return {
        **means,
        "s/MP": seconds / megapixels,
        "MiB/MP": memory,
        "invalid": sum(row["invalid"] for row in rows),
        "images": len(cases),
        "per_image": per_image,
    }


def claims(peer: Peer, case: Case, setting: Any) -> dict[str, Any]:
    """What one NaN does, whether looks are heard, and how much log-speckle stays."""
    scene = case.scene
    clean = peer.run(scene, setting)
    found: dict[str, Any] = {
        "takes looks": peer.takes_looks,
        "mean %": 100 * (float(np.mean(clean)) / float(np.mean(scene.intensity)) - 1),
        "log-speckle left": _left(clean, case),
        "changed by looks 1 : 4, dB": rmse_db(peer.run(replace(scene, looks=4 * scene.looks), setting), clean),
    }
    if peer.name == "sar2sar" or peer.name.startswith("merlin"):
        found["log-speckle left, shown sigma nought"] = _left(peer.run(scene, SIGMA_NOUGHT**0.5), case)
    holed = np.array(scene.intensity)
    middle_pixel = tuple(side // 2 for side in holed.shape)
    holed[middle_pixel] = np.nan
    field = None if scene.field is None else np.where(np.isnan(holed), np.nan, scene.field)
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            lost = ~np.isfinite(peer.run(replace(scene, intensity=holed, field=field), setting))
        lost[middle_pixel] = True
        found["taken along by one NaN, % of pixels"] = 100 * (int(lost.sum()) - 1) / lost.size
        found["taken along by one NaN"] = int(lost.sum()) - 1
    except Exception as error:  # to refuse is an answer too
        found["taken along by one NaN"] = f"refused: {type(error).__name__}: {error}"[:200]
    return found


def _left(estimate: Image, case: Case) -> float:
    """Variance of log estimate / truth over that of log measured / truth: 1 is an untouched image."""

    def variance(image: Image) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(image / case.truth)
        return float(np.var(log[np.isfinite(log)]))

    return variance(np.asarray(estimate, np.float64)) / variance(case.scene.intensity)


def compare(
    chosen: Mapping[str, Peer],
    kind: str,
    looks: float,
    scored: Sequence[Case],
    tuning: Sequence[Case],
    failed: Callable[[str, Exception], None],
    *,
    quick: bool,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Tune and score every peer on one set; its rows, and what tuning found."""
    speckled = Peer(name="speckled", source="", run=lambda scene, _: scene.intensity, takes_looks=False)
    rows, tuned = [], {}
    for peer in (speckled, *chosen.values()):
        began = time.monotonic()
        choices = peer.choices[len(peer.choices) // 2 :][:2] if quick else peer.choices
        try:
            trials = tune(peer, tuning, choices) if len(choices) > 1 else {choices[0]: math.nan}
            setting = max(trials, key=lambda choice: -math.inf if math.isnan(trials[choice]) else trials[choice])
            row = score(peer, scored, setting)
        except Exception as error:  # the others go on
            failed(f"{peer.name}, {kind}, L = {looks:g}", error)
            continue
        rows.append({"method": peer.name, "set": kind, "L": looks, "setting": setting, **row})
        if len(choices) > 1:
            at_end = not quick and len(choices) > 2 and setting in (choices[0], choices[-1])
            trials_by_name = {str(choice): value for choice, value in trials.items()}
            tuned[peer.name] = {"parameter": peer.parameter, "psnr": trials_by_name, "at the end": at_end}
        text = f"{kind:12} L={looks:g}  {peer.name:18} {row['psnr']:.2f} dB  {time.monotonic() - began:.1f} s"
        print(text, file=sys.stderr, flush=True)
    return rows, tuned


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--looks", default="1,2,4,8", help="numbers of looks, by commas; whole where correlated")
    parser.add_argument("--sets", default=",".join(SETS), help="by commas")
    parser.add_argument("--methods", help="names of peers, by commas; by default all that can run")
    parser.add_argument("--images", default="all", help='validation images: "all", how many, or names by commas')
    parser.add_argument("--tuning", type=int, default=6, help="how many crops of training images to tune on")
    parser.add_argument("--crop", type=int, default=512, help="at most so many pixels of a side of what is scored")
    record.network_options(parser)
    options = parser.parse_args(arguments)
    everybody = {**ours(options.weights, options.device, options.seed), **PEERS}
    names = list(everybody) if options.methods is None else options.methods.split(",")
    kinds, levels = options.sets.split(","), [float(text) for text in options.looks.split(",")]
    for what, given, known in (("method", names, everybody), ("set", kinds, SETS)):
        if unknown := set(given) - set(known):
            parser.error(f"there is no {what} {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if options.tuning < 1:
        parser.error("--tuning must be at least 1")
    began = time.monotonic()
    record.use_threads(options.threads)
    dask.config.set(scheduler="synchronous")

    crop, tuning_crop = (QUICK_CROP, QUICK_CROP) if options.quick else (options.crop, TUNING_CROP)
    scored = scored_paths(record.data_folder() / "validation", "1" if options.quick else options.images)
    tuning = tuning_paths(record.data_folder() / "train", 1 if options.quick else options.tuning)
    if options.quick:
        levels = levels[:1]

    absent = {name: reason for name in names if (reason := everybody[name].missing())}
    chosen = {name: everybody[name] for name in names if name not in absent}
    failures: dict[str, str] = {}

    def failed(name: str, error: Exception) -> None:
        failures[name] = f"{type(error).__name__}: {error}"[:500]
        print(f"{name} failed: {failures[name]}", file=sys.stderr, flush=True)

    rows: list[dict[str, Any]] = []
    tuned: dict[str, Any] = {}
    for kind in kinds:
        for looks in levels:
            # Images that are tuned on have speckle of their own.
            cases = make(scored, kind, looks, options.seed, crop)
            others = make(tuning, kind, looks, options.seed + 1, tuning_crop)
            new, found = compare(chosen, kind, looks, cases, others, failed, quick=options.quick)
            rows += new
            tuned.setdefault(kind, {})[f"{looks:g}"] = found
            hidden = ("per_image", "images", "set", "L", *(() if any(r["invalid"] for r in new) else ("invalid",)))
            _show(new, hidden, f"{kind}, L = {looks:g}, {len(cases)} images")

    asked = []
    case = make(scored[:1], kinds[0], levels[0], options.seed, min(crop, TUNING_CROP))[0]
    for row in (r for r in rows if (r["set"], r["L"]) == (kinds[0], levels[0]) and r["method"] in chosen):
        try:
            asked.append({"method": row["method"], **claims(chosen[row["method"]], case, row["setting"])})
        except Exception as error:
            failed(f"{row['method']}, claims", error)
    _show(asked, (), f"Claims, on {case.name}, {kinds[0]}, L = {levels[0]:g}")
    unavailable = absent if options.methods else {**absent, **NOT_PACKAGED}
    for name, reason in unavailable.items():
        print(f"{name}: {reason}", file=sys.stderr)

    about = {
        name: {key: getattr(peer, key) for key in ("source", "licence", "parameter", "takes_looks")}
        for name, peer in chosen.items()
    }
    results = {
        "prior": record.weights(options.weights),
        "peers": about,
        "not available": unavailable,
        "failed": failures,
        "tuned on": [path.stem for path in tuning],
        "equivalent looks": {kind: {f"{looks:g}": expected_looks(kind, looks) for looks in levels} for kind in kinds},
        "tuning": tuned,
        "scores": rows,
        "claims": asked,
    }
    record.emit("despeckle_peers", options, results, began=began)


def _show(rows: Sequence[dict[str, Any]], hidden: Sequence[str], title: str) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row if key not in hidden))
    record.table([{key: row.get(key) for key in keys} for row in rows], title)


if __name__ == "__main__":
    main()
