import torch

from sardiff.classical.atrous import atrous
from sardiff.classical.filters import BINOMIAL, smoothed


def test_the_base_stays_optical_and_the_detail_of_a_flat_image_is_that_of_the_other():
    optical, flat = torch.rand(1, 1, 40, 40, dtype=torch.float64), torch.full((1, 1, 40, 40), 0.3).double()
    torch.testing.assert_close(atrous(optical, flat, 0.5), optical)
    base = flat
    detail = optical
    for level in range(4):
        detail = smoothed(detail, BINOMIAL, 2**level)
    torch.testing.assert_close(atrous(flat, optical, 0.5), base + optical - detail)
