"""`sardiff train`: folders of images in, a prior out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sardiff.cli import options
from sardiff.cli.progress import Kind, clock, reporter
from sardiff.cli.signals import Stopped

if TYPE_CHECKING:
    from sardiff.training.train import TrainProgress

__all__ = ["train"]


@click.command(epilog="Example: sardiff train images/ --out my_prior --minutes 120 --licence MIT")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Writes OUT.safetensors and OUT.json.")
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), default=120.0, show_default=True, help="Of training, in all."
)
@click.option("--patch", type=click.IntRange(min=48), default=128, show_default=True, help="Side of a window, pixels.")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Windows a step.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=5e-4, show_default=True, help="Of learning.")
@click.option(
    "--widths",
    callback=options.whole_numbers,
    metavar="64,128,256",
    help="Channels at each scale of the network.  [default: 64,128,256]",
)
@click.option("--measured", is_flag=True, help="Learn to read speckled images too, as method one-pass does.")
@click.option("--landscapes", type=click.IntRange(min=0), default=0, show_default=True, help="Simulated, as well.")
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    metavar="PRIOR.safetensors",
    help="Begin with these weights, of the same widths, with or without --measured.",
)
@click.option("--held", type=click.FloatRange(0, 0.5), default=0.02, show_default=True, help="Share held out.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--licence", default="MIT", show_default=True, help="Of the weights, for the card.")
@click.option("--data", default="", help="What the images are and where they come from, for the card.")
@click.option("--note", default="", help="Anything else, for the card.")
@options.device
@options.overwrite
@options.progress
def train(
    folders: tuple[Path, ...],
    out: Path,
    widths: tuple[int, ...] | None,
    start: Path | None,
    licence: str,
    data: str,
    note: str,
    device: str,
    overwrite: bool,
    progress: Kind,
    **settings: Any,
) -> None:
    """Train a prior on the images in FOLDERS: 8-bit ones, taken as amplitude, and rasters of clean backscatter.

    State is kept every two minutes in OUT.state.safetensors; the same command goes on from it. Nothing is ever
    unpickled.
    """
    last = None
    out = out.with_name(out.name.removesuffix(".safetensors"))
    weights, card, state = (out.with_name(out.name + end) for end in (".safetensors", ".json", ".state.safetensors"))
    with reporter(progress) as told:
        try:
            from geo_io.write import check_folder
            from sardiff.device import choose_device, describe_device
            from sardiff.errors import SettingsError
            from sardiff.training.train import Train
            from sardiff.training.train import train as run

            if widths is not None:
                settings |= {"widths": widths, "depths": (2,) * len(widths)}
            chosen = Train(**settings)
            if not out.parent.is_dir():
                raise SettingsError(f"{weights}: there is no folder {out.parent}; make it first.")
            check_folder(weights)
            for path in (weights, card):
                if path.exists() and not (overwrite or state.exists()):
                    raise SettingsError(f"{path} exists; give --out another name, or --overwrite to replace it.")
            where = choose_device(device)
            told.start(
                "train", describe_device(where), folders=[str(folder) for folder in folders], output=str(weights)
            )
            if state.exists():
                told.note(f"Going on from {state}.")

            def report(now: TrainProgress) -> None:
                nonlocal last
                last = now
                told.training(now)

            run(
                folders,
                out,
                chosen,
                licence=licence,
                data=data,
                note=note,
                start=start,
                device=str(where),
                report=report,
                say=told.note,
            )
        except Stopped as stop:
            stop.advice = (
                f"State of at most two minutes ago is kept in {state}; run the same command to go on from there."
                if state.exists()
                else "Nothing was kept yet; run the same command to begin again."
            )
            raise
        steps = "" if last is None else f" after {last.step} steps in {clock(last.seconds)}"
        told.done(
            f"{weights} and {card}: a prior{steps}. Use it with sardiff despeckle --weights {weights}.",
            outputs=[str(weights), str(card)],
        )
