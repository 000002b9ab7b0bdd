import pytest
import torch

from sardiff.classical.activity import fused_detail
from sardiff.classical.filters import BINOMIAL, smoothed


def detail(seed):
    return torch.randn(1, 1, 12, 15, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spacing", [1, 2])
def test_it_is_the_mean_weighted_by_the_fourth_power_of_activity(spacing):
    optical, sar, weight = detail(1), detail(2), 0.4
    a, b = (smoothed(x.abs(), BINOMIAL, spacing) for x in (optical, sar))
    a, b = (0.6 * a) ** 4, (0.4 * b) ** 4
    torch.testing.assert_close(fused_detail(optical, sar, weight, spacing), (a * optical + b * sar) / (a + b))


def test_the_far_more_active_one_is_kept_whole():
    optical, sar = detail(1), 0.05 * detail(2)
    torch.testing.assert_close(fused_detail(optical, sar, 0.5), optical, rtol=0, atol=1e-3)
    torch.testing.assert_close(fused_detail(sar, optical, 0.5), optical, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flat_and_faint_details_are_fine(dtype):
    flat, faint = torch.zeros(1, 1, 8, 8, dtype=dtype), torch.full((1, 1, 8, 8), 1e-30, dtype=dtype)
    for weight in (0.0, 0.5, 1.0):
        assert torch.equal(fused_detail(flat, flat, weight), flat)
        torch.testing.assert_close(fused_detail(faint, faint, weight), faint)
    assert torch.equal(fused_detail(flat, faint, 0.5), faint)
    some = detail(3)[..., :8, :8].to(dtype)
    torch.testing.assert_close(fused_detail(some, flat, 1.0), flat)
    torch.testing.assert_close(fused_detail(flat, some, 0.0), flat)
