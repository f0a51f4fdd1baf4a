"""The mixture of Gaussians from which a generator's latents may be drawn, whose parameters are trained with it.

Gurumurthy, Sarvadevabhatla and Babu 2017 (DeLiGAN), section 4, https://arxiv.org/abs/1706.02071. K components, latents
of L numbers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LatentMixture(nn.Module):
    """z = mean_k + scale_k * noise, component k uniform, noise N(0, I); means and scales [K, L] are learned.

    The generator can put a mode of the data on each component, and need not tear one Gaussian apart.

    size: L, 1 or more
    components: K, 1 or more
    low, high: means start uniform on [low, high)
    scale: with which each dimension of each component starts, above 0
    """

    def __init__(self, size: int, components: int, low: float, high: float, scale: float):
        super().__init__()
        self.means = nn.Parameter(low + (high - low) * torch.rand(components, size))
        self.scales = nn.Parameter(torch.full((components, size), float(scale)))

    def forward(self, components: Tensor, noise: Tensor) -> Tensor:
        """components [N] from 0 to K - 1, noise [N, L] -> latents [N, L]"""
        means, scales = (F.embedding(components, each) for each in (self.means, self.scales))
        return means + scales * noise

    def scale_penalty(self) -> Tensor:
        """Returns the mean of (1 - scale)^2 [], which keeps components from shrinking to points."""
        return (1 - self.scales).square().mean()

    @torch.no_grad()
    def centre(self) -> Tensor:
        """Returns the mean of the mixture [L], on the CPU."""
        return self.means.mean(0).cpu()

    @torch.no_grad()
    def limits(self) -> tuple[Tensor, Tensor]:
        """Returns the least and the greatest number of each dimension [L] that is within three scales of a mean, on the
        CPU."""
        reach = 3 * self.scales.abs()
        return (self.means - reach).amin(0).cpu(), (self.means + reach).amax(0).cpu()
