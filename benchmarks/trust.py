"""Can a despeckled image be trusted? Its radiometry, point targets, stated uncertainty, and what it makes up.

Simulated speckle is independent from pixel to pixel or correlated by the default impulse response of
`sardiff.simulate`, laid on made-up landscapes or validation images; the despeckler is told the true number of looks,
and how many pixels of speckle vary as one.
All ratios are of linear intensity.

radiometry: mean of despeckled over mean of measured intensity in windows of 64 x 64 pixels, on the files of `real.py`
(looks estimated) and on landscapes; there also against the truth, for each kind of land cover.

targets: a target's field is added to the clutter's before detection, so both interfere as in a real product: "one
pixel" in independent clutter, "impulse response" at a random part of a pixel in correlated clutter. Its level is its
own power over the mean clutter of the 9 x 9 pixels around it. The loss is measured over despeckled intensity of the
pixel nearest to it, in dB.

uncertainty: share of pixels whose truth lies in the central interval around the despeckled value, in dB, of as many of
the stated standard deviations as the network's card says, or else as a Gaussian has; also for each tenth of the pixels
by despeckled brightness.

invention: a constant, and a slope of 10 dB across the scene, under speckle. What varies in 10 log10(despeckled / truth)
is made up: its variance, the share of pixels more than 3 dB off, and false edges, the share of pixels where its Sobel
gradient (a ramp of 1 dB per pixel gives 1) exceeds 1.5 dB per pixel. Then how much of the image's structure is found
in the ratio measured / despeckled: "structure" is that of `sardiff.metrics.ratio_statistics`, a correlation; "detail"
is the share of the variance of the log ratio that the image's own details explain, see `leakage`. Beside the truth
stands the truth blurred by a Gaussian of 2 pixels, a planted leak that the score has to find.

--quick looks less far beyond the rims and uses tiny scenes: its figures say that the script runs, no more.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from statistics import NormalDist
from typing import Any

import dask
import numpy as np
import record
import xarray as xr
from numpy.typing import NDArray
from quality import SUBSET, load
from real import SCENES, Scene
from scipy.ndimage import gaussian_filter, sobel, uniform_filter
from scipy.stats import spearmanr

from geo_io import GeoIOError, open_raster
from sardiff import despeckle
from sardiff.errors import SardiffError
from sardiff.metrics import enl, ratio_statistics
from sardiff.priors.checkpoint import load_prior
from sardiff.simulate import Cover, ImpulseResponse, correlated_speckle, landscape, speckle
from sardiff.tasks.despeckle import Despeckle, DespeckleTiles
from sardiff.tasks.inputs import settle_looks

PARTS = ("radiometry", "targets", "uncertainty", "invention")
KINDS = ("independent", "correlated")  # of speckle, from pixel to pixel
WINDOW, STEP = 64, 32  # pixels: side of a window of radiometry, and from one to the next
TOLERANCE = 0.02  # of the ratio of a window
LEVELS_DB = (5.0, 10.0, 15.0, 20.0, 30.0)  # of point targets over clutter
SPACING, JITTER = 48, 12  # pixels: between point targets, and how far each is moved at most
LOSS_DB, STRONG_DB = 0.5, 15.0  # what a target may lose, and from which level on
NOMINAL = (0.5, 0.8, 0.9, 0.95)
EDGE_DB, POINT_DB = 1.5, 3.0  # per pixel; from the truth
SCENE = 1024  # pixels: largest side of a featureless scene
LEAK = 2.0  # pixels: standard deviation of the planted blur
DETAIL, BINS = (2.0, 6.0), 8  # pixels: of the means that details are less; classes of each
Image = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Restored:
    """A scene of known truth, measured and despeckled: linear intensity, and the stated standard deviation in dB."""

    truth: Image
    measured: Image
    estimate: Image
    spread_db: Image
    cover: NDArray[np.uint8] | None = None

    @property
    def error_db(self) -> Image:
        """10 log10(despeckled / truth); NaN where not measured."""
        return 10 * np.log10(self.estimate / self.truth)


def kinds(looks: float) -> tuple[str, ...]:
    """The kinds of speckle there are: an impulse response averages a whole number of looks."""
    return KINDS if looks == int(looks) else KINDS[:1]


def draw(shape: tuple[int, int], looks: float, kind: str, rng: np.random.Generator) -> Image:
    """Speckle of mean 1."""
    if kind == "correlated":
        return correlated_speckle(shape, rng, looks=int(looks))
    return speckle(shape, looks, rng)


def area(kind: str) -> float:
    """How many pixels of this speckle vary as one."""
    if kind == "independent":
        return 1.0
    response = ImpulseResponse()
    return math.prod(1 + 2 * sum(response.correlation(lag, axis) for lag in range(1, 17)) for axis in (0, 1))


def clean(
    measured: Image,
    looks: float,
    options: argparse.Namespace,
    *,
    correlation: float | None = None,
    uncertainty: bool = False,
) -> Image:
    """(1, rows, cols) intensity, and with uncertainty a second band of dB: `sardiff.despeckle` on an array."""
    da = xr.DataArray(np.asarray(measured, np.float32), dims=("y", "x"))
    lazy = despeckle(
        da,
        looks=looks,
        values="intensity",
        method=options.method,
        correlation=correlation,
        uncertainty=uncertainty,
        overlap=16 if options.quick else None,
        weights=options.weights,
        device=options.device,
        seed=options.seed,
    )
    return np.asarray(lazy.values).reshape(-1, *measured.shape)


@dataclass(frozen=True)
class Simulated:
    """The scenes of known truth, each despeckled once for all parts."""

    options: argparse.Namespace

    @cached_property
    def done(self) -> dict[tuple[str, float, str], list[Restored]]:
        return {}

    def landscapes(self, looks: float, kind: str) -> list[Restored]:
        """Made-up landscapes with a rim that was not measured."""
        return self._once("landscape", looks, kind, self._landscapes)

    def images(self, looks: float, kind: str) -> list[Restored]:
        """Validation images, those of `quality.py`."""
        return self._once("validation", looks, kind, self._images)

    def _once(self, name: str, looks: float, kind: str, make: Callable[[float, str], list[Restored]]) -> list[Restored]:
        if (name, looks, kind) not in self.done:
            self.done[name, looks, kind] = make(looks, kind)
            say(f"{name}, L = {looks:g}, {kind} speckle: despeckled")
        return self.done[name, looks, kind]

    def _landscapes(self, looks: float, kind: str) -> list[Restored]:
        scenes, side = [], self.options.size
        for i in range(self.options.landscapes):
            made = landscape((side, side), seed=self.options.seed + i)
            scenes.append(self._restore(made.intensity, looks, kind, i, made.cover))
        return scenes

    def _images(self, looks: float, kind: str) -> list[Restored]:
        folder = record.data_folder() / "validation"
        cases = load(folder, looks, self.options.seed, SUBSET[: self.options.images])
        crop = slice(self.options.size if self.options.quick else None)
        return [self._restore(case.truth[crop, crop], looks, kind, 1000 + i) for i, case in enumerate(cases)]

    def _restore(
        self, truth: Image, looks: float, kind: str, place: int, cover: NDArray[np.uint8] | None = None
    ) -> Restored:
        rng = generator(self.options, "scene", looks, kind, place)
        measured = (truth * draw(truth.shape, looks, kind, rng)).astype(np.float32)
        return Restored(
            truth, measured, *clean(measured, looks, self.options, correlation=area(kind), uncertainty=True), cover
        )


def generator(options: argparse.Namespace, name: str, looks: float, kind: str, place: int) -> np.random.Generator:
    """Random numbers that depend on the seed, the purpose and the place in a list alone."""
    return np.random.default_rng([options.seed, *name.encode(), round(1000 * looks), KINDS.index(kind), place])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# Radiometry


def window_ratios(above: Image, below: Image, size: int = WINDOW, step: int = STEP) -> NDArray[np.float64]:
    """Mean of one image over mean of the other in windows, those of which three quarters are known in both."""
    if min(above.shape) < size:
        return np.zeros(0)
    known = np.isfinite(above) & np.isfinite(below)

    def sums(values: Image) -> NDArray[np.float64]:
        filled = np.where(known, values, 0).astype(np.float64)
        views = np.lib.stride_tricks.sliding_window_view(filled, (size, size))[::step, ::step]
        return views.sum(axis=(2, 3)).ravel()

    enough = sums(np.ones(above.shape)) >= 0.75 * size**2
    return sums(above)[enough] / sums(below)[enough]


def ratio_summary(ratios: NDArray[np.float64]) -> dict[str, Any]:
    """Median, spread (half of what lies between the quantiles 16 and 84 %), extremes, share within the tolerance."""
    if not (count := int(ratios.size)):
        ratios = np.array([math.nan])
    low, middle, high = np.quantile(ratios, [0.16, 0.5, 0.84])
    return {
        "windows": count,
        "median": float(middle),
        "spread": float(high - low) / 2,
        "least": float(ratios.min()),
        "most": float(ratios.max()),
        f"within {TOLERANCE}": float(np.mean(np.abs(ratios - 1) <= TOLERANCE)) if count else math.nan,
    }


def real_row(scene: Scene, options: argparse.Namespace) -> dict[str, Any]:
    """Despeckled over measured in the windows of one real file."""
    path = record.data_folder() / "sar" / scene.path
    source = open_raster(path, bands=(scene.date,) if scene.date else None)
    found = settle_looks(source, scene.looks)  # type: ignore[arg-type]
    looks = found.value
    measured = source[slice(0, 1), slice(0, source.shape[1]), slice(0, source.shape[2])][0]
    estimate = clean(measured, looks, options, correlation=found.area)[0]
    row = {"scene": scene.name, "L": looks, **ratio_summary(window_ratios(estimate, measured))}
    say(f"{scene.name}: despeckled")
    return row


def cover_rows(scenes: Sequence[Restored]) -> list[dict[str, Any]]:
    """Despeckled over true intensity for each land cover, pixels of all scenes together.

    "mean over mean" is the share of the class's power that is kept; "mean ratio" and "median ratio", of single pixels,
    weigh dark and bright alike, so the first shows what bright neighbours spill over dark ground; "measured over true"
    is the share of the power that chance left in the measurement.
    """
    truth, measured, estimate = (
        np.concatenate([getattr(scene, name).ravel() for scene in scenes]).astype(np.float64)
        for name in ("truth", "measured", "estimate")
    )
    cover = np.concatenate([scene.cover.ravel() for scene in scenes if scene.cover is not None])
    rows = []
    for kind in Cover:
        chosen = (cover == kind) & np.isfinite(truth) & np.isfinite(estimate)
        if not chosen.any():
            continue
        t, m, e = truth[chosen], measured[chosen], estimate[chosen]
        rows.append(
            {
                "cover": kind.name.lower(),
                "pixels": int(chosen.sum()),
                "mean over mean": float(e.mean() / t.mean()),
                "mean ratio": float((e / t).mean()),
                "median ratio": float(np.median(e / t)),
                "measured over true": float(m.mean() / t.mean()),
            }
        )
    return rows


def radiometry(simulated: Simulated, levels: Sequence[float], options: argparse.Namespace) -> dict[str, Any]:
    files, windows, covers = [], [], []
    for scene in [s for s in SCENES if s.name == "capella-vv"] if options.quick else SCENES:
        try:
            files.append(real_row(scene, options))
        except (SardiffError, GeoIOError) as error:
            files.append({"scene": scene.name, "refused": str(error)})
            say(f"{scene.name}: {error}")
    for looks, kind in settings_of(levels):
        scenes, name = simulated.landscapes(looks, kind), {"L": looks, "speckle": kind}
        for label, above, below in (
            ("despeckled over measured", "estimate", "measured"),
            ("despeckled over true", "estimate", "truth"),
            ("measured over true", "measured", "truth"),
        ):
            ratios = [window_ratios(getattr(scene, above), getattr(scene, below)) for scene in scenes]
            windows.append({"ratio": label, **name, **ratio_summary(np.concatenate(ratios))})
        covers += [{"cover": row["cover"], **name, **row} for row in cover_rows(scenes)]
    record.table([row for row in files if "refused" not in row], "Despeckled over measured in windows of real files")
    record.table(windows, "Ratios in windows of landscapes")
    record.table(covers, "Despeckled over true intensity by land cover")
    return {"files": files, "windows": windows, "covers": covers}


def settings_of(levels: Sequence[float]) -> Iterator[tuple[float, str]]:
    """Every number of looks with every kind of speckle."""
    return ((looks, kind) for looks in levels for kind in kinds(looks))


# Point targets


@dataclass(frozen=True, eq=False)
class Targets:
    """Where point targets lie, (n,) each: rows and cols with their parts of a pixel, and level over clutter in dB."""

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    level_db: NDArray[np.float64]

    @property
    def pixels(self) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """The pixel nearest to each."""
        return np.rint(self.rows).astype(int), np.rint(self.cols).astype(int)


def scatter(clutter: Image, rng: np.random.Generator, *, within_pixel: bool) -> Targets:
    """Targets on a shaken grid, of all levels in random order; none where clutter nearby was not measured."""
    down, across = (side // SPACING for side in clutter.shape)
    grid = np.stack(np.meshgrid(np.arange(down), np.arange(across), indexing="ij")).reshape(2, -1)
    places = (grid + 0.5) * SPACING + rng.integers(-JITTER, JITTER + 1, grid.shape)
    if within_pixel:
        places += rng.uniform(-0.5, 0.5, grid.shape)
    levels = rng.permutation(np.resize(LEVELS_DB, down * across))
    made = Targets(places[0], places[1], levels)
    known = np.isfinite(surroundings(clutter)[made.pixels])
    return Targets(places[0, known], places[1, known], levels[known])


def surroundings(clutter: Image) -> Image:
    """Mean of the 9 x 9 pixels around each; NaN where one of them was not measured."""
    holes = uniform_filter((~np.isfinite(clutter)).astype(float), 9) > 1e-9
    return np.where(holes, np.nan, uniform_filter(np.nan_to_num(clutter).astype(float), 9))


def one_pixel(
    clutter: Image, targets: Targets, looks: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and measured intensity with targets of one pixel in independent clutter.

    |a + c|^2 of a constant a and circular Gaussian c, averaged over looks, is a noncentral chi-square variable of
    2 looks degrees of freedom; without a target it is gamma speckle.
    """
    power = np.zeros(clutter.shape)
    power[targets.pixels] = 10 ** (targets.level_db / 10) * surroundings(clutter)[targets.pixels]
    measured = clutter * speckle(clutter.shape, looks, rng).astype(np.float64)
    ground = clutter[targets.pixels].astype(np.float64)
    shift = 2 * looks * power[targets.pixels] / ground
    measured[targets.pixels] = ground / (2 * looks) * rng.noncentral_chisquare(2 * looks, shift)
    return clutter + power, measured


