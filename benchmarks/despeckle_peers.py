"""Peers, side by side in one run: despecklers that people can install, published ones written here, and ours.

Truth: the middle 256 x 256 pixels of the validation images, as in `quality.py` (amplitude, data range 1). Speckle of
L = 1, 2, 4, 8:

    independent  from pixel to pixel
    band .8      correlated by an impulse response that fills .8 of the sampled band, as single-look products have it
    band .45     the same with .45 of the band, near a product on a 10 m grid
    resampled    that of band .8, interpolated bilinearly onto a grid turned by 12 degrees, as geocoding does

Everybody is told the equivalent number of looks, and nothing of the correlation. Each free parameter is tuned for each
set and L by the PSNR on crops of training images, none of which is scored, going uphill from the choice that was best
before; ours has none. PSNR and SSIM are of the amplitude, "dB" is the RMSE of 10 log10 intensity, "edges" the contrast
kept across the true edges, "mean %" how far the mean intensity moved from the measured one. Seconds, of the clock and
of the processor, and the growth of resident memory are per megapixel of the image (memory: on the largest image scored;
for programs of their own all they hold).

What is slow (log-BM3D, MuLoG, iterated PPB) runs on a few of the images, and MuLoG with BM3D for some L alone; a second
table gives everybody on exactly those. "Paired" is ours less the best peer, image by image, with its standard error.
MERLIN is made for single-look complex pixels, and is left out where there are none.

"claims" asks, of one image: how many pixels does one NaN take along, does the result change with the number of looks
told (1 : 4), and how much of the log-speckle stays, for networks also when they are shown calibrated sigma nought. What
was written here says of NaN nothing about its authors' programs.
"real" despeckles a Sentinel-1 and a Capella scene with settings tuned on the simulated set nearest to them, as no truth
is known: evenness (ENL), mean of measured over despeckled, and the autocorrelation at lag 1 of its logarithm where the
ground is even, to be compared with that of the speckle.

A peer that cannot run here is listed with the reason, and so is one that fails. With `--scratch FILE` every finding is
kept in it at once: the same command goes on where it was cut, and runs over other sets, L or methods add up to one
result. So do the files of runs side by side, put together without the first line of all but one.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import dask
import numpy as np
import record
from numpy.typing import NDArray
from peers import NOT_PACKAGED, PEERS, Peer, Scene
from peers.ledger import Ledger
from peers.ours import ours
from peers.trial import Case, Row, claims, means, paired, score, tune
from quality import intensity_of
from real import judge
from scipy.ndimage import map_coordinates
from skimage.io import imread

from geo_io import open_raster
from sardiff.metrics import estimate_looks
from sardiff.simulate import ImpulseResponse, correlated_speckle, speckle

BANDS = {"band .8": 0.8, "band .45": 0.45, "resampled": 0.8}
SETS = ("independent", *BANDS)
TURN_DEG = 12.0
TUNING_FOLDERS = ("ucm_grey", "s2_rgb")
TUNING_CROP, CLAIMS_CROP, QUICK_CROP = 128, 512, 64  # pixels
PARTS = ("scores", "claims", "real")
SPECKLED = Peer(name="speckled", source="", run=lambda scene, _: scene.intensity, takes_looks=False)
Image = NDArray[np.floating]


@dataclass(frozen=True)
class Real:
    """A scene without truth, below the shared data, and the simulated set that is like it."""

    name: str
    path: str
    like: str


REAL = (
    Real("slovakia-vv", "scenes/s1_grd_slovakia_vv_dB_512.tif", "resampled"),
    Real("capella-vv", "slc/capella_sn6_rotterdam_vv_slc.tif", "independent"),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which images a run takes, and where it tunes and scores what is slow."""

    scored: list[Path]
    few: list[Path]
    tuning: list[Path]
    few_tuning: int
    slow_looks: list[float]
    crop: int
    tuning_crop: int
    seed: int

    def few_names(self) -> list[str]:
        return [path.stem for path in self.few]

    def said(self) -> Row:
        """All that decides a score, but for peer, set and L."""
        names = {key: [path.stem for path in getattr(self, key)] for key in ("scored", "few", "tuning")}
        return {**asdict(self), **names, "slow_looks": None}


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
        found += evenly(paths, wanted)
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


