"""Our denoising network: strictly local, and indifferent to absolute calibration."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sardiff.arrays import Images, PerImage

__all__ = ["LocalUNet"]


class LocalUNet(nn.Module):
    """EDM-preconditioned denoiser D(x; sigma) of log-intensity images.

    D(x; s) = m + c_skip (x - m) + c_out F(c_in (x - m), ln(s) / 4), with c_skip, c_out, c_in of
    Karras et al. (2022), arXiv:2206.00364, Table 1, and m a Gaussian local mean of x. Where we differ
    from the paper: m. Since log-gain only moves m, D(x + c; s) = D(x; s) + c exactly, so absolute
    calibration and a 60 dB range across a scene never leave what the network was trained on.

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
        }
        self.sigma_data = sigma_data
        self.stride = 2 ** len(widths)
        self.receptive_field = _receptive_field(depths, mean_radius)

        offsets = torch.arange(-mean_radius, mean_radius + 1.0, dtype=torch.float64)
        window = torch.exp(-0.5 * (offsets / max(mean_radius / 2.5, 1e-6)) ** 2)
        self.register_buffer("window", (window / window.sum()).float(), persistent=False)

        embed = 4 * widths[0]
        self.embed = nn.Sequential(nn.Linear(1, embed), nn.SiLU(), nn.Linear(embed, embed), nn.SiLU())
        self.stem = nn.Conv2d(4 * bands, widths[0], 3, padding=1)
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
        self.head = nn.Conv2d(widths[0], 4 * bands, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Images, sigma: PerImage) -> Images:
        """Return D(x; sigma); height and width must be multiples of `stride`."""
        mean = self._local_mean(x)
        s = sigma.to(x)[:, None, None, None]
        total = torch.sqrt(s**2 + self.sigma_data**2)
        skip, out = (self.sigma_data / total) ** 2, s * self.sigma_data / total
        level = torch.log(sigma.to(x)) / 4
        f = self._unet((x - mean) / total, level)
        return mean + skip * (x - mean) + out * f.to(x)

    def _unet(self, x: Images, level: PerImage) -> Images:
        e = self.embed(level[:, None])
        h = self.stem(F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last))
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

    def _local_mean(self, x: Images) -> Images:
        r = self.window.numel() // 2
        bands = x.shape[1]
        w = self.window.to(x)
        with torch.autocast(x.device.type, enabled=False):
            # Weights renormalised at the tile's rim, so that a constant stays itself there too.
            ones = torch.ones_like(x[:1, :1])
            mass = F.conv2d(
                F.conv2d(ones, w[None, None, None, :], padding=(0, r)), w[None, None, :, None], padding=(r, 0)
            )
            flat = x.reshape(-1, 1, *x.shape[2:])
            rows = F.conv2d(flat, w[None, None, None, :], padding=(0, r))
            both = F.conv2d(rows, w[None, None, :, None], padding=(r, 0))
            return both.reshape(-1, bands, *x.shape[2:]) / mass


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
