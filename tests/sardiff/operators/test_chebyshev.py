import pytest
import torch

from sardiff.operators import iterations_for, solve_shifted


@pytest.mark.parametrize("error", [0.1, 0.01])
@pytest.mark.parametrize("high", [1.0, 4.0, 300.0])
def test_so_many_iterations_bring_the_error_as_low_as_asked(high, error):
    spectrum = torch.linspace(1.0, high, 400, dtype=torch.float64).reshape(1, 1, 20, 20)
    b = torch.randn(1, 1, 20, 20, dtype=torch.float64)
    w = solve_shifted(lambda v: (spectrum - 1.0) * v, b, 1.0, high, iterations_for(1.0, high, error))
    exact = b / spectrum
    assert float((w - exact).norm()) <= error * float(exact.norm())
