"""Options that every task shares, declared once."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

__all__ = [
    "COMPRESSIONS",
    "METHODS",
    "QUALITIES",
    "blur_known",
    "computing",
    "correlation",
    "device",
    "looks",
    "looks_option",
    "overwrite",
    "physical",
    "progress",
    "reading",
    "reporting",
    "sampling",
    "solving",
    "storing",
    "whole_numbers",
    "writing",
]

Function = TypeVar("Function", bound=Callable[..., Any])

# As METHODS and QUALITIES of `sardiff.tasks.despeckle` and `geo_io.write.COMPRESSIONS` (a test compares them):
# importing those takes seconds, which --help should not.
METHODS = ("auto", "one-pass", "scoring", "posterior", "moment", "sar-dps", "diffpir", "gibbs")
QUALITIES = ("fast", "balanced", "best")
COMPRESSIONS = ("deflate", "zstd", "lzw", "none")


def looks(ctx: click.Context, param: click.Parameter, value: str) -> float | Literal["auto"]:
    """Turn the text of --looks into "auto" or a number > 0."""
    if value == "auto":
        return "auto"
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise click.BadParameter(
            f"{value!r} is neither 'auto' nor a number > 0; a single-look product has 1", ctx, param
        )
    return number


def correlation(ctx: click.Context, param: click.Parameter, value: str) -> float | Literal["auto", "none"]:
    """Turn the text of --correlation into a word or a number from 1 to 100."""
    if value == "auto":
        return "auto"
    if value == "none":
        return "none"
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 1 <= number <= 100:
        raise click.BadParameter(
            f"{value!r} is neither 'auto', 'none' nor a number from 1 to 100; 'sardiff inspect' measures it", ctx, param
        )
    return number


def whole_numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Turn the text of a list such as 1,2 into numbers, each at least 1."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r} is not a list of whole numbers from 1, such as 1 or 1,2", ctx, param)
    return tuple(int(part) for part in parts)


looks_option = click.option(
    "--looks",
    callback=looks,
    default="auto",
    show_default=True,
    metavar="auto|NUMBER",
    help="Equivalent number of looks, often no integer.",
)


blur_known = click.option(
    "--blur", metavar="gaussian:SIGMA|...|FILE", help="What was taken out of AFTER, where its tags do not say it."
)


def reading(command: Function) -> Function:
    """Options that say what an input is."""
    return _with(
        command,
        click.option(
            "--values",
            type=click.Choice(("auto", "intensity", "amplitude", "db"), case_sensitive=False),
            default="auto",
            show_default=True,
            help="What the pixels mean; auto decides by tags and statistics, and says why.",
        ),
        click.option(
            "--bands", callback=whole_numbers, metavar="1,2,...", help="Bands to use, counted from 1; all by default."
        ),
        click.option("--polarisation", metavar="vv|vh|hh|hv", help="Image of a Sentinel-1 product."),
        click.option("--swath", metavar="iw1|...", help="Swath of a Sentinel-1 product, where it has several."),
    )


def solving(command: Function) -> Function:
    """Options that decide the result."""
    return _with(
        command,
        looks_option,
        click.option(
            "--method",
            type=click.Choice(METHODS),
            default="auto",
            show_default=True,
            help="auto: one-pass, or posterior for several samples; scoring, moment with weights that cannot do these.",
        ),
        click.option(
            "--quality",
            type=click.Choice(QUALITIES),
            default="balanced",
            show_default=True,
            help="Orientations of the image to estimate in: 1, 2 or 8; steps of samplers: half, usual, double.",
        ),
        click.option(
            "--correlation",
            callback=correlation,
            default="auto",
            show_default=True,
            metavar="auto|none|NUMBER",
            help="Of speckle between pixels: measured, none, or the number of pixels that vary as one.",
        ),
        click.option("--steps", type=click.IntRange(min=1), help="Steps of the method; its own number by default."),
        click.option("--samples", type=click.IntRange(min=1), help="Posterior samples to average."),
        click.option("--uncertainty", is_flag=True, help="Also write the standard deviation in dB, OUT_std_db.tif."),
        click.option(
            "--uncertainty-file", type=click.Path(path_type=Path, dir_okay=False), help="The same, to this file."
        ),
        click.option(
            "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Same seed, same image."
        ),
        click.option(
            "--weights",
            type=click.Path(path_type=Path),
            help="Another prior: .safetensors with its .json beside it, or a folder with a diffusers model.",
        ),
    )


def computing(command: Function) -> Function:
    """Options that decide how fast, and how much memory; the image does not depend on them."""
    return _with(
        command,
        click.option(
            "--tile", type=click.IntRange(min=32), help="Side of a tile in pixels; smaller takes less memory."
        ),
        click.option(
            "--overlap", type=click.IntRange(min=0), help="Of tiles, in pixels; by the prior's reach by default."
        ),
        click.option(
            "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Tiles handed over at once."
        ),
        click.option("--workers", type=click.IntRange(min=1), help="Tiles computed at once; by the device by default."),
        device,
    )


device = click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda|...", help="What computes.")


def writing(command: Function) -> Function:
    """Options of the output file."""
    return _with(
        command,
        click.option(
            "--units",
            type=click.Choice(("intensity", "amplitude", "db"), case_sensitive=False),
            help="Of the output; as the input by default.",
        ),
        click.option(
            "--compression", type=click.Choice(COMPRESSIONS), default="deflate", show_default=True, help="All lossless."
        ),
        overwrite,
    )


def reporting(command: Function) -> Function:
    """Options of the page that tells of a result."""
    return _with(
        command,
        click.option("--report", "with_report", is_flag=True, help="Also write a page to look at, OUT.html."),
        click.option("--report-file", type=click.Path(path_type=Path, dir_okay=False), help="The same, to this file."),
    )


def physical(command: Function) -> Function:
    """Options that say what an image that need not be backscatter is."""
    return _with(
        command,
        click.option(
            "--values",
            type=click.Choice(("auto", "physical", "intensity", "amplitude", "db"), case_sensitive=False),
            default="auto",
            show_default=True,
            help="What the pixels mean: physical (reflectance, counts, ...), or backscatter without speckle; auto: what"
            " sardiff wrote into the tags, decibels where they look like these, else physical.",
        ),
        click.option(
            "--bands", callback=whole_numbers, metavar="1,2,...", help="Bands to use, counted from 1; all by default."
        ),
    )


def sampling(command: Function) -> Function:
    """Options of what is drawn from a prior."""
    return _with(
        command,
        click.option("--steps", type=click.IntRange(min=1), help="Steps of the method; its own number by default."),
        click.option("--samples", type=click.IntRange(min=1), help="Samples to average; by the method by default."),
        click.option("--uncertainty", is_flag=True, help="Also write the spread of the samples, OUT_std.tif."),
        click.option(
            "--uncertainty-file", type=click.Path(path_type=Path, dir_okay=False), help="The same, to this file."
        ),
        click.option(
            "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Same seed, same image."
        ),
        click.option("--weights", type=click.Path(path_type=Path), help="Another prior."),
    )


def storing(command: Function) -> Function:
    """Options of an output in the units of the input."""
    return _with(
        command,
        click.option(
            "--dtype",
            type=click.Choice(("input", "float32")),
            default="input",
            show_default=True,
            help="Of the output: whole numbers stay whole, or not.",
        ),
        click.option(
            "--compression", type=click.Choice(COMPRESSIONS), default="deflate", show_default=True, help="All lossless."
        ),
        overwrite,
    )


overwrite = click.option("--overwrite", is_flag=True, help="Replace an output that exists.")

progress = click.option(
    "--progress",
    type=click.Choice(("auto", "json", "none")),
    default="auto",
    show_default=True,
    help="auto: a bar on a terminal; json: one object per line on stdout; none: errors only.",
)


def _with(command: Function, *options: Callable[[Function], Function]) -> Function:
    """Apply decorators so that --help lists them in this order."""
    return reduce(lambda inner, option: option(inner), reversed(options), command)
