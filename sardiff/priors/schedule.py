"""Lists of noise levels."""

import math

__all__ = ["betas_to_sigmas", "karras"]


def karras(sigma_max: float, sigma_min: float, steps: int, rho: float = 7.0) -> tuple[float, ...]:
    """Return `steps` levels falling from `sigma_max` to `sigma_min`, then 0: steps + 1 numbers.

    Karras et al. (2022), arXiv:2206.00364, Eq. 5. `rho` = inf spaces them evenly in ln sigma.

    >>> [round(s, 3) for s in karras(1.0, 0.1, 3, rho=1.0)]
    [1.0, 0.55, 0.1, 0.0]
    """
    if not 0 < sigma_min <= sigma_max:
        raise ValueError(f"need 0 < sigma_min <= sigma_max, got {sigma_min} and {sigma_max}")
    if steps < 1:
        raise ValueError(f"steps must be >= 1, got {steps}")
    if steps == 1:
        return (sigma_max, 0.0)
    ramp = [i / (steps - 1) for i in range(steps)]
    if math.isinf(rho):
        return (*(sigma_max * (sigma_min / sigma_max) ** r for r in ramp), 0.0)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (*((high + r * (low - high)) ** rho for r in ramp), 0.0)


def betas_to_sigmas(beta_first: float = 1e-4, beta_last: float = 2e-2, count: int = 1000) -> tuple[float, ...]:
    """Return the levels sqrt((1 - abar) / abar) of a variance-preserving linear schedule, falling, then 0.

    Ho et al. (2020), arXiv:2006.11239, section 4.
    """
    log_abar, sigmas = 0.0, []
    for k in range(count):
        log_abar += math.log1p(-(beta_first + (beta_last - beta_first) * k / (count - 1)))
        sigmas.append(math.sqrt(math.expm1(-log_abar)))
    return (*reversed(sigmas), 0.0)
