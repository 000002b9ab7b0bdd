"""Fusion with speckle: the gamma likelihood of the SAR measurement in place of its Laplace term."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from sardiff.arrays import Images, PerImage
from sardiff.likelihoods.gamma import GammaSpeckle
from sardiff.likelihoods.laplace import FusionEnergy

__all__ = ["JointEnergy"]


@dataclass(frozen=True, eq=False)
class JointEnergy(FusionEnergy):
    """E(f) = weight_sar ell(intercept + slope f) + weight_optical |f - optical|_1 + tv TV(f - edges).

    ell is minus the log-likelihood of speckle (`GammaSpeckle`) at the log-intensity that belongs to a luminance f, so
    that despeckling and fusion are one posterior. `sar`, an estimate of the luminance without speckle, is read
    for its edges alone, and only where `edges` is "sar".

    Parameters
    ----------
    speckle : GammaSpeckle
        Of the measured SAR image, on the grid of the others; silent where not measured.
    slope, intercept : float
        log-intensity = intercept + slope * luminance; slope > 0.

    Raises
    ------
    ValueError
        As `FusionEnergy`; if `slope` is not positive.
    """

    speckle: GammaSpeckle = field(kw_only=True)
    slope: float = field(kw_only=True)
    intercept: float = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.slope > 0:
            raise ValueError(f"slope must be > 0, got {self.slope}")

    def energy(self, f: Images) -> PerImage:
        """Return E(f), summed over pixels; no smoothing."""
        optical = FusionEnergy.energy(self._without_sar, f)
        return optical - self.weight_sar * self.speckle.log_prob(self.intercept + self.slope * f)

    def score(self, x: Images) -> Images:
        """Return minus the gradient of E in x, the Laplace residual and the lengths of differences smoothed."""
        pull = self.speckle.score(self.intercept + self.slope * x)
        return FusionEnergy.score(self._without_sar, x) + self.weight_sar * self.slope * pull

    @cached_property
    def _without_sar(self) -> FusionEnergy:
        """The same but for what SAR says of values."""
        return FusionEnergy(
            optical=self.optical,
            sar=self.sar,
            weight_optical=self.weight_optical,
            weight_sar=0.0,
            tv=self.tv,
            edges=self.edges,
            measured_optical=self.measured_optical,
            measured_sar=self.measured_sar,
            iterations=self.iterations,
            smoothing=self.smoothing,
        )

    @cached_property
    def _data(self) -> "_SpeckleAndLaplace":
        return _SpeckleAndLaplace(self)


class _SpeckleAndLaplace:
    """The proximal map of both data terms: exact, since that of speckle alone is, and rises with its argument."""

    def __init__(self, energy: JointEnergy) -> None:
        self.energy = energy

    def prox(self, z: Images, tau: Tensor) -> Images:
        e = self.energy
        pull = tau * e._weight_optical
        below, above = self._speckle(z - pull, tau), self._speckle(z + pull, tau)
        # Where the kink is not the minimum, the minimum is that of the side on which it lies.
        kinked = torch.maximum(torch.minimum(above, e._optical), below)
        return torch.where(e._known_optical, kinked, below)

    def _speckle(self, z: Images, tau: Tensor) -> Images:
        e = self.energy
        if e.weight_sar == 0:
            return z
        u = e.speckle.prox(e.intercept + e.slope * z, e.weight_sar * tau * e.slope**2)
        return torch.where(e.speckle.measured, (u - e.intercept) / e.slope, z)
