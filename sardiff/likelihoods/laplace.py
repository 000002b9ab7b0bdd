"""Fusion of two images: near both, with the edges of one, and heavy tails: Laplace residuals and total variation."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sardiff.arrays import Images, PerImage

__all__ = ["FusionEnergy", "median_prox"]

_FAR = 1e30  # a step of the proximal map after which only the order of what is compared matters
_MOVE = 0.04  # luminance: about how far the image has to go while the dual field goes from 0 to tv
_RELAXATION = 1.9  # of at most 2: half the iterations of 1


@dataclass(frozen=True, eq=False)
class FusionEnergy:
    """E(f) = weight_optical |f - optical|_1 + weight_sar |f - sar|_1 + tv TV(f - edges), up to a constant -log p.

    Isotropic total variation with forward differences, TV(u) = sum sqrt(d_row u^2 + d_col u^2), zero beyond the last
    row and column. Luminance means a common scale: both sources of about 0..1, gain-matched beforehand.

    Parameters
    ----------
    optical, sar : Images
        Luminance on one grid, of one shape.
    weight_optical, weight_sar : float
        >= 0, inverse scales of the Laplace residuals, in 1 / luminance. With equal weights the data alone do not
        choose between the two values of a pixel; where one outweighs the other, a pixel by itself takes that one.
    tv : float
        >= 0, in 1 / luminance. What differs from `edges` is kept where it is wider than about 4 tv / (weight_sar -
        weight_optical) pixels.
    edges : "optical", "sar" or Images
        Whose gradients the fusion follows: one of the sources, or an image of their shape that shows the edges of both.
        A difference between two pixels of which it has not measured both is taken as zero.
    measured_optical, measured_sar : bool tensor (b, c, h, w), optional
        False: that source says nothing here, whatever its value. By default, and at most, where it is finite.
    iterations : int
        Of `prox` and `minimise`, >= 1: they see this many pixels far, and no farther.
    smoothing : float
        Luminance, > 0: `score` takes |r| as r^2 / (2 smoothing) nearer than this to zero.

    Raises
    ------
    ValueError
        If the shapes differ or a number is outside its range.

    References
    ----------
    Ma, Chen, Li and Huang (2016), Infrared and visible image fusion via gradient transfer and total variation
    minimization, Information Fusion 31, where weight_optical = 0. Zhao et al. (2023), DDFM, arXiv:2303.06840,
    section 3.2, with Laplace residuals on both and a quadratic gradient penalty in place of the total variation.
    """

    optical: Images
    sar: Images
    weight_optical: float = 0.5
    weight_sar: float = 0.5
    tv: float = 0.5
    edges: Literal["optical", "sar"] | Images = "optical"
    measured_optical: Bool[Tensor, "b c h w"] | None = None
    measured_sar: Bool[Tensor, "b c h w"] | None = None
    iterations: int = 30
    smoothing: float = 0.01

    def __post_init__(self) -> None:
        for name in ("sar", "measured_optical", "measured_sar", "edges"):
            other = getattr(self, name)
            if isinstance(other, Tensor) and other.shape != self.optical.shape:
                raise ValueError(
                    f"{name} must have the shape of optical, {tuple(self.optical.shape)}, got {tuple(other.shape)}"
                )
        for name in ("weight_optical", "weight_sar", "tv"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be >= 0 and finite, got {getattr(self, name)}")
        if not isinstance(self.edges, Tensor) and self.edges not in ("optical", "sar"):
            raise ValueError(f"edges must be 'optical', 'sar' or an image, got {self.edges!r}")
        if self.iterations < 1:
            raise ValueError(f"iterations must be >= 1, got {self.iterations}")
        if not 0 < self.smoothing < math.inf:
            raise ValueError(f"smoothing must be > 0, got {self.smoothing}")

    def energy(self, f: Images) -> PerImage:
        """Return E(f), summed over pixels; no smoothing."""
        near = self._weight_optical * (f - self._optical).abs() + self._weight_sar * (f - self._sar).abs()
        squared = (_differences(f) - self._gradient).square().sum(dim=0)
        edges = squared.clamp_min(torch.finfo(f.dtype).tiny).sqrt()  # not NaN but zero is the gradient where it is flat
        return (near + self.tv * edges).sum(dim=(1, 2, 3))

    def log_prob(self, x: Images) -> PerImage:
        """Return -E(x): the log-density up to a constant."""
        return -self.energy(x)

    def score(self, x: Images) -> Images:
        """Return minus the gradient of E in x with Huber's |r|: r^2 / (2 d) up to d = `smoothing`, |r| - d / 2 beyond.

        A subgradient of `log_prob` where no residual is nearer than d to zero. Sees one pixel far. Its slope is at
        most (weight_optical + weight_sar + 8 tv) / d: longer steps than the inverse of that overshoot.
        """
        d = self.smoothing
        near = self._weight_optical * ((x - self._optical) / d).clamp(-1, 1)
        near = near + self._weight_sar * ((x - self._sar) / d).clamp(-1, 1)
        steps = _differences(x) - self._gradient
        return -near - self.tv * _differences_adjoint(steps / _length(steps).clamp_min(d))

    @torch.no_grad()
    def prox(self, z: Images, tau: float | Tensor) -> Images:
        """Return argmin_f E(f) + (f - z)^2 / (2 tau): exact without total variation, else by `iterations` steps.

        Chambolle and Pock (2011), J. Math. Imaging and Vision 40, Algorithm 2: the data terms and the quadratic by
        their exact proximal map (`median_prox`), total variation by its dual; accelerated, as the quadratic is
        strongly convex. On scenes of 0..1 with weights and tv of .5, the gap to 2000 iterations relative to the
        minimum is below 2e-5 at tau = .01 after 30 iterations, and 5e-4 at .1.

        Parameters
        ----------
        z : Images
            Luminance.
        tau : float or Tensor
            > 0, broadcasts against z. A number for every pixel costs the acceleration, which would tie them together.
        """
        step = torch.as_tensor(tau, dtype=z.dtype, device=z.device)
        if self.tv == 0:
            return self._data.prox(z, step)
        return self._primal_dual(z, step)

    @torch.no_grad()
    def minimise(self, start: Images) -> Images:
        """Return argmin_f E(f), or what `iterations` steps from `start` make of it.

        Chambolle and Pock's Algorithm 1, over-relaxed as in Condat (2013), J. Optimization Theory and Applications
        158, Algorithm 3.1: without a quadratic nothing can be accelerated. Where E has many minima, as with equal
        weights and no total variation, it is one near the start. On scenes with tv four times the weight of the only
        data term, the gap to 2500 iterations is below 5e-3 of the minimum after 150 and 3e-3 after 200.
        """
        if self.tv == 0:
            return self._data.prox(start, torch.as_tensor(_FAR, dtype=start.dtype, device=start.device))
        return self._primal_dual(start, None)

    @torch.no_grad()
    def em(self, x: Images) -> Images:
        """Return one step of expectation maximisation from x on the hierarchical model behind the Laplace terms.

        A Laplace residual r of weight w is a Gaussian one whose variance is exponentially distributed. E step: its
        expected inverse variance is w / |r| at x (|r| at least `smoothing`). M step: the minimum of the two quadratics
        so weighted, and of total variation, by `iterations` steps. Zhao et al. (2023), arXiv:2303.06840, Eqs. 16 to 20.
        """
        weights = (
            self._weight_optical / (x - self._optical).abs().clamp_min(self.smoothing),
            self._weight_sar / (x - self._sar).abs().clamp_min(self.smoothing),
        )
        data = _TwoQuadratics(self._optical, self._sar, *weights)
        if self.tv == 0:
            return data.prox(x, torch.as_tensor(_FAR, dtype=x.dtype, device=x.device))
        return self._primal_dual(x, None, data)

    def _primal_dual(self, z: Images, tau: Tensor | None, data: "_Data | None" = None) -> Images:
        """Iterate from z, drawn towards z where tau is given; primal step times dual is 1 / 8 = 1 / |differences|^2."""
        data = data or self._data
        ahead = z.new_tensor(_MOVE / self.tv)
        strength = z.new_zeros(()) if tau is None else 1 / tau
        one_for_all = tau is not None and tau.shape[-2:].numel() == 1
        relaxation = 1.0 if one_for_all else _RELAXATION
        f, dual = z, _differences(torch.zeros_like(z))
        f_next = f
        for _ in range(self.iterations):
            pull = ahead * strength
            towards = f - ahead * _differences_adjoint(dual)
            f_next = data.prox((towards + pull * z) / (1 + pull), ahead / (1 + pull))
            theta = (1 + 2 * pull).rsqrt() if one_for_all else 1.0
            ahead = theta * ahead
            beyond = f_next + theta * (f_next - f)
            dual_next = dual + (_differences(beyond) - self._gradient) / (8 * ahead)
            dual_next = dual_next / (_length(dual_next) / self.tv).clamp_min(1)
            f = f + relaxation * (f_next - f)
            dual = dual + relaxation * (dual_next - dual)
        return f_next

    @cached_property
    def _known_optical(self) -> Bool[Tensor, "b c h w"]:
        finite = self.optical.isfinite()
        return finite if self.measured_optical is None else finite & self.measured_optical

    @cached_property
    def _known_sar(self) -> Bool[Tensor, "b c h w"]:
        finite = self.sar.isfinite()
        return finite if self.measured_sar is None else finite & self.measured_sar

    @cached_property
    def _optical(self) -> Images:
        return torch.where(self._known_optical, self.optical, 0.0)

    @cached_property
    def _sar(self) -> Images:
        return torch.where(self._known_sar, self.sar, 0.0)

    @cached_property
    def _weight_optical(self) -> Images:
        return self.weight_optical * self._known_optical.to(self.optical)

    @cached_property
    def _weight_sar(self) -> Images:
        return self.weight_sar * self._known_sar.to(self.sar)

    @cached_property
    def _data(self) -> "_Data":
        return _TwoLaplace(self._optical, self._sar, self._weight_optical, self._weight_sar)

    @cached_property
    def _gradient(self) -> Float[Tensor, "2 b c h w"]:
        """The differences that f should have, by `edges`; zero where one of the two pixels was not measured."""
        if isinstance(self.edges, Tensor):
            known = self.edges.isfinite()
            return _known_differences(torch.where(known, self.edges, 0.0), known)
        if self.edges == "optical":
            return _known_differences(self._optical, self._known_optical)
        return _known_differences(self._sar, self._known_sar)


def median_prox(
    z: Images, tau: float | Tensor, first: Images, second: Images, weight_first: Images, weight_second: Images
) -> Images:
    """Return argmin_f weight_first |f - first| + weight_second |f - second| + (f - z)^2 / (2 tau), pixel by pixel.

    With a <= b the sorted values and w_a, w_b their weights, it is the median of z + tau (w_a + w_b), a,
    z + tau (w_b - w_a), b and z - tau (w_a + w_b), exactly. A value of weight zero, if finite, has no say: one of the
    others then stands twice.

    Parameters
    ----------
    tau : float or Tensor
        > 0, broadcasts against z.
    weight_first, weight_second : Images
        >= 0; zero where that value was not measured.
    """
    return _TwoLaplace(first, second, weight_first, weight_second).prox(
        z, torch.as_tensor(tau, dtype=z.dtype, device=z.device)
    )


class _Data(Protocol):
    """The part of an energy that is a sum over pixels, by its proximal map."""

    def prox(self, z: Images, tau: Tensor) -> Images: ...


class _TwoQuadratics:
    """Two quadratic residuals, each of a weight of its own."""

    def __init__(self, first: Images, second: Images, weight_first: Images, weight_second: Images) -> None:
        self.total = weight_first + weight_second
        self.pull = weight_first * first + weight_second * second

    def prox(self, z: Images, tau: Tensor) -> Images:
        return (z + tau * self.pull) / (1 + tau * self.total)


class _TwoLaplace:
    """What `median_prox` needs to know of two values and their weights, sorted once for many calls."""

    def __init__(self, first: Images, second: Images, weight_first: Images, weight_second: Images) -> None:
        self.low, self.high = torch.minimum(first, second), torch.maximum(first, second)
        self.total = weight_first + weight_second
        first_is_high = first > second
        lean = weight_second - weight_first
        self.lean = torch.where(first_is_high, -lean, lean)  # w_b - w_a

    def prox(self, z: Images, tau: Tensor) -> Images:
        # The median of five, three and two of which are sorted already: the third smallest is the least over
        # i + j = 3 of the larger of the i-th of the three and the j-th of the two.
        span, middle = tau * self.total, z + tau * self.lean
        return torch.minimum(
            torch.minimum(z + span, torch.maximum(middle, self.low)), torch.maximum(z - span, self.high)
        )


def _differences(u: Images) -> Float[Tensor, "2 b c h w"]:
    """Forward differences along rows and along cols; zero in the last."""
    steps = u.new_zeros((2, *u.shape))
    steps[0, :, :, :-1] = u[:, :, 1:] - u[:, :, :-1]
    steps[1, :, :, :, :-1] = u[..., 1:] - u[..., :-1]
    return steps


def _known_differences(u: Images, known: Bool[Tensor, "b c h w"]) -> Float[Tensor, "2 b c h w"]:
    steps = _differences(u)
    steps[0, :, :, :-1] *= known[:, :, 1:] & known[:, :, :-1]
    steps[1, :, :, :, :-1] *= known[..., 1:] & known[..., :-1]
    return steps


def _differences_adjoint(steps: Float[Tensor, "2 b c h w"]) -> Images:
    """Minus the divergence; what stands in the last row of the first and the last col of the second is not read."""
    down, right = steps[0, :, :, :-1], steps[1, :, :, :, :-1]
    u = torch.zeros_like(steps[0])
    u[:, :, :-1] -= down
    u[:, :, 1:] += down
    u[..., :-1] -= right
    u[..., 1:] += right
    return u


def _length(steps: Float[Tensor, "2 b c h w"]) -> Images:
    return torch.hypot(steps[0], steps[1])
