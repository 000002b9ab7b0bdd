"""What likelihoods and solvers ask of a linear operator."""

from typing import Protocol, runtime_checkable

from sardiff.arrays import Images

__all__ = ["LinearOperator"]


@runtime_checkable
class LinearOperator(Protocol):
    """A linear map A between images of one size, with ||A|| <= 1; one image never sways another."""

    def forward(self, x: Images) -> Images:
        """Return A x."""
        ...

    def adjoint(self, y: Images) -> Images:
        """Return A^T y, such that <A x, y> = <x, A^T y>."""
        ...
