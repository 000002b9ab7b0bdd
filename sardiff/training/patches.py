"""Random windows of images, as batches of clean log-intensity."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Picture
from skimage.filters import gaussian
from tifffile import TiffFile

from geo_io import open_raster
from sardiff.arrays import Images
from sardiff.errors import SettingsError

__all__ = ["Patches", "find_images", "held_out", "load_images"]

RASTERS = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", *RASTERS)
MOST_HOLES = 0.2  # of a window, before another is tried

# Shares of the patches that are changed so; `benchmarks/ablation.py` shows what each is good for.
CONTRAST, FLAT = 0.4, 0.08  # of another contrast; all but featureless
SHORES, TEXTURE, TARGETS = 0.15, 0.1, 0.3

Image: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]


def find_images(folders: Iterable[Path]) -> list[Path]:
    """Every image under these folders (or these files themselves), sorted."""
    found: list[Path] = []
    for folder in folders:
        if folder.is_file():
            found.append(folder)
        elif folder.is_dir():
            found += [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES]
        else:
            raise SettingsError(f"{folder} is neither a folder nor a file. Name folders of images to train on.")
    if not found:
        names = ", ".join(map(str, folders))
        raise SettingsError(f"No image ({', '.join(SUFFIXES)}) found in {names}.")
    return found


def load_images(paths: Sequence[Path], smallest: int) -> list[Image]:
    """Read images and rasters; those with a side below `smallest` are left out.

    8-bit images are kept as they are, uint8 (h, w, bands), and mean amplitude. Rasters of backscatter
    (GeoTIFF, any values that `geo_io` can tell) become float32 linear intensity (h, w, bands), NaN where
    not measured. They should be all but free of speckle, such as means over many dates.

    Raises
    ------
    SettingsError
        If nothing is left.
    GeoIOError
        If a raster cannot be read.
    """
    images: list[Image] = []
    for path in paths:
        image = _load(path)
        if min(image.shape[:2]) >= smallest:
            images.append(image)
    if not images:
        raise SettingsError(f"None of {len(paths)} images has both sides of at least {smallest} pixels.")
    return images


def _load(path: Path) -> Image:
    if path.suffix.lower() in RASTERS and not _is_picture(path):
        source = open_raster(path)
        bands, rows, cols = source.shape
        return np.moveaxis(source[slice(0, bands), slice(0, rows), slice(0, cols)], 0, -1)
    try:
        with Picture.open(path) as opened:
            plain = {"P": "RGB", "LA": "L", "RGBA": "RGB"}.get(opened.mode)
            picture = np.asarray(opened.convert(plain) if plain else opened)
    except (OSError, ValueError, SyntaxError) as error:
        raise SettingsError(f"{path} cannot be read as an image ({error}); take it out of the folder.") from error
    if picture.dtype != np.uint8:
        raise SettingsError(f"{path} is {picture.dtype}; training reads 8-bit images, and GeoTIFFs of backscatter.")
    return picture[..., None] if picture.ndim == 2 else picture[..., :3]


def _is_picture(path: Path) -> bool:
    """Whether a TIFF is an 8-bit picture rather than a raster of backscatter."""
    try:
        with TiffFile(path) as tiff:
            return bool(tiff.pages.first.dtype == np.uint8)
    except (OSError, ValueError):
        return False


def held_out(count: int, share: float) -> NDArray[np.bool_]:
    """Which of `count` images (in order) are kept for measuring: every n-th, the same on every run."""
    every = max(2, round(1 / share)) if share > 0 else count + 1
    return np.arange(count) % every == every - 1


@dataclass(frozen=True)
class Patches:
    """Clean log-intensity patches, drawn and augmented at random from images as `load_images` gives them.

    An 8-bit grey value g is the amplitude (g + 1 + dither) / 256, so log-intensity spans 11 ln units;
    contrast and point targets stretch that to what SAR shows. Augmented: place, flips, quarter turns,
    scale (2 x 2 and 3 x 3 means of intensity), band mixture, contrast (now and then almost none), log-gain,
    shores beyond which the level is another, rough texture, and bright targets, from one in a field to those of a
    harbour, 5 to 45 dB over their surroundings.

    Parameters
    ----------
    images : sequence of arrays (h, w, bands)
        uint8 amplitude, or float32 linear intensity with NaN.
    size : int
        Side of a patch in pixels.
    """

    images: Sequence[Image]
    size: int

    def batch(self, count: int, seed: int, step: int) -> Images:
        """The batch of one step, shape (count, 1, size, size); it depends on `seed` and `step` alone."""
        rng = np.random.default_rng((seed, step))
        area = np.array([image.shape[0] * image.shape[1] for image in self.images], dtype=float)
        picks = rng.choice(len(self.images), size=count, p=area / area.sum())
        patches = [self._augment(self._crop(self.images[i], rng), rng) for i in picks]
        return torch.from_numpy(np.stack(patches)[:, None])

    def _crop(self, image: Image, rng: np.random.Generator) -> NDArray[np.float32]:
        """Linear intensity of one window, perhaps as 2 x 2 or 3 x 3 means."""
        largest = min(image.shape[:2]) // self.size
        factor = int(rng.choice([f for f in (1, 1, 1, 2, 2, 3) if f <= largest]))
        side = self.size * factor
        for _ in range(10):
            row = rng.integers(image.shape[0] - side + 1)
            col = rng.integers(image.shape[1] - side + 1)
            window = image[row : row + side, col : col + side]
            if window.dtype == np.uint8 or np.isnan(window).mean() <= MOST_HOLES:
                break
        grey = window.astype(np.float32) @ rng.dirichlet(np.ones(window.shape[2])).astype(np.float32)
        if window.dtype == np.uint8:
            dither = rng.uniform(-0.5, 0.5, grey.shape).astype(np.float32)
            grey = np.square((grey + 1 + dither) / 256)
        elif np.isnan(grey).any():
            grey = np.where(np.isnan(grey), np.nanmedian(grey) if np.isfinite(grey).any() else 1.0, grey)
        small: NDArray[np.float32] = grey.reshape(self.size, factor, self.size, factor).mean(axis=(1, 3))
        return small

    def _augment(self, intensity: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        u = np.log(intensity)
        kind = rng.random()
        if kind < CONTRAST:
            u = u.mean() + (u - u.mean()) * np.exp(rng.normal(0, 0.25))
        elif kind < CONTRAST + FLAT:
            u = u.mean() + (u - u.mean()) * 10 ** rng.uniform(-2, -0.5)
        if rng.random() < SHORES:
            u = u + _other_side(u.shape, rng) * rng.normal(0, 2.5)
        if rng.random() < TEXTURE:
            u = u + _texture(u.shape, rng)
        if rng.random() < TARGETS:
            u = np.log(np.exp(u) + _bright_targets(u, rng))
        u = np.rot90(u, int(rng.integers(4)))
        if rng.random() < 0.5:
            u = u[:, ::-1]
        return np.ascontiguousarray(u + rng.normal(0, 2), dtype=np.float32)


def _other_side(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """1 on one side of a smooth random line, 0 on the other: a shore, with another level beyond it."""
    rows, cols = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    terms = rng.normal(0, 1, (4, 4)) / (1 + np.add.outer(np.arange(4), np.arange(4)))
    basis_rows, basis_cols = (np.cos(np.outer(np.arange(4), (axis + 1) * 1.5)) for axis in (rows, cols))
    surface = basis_rows.T @ terms @ basis_cols
    side: NDArray[np.float32] = (surface > np.median(surface)).astype(np.float32)
    return side


def _texture(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Log-normal texture of one scale between 0.4 and 8 pixels, 1 to 5 dB."""
    rough = gaussian(rng.standard_normal(shape), rng.uniform(0.4, 8))
    return np.asarray(rough / rough.std() * rng.uniform(0.25, 1.2), np.float32)


