"""Which device computes, and with how many threads."""

import contextlib
import os
from collections.abc import Iterator

import torch

from sardiff.errors import SettingsError

__all__ = ["bfloat16", "choose_device", "describe_device", "one_share_of_threads"]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; "auto" takes a GPU where there is one.

    Raises
    ------
    SettingsError
        If torch knows no such device, or it is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return _exact(torch.device("cuda"))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # "meta", which holds no numbers, fails here
    except (RuntimeError, AssertionError, ImportError) as error:  # which, depends on what torch was built without
        reason = str(error).splitlines()[0]
        raise SettingsError(f"Device {name!r} cannot be used ({reason}). Try --device auto or --device cpu.") from error
    return _exact(device)


def _exact(device: torch.device) -> torch.device:
    # TF32 keeps ten bits of mantissa: enough for one tile to differ visibly from the next.
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device


def bfloat16(device: torch.device) -> torch.autocast:
    """Return the context that computes in bfloat16 where the device is faster for it, else changes nothing.

    A CPU without AVX-512 bfloat16 or AMX emulates it, dozens of times slower than float32.
    """
    fast = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast)


def describe_device(device: torch.device) -> str:
    """Say in a few words what computes."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "cpu":
        return f"CPU, {os.cpu_count()} cores"
    return device.type


@contextlib.contextmanager
def one_share_of_threads(workers: int) -> Iterator[None]:
    """Let each of `workers` threads that compute at once use its share of the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // workers))
    try:
        yield
    finally:
        torch.set_num_threads(before)
