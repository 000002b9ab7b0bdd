import numpy as np
import torch

from sardiff.classical.guided import box_mean, guided, guided_filter


def windows(shape, row, col, radius):
    return slice(max(row - radius, 0), row + radius + 1), slice(max(col - radius, 0), col + radius + 1)


def test_a_box_mean_is_the_mean_over_what_is_there():
    x = torch.rand(1, 1, 7, 9, dtype=torch.float64)
    for radius in (1, 3, 20):
        got = box_mean(x, radius)
        for row, col in ((0, 0), (3, 4), (6, 8), (2, 8)):
            window = x[0, 0][windows(x.shape, row, col, radius)]
            torch.testing.assert_close(got[0, 0, row, col], window.mean())


def test_the_guided_filter_is_the_mean_of_regressions_over_all_windows():
    """The definition of He et al.: in each window the ridge regression of x on the guide, then its mean at a pixel."""
    guide, x = torch.rand(2, 1, 1, 8, 10, dtype=torch.float64)
    radius, edge = 2, 0.02
    total, count = np.zeros((8, 10)), np.zeros((8, 10))
    for row in range(8):
        for col in range(10):
            at = windows(x.shape, row, col, radius)
            g, p = guide[0, 0][at].numpy(), x[0, 0][at].numpy()
            lines = np.stack((g.ravel(), np.ones(g.size)), 1)
            ridge = lines.T @ lines + np.diag([edge * g.size, 0])
            a, b = np.linalg.solve(ridge, lines.T @ p.ravel())
            total[at] += a * guide[0, 0][at].numpy() + b
            count[at] += 1
    np.testing.assert_allclose(guided_filter(guide, x, radius, edge)[0, 0], total / count)


def test_each_region_comes_from_the_source_that_has_something_to_say_there():
    texture = torch.rand(1, 1, 120, 240, dtype=torch.float64)
    left = torch.arange(240) < 120
    flat = torch.full_like(texture, 0.5)
    optical, sar = torch.where(left, texture, flat), torch.where(left, flat, texture)
    fused = guided(optical, sar, 0.5)
    for middle in (slice(20, 100), slice(140, 220)):
        detail = (fused - box_mean(fused, 3))[..., 20:100, middle].flatten()
        expected = (texture - box_mean(texture, 3))[..., 20:100, middle].flatten()
        assert float(torch.corrcoef(torch.stack((detail, expected)))[0, 1]) > 0.99
        assert float(detail.std() / expected.std()) > 0.9


def test_single_precision_holds_variances_far_below_the_mean():
    optical, sar = 0.9 + 0.001 * torch.rand(2, 1, 1, 60, 60, dtype=torch.float64)
    single = guided(optical.float(), sar.float(), 0.5)
    torch.testing.assert_close(single.double(), guided(optical.float().double(), sar.float().double(), 0.5),
                               rtol=0, atol=1e-6)  # fmt: skip
