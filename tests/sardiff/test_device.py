"""Which device computes: what cannot be used is refused in a sentence."""

import pytest
import torch

from sardiff.device import choose_device
from sardiff.errors import SettingsError


def test_the_cpu_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["nonsense", "fpga", "hpu", "xla", "meta", "cuda:99", ""])
def test_a_device_that_cannot_compute_is_refused(name):
    """Torch raises four kinds of error for these; "meta" holds no numbers."""
    with pytest.raises(SettingsError, match=r"cannot be used \(.+\)\. Try --device auto or --device cpu\."):
        choose_device(name)