def _bright_targets(u: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Intensity of bright points (Gaussian responses), alone or in clusters, over the image of log-intensity `u`."""
    points = np.zeros_like(u)
    count = round(math.exp(rng.uniform(0, math.log(u.size / 80))))
    centres = rng.uniform(0, 1, (rng.integers(1, 5), 2)) * u.shape
    spread = rng.uniform(2, 0.15 * u.shape[0], 2)
    clustered = rng.random() < 0.5
    strength = rng.uniform(3, 12)
    for _ in range(count):
        row, col = rng.normal(rng.choice(centres), spread) if clustered else rng.uniform(0, 1, 2) * u.shape
        r0, c0 = max(int(row) - 3, 0), max(int(col) - 3, 0)
        rows = np.arange(r0, min(r0 + 7, u.shape[0]))[:, None]
        cols = np.arange(c0, min(c0 + 7, u.shape[1]))[None, :]
        if not rows.size or not cols.size:
            continue
        widths = rng.uniform(0.3, 1.0) * (rng.uniform(1, 3, 2) if rng.random() < 0.2 else np.ones(2))
        shape = np.exp(-((rows - row) ** 2) / (2 * widths[0] ** 2) - (cols - col) ** 2 / (2 * widths[1] ** 2))
        over_db = min(5 + rng.exponential(strength), 45)
        level = math.exp(float(u[rows, cols].mean()))
        points[rows, cols] += (level * 10 ** (over_db / 10) * shape).astype(np.float32)
    return points
