"""One sentence and the right exit status, whatever was raised."""

import errno

import click
import pytest
import torch

from geo_io import ReadError
from sardiff.cli.errors import exit_status, sentence
from sardiff.errors import SettingsError
from tiling import TileError


def in_a_tile(cause):
    try:
        raise TileError("rows 0 to 16, cols 0 to 16: something") from cause
    except TileError as error:
        return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SettingsError("looks must be > 0."), "looks must be > 0."),
        (ReadError("a.tif:\n  is  empty"), "a.tif: is empty"),
        (in_a_tile(ReadError("a.tif is damaged")), "a.tif is damaged"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/a.tif"), "/data/a.tif: No space left on device; make"),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), "/data: Permission denied; choose"),
        (MemoryError(), "There is not enough memory"),
        (in_a_tile(MemoryError()), "There is not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "There is not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "There is not enough memory"),
        (click.UsageError("No such option: --look."), "No such option: --look. See 'sardiff --help'"),
    ],
)
def test_what_a_user_can_mend(error, said):
    assert sentence(error).startswith(said)
    assert "\n" not in sentence(error)
    assert exit_status(error) == 2


@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), in_a_tile(RuntimeError("shapes differ"))])
def test_a_bug_is_called_one(error):
    assert exit_status(error) == 1
    assert "This is a bug, please report it with the output of `sardiff doctor`" in sentence(error)
