from dataclasses import replace

import pytest
import torch

from sardiff.classical.gradient_transfer import BALANCE, gradient_transfer
from sardiff.likelihoods.laplace import FusionEnergy


def scene():
    """SAR: a wide bright field, and a point. Optical: a fine grid, which SAR does not see."""
    rows, cols = torch.meshgrid(torch.arange(72), torch.arange(72), indexing="ij")
    optical = 0.3 + 0.2 * ((rows % 6 == 0) | (cols % 6 == 0)).double()[None, None]
    sar = 0.2 + 0.5 * ((rows - 36).abs().maximum((cols - 36).abs()) < 20).double()[None, None]
    sar[..., 4, 4] = 0.9
    return optical, sar


def test_wide_fields_are_sars_and_fine_lines_are_optical():
    optical, sar = scene()
    fused = gradient_transfer(optical, sar, 0.5)
    inside, outside = fused[..., 26:46, 26:46], fused[..., 60:, 60:]
    assert float(inside.mean() - outside.mean()) > 0.4
    lines = optical[..., 26:46, 26:46] - optical[..., 26:46, 26:46].mean()
    torch.testing.assert_close(inside - inside.mean(), lines, rtol=0, atol=0.02)
    assert float(fused[0, 0, 4, 4]) < 0.5  # a point of SAR is no wider than the optical edges allow


@pytest.mark.parametrize("weight", [0.3, 0.5, 0.7])
def test_it_comes_near_the_minimum(weight):
    optical, sar = scene()
    intensity = optical + min(1, 2 * weight) * (sar - optical)
    energy = FusionEnergy(optical, intensity, 0.0, 1.0, BALANCE * min(1, (1 - weight) / weight), iterations=1500)
    best = energy.energy(energy.minimise(intensity))
    fused = gradient_transfer(optical, sar, weight)
    assert float(energy.energy(fused) / best) < 1.01
    rough = replace(energy, iterations=20).minimise(intensity)
    assert float(energy.energy(fused)) < float(energy.energy(rough))
