"""Makes training pairs by degrading high-resolution images, on the device that trains.

N pairs of C channels, scale s, uint8. D x D pixels of the high-resolution image are degraded. Of these, a crop of
S x S pixels is used for training, with its low-resolution image of S / s x S / s.
"""

import torch
from torch import Tensor, nn

from saddlepoint.data.degradation import SecondOrderDegradation
from saddlepoint.data.degradation_draws import uniform
from saddlepoint.data.degradation_pool import PairPool
from saddlepoint.game.random_streams import seed_of


class DegradedPairs(nn.Module):
    """A degradation of each image by itself, whose random numbers depend on the seed and its position in the stream.

    So a low-resolution image depends neither on the other images of its batch nor on the number of processes. The
    paper's code draws sizes and kinds of noise for a whole batch and therefore needs the pool; here the pool changes
    the order alone. Each process has a pool of its own. Its pairs are the only state, which a checkpoint must save for
    a run to be resumed exactly.

    degradation: makes the low-resolution image
    image_size: S, pixels, a multiple of the degradation's scale
    sharpen: applied to images [1, C, D, D] in [0, 1] before they are degraded, as in the paper's code (sharpening.py)
    pool_size: pairs in the pool, at least those of a batch; 0: no pool
    seed: of the degradation, the crops and the pool
    """

    def __init__(self, degradation: SecondOrderDegradation, image_size: int, sharpen: nn.Module, pool_size: int,
                 seed: int):
        super().__init__()
        self.degradation, self.sharpen, self.image_size, self.seed = degradation, sharpen, image_size, seed
        self.pool = PairPool(pool_size) if pool_size else None

    @torch.no_grad()
    def forward(self, high: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """high [N, C, D, D] -> high [N, C, S, S], low [N, C, S / s, S / s]

        The images stand at positions first .. first + N - 1 of the stream.
        """
        pairs = [self.pair(image, position) for position, image in enumerate(high, start=first)]
        high, low = (torch.stack(images) for images in zip(*pairs, strict=True))
        return (high, low) if self.pool is None else self.pool.exchange(high, low, self._generator("pool", first))

    def pair(self, high: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Returns a random crop [C, S, S] of high [C, D, D] and its low-resolution image [C, S / s, S / s]."""
        whole = self.sharpen(high[None].float() / 255)
        low = self.degradation.degrade(whole, self._generator("degradation", position))[0].mul(255).round().byte()
        scale, places = self.degradation.scale, self._generator("cut", position)
        size = self.image_size // scale
        top, left = (int(uniform(places) * (side - size + 1)) for side in low.shape[1:])
        crop = high[:, top * scale:(top + size) * scale, left * scale:(left + size) * scale]
        return crop, low[:, top:top + size, left:left + size]

    def _generator(self, purpose: str, position: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, position, f"data/{purpose}"))
