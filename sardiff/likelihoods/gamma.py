"""Gamma speckle on log-intensity, for any equivalent number of looks."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from sardiff import units
from sardiff.arrays import Images, PerImage

__all__ = ["REACH", "GammaSpeckle", "log_speckle_moments"]

_DROP = 14.0  # the grids below end where the log-density has fallen this far under its mode
_MOMENT_NODES = 33
_SAMPLE_NODES = 65

REACH = 10.0  # standard deviations of speckle: ratios beyond, one in 60 000 at one look, are the estimate's fault


@dataclass(frozen=True, eq=False)
class GammaSpeckle:
    """Speckle on log-intensity: y = x + log n, with n ~ Gamma(looks, 1 / looks).

    Minus the log-density, ell(x) = looks (e^(y - x) + x) + constant, is strictly convex in x, so that all the
    one-dimensional densities below have one mode.

    Parameters
    ----------
    y : Images
        Natural log of the measured intensity (linear power, not dB). NaN or infinite: not measured.
    looks : float
        Equivalent number of looks of the product, > 0, often not an integer.
    area : float
        Autocorrelation area of the speckle: how many pixels vary as one, >= 1, and 1 where they are independent.
        The product over pixels then counts every measurement `area` times, so that its logarithm is divided by
        it: a composite likelihood, right in its mean and about right in its weight.

    Raises
    ------
    ValueError
        If `looks` is not positive and finite, or `area` less than 1.

    References
    ----------
    Goodman (1976), Some fundamental properties of speckle, JOSA 66(11). Varin, Reid and Firth (2011), An overview
    of composite likelihood methods, Statistica Sinica 21.
    """

    y: Images
    looks: float
    area: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.looks < math.inf:
            raise ValueError(f"looks must be > 0, got {self.looks}")
        if not 1 <= self.area < math.inf:
            raise ValueError(f"area must be >= 1, got {self.area}")

    @classmethod
    def from_intensity(cls, intensity: Images, looks: float, area: float = 1.0) -> "GammaSpeckle":
        """Measured linear power; what is not positive and finite was not measured."""
        return cls(units.log_from_intensity(intensity), looks, area)

    @classmethod
    def from_amplitude(cls, amplitude: Images, looks: float) -> "GammaSpeckle":
        """Measured amplitude (Nakagami distributed): its square has gamma speckle."""
        return cls.from_intensity(units.intensity_from_amplitude(amplitude), looks)

    @classmethod
    def from_complex(cls, slc: Tensor) -> "GammaSpeckle":
        """Single-look complex pixels, (b, c, h, w): their power has one look."""
        return cls.from_intensity(units.intensity_from_complex(slc), 1.0)

    @property
    def measured(self) -> Bool[Tensor, "b c h w"]:
        """Where there is a measurement."""
        return self.y.isfinite()

    def log_prob(self, x: Images) -> PerImage:
        """Return the log-density of the measured log-intensity, summed over measured pixels, over `area`."""
        r = self._residual(x)
        const = self.looks * math.log(self.looks) - math.lgamma(self.looks)
        per_pixel = self.looks * (r - r.exp()) + const
        return (per_pixel * self.measured).sum(dim=(1, 2, 3)) / self.area

    def score(self, x: Images) -> Images:
        """Return the gradient of `log_prob` in x; zero where nothing was measured."""
        return self._weight * torch.expm1(self._residual(x))

    def hessian(self, x: Images) -> Images:
        """Return looks / area e^(y - x), the second derivative of minus `log_prob`; zero where nothing was measured.

        Its expectation, where x is the truth, is looks / area.
        """
        return self._weight * self._residual(x).exp() * self.measured

    def prox(self, z: Images, tau: float | Tensor) -> Images:
        """Return argmin_u ell(u) + (u - z)^2 / (2 tau), pixel by pixel; z where nothing was measured.

        In closed form u = z - g + w, with g = tau looks / area and w the Wright omega function of
        c = log(g e^y) + g - z. Since w = g e^(y - u), the same point is
        u = y + log g - log w, which does not cancel where w is large. Differentiable.

        Parameters
        ----------
        z : Images
            Natural-log intensity.
        tau : float or Tensor
            > 0, natural log units squared; broadcasts against z.
        """
        u, _ = self._mode(z, torch.as_tensor(tau, dtype=z.dtype, device=z.device))
        return torch.where(self.measured, u, z)

    def pseudo_observation(self, x: Images, power: float = 0.5) -> tuple[Images, float]:
        """Read the measurement, near the estimate x, as one Gaussian observation of known variance.

        With the ratio r = e^(y - x), g(r) = r^p - E r^p is an unbiased estimating function of x, and
        kappa = p E r^p is how fast it falls with x. One scoring step z = x + g(r) / kappa has, where x is the
        truth, E z = x, E dz/dx = 0 and the variance (E r^2p / (E r^p)^2 - 1) / p^2. p -> 0 is the debiased
        logarithm, z = y - E log n whatever x, of variance trigamma(looks): robust, dear at few looks. p = 1 is
        Fisher scoring, of variance 1 / looks: efficient, but a bright outlier pulls hard.

        Beyond the ratios that speckle reaches (`REACH` standard deviations, a pixel in 60 000 at one look) the
        estimate must be wrong, as over a bright target, and g, which grows as r^p, would carry z far above
        the measurement. There z stays where it is until the debiased logarithm overtakes it, then follows
        that. So z is never above both.

        Speckle that is correlated has, at the wavelengths of images, `area` times the power of white noise of its
        variance: a denoiser of white noise is told that variance.

        Parameters
        ----------
        x : Images
            Current estimate, natural-log intensity.
        power : float
            p, from 0 to 1; below 1e-3 it counts as 0.

        Returns
        -------
        z : Images
            Pseudo-observation, natural-log intensity; z = x where nothing was measured.
        variance : float
            Its variance where x is the truth times `area`, natural log units squared.

        Raises
        ------
        ValueError
            If `power` is not between 0 and 1.
        """
        if not 0 <= power <= 1:
            raise ValueError(f"power must be from 0 to 1, got {power}")
        residual = self._residual(x)
        if power < 1e-3:  # the limit, where differences of log-gamma would be rounding
            bias, variance = log_speckle_moments(self.looks)
            return torch.where(self.measured, x + residual - bias, x), variance * self.area
        log_mean = self._log_moment(power)
        far = math.log1p(REACH / math.sqrt(self.looks))
        gain = torch.expm1(power * residual.clamp(max=far) - log_mean) / power
        bias, _ = log_speckle_moments(self.looks)
        z = x + torch.where(residual > far, torch.maximum(gain, residual - bias), gain)
        variance = math.expm1(self._log_moment(2 * power) - 2 * log_mean) / power**2
        return torch.where(self.measured, z, x), variance * self.area

    @torch.no_grad()
    def moments(self, mean: Images, variance: float | Tensor) -> tuple[Images, Images]:
        """Return mean and variance of the density proportional to N(u; mean, variance) p(y | u).

        By the trapezoidal rule on equispaced nodes around the mode, which converges geometrically for a
        smooth density that has vanished at both ends. Relative error of the variance below 1e-4 for looks from
        0.5 to 50, `variance` from 1e-4 to 10 and |y - mean| up to 8.

        Parameters
        ----------
        mean : Images
            Natural-log intensity.
        variance : float or Tensor
            > 0, natural log units squared; broadcasts against `mean`.

        Returns
        -------
        mean, variance : Images
            As they came where nothing was measured.
        """
        v = torch.as_tensor(variance, dtype=mean.dtype, device=mean.device)
        shape = self._shape(mean, v)
        step = (shape.upper - shape.lower) / (_MOMENT_NODES - 1)
        mass, first, second = (torch.zeros_like(mean) for _ in range(3))
        for k in range(_MOMENT_NODES):  # a loop, not one more axis: tiles are large
            t = shape.lower + k * step
            p = shape.density(t)
            mass += p
            p *= t
            first += p
            second += p.mul_(t)
        first /= mass
        second = second / mass - first**2
        return torch.where(self.measured, shape.mode + first, mean), torch.where(self.measured, second, v)

    @torch.no_grad()
    def sample(self, mean: Images, variance: float | Tensor, uniform: Images) -> Images:
        """Return a draw from the density proportional to N(u; mean, variance) p(y | u), pixel by pixel.

        Inverts the distribution function, so that the draw is a rising function of `uniform` and of nothing
        else: noise that belongs to a place stays there. Cell masses on equispaced nodes are fourth order, the
        density is linear within a cell; the distribution function is right to 2e-4.

        Parameters
        ----------
        mean : Images
            Natural-log intensity.
        variance : float or Tensor
            > 0, natural log units squared; broadcasts against `mean`.
        uniform : Images
            Uniform numbers in (0, 1).

        Returns
        -------
        Images
            Natural-log intensity; a draw from N(mean, variance) where nothing was measured.
        """
        v = torch.as_tensor(variance, dtype=mean.dtype, device=mean.device)
        eps = torch.finfo(mean.dtype).eps
        uniform = uniform.clamp(eps, 1 - eps)
        shape = self._shape(mean, v)
        step = (shape.upper - shape.lower) / (_SAMPLE_NODES - 1)

        total = torch.zeros_like(mean)  # in units of step; every other node is plenty for the whole
        for k in range(0, _SAMPLE_NODES, 2):
            total += 2 * shape.density(shape.lower + k * step)
        target = uniform * total

        found = shape.lower.expand_as(mean).clone()
        below = torch.zeros_like(mean)
        t = shape.lower
        p = shape.density(t)
        slope = shape.slope(t, p)
        for k in range(1, _SAMPLE_NODES):
            t_next = shape.lower + k * step
            p_next = shape.density(t_next)
            slope_next = shape.slope(t_next, p_next)
            # Hermite's rule for the mass of a cell; its corrections telescope, the total stays the same.
            mass = ((p + p_next) / 2 + step / 12 * (slope - slope_next)).clamp_min(0)
            share = (target - below) / mass.clamp_min(torch.finfo(mean.dtype).tiny)
            # Density linear in the cell: part a + part^2 (b - a) / 2 = share (a + b) / 2, solved without cancelling.
            q = share.clamp(0, 1) * (p + p_next)
            root = (p**2 + q * (p_next - p)).clamp_min(0).sqrt()
            part = q / (p + root).clamp_min(torch.finfo(mean.dtype).tiny)
            found = torch.where(share >= 0, t + part.clamp(0, 1) * step, found)
            below += mass
            t, p, slope = t_next, p_next, slope_next
        draw = shape.mode + found
        return torch.where(self.measured, draw, mean + v.sqrt() * torch.special.ndtri(uniform))

    @property
    def _weight(self) -> float:
        return self.looks / self.area

    def _residual(self, x: Images) -> Images:
        # Zero before `exp`, not after: a NaN inside would come back through the gradient.
        return torch.where(self.measured, self.y - x, 0.0)

    def _mode(self, z: Images, tau: Tensor) -> tuple[Images, Images]:
        """Return the proximal point and w = tau looks / area e^(y - u) there; y = 0 where nothing was measured."""
        y = torch.where(self.measured, self.y, 0.0).to(z)
        gain = tau * self._weight
        log_w = _log_wright_omega(gain.log() + y + gain - z)
        w = log_w.exp()
        return torch.where(log_w < 0, z - gain + w, y + gain.log() - log_w), w

    def _shape(self, mean: Images, variance: Tensor) -> "_Shape":
        variance = variance.clamp_min(1e-12)
        mode, w = self._mode(mean, variance)
        return _Shape(mode, w / variance, variance)

    def _log_moment(self, power: float) -> float:
        """Return log E n^power of unit-mean gamma speckle."""
        return math.lgamma(self.looks + power) - math.lgamma(self.looks) - power * math.log(self.looks)


class _Shape:
    """The density of t = u - mode: e^-D(t) with D(t) = a (e^-t - 1 + t) + t^2 / (2 v), up to its mass.

    At the mode the linear terms cancel, so that two numbers a pixel are all there is: a = looks / area e^(y - mode)
    and v. `lower` and `upper` are bounds just outside D = _DROP, in closed form.
    """

    def __init__(self, mode: Images, a: Images, v: Tensor) -> None:
        self.mode, self.a, self.v = mode, a, v
        # Left: D >= a (e^s - 1 - s) with s = -t, and D >= (a + 1 / v) s^2 / 2. Take the tighter bound.
        ratio = _DROP / a.clamp_min(1e-30)
        s = (2 * ratio).sqrt()
        for _ in range(2):
            s = torch.log1p(ratio + s)
        self.lower = -torch.minimum(s, (2 * _DROP * v / (1 + a * v)).sqrt())
        # Right: D >= a (t - 1) + t^2 / (2 v); then e^-t - 1 + t >= t^2 / (2 + t), twice from the bound so far.
        t = 2 * (a + _DROP) / (a + (a**2 + 2 * (a + _DROP) / v).sqrt())
        for _ in range(2):
            t = torch.minimum(t, (_DROP / (a / (2 + t) + 0.5 / v)).sqrt())
        self.upper = t

    def density(self, t: Images) -> Images:
        """Return e^-D(t), one at the mode."""
        return torch.exp(-self.a * (torch.expm1(-t) + t) - t**2 / (2 * self.v))

    def slope(self, t: Images, density: Images) -> Images:
        """Return the derivative of `density` at t, from its value there."""
        return density * (self.a * torch.expm1(-t) - t / self.v)


def log_speckle_moments(looks: float) -> tuple[float, float]:
    """Return mean and variance of the log of unit-mean gamma speckle: digamma(L) - log L, trigamma(L).

    >>> mean, variance = log_speckle_moments(1)
    >>> round(mean, 4), round(variance, 4)
    (-0.5772, 1.6449)
    """
    if not 0 < looks < math.inf:
        raise ValueError(f"looks must be > 0, got {looks}")
    x = torch.tensor(looks, dtype=torch.float64)
    return float(torch.digamma(x)) - math.log(looks), float(torch.special.polygamma(1, x))


def _log_wright_omega(c: Tensor) -> Tensor:
    """Return the t that solves t + e^t = c: the log of the Wright omega function of c.

    Newton on a convex rising function, from a start good enough for four steps to reach double precision at
    any c. Solving for the log keeps omega's relative precision where it is tiny or huge.
    """
    c = c.clamp_min(-1e4)  # log(0) of a zero step; omega is zero there anyway
    with torch.no_grad():
        large = c.clamp_min(1.0)
        t = torch.where(c > 1, torch.log(large - large.log()), c - torch.log1p(0.5 * c.clamp_max(1.0).exp()))
        for _ in range(4):
            w = t.exp()
            t = t - (t + w - c) / (1 + w)
    w = t.exp()
    return t - (t - c + w) / (1 + w)  # outside no_grad: the last step carries the exact derivative
