"""Correlated speckle: which treatment of it is best, by measurement.

    ignored      scoring by the prior network alone, which takes pixels for independent
    tempered     the same, its likelihood divided by the autocorrelation area, measured as `sardiff.despeckle` does
    moment       moment matching by the prior network alone, the best method without training on speckle, both ways
    phases k     every k-th pixel in both directions is nearly independent of the next: the k^2 images of these are
                 despeckled with correlation ignored, and interleaved; "averaged": each is brought to the full grid by
                 bilinear interpolation, and their log-intensity averaged
    whitened     of complex pixels: the spectrum is divided by its measured modulus and cut to the band that is filled,
                 which makes pixels independent; these are despeckled as "ignored" and interpolated back to the grid
    one-pass     the network that was trained on simulated correlated speckle; "fast": without its second orientation
    and one-pass followed by a tempered pass of scoring, one-pass on phases and on whitened pixels; log-BM3D, told
    nothing of the correlation, on the full grid and on phases

All but "one-pass" have quality "fast". Networks see each image whole, with a rim of 16 pixels that are not measured.

truth: validation images with speckle as in `despeckle_peers.py` (independent, band .8, band .45, resampled). There the
truth is finer than the impulse response, which no radar delivers, and whitening cuts off what lies beyond the band. So
in "imaged .8" and "imaged .45", of one look, the impulse response images both: complex white noise times the amplitude,
then the band; their truth is the mean intensity that results. PSNR and SSIM are of the amplitude, "gain" is in dB over
"ignored" on the same images. Reduced for their cost: phases 3 and log-BM3D see 2 images, log-BM3D on phases and moment
1 and nothing real, moment only speckle of less than two looks; the independent set has 2 images, the imaged ones 3.

real: a Sentinel-1 GRD and an RTC scene, the middle 512 x 512 pixels; complex: Capella and UAVSAR pixels of one look.
Where the ground is even, the log ratio measured / despeckled should have the autocorrelation of the measured log
speckle: "gap" is the root mean square of the difference over lags 1 to 3 along rows and cols. ENL before and after as
in `real.py`. Of complex pixels also the band found, and the autocorrelation of intensity before and after whitening.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import record
import xarray as xr
from despeckle_peers import SETS, Case, make, middle, response_of, scored_paths
from numpy.typing import NDArray
from peers import Scene
from quality import SUBSET
from real import LAGS, SCENES, judge
from rivals import log_bm3d
from scipy.ndimage import gaussian_filter1d, map_coordinates

from geo_io import open_raster
from sardiff.metrics import amplitude_psnr, amplitude_ssim, estimate_looks
from sardiff.priors.base import Prior
from sardiff.priors.checkpoint import load_prior
from sardiff.simulate import ImpulseResponse
from sardiff.tasks.despeckle import Despeckle, DespeckleTiles
from sardiff.tasks.inputs import open_source, settle_looks
from tiling import Span, Tile, Window

PARTS = ("truth", "real", "complex")
IMAGED = {"imaged .8": 0.8, "imaged .45": 0.45}
KINDS = (*SETS, *IMAGED)
FEWER = {"independent": 2, "imaged .8": 3, "imaged .45": 3}  # images, at most
PATHS = {scene.name: scene.path for scene in SCENES}
REAL = {name: PATHS[name] for name in ("slovakia-vv", "alps")}
COMPLEX = {
    "capella-vv": PATHS["capella-vv"],
    "uavsar-winnipeg": "slc/uavsar_winnipeg_hh_c64.npy",
    "uavsar-sanand": "slc/uavsar_sanand_129_hh_c64.npy",
}
QUICK_CROP = 64  # pixels
RIM = 16  # pixels around an image that a network is shown as not measured
MARGIN = 32  # pixels computed and cut away, since the transform is periodic
SMOOTH = 0.01  # of the sampled band: standard deviation of the window over a measured spectrum
FILLED = 0.3  # of its largest modulus: below, nothing is there
Image = NDArray[np.floating]
Complex = NDArray[np.complexfloating]
Method = Callable[..., Image]  # images (n, rows, cols), looks, perhaps area; to images
BASELINE, AXES = "ignored", ("rows", "cols")


# Treatments


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """From a speckled scene to despeckled intensity.

    Parameters
    ----------
    run : callable
    images : int, optional
        How many images of known truth it is given at most, for its cost.
    blind : bool
        Whether it is given real scenes.
    fits : callable
        Which scenes it can despeckle, or in reasonable time.
    """

    run: Callable[[Scene], Image]
    images: int | None = None
    blind: bool = True
    fits: Callable[[Scene], bool] = lambda scene: True


def by_network(prior: Prior, device: str, images: Image, looks: float, area: float = 1.0, **settings: Any) -> Image:
    """Despeckle a batch, each image whole and with a rim that is not measured."""
    rows, cols = images.shape[1:]
    below, right = (RIM + -side % prior.stride for side in (rows, cols))
    framed = np.pad(images, ((0, 0), (RIM, below), (RIM, right)), constant_values=np.nan)
    window = Window(*(Span(0, side) for side in framed.shape[1:]))
    tiles = [Tile((0, k), window, window) for k in range(len(images))]
    apply = DespeckleTiles(Despeckle(looks=looks, correlation=area, **settings), prior, device)
    log = apply(framed[:, None].astype(np.float32), tiles)[:, 0, RIM : RIM + rows, RIM : RIM + cols]
    return np.exp(log)


def by_bm3d(images: Image, looks: float) -> Image:
    return np.stack([log_bm3d(image, looks) for image in images])


@lru_cache(maxsize=8)
def area_of(scene: Scene) -> float:
    """Pixels that vary as one, as `sardiff.despeckle` measures it; 1 where that cannot be told."""
    source = open_source(xr.DataArray(scene.intensity.astype(np.float32), dims=("y", "x")), values="intensity")
    return settle_looks(source, scene.looks).area or 1.0


def whole(method: Method, scene: Scene) -> Image:
    return method(scene.intensity[None], scene.looks)[0]


def tempered(method: Method, scene: Scene) -> Image:
    return method(scene.intensity[None], scene.looks, area_of(scene))[0]


def phases(image: Image, factor: int) -> Image:
    """Every `factor`-th pixel in both directions, (factor^2, rows, cols), upper left first; mirrored to equal sizes."""
    full = np.pad(image, [(0, -side % factor) for side in image.shape], mode="reflect")
    rows, cols = (side // factor for side in full.shape)
    return full.reshape(rows, factor, cols, factor).transpose(1, 3, 0, 2).reshape(-1, rows, cols)


@lru_cache(maxsize=8)
def despeckled_phases(method: Method, factor: int, scene: Scene) -> Image:
    """Kept, since they are recombined in two ways."""
    return method(phases(scene.intensity, factor), scene.looks)


def interleaved(method: Method, factor: int, scene: Scene) -> Image:
    return interleave(despeckled_phases(method, factor, scene), scene.intensity.shape)


def interleave(parts: Image, shape: tuple[int, ...]) -> Image:
    """What `phases` took apart."""
    factor, (rows, cols) = math.isqrt(len(parts)), parts.shape[1:]
    full = parts.reshape(factor, factor, rows, cols).transpose(2, 0, 3, 1).reshape(factor * rows, factor * cols)
    return full[: shape[0], : shape[1]]


def averaged(method: Method, factor: int, scene: Scene) -> Image:
    return average(despeckled_phases(method, factor, scene), scene.intensity.shape)


def average(parts: Image, shape: tuple[int, ...]) -> Image:
    """Geometric mean of all phases, each interpolated bilinearly at every pixel, where its own pixels lie."""
    factor = math.isqrt(len(parts))
    total = np.zeros(shape)
    for k, part in enumerate(parts):
        starts = divmod(k, factor)
        places = ((np.arange(side) - start) / factor for side, start in zip(shape, starts, strict=True))
        total += map_coordinates(np.log(part), np.meshgrid(*places, indexing="ij"), order=1, mode="nearest")
    return np.exp(total / len(parts))


def whitened(method: Method, scene: Scene) -> Image:
    """Despeckle white pixels, of one look, and bring the result back to the grid."""
    white = whiten(scene.single_look_complex())
    power = np.abs(white) ** 2
    power *= scene.intensity.mean() / power.mean()
    return on_grid(method(power[None], 1.0)[0], scene.intensity.shape)


def whiten(field: Complex) -> Complex:
    """Complex pixels whose spectrum is flat, no more of them than the band that is filled holds.

    Along each axis the spectrum is divided by the mean of its modulus over the other axis, smoothed. A mean of moduli,
    not of powers, hears little of single bright targets. A band that does not lie around zero is moved there, which
    changes phases alone.
    """
    spectrum = np.fft.fft2(field)
    for axis in (0, 1):
        modulus = gaussian_filter1d(np.abs(spectrum).mean(axis=1 - axis), SMOOTH * spectrum.shape[axis], mode="wrap")
        kept = filled_band(modulus)
        spectrum = np.take(spectrum, kept, axis) / np.expand_dims(modulus[kept], 1 - axis)
    return np.fft.ifft2(spectrum)


def filled_band(modulus: NDArray[np.floating]) -> NDArray[np.int_]:
    """Indices of the frequencies around the largest modulus where it is more than `FILLED` of that; they go round."""
    count, top = len(modulus), int(np.argmax(modulus))
    (empty,) = np.nonzero(np.roll(modulus, -top) <= FILLED * modulus[top])
    if not len(empty):
        return np.arange(count)
    return np.arange(top + empty[-1] + 1 - count, top + empty[0]) % count


def on_grid(image: Image, shape: tuple[int, ...]) -> Image:
    """Interpolate log-intensity by cubic splines; first pixels lie upon each other, as in a spectrum that was cut."""
    places = (np.arange(new) * (old / new) for new, old in zip(shape, image.shape, strict=True))
    log = np.log(image.astype(np.float64))
    return np.exp(map_coordinates(log, np.meshgrid(*places, indexing="ij"), order=3, mode="nearest"))


def treatments(prior: Prior, options: argparse.Namespace) -> dict[str, Treatment]:
    """All of them, by name."""
    # Without the network that reads measurements the prior is a denoiser of white noise, and auto is "scoring".
    alone = replace(prior, posterior=None, name=f"{prior.name} alone", sha256=prior.sha256.split("+")[0])
    network = partial(by_network, prior, options.device)
    zero_shot = partial(by_network, alone, options.device)
    levels = {"steps": 1} if options.quick else {}
    scoring = partial(zero_shot, method="scoring", quality="fast")
    moment = partial(zero_shot, method="moment", quality="fast", seed=options.seed, **levels)
    one_pass = partial(network, method="one-pass", quality="fast")
    refined = partial(network, method="scoring", quality="fast")
    costly: dict[str, Any] = {"images": 1, "blind": False}
    few_looks: dict[str, Any] = {"fits": lambda scene: scene.looks < 2}
    has_phase: dict[str, Any] = {"fits": lambda scene: scene.field is not None}
    return {
        "speckled": Treatment(run=lambda scene: scene.intensity, blind=False),
        BASELINE: Treatment(run=partial(whole, scoring)),
        "tempered": Treatment(run=partial(tempered, scoring)),
        "moment, ignored": Treatment(run=partial(whole, moment), **costly, **few_looks),
        "moment, tempered": Treatment(run=partial(tempered, moment), **costly, **few_looks),
        "phases 2": Treatment(run=partial(interleaved, scoring, 2)),
        "phases 2, averaged": Treatment(run=partial(averaged, scoring, 2)),
        "phases 3": Treatment(run=partial(interleaved, scoring, 3), images=2),
        "phases 3, averaged": Treatment(run=partial(averaged, scoring, 3), images=2),
        "whitened": Treatment(run=partial(whitened, scoring), **has_phase),
        "one-pass, fast": Treatment(run=partial(whole, one_pass)),
        "one-pass": Treatment(run=partial(whole, partial(network, method="one-pass"))),
        "one-pass, tempered": Treatment(run=partial(tempered, refined)),
        "one-pass, phases 2": Treatment(run=partial(interleaved, one_pass, 2)),
        "one-pass, phases 2, averaged": Treatment(run=partial(averaged, one_pass, 2)),
        "one-pass, whitened": Treatment(run=partial(whitened, one_pass), **has_phase),
        "log-BM3D": Treatment(run=partial(whole, by_bm3d), images=2),
        "log-BM3D, phases 2": Treatment(run=partial(interleaved, by_bm3d, 2), **costly),
        "log-BM3D, phases 2, averaged": Treatment(run=partial(averaged, by_bm3d, 2), **costly),
    }


# Known truth


def cases_of(kind: str, looks: float, options: argparse.Namespace) -> list[Case]:
    """The images of a set; of one independent look, pixels have a phase too."""
    names = SUBSET[: 1 if options.quick else min(options.images, FEWER.get(kind, len(SUBSET)))]
    paths = scored_paths(record.data_folder() / "validation", ",".join(names))
    crop = QUICK_CROP if options.quick else options.crop
    made = make(paths, "independent" if kind in IMAGED else kind, looks, options.seed, crop)
    if kind == "independent" and looks == 1:
        return [replace(case, scene=replace(case.scene, field=case.scene.single_look_complex())) for case in made]
    if kind not in IMAGED:
        return made
    cases = []
    for i, case in enumerate(made):
        rng = np.random.default_rng([options.seed, KINDS.index(kind), i])
        truth, field = imaged(case.truth, IMAGED[kind], rng)
        cases.append(replace(case, truth=truth, scene=Scene((np.abs(field) ** 2).astype(np.float32), 1.0, field)))
    return cases


def imaged(ground: Image, bandwidth: float, rng: np.random.Generator) -> tuple[Image, Complex]:
    """Complex pixels of one look that fill a share of the band, and their mean power: that of the ground, blurred."""
    ground = np.pad(ground, MARGIN, mode="reflect")
    response = ImpulseResponse(looks=1, bandwidth=(bandwidth, bandwidth))
    window = np.outer(*(response.weights(side, axis) for axis, side in enumerate(ground.shape)))
    window /= math.sqrt(np.mean(window**2))  # the squared modulus of the impulse response adds up to one
    white = (rng.standard_normal(ground.shape) + 1j * rng.standard_normal(ground.shape)) / math.sqrt(2)
    field = np.fft.ifft2(window * np.fft.fft2(np.sqrt(ground) * white))
    spread = np.fft.fft2(np.abs(np.fft.ifft2(window)) ** 2)
    mean = np.fft.ifft2(spread * np.fft.fft2(ground)).real
    inside = (slice(MARGIN, -MARGIN),) * 2
    return mean[inside], field[inside]


def true_area(kind: str, looks: float) -> float | None:
    """Autocorrelation area of a set's speckle; interpolation to a turned grid leaves no closed form."""
    if kind in ("independent", "resampled"):
        return 1.0 if kind == "independent" else None
    share = IMAGED.get(kind)
    response = response_of(kind, looks) if share is None else ImpulseResponse(looks=1, bandwidth=(share, share))
    return math.prod(1 + 2 * sum(response.correlation(lag, axis) for lag in range(1, 33)) for axis in (0, 1))


