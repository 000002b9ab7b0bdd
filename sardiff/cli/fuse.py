"""`sardiff fuse`: a SAR and an optical scene in, one image out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options
from sardiff.cli.progress import Kind
from sardiff.cli.run import page_wanted, run_scene, write_page

if TYPE_CHECKING:
    from sardiff.tasks.scene import Progress

__all__ = ["METHODS", "fuse"]

# As METHODS of `sardiff.tasks.fuse` (a test compares them): importing that takes seconds, which --help should not.
METHODS = (
    *("auto", "dps", "vds", "ddfm", "joint"),
    *("ihs", "brovey", "pyramid", "atrous", "guided", "gradient-transfer"),
)

ABOUT = {
    "std": "the standard deviation of the samples' luminance, in its units.",
    "mask": "0: seen by both, 1: by the optical image alone, 2: by the SAR image alone (clouds), 255: by neither.",
}


@click.command(epilog="Example: sardiff fuse s1_vv.tif s2_rgb.tif fused.tif --mask")
@click.argument("sar", type=click.Path(path_type=Path))
@click.argument("optical", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--method", type=click.Choice(METHODS), default="auto", show_default=True,
    help="auto: dps. vds, ddfm, joint also use the prior; the others are classical.",
)  # fmt: skip
@click.option(
    "--weight", type=click.FloatRange(0, 1), default=0.4, show_default=True,
    help="0: like the optical image, 1: like the SAR image.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(("auto", "colour", "intensity")), default="auto", show_default=True,
    help="All optical bands, or the fused luminance alone; auto: colour for three bands or more.",
)  # fmt: skip
@click.option(
    "--inject", type=click.Choice(("auto", "ratio", "gain")), default="auto", show_default=True,
    help="How bands follow the luminance: multiplied alike (hue kept), or along their slope on it.",
)  # fmt: skip
@click.option(
    "--luminance", type=click.Choice(("mean", "pca")), default="mean", show_default=True,
    help="Of the optical bands: their mean, or their first principal component.",
)  # fmt: skip
@click.option(
    "--grid", default="optical", show_default=True, metavar="optical|sar|FILE", help="Whose grid the result lies on."
)
@click.option("--register", is_flag=True, help="Correct the misregistration that is measured.")
@click.option("--despeckled", is_flag=True, help="The SAR image is despeckled already.")
@click.option("--cloud-mask", type=click.Path(path_type=Path), help="Raster of clouds, on any grid; not zero: cloud.")
@click.option(
    "--cloud-classes", callback=options.whole_numbers, metavar="3,8,9,10",
    help="Values of the cloud mask that mean a cloud, such as these of Sentinel-2's SCL.",
)  # fmt: skip
@click.option("--sar-bands", callback=options.whole_numbers, metavar="1,2", help="SAR bands to average; 1 by default.")
@click.option("--bands", callback=options.whole_numbers, metavar="3,2,1", help="Optical bands; all by default.")
@click.option(
    "--values", type=click.Choice(("auto", "intensity", "amplitude", "db"), case_sensitive=False),
    default="auto", show_default=True,
    help="What the SAR pixels mean; auto decides by tags and statistics.",
)  # fmt: skip
@click.option("--polarisation", metavar="vv|vh|hh|hv", help="Image of a Sentinel-1 product.")
@click.option("--swath", metavar="iw1|...", help="Swath of a Sentinel-1 product, where it has several.")
@options.looks_option
@click.option(
    "--quality", type=click.Choice(options.QUALITIES), default="balanced", show_default=True, help="Of despeckling."
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps of the method; its own number by default.")
@click.option("--samples", type=click.IntRange(min=1), help="Samples to average.")
@click.option("--uncertainty", is_flag=True, help="Also write the spread of the samples, OUT_std.tif.")
@click.option("--uncertainty-file", type=click.Path(path_type=Path, dir_okay=False), help="The same, to this file.")
@click.option("--mask", is_flag=True, help="Also write which images each pixel comes from, OUT_mask.tif.")
@click.option("--mask-file", type=click.Path(path_type=Path, dir_okay=False), help="The same, to this file.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Same seed, same image.")
@click.option("--weights", type=click.Path(path_type=Path), help="Another prior.")
@click.option(
    "--dtype", type=click.Choice(("input", "float32")), default="input", show_default=True, help="Of a colour result."
)
@click.option(
    "--compression", type=click.Choice(options.COMPRESSIONS), default="deflate", show_default=True, help="All lossless."
)
@options.reporting
@options.overwrite
@options.computing
@options.progress
def fuse(
    sar: Path,
    optical: Path,
    output: Path,
    uncertainty: bool,
    uncertainty_file: Path | None,
    mask: bool,
    mask_file: Path | None,
    with_report: bool,
    report_file: Path | None,
    workers: int | None,
    device: str,
    progress: Kind,
    cloud_classes: tuple[int, ...] | None,
    **settings: Any,
) -> None:
    """Fuse the SAR image SAR with the OPTICAL image, and write OUTPUT, a cloud-optimised GeoTIFF.

    OUTPUT has the colours of the optical image and the structure of both, on the optical grid. CRS, pixel size and
    extent may differ. The SAR image is despeckled first, on its own grid. The same command after an interruption goes
    on where it stopped.
    """
    spread: bool | Path = uncertainty_file or uncertainty
    kept: bool | Path = mask_file or mask

    def task(workers: int, report: Callable[[Progress], None], say: Callable[[str], None]) -> dict[Path, str]:
        from sardiff.tasks.fuse_scene import fuse_file
        from sardiff.tasks.scene import beside

        page = page_wanted(output, with_report, report_file, overwrite=settings["overwrite"])
        fuse_file(
            sar,
            optical,
            output,
            uncertainty=spread,
            mask=kept,
            cloud_classes=cloud_classes or (),
            workers=workers,
            device=device,
            report=report,
            say=say,
            **settings,
        )
        further = {beside(output, what, file): ABOUT[what] for what, file in (("std", spread), ("mask", kept)) if file}
        return further | write_page(
            sar,
            output,
            page,
            optical=optical,
            spread=beside(output, "std", spread) if spread else None,
            bands=settings["sar_bands"],
            optical_bands=settings["bands"],
            **{name: settings[name] for name in ("values", "polarisation", "swath", "overwrite")},
            report=report,
            say=say,
        )

    facts = {"sar": str(sar), "optical": str(optical), "output": str(output), "seed": settings["seed"]}
    run_scene("fuse", output, progress=progress, device=device, workers=workers, facts=facts, task=task)
