"""Our denoising network: strictly local, and indifferent to absolute calibration."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sardiff.arrays import Images, PerImage
from sardiff.priors.base import UNKNOWN, Given
from sardiff.priors.local_mean import local_mean, mean_window

__all__ = ["LocalUNet"]

LOG_VARIANCE = (-8.0, 6.0)  # of the variance head, about that of a linear denoiser


class LocalUNet(nn.Module):
    """EDM-preconditioned denoiser D(x; sigma) of log-intensity images.

    D(x; s) = m + c_skip (x - m) + c_out F(c_in (x - m), ln(s) / 4), with c_skip, c_out, c_in of
    Karras et al. (2022), arXiv:2206.00364, Table 1, and m a Gaussian local mean of x. Where we differ
    from the paper: m. Since log-gain only moves m, D(x + c; s) = D(x; s) + c exactly, so absolute
    calibration and a 60 dB range across a scene never leave what the network was trained on.

    With `measured`, the network was trained with a speckled image y as a condition, and serves three uses:
    E[x_0 | x_sigma], E[x_0 | x_sigma, y] and E[x_0 | y] (`moments`). If log-speckle were Gaussian, x and y
    would matter only through their mean z, weighted by precision, and its noise level; so D is written with
    z in place of x, and what log-speckle has beyond that (its skew, its correlation, where nothing was
    measured) F learns from (y - x) scaled to unit variance, a mask, and the share of y in z.

    F is a U-Net on a 2 x 2 pixel-unshuffled image, of residual blocks with the noise level as scale
    and shift. No normalisation and no attention: what a pixel becomes depends on no pixel farther
    away than `receptive_field`, and on no image beside it in the batch.

    Parameters
    ----------
    bands : int
        Bands in and out.
    widths : sequence of int
        Channels at 1/2, 1/4, ... of the resolution.
    depths : sequence of int
        Residual blocks at each of these, once on the way down and (but for the last) once up.
    sigma_data : float
        Standard deviation of clean x - m, natural log units.
    mean_radius : int
        Radius in pixels of the Gaussian window (of standard deviation `mean_radius` / 2.5) behind m.
    measured : bool
        Whether the network takes a measurement, and gives a variance.
    """

    window: Tensor

    def __init__(
        self,
        *,
        bands: int = 1,
        widths: Sequence[int] = (64, 128, 256),
        depths: Sequence[int] = (2, 2, 2),
        sigma_data: float = 0.7,
        mean_radius: int = 16,
        measured: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or not widths:
            raise ValueError(f"widths and depths must be of one length, got {widths} and {depths}")
        self.config = {
            "bands": bands,
            "widths": list(widths),
            "depths": list(depths),
            "sigma_data": sigma_data,
            "mean_radius": mean_radius,
        } | ({"measured": True} if measured else {})
        self.measured = measured
        self.sigma_data = sigma_data
        self.stride = 2 ** len(widths)
        self.receptive_field = _receptive_field(depths, mean_radius)

        self.register_buffer("window", mean_window(mean_radius), persistent=False)

        embed = 4 * widths[0]
        self.embed = nn.Sequential(
            nn.Linear(5 if measured else 1, embed), nn.SiLU(), nn.Linear(embed, embed), nn.SiLU()
        )
        self.stem = nn.Conv2d((12 if measured else 4) * bands, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList(_Block(width, embed) for _ in range(depth))
            for width, depth in zip(widths, depths, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(
            nn.ModuleList(_Block(width, embed) for _ in range(depth))
            for width, depth in zip(widths[:-1], depths[:-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], (8 if measured else 4) * bands, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Images, sigma: PerImage) -> Images:
        """Return D(x; sigma); height and width must be multiples of `stride`."""
        return self.moments(x, sigma)[0]

    def moments(self, x: Images, sigma: PerImage, given: Given | None = None) -> tuple[Images, Images | None]:
        """Return mean and variance of x_0, given x = x_0 + sigma z, or `given`, or both.

        Where sigma is infinite, `x` says nothing (but must be finite). The variance is None but from a
        network trained with measurements, which alone takes `given`; it is never more than that of x and y
        taken as one observation, which to do nothing would leave. Height and width must be multiples
        of `stride`.
        """
        if given is not None and not self.measured:
            raise ValueError("this network was not trained with measurements")
        state = 1 / sigma.to(x) ** 2
        z, precision, extra = x, state, None
        level = torch.log(sigma.to(x))[:, None] / 4
        if given is not None:
            seen = 1 / given.variance.to(x)
            precision = state + seen
            share = _over_image(seen / precision)
            z = x + share * (given.y - x)
            apart = _over_image((state * seen / precision).sqrt()) * (given.y - x)
            extra = torch.cat([apart, torch.where(share > 0, given.holes.to(x), 0.0)], dim=1)
            told = (given.correlation[:, :1] != UNKNOWN).to(x)
            level = torch.cat(
                [-torch.log(precision)[:, None] / 8, share[:, :, 0, 0], told, told * given.correlation.to(x)], dim=1
            )
        elif self.measured:
            extra = torch.zeros_like(torch.cat([x, x], dim=1))
            level = F.pad(level, (0, 4))
        mean = self._local_mean(z)
        s = _over_image(precision.rsqrt())
        total = torch.sqrt(s**2 + self.sigma_data**2)
        skip, out = (self.sigma_data / total) ** 2, s * self.sigma_data / total
        f = self._unet((z - mean) / total, extra, level)
        denoised = mean + skip * (z - mean) + out * f[:, : x.shape[1]].to(x)
        if not self.measured:
            return denoised, None
        variance = out**2 * f[:, x.shape[1] :].to(x).clamp(*LOG_VARIANCE).exp()
        return denoised, torch.minimum(variance, s**2)

    def _unet(self, x: Images, extra: Images | None, level: Tensor) -> Images:
        e = self.embed(level)
        h = F.pixel_unshuffle(x if extra is None else torch.cat([x, extra], dim=1), 2)
        h = self.stem(h.contiguous(memory_format=torch.channels_last))
        kept = []
        for i, blocks in enumerate(self.down):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, e)
            if i < len(self.shrink):
                kept.append(h)
                h = self.shrink[i](h)
        for i in reversed(range(len(self.up))):
            h = kept[i] + self.grow[i](h)
            for block in self.up[i]:  # type: ignore[attr-defined]
                h = block(h, e)
        return F.pixel_shuffle(self.head(F.silu(h)), 2)

    @torch.no_grad()
    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of a network of the same widths, which may have been trained without measurements.

        A network with measurements that starts from a prior is that prior at first, with z in place of x: what
        the prior does not have becomes zero.

        Raises
        ------
        ValueError
            If its layers are others.
        """
        if weights.keys() != self.state_dict().keys():
            raise ValueError("it has other layers")
        for name, mine in self.state_dict().items():
            theirs = weights[name].to(mine)
            grows = name in ("stem.weight", "embed.0.weight", "head.weight", "head.bias")  # what a measurement adds
            if theirs.ndim != mine.ndim or any(
                a > b if grows else a != b for a, b in zip(theirs.shape, mine.shape, strict=True)
            ):
                raise ValueError(
                    f"{name} is {tuple(theirs.shape)} in the weights to start from, here {tuple(mine.shape)}"
                )
            mine.zero_()
            mine[tuple(slice(0, size) for size in theirs.shape)] = theirs

    def _local_mean(self, x: Images) -> Images:
        return local_mean(x, self.window)


def _over_image(values: PerImage) -> Tensor:
    return values[:, None, None, None]


class _Block(nn.Module):
    """h + conv(silu(scale * conv(silu(h)) + shift)), scale and shift from the noise level."""

    def __init__(self, width: int, embed: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(embed, 2 * width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        scale, shift = self.film(e)[:, :, None, None].chunk(2, dim=1)
        return h + self.second(F.silu((1 + scale) * self.first(F.silu(h)) + shift))


def _receptive_field(depths: Sequence[int], mean_radius: int) -> int:
    """Radius in pixels beyond which an input pixel cannot change an output pixel."""
    radius = 2 * 2 + 1  # stem and head at half resolution, pixel-unshuffle
    for i, depth in enumerate(depths):
        ways = 1 if i == len(depths) - 1 else 2
        radius += ways * depth * 2 * 2 ** (i + 1)  # two 3 x 3 convolutions a block
    radius += 2 ** len(depths)  # 2 x 2 shrink and grow see at most one coarse cell beside theirs
    return radius + mean_radius
