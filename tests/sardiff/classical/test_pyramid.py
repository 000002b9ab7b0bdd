import torch
from torch.nn import functional as F

from sardiff.classical.pyramid import LEVELS, STRIDE, _expanded, _reduced, pyramid

KERNEL = torch.outer(*(torch.tensor([1.0, 4, 6, 4, 1], dtype=torch.float64) / 16,) * 2)[None, None]


def test_reduce_and_expand_are_those_of_burt_and_adelson():
    x = torch.rand(1, 1, 17, 21, dtype=torch.float64)
    expected = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), KERNEL, stride=2)
    torch.testing.assert_close(_reduced(x), expected)
    between = torch.zeros_like(x)
    between[..., ::2, ::2] = expected
    upon = F.conv2d(between, 4 * KERNEL, padding=2)  # right but at the rims
    torch.testing.assert_close(_expanded(expected, x)[..., 2:-2, 2:-2], upon[..., 2:-2, 2:-2])


def test_what_is_flat_stays_flat_when_expanded():
    torch.testing.assert_close(_expanded(torch.ones(1, 1, 3, 4), torch.ones(1, 1, 6, 7)), torch.ones(1, 1, 6, 7))


def test_a_point_and_a_wave_both_survive():
    """Detail of either source at its own scale, at full contrast: what a mean would halve."""
    optical, sar = torch.zeros(2, 1, 1, 128, 128, dtype=torch.float64)
    optical[..., 64, 64] = 1.0
    sar[:] = 0.2 * torch.sin(torch.arange(128) * 2 * torch.pi / 24)
    fused = pyramid(optical, sar, 0.5)
    assert float(fused[0, 0, 64, 64] - fused[0, 0, 64, 40]) > 0.7  # 40: the same phase of the wave
    assert float(fused[0, 0, 20, 24:104].std()) > 0.8 * float(sar[0, 0, 20, 24:104].std())


def test_the_stride_is_that_of_the_coarsest_level():
    x = torch.rand(1, 1, STRIDE * 2, STRIDE, dtype=torch.float64)
    for _ in range(LEVELS):
        x = _reduced(x)
    assert x.shape[2:] == (2, 1)
