"""Linear systems by Chebyshev iteration: no inner product over a tile, so that tiles agree."""

import math
from collections.abc import Callable

from sardiff.arrays import Images

__all__ = ["iterations_for", "solve_shifted"]


def solve_shifted(product: Callable[[Images], Images], b: Images, low: float, high: float, iterations: int) -> Images:
    """Solve (low + V) w = b for positive V with spectrum in [0, high - low], by Chebyshev iteration.

    Saad (2003), Iterative Methods for Sparse Linear Systems, Algorithm 12.1. `product` gives V v.
    The error falls by (sqrt(k) - 1) / (sqrt(k) + 1) an iteration, k = high / low.
    """
    theta, delta = (high + low) / 2, (high - low) / 2
    w = b / theta
    if delta == 0 or iterations == 1:
        return w
    step = w
    sigma1 = theta / delta
    rho = 1 / sigma1
    residual = b - low * step - product(step)
    for k in range(iterations - 1):
        rho_next = 1 / (2 * sigma1 - rho)
        step = rho_next * rho * step + 2 * rho_next / delta * residual
        rho = rho_next
        w = w + step
        if k < iterations - 2:
            residual = residual - low * step - product(step)
    return w


def iterations_for(low: float, high: float, error: float) -> int:
    """Return how many iterations of `solve_shifted` bring the error below `error` of what it is at zero.

    From (6.128) of Saad's book: it falls as 2 q^n, q = (sqrt(k) - 1) / (sqrt(k) + 1), k = high / low.
    """
    root = math.sqrt(high / low)
    if root <= 1:
        return 1
    return max(1, math.ceil(math.log(2 / error) / math.log((root + 1) / (root - 1))))