def evenly(items: Sequence[Any], count: int) -> list[Any]:
    """So many of them, evenly from first to last."""
    count = min(count, len(items))
    return [items[(2 * k + 1) * len(items) // (2 * count)] for k in range(count)]


def fill_cell(
    chosen: Sequence[Peer], kind: str, looks: float, plan: Plan, ledger: Ledger, failures: dict[str, str]
) -> None:
    """Tune and score on one set, for one L, every peer that has not been yet."""
    waiting = [
        peer
        for peer in (SPECKLED, *chosen)
        if (peer.effort < 2 or looks in plan.slow_looks) and not ledger.of("score", method=peer.name, set=kind, L=looks)
    ]
    if not waiting:
        return
    cases = make(plan.scored, kind, looks, plan.seed, plan.crop)
    few = [case for case in cases if case.name in plan.few_names()]
    # Images that are tuned on have speckle of their own.
    crops = make(plan.tuning, kind, looks, plan.seed + 1, plan.tuning_crop)
    for peer in waiting:
        began = time.monotonic()
        scored, tuned_on = (few, evenly(crops, plan.few_tuning)) if peer.effort else (cases, crops)
        if not all(peer.serves(case.scene) for case in scored):
            continue
        before = ledger.of("score", method=peer.name, L=looks) or ledger.of("score", method=peer.name)
        try:
            setting, trials = tune(peer, tuned_on, before[-1]["setting"] if before else None)
            row = score(peer, scored, setting)
        except Exception as error:  # the others go on
            _failed(failures, f"{peer.name}, {kind}, L = {looks:g}", error)
            continue
        where = {"method": peer.name, "set": kind, "L": looks}
        ledger.add("score", **where, setting=setting, **row, tuned=trials, own=peer.own, code=record.code())
        text = f"{kind:12} L={looks:g}  {peer.name:18} {row['psnr']:.2f} dB  {time.monotonic() - began:.1f} s"
        print(text, file=sys.stderr, flush=True)


def ask_claims(
    chosen: Sequence[Peer], kind: str, looks: float, plan: Plan, ledger: Ledger, failures: dict[str, str]
) -> None:
    """Ask the claims of one image, the largest; what is slow sees its middle alone."""
    largest = max(plan.scored, key=lambda path: imread(path).size)
    quick = plan.tuning_crop == QUICK_CROP
    whole, part = (
        make([largest], kind, looks, plan.seed, crop)[0]
        for crop in ((QUICK_CROP, QUICK_CROP) if quick else (CLAIMS_CROP, TUNING_CROP))
    )
    for peer in chosen:
        rows = ledger.of("score", method=peer.name, set=kind, L=looks)
        if not rows or ledger.of("claims", method=peer.name):
            continue
        case = part if peer.effort else whole
        try:
            ledger.add(
                "claims",
                method=peer.name,
                **claims(peer, case, rows[0]["setting"]),
                image=case.name,
                code=record.code(),
            )
        except Exception as error:
            _failed(failures, f"{peer.name}, claims", error)


def real_scene(real: Real, crop: int) -> Scene:
    """The middle of a real scene, its looks estimated; one where its pixels are complex."""
    source = open_raster(record.data_folder() / "sar" / real.path)
    rows, cols = (slice(0, count) for count in source.shape[1:])
    intensity = middle(source[slice(0, 1), rows, cols][0], crop)
    if source.values == "complex":
        return Scene(intensity, 1.0, middle(source.stored(rows, cols)[0], crop))
    return Scene(intensity, estimate_looks(intensity).looks)


def go_real(chosen: Sequence[Peer], real: Real, crop: int, ledger: Ledger, failures: dict[str, str]) -> None:
    """Despeckle a real scene with everybody's settings from the simulated set that is like it."""
    scene = real_scene(real, crop)
    wanted = [(peer.name, peer, _setting_for(peer, real, scene.looks, ledger)) for peer in chosen]
    wanted += [
        (f"{peer.name}, shown as it is", peer, (float(np.sqrt(np.mean(scene.intensity))), "nothing"))
        for peer in chosen
        if peer.name == "sar2sar"
    ]
    for name, peer, (setting, like) in wanted:
        if not peer.serves(scene) or ledger.of("real", scene=real.name, method=name):
            continue
        began = time.perf_counter()
        try:
            estimate = np.asarray(peer.run(scene, setting), np.float64).reshape(scene.intensity.shape)
        except Exception as error:
            _failed(failures, f"{name}, {real.name}", error)
            continue
        seconds = time.perf_counter() - began
        image = judge(scene.intensity, estimate, scene.looks)
        found = {
            "L": scene.looks,
            "ENL": image["ENL before"],
            "ENL after": image["ENL after"],
            "ENL gain": image["ENL after"] / image["ENL before"],
            "ratio mean": image["ratio mean"],
            "ratio looks": image["ratio looks"],
            "lag1 rows": image["lags of log before, rows"][0],
            "lag1 cols": image["lags of log before, cols"][0],
            "ratio lag1 rows": image["lags of log ratio, rows"][0],
            "ratio lag1 cols": image["lags of log ratio, cols"][0],
            "mean dB": image["mean kept dB"],
            "bright dB": image["brightest kept dB"],
            "s/MP": seconds / (scene.intensity.size / 1e6),
        }
        ledger.add(
            "real", scene=real.name, method=name, setting=setting, code=record.code(), **found, **{"tuned on": like}
        )


def _setting_for(peer: Peer, real: Real, looks: float, ledger: Ledger) -> tuple[Any, str]:
    """The setting tuned on simulated speckle nearest to that of the scene, and where it is from."""
    rows = ledger.of("score", method=peer.name, set=real.like) or ledger.of("score", method=peer.name)
    if not rows:
        return peer.choices[len(peer.choices) // 2], "nothing"
    nearest = min(rows, key=lambda row: abs(math.log(row["L"] / looks)))
    return nearest["setting"], f"{nearest['set']}, L = {nearest['L']:g}"


def _failed(failures: dict[str, str], name: str, error: Exception) -> None:
    failures[name] = f"{type(error).__name__}: {error}"[:500]
    print(f"{name} failed: {failures[name]}", file=sys.stderr, flush=True)


def summary(rows: Sequence[Row], own: str, plan: Plan) -> Row:
    """Of the rows of one set and L: everybody on the few images, and ours less the best peer on all and on the few."""
    where = {key: rows[0][key] for key in ("set", "L")}
    few = plan.few_names()
    groups = {"all": [path.stem for path in plan.scored], "few": few}
    pairs = {name: paired(rows, own, images) for name, images in groups.items()}
    return {
        "few": [{"method": row["method"], **where, **means(row["per_image"], few)} for row in rows],
        "paired": [{**where, "on": name, **pair} for name, pair in pairs.items() if pair],
    }


def show_cell(rows: Sequence[Row], own: str, plan: Plan) -> None:
    """The tables of one set and L."""
    title = f"{rows[0]['set']}, L = {rows[0]['L']:g}"
    hidden = {"set", "L", "images", "per_image", "tuned", "own"}
    if not any(row["invalid"] for row in rows):
        hidden.add("invalid")
    everywhere = [row for row in rows if row["images"] == len(plan.scored)]
    found = summary(rows, own, plan)
    _show(everywhere, hidden, f"{title}, {len(plan.scored)} images")
    if len(everywhere) < len(rows):
        _show([row for row in rows if row["images"] < len(plan.scored)], hidden, f"{title}, what is slow")
        _show(found["few"], {"set", "L"}, f"{title}, everybody on the same {len(plan.few)} images")
    _show(found["paired"], {"set", "L"}, f"{title}, ours less the best peer")


def _show(rows: Sequence[Row], hidden: set[str], title: str) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row if key not in hidden))
    record.table([{key: row.get(key) for key in keys} for row in rows], title)


def options_parser() -> argparse.ArgumentParser:
    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--parts", default=",".join(PARTS), help="by commas")
    parser.add_argument("--looks", default="1,2,4,8", help="numbers of looks, by commas; whole where correlated")
    parser.add_argument("--sets", default=",".join(SETS), help="by commas")
    parser.add_argument("--methods", help="names, by commas; by default the default of ours and all peers that can run")
    parser.add_argument("--images", default="all", help='validation images: "all", how many, or names by commas')
    parser.add_argument("--slow-images", type=int, default=4, help="how many of these, evenly, for what is slow")
    parser.add_argument("--slow-looks", default="1,4", help="the numbers of looks for what is slowest")
    parser.add_argument("--tuning", type=int, default=6, help="how many crops of training images to tune on")
    parser.add_argument("--slow-tuning", type=int, default=2, help="how many of these for what is slow")
    parser.add_argument("--crop", type=int, default=256, help="at most so many pixels of a side of what is scored")
    parser.add_argument("--scratch", type=Path, help="keep findings in this file, and begin with those it holds")
    record.network_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options_parser()
    options = parser.parse_args(arguments)
    everybody = {**ours(options.weights, options.device, options.seed), **PEERS}
    own = next(iter(everybody))
    names = [own, *PEERS] if options.methods is None else options.methods.split(",")
    kinds, levels = options.sets.split(","), [float(text) for text in options.looks.split(",")]
    parts = options.parts.split(",")
    for what, given, known in (("method", names, everybody), ("set", kinds, SETS), ("part", parts, PARTS)):
        if unknown := set(given) - set(known):
            parser.error(f"there is no {what} {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if min(options.tuning, options.slow_tuning, options.slow_images) < 1:
        parser.error("--tuning, --slow-tuning and --slow-images must be at least 1")
    began = time.monotonic()
    record.use_threads(options.threads)
    dask.config.set(scheduler="synchronous")

    scored = scored_paths(record.data_folder() / "validation", "1" if options.quick else options.images)
    plan = Plan(
        scored=scored,
        few=evenly(scored, options.slow_images),
        tuning=tuning_paths(record.data_folder() / "train", 1 if options.quick else options.tuning),
        few_tuning=options.slow_tuning,
        slow_looks=[float(text) for text in options.slow_looks.split(",")],
        crop=QUICK_CROP if options.quick else options.crop,
        tuning_crop=QUICK_CROP if options.quick else TUNING_CROP,
        seed=options.seed,
    )
    levels = levels[:1] if options.quick else levels
    prior = record.weights(options.weights)
    try:
        ledger = Ledger(options.scratch, {"prior": prior, "quick": options.quick, **plan.said()})
    except ValueError as error:
        parser.error(str(error))
    mine, code = {peer.name for peer in everybody.values() if peer.own}, record.code()
    ledger.forget(lambda finding: finding["method"] in mine and finding.get("code") != code)

    absent = {name: reason for name in names if (reason := everybody[name].missing())}
    chosen = [everybody[name] for name in names if name not in absent]
    if options.quick:
        chosen = [replace(peer, choices=peer.choices[len(peer.choices) // 2 :][:2]) for peer in chosen]
    failures: dict[str, str] = {}
    if "scores" in parts:
        for kind in kinds:
            for looks in levels:
                fill_cell(chosen, kind, looks, plan, ledger, failures)
                if rows := ledger.of("score", set=kind, L=looks):
                    show_cell(rows, own, plan)
    if "claims" in parts:
        ask_claims(chosen, kinds[0], levels[0], plan, ledger, failures)
        _show(ledger.of("claims"), {"image"}, f"Claims, {kinds[0]}, L = {levels[0]:g}")
    if "real" in parts:
        for real in REAL[:1] if options.quick else REAL:
            go_real(chosen, real, plan.crop, ledger, failures)
            rows = ledger.of("real", scene=real.name)
            _show(
                rows,
                {"scene", "tuned on", "L", "ENL", "lag1 rows", "lag1 cols"},
                f"Real: {real.name}, {_speckle(rows)}",
            )
    unavailable = absent if options.methods else {**absent, **NOT_PACKAGED}
    for name, reason in unavailable.items():
        print(f"{name}: {reason}", file=sys.stderr)

    scores = ledger.of("score")
    cells = list(dict.fromkeys((row["set"], row["L"]) for row in scores))
    summaries = [summary([r for r in scores if (r["set"], r["L"]) == cell], own, plan) for cell in cells]
    if cells:
        options.sets = ",".join(dict.fromkeys(kind for kind, _ in cells))
        options.looks = ",".join(dict.fromkeys(f"{looks:g}" for _, looks in cells))
    about = ("source", "licence", "parameter", "takes_looks", "effort")
    results = {
        "prior": prior,
        "peers": {peer.name: {key: getattr(peer, key) for key in about} for peer in chosen},
        "not available": unavailable,
        "failed": failures,
        "scored on": [path.stem for path in plan.scored],
        "slow ones on": plan.few_names(),
        "tuned on": [path.stem for path in plan.tuning],
        "equivalent looks": {
            kind: {f"{n:g}": expected_looks(kind, n) for k, n in cells if k == kind} for kind, _ in cells
        },
        "paired": [row for found in summaries for row in found["paired"]],
        "on the few": [row for found in summaries for row in found["few"]],
        "claims": ledger.of("claims"),
        "real": ledger.of("real"),
        "scores": scores,
    }
    record.emit("despeckle_peers", options, results, began=began)


def _speckle(rows: Sequence[Row]) -> str:
    if not rows:
        return "nothing"
    lags = ", ".join(f"{rows[0][key]:.2f}" for key in ("lag1 rows", "lag1 cols"))
    return f"L = {rows[0]['L']:.3g}, ENL {rows[0]['ENL']:.3g}, lag-1 autocorrelation of the speckle {lags}"


if __name__ == "__main__":
    main()