def imaged(
    clutter: Image, targets: Targets, looks: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and measured intensity with targets as the impulse response images them, in correlated clutter."""
    response = ImpulseResponse(looks=looks)
    amplitude, reach = np.zeros(clutter.shape), SPACING
    strength = np.sqrt(10 ** (targets.level_db / 10) * surroundings(clutter)[targets.pixels])
    for row, col, peak, i, j in zip(targets.rows, targets.cols, strength, *targets.pixels, strict=True):
        rows, cols = (
            np.arange(max(k - reach, 0), min(k + reach + 1, n)) for k, n in zip((i, j), clutter.shape, strict=True)
        )
        patch = peak * np.outer(point_response(response, rows - row, 0), point_response(response, cols - col, 1))
        amplitude[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += patch
    total = np.zeros(clutter.shape)
    for _ in range(looks):
        total += np.abs(np.sqrt(clutter) * complex_speckle(clutter.shape, response, rng) + amplitude) ** 2
    return clutter + amplitude**2, total / looks


def point_response(response: ImpulseResponse, offset: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Amplitude of a point along one axis at offsets in pixels, 1 at its centre."""
    weights, frequency = response.weights(1024, axis), np.fft.fftfreq(1024)
    return np.cos(2 * math.pi * np.multiply.outer(offset, frequency)) @ weights / weights.sum()


def complex_speckle(
    shape: tuple[int, int], response: ImpulseResponse, rng: np.random.Generator
) -> NDArray[np.complex128]:
    """One look before detection, of mean power 1: the field whose intensity `correlated_speckle` draws."""
    margin = 32
    fine = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    window = np.outer(response.weights(fine[0], 0), response.weights(fine[1], 1))
    window *= fine[0] * fine[1] / math.sqrt(2 * (window**2).sum())
    real, imaginary = rng.standard_normal((2, *fine))
    return np.fft.ifft2(window * (real + 1j * imaginary))[margin:-margin, margin:-margin]


def target_rows(
    targets: Targets, mean: Image, measured: Image, estimate: Image, name: dict[str, Any]
) -> list[dict[str, Any]]:
    """For each level: what the pixel nearest to a target lost of its measured and of its true intensity, in dB."""
    true, seen, kept = (np.asarray(image, np.float64)[targets.pixels] for image in (mean, measured, estimate))
    lost, off = 10 * np.log10(seen / kept), 10 * np.log10(true / kept)
    rows = []
    for level in LEVELS_DB:
        chosen = targets.level_db == level
        if not chosen.any():
            continue
        low, middle, high = np.quantile(lost[chosen], [0.1, 0.5, 0.9])
        rows.append(
            {
                **name,
                "level dB": level,
                "targets": int(chosen.sum()),
                "loss dB": float(middle),
                "10 %": float(low),
                "90 %": float(high),
                f"within {LOSS_DB}": float(np.mean(np.abs(lost[chosen]) <= LOSS_DB)),
                "of true dB": float(np.median(off[chosen])),
                "measured off": float(np.median(np.abs(10 * np.log10(true / seen)[chosen]))),
                "despeckled off": float(np.median(np.abs(off[chosen]))),
            }
        )
    return rows


def point_targets(levels: Sequence[float], options: argparse.Namespace) -> dict[str, Any]:
    side = SPACING * math.ceil(math.sqrt(len(LEVELS_DB) * options.targets))
    rows = []
    for (looks, kind), ground in product(settings_of(levels), ("even", "landscape")):
        rng = generator(options, f"targets {ground}", looks, kind, 0)
        even = np.full((side, side), 10**-1.2)
        clutter = even if ground == "even" else landscape((side, side), seed=options.seed + 100).intensity
        targets = scatter(clutter, rng, within_pixel=kind == "correlated")
        if kind == "independent":
            mean, measured = one_pixel(clutter, targets, looks, rng)
        else:
            mean, measured = imaged(clutter, targets, int(looks), rng)
        name = {"target": "one pixel" if kind == "independent" else "impulse response", "L": looks, "clutter": ground}
        estimate = clean(measured, looks, options, correlation=area(kind))[0]
        rows += target_rows(targets, mean, measured, estimate, name)
        say(f"targets of {name['target']}, L = {looks:g}, {ground} clutter: done")
    record.table(rows, f"Point targets: median loss at most {LOSS_DB} dB is asked for from {STRONG_DB:g} dB on")
    strong = [row for row in rows if row["level dB"] >= STRONG_DB]
    return {"rows": rows, "holds": all(abs(row["loss dB"]) <= LOSS_DB for row in strong)}


# Uncertainty


def coverage(error_db: Image, spread_db: Image, factors: Mapping[float, float]) -> dict[str, float]:
    """Share of errors inside each nominal central interval, so many times the stated standard deviation."""
    size = np.abs(error_db)
    inside = {p: size <= k * spread_db for p, k in factors.items()}
    return {f"{100 * p:g} %": float(np.mean(within)) for p, within in inside.items()}


def classes(values: Image, count: int) -> NDArray[np.int_]:
    """For each value to which of `count` equal shares of all it belongs, 0 the lowest; equal values stay together."""
    return np.searchsorted(np.quantile(values, np.arange(1, count) / count), values, side="right")


def uncertainty_row(scenes: Sequence[Restored], factors: Mapping[float, float], name: dict[str, Any]) -> dict[str, Any]:
    """Coverage over the pixels of all scenes, and for each tenth of them by despeckled brightness."""
    error, spread, brightness = (
        np.concatenate([part(scene)[np.isfinite(scene.error_db)] for scene in scenes]).astype(np.float64)
        for part in (lambda s: s.error_db, lambda s: s.spread_db, lambda s: s.estimate)
    )
    tenth = classes(brightness, 10)
    by_decile = [
        {
            "decile": k + 1,
            "mean level dB": float(10 * np.log10(brightness[tenth == k].mean())),
            "bias dB": float(error[tenth == k].mean()),
            **coverage(error[tenth == k], spread[tenth == k], factors),
        }
        for k in range(10)
        if (tenth == k).any()
    ]
    nine = [row["90 %"] for row in by_decile]
    return {
        **name,
        **coverage(error, spread, factors),
        "90 %, least decile": min(nine),
        "90 %, most": max(nine),
        "bias dB": float(error.mean()),
        "rms error dB": float(np.sqrt(np.mean(error**2))),
        "rms std dB": float(np.sqrt(np.mean(spread**2))),
        "rank correlation": float(spearmanr(np.abs(error), spread).statistic),
        "pixels": int(error.size),
        "deciles": by_decile,
    }


def interval_factors(apply: DespeckleTiles) -> dict[float, float]:
    """Standard deviations on either side of the estimate in each nominal interval: measured, or a Gaussian's."""
    return {p: dict(apply.intervals).get(p, NormalDist().inv_cdf((1 + p) / 2)) for p in NOMINAL}


def uncertainty(simulated: Simulated, levels: Sequence[float], factors: Mapping[float, float]) -> list[dict[str, Any]]:
    rows = []
    for looks, kind in settings_of(levels):
        for name, scenes in (("validation", simulated.images), ("landscape", simulated.landscapes)):
            rows.append(uncertainty_row(scenes(looks, kind), factors, {"scenes": name, "L": looks, "speckle": kind}))
    record.table([_without(row, "deciles") for row in rows], "Truth inside nominal intervals, in dB around the result")
    return rows


# Invention


def gradient_db(image_db: Image) -> NDArray[np.float64]:
    """Sobel gradient, normalised so that a ramp of 1 dB per pixel gives 1; mirrored at the rim."""
    return np.hypot(*(sobel(np.asarray(image_db, np.float64), axis) / 8 for axis in (0, 1)))


def featureless(kind: str, side: int, rng: np.random.Generator) -> Image:
    """A constant of -25 to 0 dB, or a slope through it of 10 dB across the scene, in any direction."""
    level_db = rng.uniform(-25, 0)
    if kind == "constant":
        return np.full((side, side), 10 ** (level_db / 10), np.float32)
    turn = rng.uniform(0, 2 * math.pi)
    rows, cols = (np.mgrid[:side, :side] - (side - 1) / 2) / side
    slope_db = 10 * (rows * math.sin(turn) + cols * math.cos(turn))
    return (10 ** ((level_db + slope_db) / 10)).astype(np.float32)


def invention_row(truth: str, looks: float, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """What appears where there is nothing, over at least `--pixels` pixels; errors are 10 log10(despeckled / truth)."""
    side = min(SCENE, math.ceil(math.sqrt(options.pixels)))
    count = math.ceil(options.pixels / side**2)
    pixels, total, square, edges, points, steepest, looks_after = 0, 0.0, 0.0, 0, 0, 0.0, []
    raw_edges, raw_square, raw_total = 0, 0.0, 0.0
    for place in range(count):
        rng = generator(options, f"featureless {truth}", looks, kind, place)
        ground = featureless(truth, side, rng)
        measured = ground * draw(ground.shape, looks, kind, rng)
        estimate = clean(measured, looks, options, correlation=area(kind))[0]
        error, before = (10 * np.log10(np.asarray(image, np.float64) / ground) for image in (estimate, measured))
        steep = gradient_db(error)
        pixels, total, square = pixels + error.size, total + error.sum(), square + (error**2).sum()
        edges, points = edges + int((steep > EDGE_DB).sum()), points + int((np.abs(error) > POINT_DB).sum())
        steepest = max(steepest, float(steep.max()))
        looks_after.append(enl(estimate / ground))
        raw_edges += int((gradient_db(before) > EDGE_DB).sum())
        raw_total, raw_square = raw_total + before.sum(), raw_square + (before**2).sum()
    say(f"featureless: {truth}, L = {looks:g}, {kind} speckle: {pixels} pixels")
    return {
        "truth": truth,
        "L": looks,
        "speckle": kind,
        "pixels": pixels,
        "variance dB2": float(square / pixels - (total / pixels) ** 2),
        "measured dB2": float(raw_square / pixels - (raw_total / pixels) ** 2),
        "mean dB": float(total / pixels),
        "ENL after": float(np.mean(looks_after)),
        "edges per million": 1e6 * edges / pixels,
        "in measured": 1e6 * raw_edges / pixels,
        "steepest dB": steepest,
        f"beyond {POINT_DB:g} dB per million": 1e6 * points / pixels,
    }


def smooth(image: Image, deviation: float) -> NDArray[np.float64]:
    """Gaussian mean of the known pixels around each; NaN where unknown."""
    known = np.isfinite(image)
    weight = gaussian_filter(known.astype(np.float64), deviation)
    total = gaussian_filter(np.where(known, image, 0).astype(np.float64), deviation)
    return np.where(known, total / np.maximum(weight, 1e-12), np.nan)


def leakage(measured: Image, estimate: Image) -> dict[str, float]:
    """How much of the image is found in the ratio measured / estimate.

    "structure" is that of `ratio_statistics`, a correlation with the log image: positive where contrasts were
    flattened, negative where they were overdone or smeared over darker ground; both can cancel, and large contrasts
    drown small ones. "detail" has no sign and cannot cancel: pixels are sorted into 8 x 8 classes by the log image less
    its Gaussian means of 2 and of 6 pixels, and the variance between the means of the classes is divided by that of
    the log ratio.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_image = np.log(np.asarray(estimate, np.float64))
        log_ratio = np.log(np.asarray(measured, np.float64)) - log_image
    both = np.isfinite(log_ratio)
    log_image = np.where(both, log_image, np.nan)
    fine, coarse = (classes((log_image - smooth(log_image, deviation))[both], BINS) for deviation in DETAIL)
    values, cell = log_ratio[both] - log_ratio[both].mean(), BINS * fine + coarse
    count, total = np.bincount(cell, minlength=BINS**2), np.bincount(cell, values, minlength=BINS**2)
    between = float((total**2 / np.maximum(count, 1)).sum())
    statistics = ratio_statistics(measured, estimate)
    return {
        "structure": statistics.structure,
        "detail": between / max(float(values @ values), 1e-300),
        "ratio looks": statistics.looks,
    }


def chance(pixels: int, kind: str) -> dict[str, float]:
    """Standard errors of both scores when the ratio is speckle alone: pixels that vary together count as one."""
    share = area(kind) / pixels
    return {"structure": math.sqrt(share), "detail": math.sqrt(2 * (BINS**2 - 1)) * share}


def structure_rows(
    scenes: Sequence[Restored], looks: float, kind: str, name: str, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Leakage of the truth, of the truth blurred, of the result, and of the result against speckle it has not seen.

    Means over scenes. Even the best result has taken some of its own speckle for ground, which is then missing in the
    ratio: against a second draw of the speckle only what it did to the ground is left. A planted leak is found in a
    scene where its score is farther from 0 than that of the truth by five standard errors of chance.
    """
    scores: dict[str, list[dict[str, float]]] = {}
    for place, scene in enumerate(scenes):
        rng = generator(options, f"fresh {name}", looks, kind, place)
        fresh = scene.truth * draw(scene.truth.shape, looks, kind, rng)
        for label, measured, estimate in (
            ("truth", scene.measured, scene.truth),
            ("truth, blurred", scene.measured, smooth(scene.truth, LEAK)),
            ("despeckled", scene.measured, scene.estimate),
            ("despeckled, other speckle", fresh, scene.estimate),
        ):
            scores.setdefault(label, []).append(leakage(measured, estimate))
    errors = [chance(int(np.isfinite(scene.truth).sum()), kind) for scene in scenes]
    rows = []
    for label, per_scene in scores.items():
        row: dict[str, Any] = {"estimate": label, "scenes": name, "L": looks, "speckle": kind, "count": len(scenes)}
        row |= {key: float(np.mean([score[key] for score in per_scene])) for key in per_scene[0]}
        if label == "truth, blurred":
            for key in ("structure", "detail"):
                gaps = (abs(b[key]) - abs(t[key]) for b, t in zip(per_scene, scores["truth"], strict=True))
                found = [gap > 5 * error[key] for gap, error in zip(gaps, errors, strict=True)]
                row[f"found by {key}"] = float(np.mean(found))
        rows.append({**row, "per_scene": per_scene})
    return rows


def invention(simulated: Simulated, levels: Sequence[float], options: argparse.Namespace) -> dict[str, Any]:
    nothing = [
        invention_row(truth, looks, kind, options)
        for (looks, kind), truth in product(settings_of(levels), ("constant", "slope"))
    ]
    structure = []
    for looks, kind in settings_of(levels):
        for name, scenes in (("validation", simulated.images), ("landscape", simulated.landscapes)):
            structure += structure_rows(scenes(looks, kind), looks, kind, name, options)
    record.table(nothing, f"Featureless truth: what is made up (edges: above {EDGE_DB} dB per pixel)")
    heads = ("estimate", "scenes", "L", "speckle", "structure", "detail", "ratio looks")
    heads += ("found by structure", "found by detail")
    record.table([{head: row.get(head) for head in heads} for row in structure], "Structure found in the ratio image")
    planted = [row["found by detail"] for row in structure if "found by detail" in row]
    return {"featureless": nothing, "structure": structure, "planted leak found": min(planted) == 1}


def _without(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; separated by commas")
    parser.add_argument("--looks", default="1,4", help="of simulated speckle, separated by commas")
    parser.add_argument("--method", default="auto", help="where a standard deviation is needed, samplers average many")
    parser.add_argument("--landscapes", type=int, default=4, help="how many landscapes")
    parser.add_argument("--size", type=int, default=512, help="side of a landscape in pixels")
    parser.add_argument("--images", type=int, default=len(SUBSET), help="how many validation images, at most 5; 0: all")
    parser.add_argument("--targets", type=int, default=100, help="point targets of each level in each setting")
    parser.add_argument("--pixels", type=float, default=1e7, help="of each featureless setting")
    record.network_options(parser)
    options = parser.parse_args(arguments)
    parts = set(options.parts.split(","))
    if unknown := parts - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    levels = [float(text) for text in options.looks.split(",")]
    if options.quick:
        options.landscapes, options.size, options.images, options.targets, options.pixels = 1, 96, 1, 1, 64**2
        levels = levels[:1]
    record.use_threads(options.threads)
    dask.config.set(scheduler="synchronous")
    began, simulated, prior = time.monotonic(), Simulated(options), load_prior(options.weights)
    solver = Despeckle(looks=levels[0], method=options.method).solver(prior)
    results: dict[str, Any] = {"prior": record.weights(options.weights), "method": solver}
    if "radiometry" in parts:
        results["radiometry"] = radiometry(simulated, levels, options)
    if "targets" in parts:
        results["targets"] = point_targets(levels, options)
    if "uncertainty" in parts:
        apply = DespeckleTiles(Despeckle(looks=levels[0], method=options.method, uncertainty=True), prior)
        results["intervals"] = interval_factors(apply)
        results["uncertainty"] = uncertainty(simulated, levels, results["intervals"])
    if "invention" in parts:
        results["invention"] = invention(simulated, levels, options)
    record.emit("trust", options, results, began=began)


if __name__ == "__main__":
    main()
