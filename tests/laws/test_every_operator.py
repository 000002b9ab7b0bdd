"""What every linear operator keeps to; a new one joins by one line."""

import pytest
import torch

from sardiff.operators import Blur, LinearOperator, Mask
from sardiff.tasks.kernels import kernel_of

SHAPE = (2, 2, 24, 17)


def kernel(blur):
    return torch.from_numpy(kernel_of(blur))


OPERATORS = {
    "mask": lambda: Mask(torch.rand(SHAPE) < 0.7),
    "gaussian blur": lambda: Blur(kernel("gaussian:1.5")),
    "motion": lambda: Blur(kernel("motion:9,30")),
    "a kernel wider than the image": lambda: Blur(kernel("box:25")),
    "a kernel without any symmetry": lambda: Blur(torch.tensor([[0.1, 0.2, 0.0, 0.3, 0.4]], dtype=torch.float64)),
}


@pytest.fixture(params=OPERATORS.values(), ids=OPERATORS.keys())
def operator(request):
    made = request.param()
    assert isinstance(made, LinearOperator)
    return made


def images():
    return torch.randn(SHAPE, dtype=torch.float64)


def test_the_adjoint_is_the_adjoint(operator):
    x, y = images(), images()
    forward, back = operator.forward(x), operator.adjoint(y)
    size = forward.norm() * y.norm()
    assert float((forward * y).sum() - (x * back).sum()) == pytest.approx(0, abs=1e-13 * float(size))


def test_it_is_linear(operator):
    x, y = images(), images()
    torch.testing.assert_close(
        operator.forward(2 * x - y), 2 * operator.forward(x) - operator.forward(y), rtol=0, atol=1e-12
    )


def test_it_makes_nothing_larger(operator):
    x = images()
    for _ in range(30):  # towards the largest singular value
        x = operator.adjoint(operator.forward(x))
        x = x / x.norm()
    assert float(operator.forward(x).norm()) <= 1 + 1e-9
