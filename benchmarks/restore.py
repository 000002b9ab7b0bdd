"""Gap filling and deblurring on images whose truth is known, beside what scikit-image has for both.

Four validation images of 0.3, 10 and 28 m, grey by luminance from 0 to 1, the middle 128 x 128 pixels of each. PSNR
with data range 1, means over images; SSIM of whole images.

Filling: squares of 16 pixels, and stripes 8 pixels wide, a quarter of a pixel aslant per row, at random places; PSNR of
what was filled. "worth" is the root mean square error of the filled pixels over what the spread of the samples says.

Deblurring: blurred with what lies around the crop, noise of standard deviation .01 added, known to none of ours, which
estimate it. Wiener filter and Richardson-Lucy are given the balance, or number of iterations, that is best for each
image; they see the image mirrored beyond its rim. "colour" compares bands one by one with sharpening luminance alone
and adding to each band what it gained; "headroom" shows what it brings to scale bands with room below their range.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dask
import numpy as np
import record
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio as psnr
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic, richardson_lucy, unsupervised_wiener, wiener

import sardiff
from sardiff.tasks import tones
from sardiff.tasks.kernels import kernel_of

SIDE = 128  # pixels of a crop
AROUND = 24  # pixels beyond it, that blur brings in
RIM = 16  # pixels beyond the rim that our methods see mirrored: overlap of the one tile
NOISE = 0.01
BLURS = ("gaussian:1.5", "motion:9,30")
NAMES = ("agricultural35", "buildings93", "s2_268_q3", "olinda")
COLOURED = ("s2_268_q3", "buildings93", "olinda")
BALANCES = (0.003, 0.01, 0.03, 0.1, 0.3)
ITERATIONS = (5, 10, 20, 40, 80)
Image = NDArray[np.float32]


def load(folder: Path, name: str) -> Image:
    """The middle of an image (3, rows, cols), 0 to 1, with what lies around it."""
    (path,) = folder.glob(f"*/{name}.png")
    pixels = imread(path)[..., :3].astype(np.float32) / 255
    top, left = ((side - SIDE) // 2 - AROUND for side in pixels.shape[:2])
    side = SIDE + 2 * AROUND
    return np.moveaxis(pixels[top : top + side, left : left + side], 2, 0)


def grey_of(colours: Image) -> Image:
    """Luminance."""
    return np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), colours, 1)


def inner(image: Image) -> Image:
    """Without what lies around."""
    return image[..., AROUND:-AROUND, AROUND:-AROUND]


def squares(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Five squares of 16 pixels."""
    gap = np.zeros((SIDE, SIDE), bool)
    for row, col in rng.integers(4, SIDE - 20, (5, 2)):
        gap[row : row + 16, col : col + 16] = True
    return gap