def truth_rows(chosen: dict[str, Treatment], kind: str, looks: float, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Every treatment on one set, and per image what each row is the mean of."""
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in chosen}
    for i, case in enumerate(cases):
        for name, treatment in chosen.items():
            if i >= (treatment.images or len(cases)) or not treatment.fits(case.scene):
                continue
            estimate = treatment.run(case.scene)
            found[name][case.name] = {
                "psnr": amplitude_psnr(estimate, case.truth, data_range=1.0),
                "ssim": amplitude_ssim(estimate, case.truth, data_range=1.0),
            }
        say(f"{kind}, L = {looks:g}: {case.name}")
    rows = []
    for name, scores in found.items():
        if not scores:
            continue
        means = {key: float(np.mean([score[key] for score in scores.values()])) for key in ("psnr", "ssim")}
        gain = float(np.mean([score["psnr"] - found[BASELINE][image]["psnr"] for image, score in scores.items()]))
        row = {"treatment": name, "set": kind, "L": looks, **means, "gain": gain}
        rows.append({**row, "images": len(scores), "per_image": scores})
    return rows


def truth(chosen: dict[str, Treatment], options: argparse.Namespace) -> dict[str, Any]:
    rows, areas, wanted = [], [], [float(text) for text in options.looks.split(",")]
    for looks in wanted[:1] if options.quick else wanted:
        for kind in options.sets.split(","):
            if kind in IMAGED and looks != 1:
                continue
            cases = cases_of(kind, looks, options)
            new = truth_rows(chosen, kind, looks, cases)
            rows += new
            area = {"true area": true_area(kind, looks), "measured": [area_of(case.scene) for case in cases]}
            areas.append({"set": kind, "L": looks, "looks told": cases[0].scene.looks, **area})
            shown = ("treatment", "psnr", "ssim", "gain", "images")
            record.table([{key: row[key] for key in shown} for row in new], f"{kind}, L = {looks:g}")
    columns = list(dict.fromkeys((row["set"], row["L"]) for row in rows))
    gains = {(row["treatment"], row["set"], row["L"]): row["gain"] for row in rows}
    table = [
        {"treatment": name, **{f"{kind}, {looks:g}": gains.get((name, kind, looks)) for kind, looks in columns}}
        for name in chosen
    ]
    record.table(table, f"Gain in dB over {BASELINE!r} by set and number of looks")
    record.table(
        [{**row, "measured": float(np.mean(row["measured"]))} for row in areas], "Pixels that vary as one, in the mean"
    )
    return {"scores": rows, "areas": areas}


# Real scenes


def real_scene(path: str, crop: int) -> Scene:
    """The middle of a detected scene, its looks estimated."""
    source = open_raster(record.data_folder() / "sar" / path)
    whole_scene = source[slice(0, 1), slice(0, source.shape[1]), slice(0, source.shape[2])][0]
    intensity = middle(whole_scene, crop)
    looks = settle_looks(open_source(xr.DataArray(intensity, dims=("y", "x")), values="intensity"), "auto").value
    return Scene(intensity, looks)


def complex_scene(path: str, crop: int) -> Scene:
    """The middle of a single-look complex image."""
    file = record.data_folder() / "sar" / path
    if file.suffix == ".npy":
        field = np.load(file)
    else:
        source = open_raster(file)
        field = source.stored(slice(0, source.shape[1]), slice(0, source.shape[2]))[0]
    field = middle(field, crop)
    return Scene((np.abs(field) ** 2).astype(np.float32), 1.0, field)


def blind_rows(name: str, chosen: dict[str, Treatment], scene: Scene) -> list[dict[str, Any]]:
    """Every treatment on one real scene, judged as in `real.py`."""
    rows = []
    for treatment, what in chosen.items():
        if not what.blind or not what.fits(scene):
            continue
        found = judge(scene.intensity, what.run(scene), scene.looks)
        lags = {of: np.array([found[f"lags of log {of}, {axis}"] for axis in AXES]) for of in ("before", "ratio")}
        gap = math.sqrt(np.mean((lags["ratio"] - lags["before"]) ** 2))
        rows.append({"treatment": treatment, "scene": name, "gap": gap, **found})
    say(f"{name}: L = {scene.looks:.3g}, area {area_of(scene):.3g}")
    shown = [
        {
            "treatment": row["treatment"],
            **{f"lag {k + 1}": _mean_lag(row, "ratio", k) for k in range(LAGS)},
            **{key: row[key] for key in ("gap", "ENL after", "ratio looks", "ratio structure")},
        }
        for row in rows
    ]
    first, before = rows[0], [_mean_lag(rows[0], "before", k) for k in range(LAGS)]
    title = f"{name}, L = {scene.looks:.3g}: the log ratio's lags, against {before[0]:.2f}, {before[1]:.2f}, "
    record.table(shown, title + f"{before[2]:.2f} measured; ENL {first['ENL before']:.3g} before")
    return rows


def _mean_lag(row: dict[str, Any], of: str, lag: int) -> float:
    return sum(row[f"lags of log {of}, {axis}"][lag] for axis in AXES) / 2


def whitening_row(name: str, scene: Scene) -> dict[str, Any]:
    """The band found along rows and cols, and the autocorrelation of intensity before and after."""
    white = whiten(scene.single_look_complex())
    before, after = (estimate_looks(intensity) for intensity in (scene.intensity, np.abs(white) ** 2))
    bands = [new / old for new, old in zip(white.shape, scene.intensity.shape, strict=True)]
    return {"scene": name, "band": bands, "lags before": before.correlation, "lags after": after.correlation}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; separated by commas")
    parser.add_argument("--looks", default="1,4", help="whole numbers of looks, by commas")
    parser.add_argument("--sets", default=",".join(KINDS), help="of known truth, by commas")
    parser.add_argument("--images", type=int, default=len(SUBSET), help=f"how many of {', '.join(SUBSET)}")
    parser.add_argument("--crop", type=int, default=512, help="at most so many pixels of a side")
    record.network_options(parser)
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    for what, given, known in (("part", parts, PARTS), ("set", options.sets.split(","), KINDS)):
        if unknown := set(given) - set(known):
            parser.error(f"there is no {what} {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if not 1 <= options.images <= len(SUBSET):
        parser.error(f"--images must be from 1 to {len(SUBSET)}")
    began = time.monotonic()
    record.use_threads(options.threads)
    chosen = treatments(load_prior(options.weights, options.device), options)
    results: dict[str, Any] = {"prior": record.weights(options.weights)}
    crop = QUICK_CROP if options.quick else options.crop
    if "truth" in parts:
        results["truth"] = truth(chosen, options)
    if "real" in parts:
        results["real"] = [row for name in REAL for row in blind_rows(name, chosen, real_scene(REAL[name], crop))]
    if "complex" in parts:
        scenes = {name: complex_scene(path, crop) for name, path in COMPLEX.items()}
        results["whitening"] = [whitening_row(name, scene) for name, scene in scenes.items()]
        shown = [
            {
                "scene": row["scene"],
                **{f"band, {axis}": share for axis, share in zip(AXES, row["band"], strict=True)},
                **{f"lag 1 {when}, {axis}": row[f"lags {when}"][k][0]
                   for when in ("before", "after") for k, axis in enumerate(AXES)},
            }
            for row in results["whitening"]
        ]  # fmt: skip
        record.table(shown, "Whitening of complex pixels")
        results["complex"] = [row for name, scene in scenes.items() for row in blind_rows(name, chosen, scene)]
    record.emit("correlated", options, results, began=began)


if __name__ == "__main__":
    main()
