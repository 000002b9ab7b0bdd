"""The list of commands, each imported when it is asked for; errors in a sentence, signals heard, exit codes kept."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from sardiff.cli.errors import exit_status, sentence
from sardiff.cli.progress import PROTOCOL
from sardiff.cli.signals import Stopped, hang_on, hang_up, stoppable

__all__ = ["COMMANDS", "cli"]

COMMANDS = {  # in the order people need them; said here so that `sardiff --help` imports none of them
    "demo": "Simulate a scene, despeckle it, score it, and draw a picture of it all.",
    "inspect": "Say what a file is: values, georeferencing, looks, correlation of speckle.",
    "despeckle": "Take the speckle out of a SAR scene; same grid, same units.",
    "fuse": "Fuse a SAR and an optical scene into one image.",
    "fill": "Fill the gaps of a scene: nodata, clouds, missing lines.",
    "deblur": "Take a known blur out of a scene.",
    "score": "Compare a scene before and after, with or without the truth.",
    "report": "Write one HTML page on a result: before and after, uncertainty, numbers.",
    "simulate": "Make a georeferenced radar scene whose truth is known.",
    "train": "Train a prior on folders of images and rasters.",
    "doctor": "Check the installation; what a bug report needs.",
}


class Commands(click.Group):
    """A group that knows its commands by name, and ends every run with a sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of that command."""
        if cmd_name not in COMMANDS:
            if near := get_close_matches(cmd_name, COMMANDS, n=1):
                raise click.UsageError(f"No such command '{cmd_name}'. Did you mean '{near[0]}'?", ctx)
            return None
        command = getattr(import_module(f"sardiff.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; where the program that listens is gone, and this notices first, do as its life line says."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            if ctx.params.get("lifeline"):
                hang_up()
            raise

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run, and leave with 0, 1 (a bug, or something found wrong), 2 (a user can mend it), 130 or 143 (a signal)."""
        args = list(sys.argv[1:] if args is None else args)
        options["standalone_mode"] = False
        try:
            with stoppable():
                status = super().main(args, *rest, **options)
        except Stopped as stop:
            _complain(args, str(stop), stop.status)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(stop.status)  # threads that still compute would be waited for
        except Exception as error:
            if os.environ.get("SARDIFF_DEBUG") == "1":
                traceback.print_exc()
            _complain(args, sentence(error), exit_status(error))
            sys.exit(exit_status(error))
        sys.exit(status if isinstance(status, int) else 0)


def _complain(args: Sequence[str], message: str, status: int) -> None:
    """Say what went wrong: to people on stderr, with `--progress json` to programs on stdout too."""
    click.echo(f"sardiff: {'stopped' if status > 128 else 'error'}: {message}", err=True)
    # From the words themselves: a usage error comes before any option is known.
    if any(word == "--progress=json" or list(args[i : i + 2]) == ["--progress", "json"] for i, word in enumerate(args)):
        event = {"protocol": PROTOCOL, "event": "error", "message": message, "exit_status": status}
        click.echo(json.dumps(event))


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="sardiff", prog_name="sardiff")
@click.option(
    "--lifeline",
    is_flag=True,
    hidden=True,
    help="For programs that start sardiff: when standard input ends, so does the run, and leaves nothing behind.",
)
@click.pass_context
def cli(ctx: click.Context, lifeline: bool) -> None:
    """Restore satellite scenes with diffusion models.

    Start with `sardiff demo`, or with your own file: `sardiff inspect scene.tif`, then
    `sardiff despeckle scene.tif clean.tif`. Each command has its own --help.
    """
    if lifeline:
        hang_on()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