def stripes(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Stripes 8 pixels wide, 32 apart."""
    rows, cols = np.indices((SIDE, SIDE))
    return np.asarray((cols + rows // 4 + rng.integers(32)) % 32 < 8)


def ours(task: Callable[..., Any], image: Image, **settings: Any) -> Image:
    """What a task makes of an array; of an uncertainty too."""
    dims = ("y", "x") if image.ndim == 2 else ("band", "y", "x")
    return np.asarray(task(xr.DataArray(image, dims=dims), **settings).values)


def score(estimate: Image, truth: Image, where: NDArray[np.bool_] | None = None) -> dict[str, float]:
    """PSNR, of the pixels in question, and SSIM."""
    part = slice(None) if where is None else where
    whole = estimate if where is None else np.where(where, estimate, truth)
    similar = structural_similarity(whole.astype(np.float64), truth.astype(np.float64), data_range=1.0)
    return {"psnr": float(psnr(truth[part], estimate[part], data_range=1.0)), "ssim": float(similar)}


def rows_of(
    kind: str, task: str, table: dict[str, dict[str, dict[str, float]]], seconds: dict[str, float]
) -> list[Any]:
    """One row a method, means over images, and per image what they are means of."""
    rows = []
    for method, images in table.items():
        keys = next(iter(images.values()))
        means = {key: float(np.mean([scores[key] for scores in images.values()])) for key in keys}
        each = seconds[method] / len(images)
        rows.append({"task": task, "kind": kind, "method": method, **means, "s/image": each, "per_image": images})
        print(f"{task:7} {kind:13} {method:22} {means['psnr']:.2f} dB", file=sys.stderr, flush=True)
    return rows


class Trial:
    """Scores by method and image, and how long each method took."""

    def __init__(self) -> None:
        self.table: dict[str, dict[str, dict[str, float]]] = {}
        self.seconds: dict[str, float] = {}

    def add(self, method: str, name: str, run: Callable[[], dict[str, float]]) -> None:
        """Run and score a method on an image."""
        began = time.perf_counter()
        self.table.setdefault(method, {})[name] = run()
        self.seconds[method] = self.seconds.get(method, 0.0) + time.perf_counter() - began


def filling(images: dict[str, Image], options: argparse.Namespace) -> list[Any]:
    """Rows of gap filling."""
    rows = []
    for kind, gaps in (("squares", squares), ("stripes", stripes)):
        trial = Trial()
        for i, (name, colours) in enumerate(images.items()):
            truth, gap = inner(grey_of(colours)), gaps(np.random.default_rng([options.seed, i]))
            holed = np.where(gap, np.float32(np.nan), truth)
            # A gap that reaches the rim is left by the program; its pixels count for none.
            left = np.isnan(ours(sardiff.fill, holed, method="harmonic", overlap=RIM))
            gap &= ~left

            def known(gap: NDArray[np.bool_] = gap, truth: Image = truth) -> dict[str, float]:
                return score(inpaint_biharmonic(np.where(gap, 0, truth), gap).astype(np.float32), truth, gap)

            def filled(holed: Image = holed, truth: Image = truth, gap: Any = gap, **settings: Any) -> dict[str, float]:
                found = ours(sardiff.fill, holed, overlap=RIM, seed=options.seed, **settings)
                if found.ndim == 2:
                    return score(found, truth, gap)
                error, spread = found[0][gap] - truth[gap], found[1][gap]
                wider = np.sqrt(np.mean(spread**2) * (1 + 1 / options.samples))
                return {**score(found[0], truth, gap), "worth": float(np.sqrt(np.mean(error**2)) / wider)}

            trial.add("biharmonic (scikit-image)", name, known)
            trial.add("harmonic", name, lambda filled=filled: filled(method="harmonic"))  # type: ignore[misc]
            trial.add("diffpir", name, lambda filled=filled: filled(method="diffpir"))  # type: ignore[misc]
            if options.samples > 1:
                many = {"samples": options.samples, "uncertainty": True}
                trial.add(f"ddnm, {options.samples} samples", name, lambda f=filled, m=many: f(**m))  # type: ignore[misc]
        rows += rows_of(kind, "fill", trial.table, trial.seconds)
    return rows


def best(runs: Sequence[Image], truth: Image) -> dict[str, float]:
    """Scores of the run of highest PSNR."""
    return max((score(np.clip(run, 0, 1), truth) for run in runs), key=lambda found: found["psnr"])


def blurred(image: Image, kernel: NDArray[np.float64], rng: np.random.Generator) -> Image:
    """A band, blurred by its surroundings too, with noise."""
    wide = fftconvolve(image, kernel, mode="same")
    return (inner(wide) + NOISE * rng.standard_normal((SIDE, SIDE))).astype(np.float32)


def deblurring(images: dict[str, Image], options: argparse.Namespace) -> list[Any]:
    """Rows of deblurring."""
    rows = []
    for blur in BLURS[:1] if options.quick else BLURS:
        kernel, trial = kernel_of(blur), Trial()
        for i, (name, colours) in enumerate(images.items()):
            truth = inner(grey_of(colours))
            y = blurred(grey_of(colours), kernel, np.random.default_rng([options.seed, i]))
            wide = np.pad(y, AROUND, mode="reflect")

            def lucy(wide: Image = wide, truth: Image = truth) -> dict[str, float]:
                bright = np.clip(wide, 1e-4, None)
                return best([inner(richardson_lucy(bright, kernel, n, clip=False)) for n in ITERATIONS], truth)  # noqa: B023

            def filtered(wide: Image = wide, truth: Image = truth) -> dict[str, float]:
                return best([inner(wiener(wide, kernel, b, clip=False)) for b in BALANCES], truth)  # noqa: B023

            def unsupervised(wide: Image = wide, truth: Image = truth) -> dict[str, float]:
                return best([inner(unsupervised_wiener(wide, kernel, clip=False, rng=0)[0])], truth)  # noqa: B023

            def sharp(y: Image = y, truth: Image = truth, blur: str = blur, **settings: Any) -> dict[str, float]:
                return best([ours(sardiff.deblur, y, blur=blur, overlap=RIM, seed=options.seed, **settings)], truth)

            trial.add("blurred", name, lambda y=y, truth=truth: best([y], truth))  # type: ignore[misc]
            trial.add("Richardson-Lucy, best", name, lucy)
            trial.add("Wiener, best", name, filtered)
            trial.add("Wiener, unsupervised", name, unsupervised)
            trial.add("dpir", name, sharp)
            if options.samples > 1:
                trial.add(
                    f"diffpir, {options.samples} samples",
                    name,
                    lambda sharp=sharp: sharp(method="diffpir", samples=options.samples),  # type: ignore[misc]
                )
        rows += rows_of(blur, "deblur", trial.table, trial.seconds)
    return rows


def colours(images: dict[str, Image], options: argparse.Namespace) -> list[Any]:
    """Rows of two ways to deblur bands."""
    blur, trial = BLURS[0], Trial()
    for i, name in enumerate(name for name in COLOURED[: 1 if options.quick else None] if name in images):
        rng, truth = np.random.default_rng([options.seed, i]), inner(images[name])
        y = np.stack([blurred(band, kernel_of(blur), rng) for band in images[name]])
        grey = grey_of(y)

        def by_band(y: Image = y, truth: Image = truth) -> dict[str, float]:
            found = ours(sardiff.deblur, y, blur=blur, overlap=RIM)
            return {"psnr": float(psnr(truth, np.clip(found, 0, 1), data_range=1.0))}

        def by_luminance(y: Image = y, truth: Image = truth, grey: Image = grey) -> dict[str, float]:
            found = y + (ours(sardiff.deblur, grey, blur=blur, overlap=RIM) - grey)
            return {"psnr": float(psnr(truth, np.clip(found, 0, 1), data_range=1.0))}

        trial.add("band by band", name, by_band)
        trial.add("luminance", name, by_luminance)
    return rows_of(blur, "colour", trial.table, trial.seconds)


def headroom(images: dict[str, Image], options: argparse.Namespace) -> list[Any]:
    """Rows of deblurring with and without room below a band's range (`sardiff.tasks.tones.HEADROOM`)."""
    blur, trial = BLURS[-1], Trial()
    for i, name in enumerate(name for name in COLOURED[: 1 if options.quick else None] if name in images):
        truth = inner(grey_of(images[name]))
        y = blurred(grey_of(images[name]), kernel_of(blur), np.random.default_rng([options.seed, i]))
        for room in (tones.HEADROOM, 0.0):
            with patch.object(tones, "HEADROOM", room):
                trial.add(
                    f"headroom {room:g}",
                    name,
                    lambda y=y, truth=truth: best([ours(sardiff.deblur, y, blur=blur, overlap=RIM)], truth),  # type: ignore[misc]
                )
    return rows_of(blur, "headroom", trial.table, trial.seconds)


PARTS = {"deblur": deblurring, "colour": colours, "headroom": headroom, "fill": filling}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and keep if asked to."""
    began = time.monotonic()
    parser = record.parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=2, help="of what draws samples; 1: leave these rows out")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args(arguments)
    if options.quick:
        options.samples = 1
    record.use_threads(options.threads)
    dask.config.set(scheduler="synchronous")
    folder = record.data_folder() / "validation"
    images = {name: load(folder, name) for name in (NAMES[2:3] if options.quick else NAMES)}
    rows = [row for part in options.parts for row in PARTS[part](images, options)]
    record.table([{k: v for k, v in row.items() if k != "per_image"} for row in rows])
    record.emit("restore", options, rows, began=began)


if __name__ == "__main__":
    main()
