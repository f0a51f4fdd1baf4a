"""Pairs whose low-resolution image is a degraded one, made on the device that trains.

N pairs of C channels. D x D pixels are degraded, S x S of them are shown, S / s x S / s are low; uint8.
"""

import torch
from torch import Tensor, nn

from saddlepoint.data.degradation import SecondOrderDegradation
from saddlepoint.data.degradation_draws import uniform
from saddlepoint.data.degradation_pool import PairPool
from saddlepoint.game.random_streams import seed_of


class DegradedPairs(nn.Module):
    """Every image is degraded by itself, with random numbers that belong to its position in the stream: what it looks
    like depends neither on the batch around it nor on the number of processes. The paper's code draws sizes and kinds
    of noise for a whole batch, which is why it needs the pool; here the pool only changes the order.

    `sharpen` (sharpening.py): what is degraded is sharpened first, as in the paper's code. `pool_size` 0: no pool. The
    pool is state, one per process: the rest is a function of (seed, position), but a batch depends on what the pool
    holds, so exact resuming must save it.
    """

    def __init__(self, degradation: SecondOrderDegradation, image_size: int, sharpen: nn.Module, pool_size: int,
                 seed: int):
        super().__init__()
        self.degradation, self.sharpen, self.image_size, self.seed = degradation, sharpen, image_size, seed
        self.pool = PairPool(pool_size) if pool_size else None

    @torch.no_grad()
    def forward(self, high: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """high [N, C, D, D] at positions first .. first + N - 1 -> high [N, C, S, S], low [N, C, S / s, S / s]"""
        pairs = [self.pair(image, position) for position, image in enumerate(high, start=first)]
        high, low = (torch.stack(images) for images in zip(*pairs, strict=True))
        return (high, low) if self.pool is None else self.pool.exchange(high, low, self._generator("pool", first))

    def pair(self, high: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """high [C, D, D] -> a crop [C, S, S], its low-resolution image [C, S / s, S / s]"""
        whole = self.sharpen(high[None].float() / 255)
        low = self.degradation.degrade(whole, self._generator("degradation", position))[0].mul(255).round().byte()
        scale, places = self.degradation.scale, self._generator("cut", position)
        size = self.image_size // scale
        top, left = (int(uniform(places) * (side - size + 1)) for side in low.shape[1:])
        crop = high[:, top * scale:(top + size) * scale, left * scale:(left + size) * scale]
        return crop, low[:, top:top + size, left:left + size]

    def _generator(self, purpose: str, position: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, position, f"data/{purpose}"))
