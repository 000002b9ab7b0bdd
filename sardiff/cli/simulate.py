"""`sardiff simulate`: a georeferenced scene of a made-up landscape, and its truth beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["simulate"]

BLOCK = 512  # pixels
ORIGIN = (500_000.0, 5_600_000.0)  # metres east and north in UTM zone 33N, the upper left corner


@click.command(epilog="Example: sardiff simulate scene.tif --size 512 --looks 4.4 --seed 1")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--truth", type=click.Path(path_type=Path), help="Where the truth goes; OUT_truth.tif by default.")
@click.option("--size", type=click.IntRange(32, 16384), default=1024, show_default=True, help="Rows, and columns.")
@click.option("--step", type=click.FloatRange(0.1, 1000), default=10.0, show_default=True, help="Pixel in metres.")
@click.option("--looks", type=click.FloatRange(0.1, 1000), default=1.0, show_default=True, help="Equivalent looks.")
@click.option(
    "--correlated",
    type=click.FloatRange(0.05, 1),
    metavar="BANDWIDTH",
    help="Correlate speckle as a product with this share of its band filled; 0.33 and 4 looks: like Sentinel-1 GRD.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same scene.")
@options.overwrite
def simulate(
    output: Path,
    truth: Path | None,
    size: int,
    step: float,
    looks: float,
    correlated: float | None,
    seed: int,
    overwrite: bool,
) -> None:
    """Make a radar scene of a landscape with fields, woods, water, roads and villages, and write it to OUTPUT.

    Float32 linear intensity in UTM zone 33N (EPSG:32633) with gamma speckle. The rim outside the swath was not
    measured: NaN, which is also the file's nodata. The truth, without speckle, is written beside it.
    """
    import numpy as np

    from geo_io import check_output, check_proj
    from sardiff.errors import SettingsError
    from sardiff.simulate import correlated_speckle, landscape, speckle

    if correlated is not None and looks != round(looks):
        raise SettingsError(f"--correlated averages whole looks: give --looks {max(1, round(looks))}, not {looks:g}.")
    check_proj()
    truth = truth or output.with_name(f"{output.stem}_truth{output.suffix}")
    check_output(output, (), overwrite)
    check_output(truth, (output,), overwrite)
    if truth == output:
        raise SettingsError(f"{output} cannot be both the scene and its truth; give --truth another name.")

    scene = landscape((size, size), seed, step)
    rng = np.random.default_rng((seed, 1))  # not the landscape's own numbers
    if correlated is None:
        factor = speckle((size, size), looks, rng)
    else:
        factor = correlated_speckle((size, size), rng, looks=round(looks), bandwidth=(correlated, correlated))
    tags = {"SARDIFF_SIMULATED": f"seed {seed}, {looks:g} looks, {_kind(correlated)}"}
    _write(truth, scene.intensity, step, "sigma0_vv (simulated, truth)", tags)
    _write(output, scene.intensity * factor, step, "sigma0_vv (simulated)", tags)
    share = 1 - scene.measured.mean()
    many = "look" if looks == 1 else "looks"
    click.echo(
        f"{output}: {size} x {size} pixels of {step:g} m, {looks:g} {many}, {_kind(correlated)}; "
        f"{share:.1%} not measured (nodata NaN).\n{truth}: its truth."
    )


def _kind(correlated: float | None) -> str:
    return "independent speckle" if correlated is None else f"speckle correlated by a band filled to {correlated:g}"


def _write(path: Path, intensity: NDArray[np.float32], step: float, name: str, tags: dict[str, str]) -> None:
    """Write one band as a cloud-optimised GeoTIFF."""
    from affine import Affine
    from rasterio.crs import CRS

    from geo_io import Grid, Metadata, SceneWriter
    from geo_io.write import discard

    transform = Affine(step, 0, ORIGIN[0], 0, -step, ORIGIN[1])
    grid = Grid(shape=intensity.shape[:2], crs=CRS.from_epsg(32633), transform=transform)
    metadata = Metadata(descriptions=(name,), units=("intensity",))
    nothing: dict[str, Any] = {"fingerprint": {}, "nodata": float("nan")}
    discard(path)  # made again in less time than it takes to look whether it could be gone on with
    with SceneWriter(path, grid=grid, bands=1, block=BLOCK, metadata=metadata, **nothing) as writer:
        rows, cols = grid.shape
        for i, top in enumerate(range(0, rows, BLOCK)):
            for j, left in enumerate(range(0, cols, BLOCK)):
                writer.write(i, j, intensity[None, top : top + BLOCK, left : left + BLOCK])
        writer.finish(tags)
