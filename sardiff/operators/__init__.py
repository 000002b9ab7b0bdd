"""Linear operators: what a sensor makes of an image."""

from sardiff.operators.base import LinearOperator
from sardiff.operators.blur import Blur
from sardiff.operators.chebyshev import iterations_for, solve_shifted
from sardiff.operators.mask import Mask

__all__ = ["Blur", "LinearOperator", "Mask", "iterations_for", "solve_shifted"]
