"""Makes training pairs by degrading high-resolution images, in the processes that load.

N pairs of C channels, scale s, uint8. D x D pixels of the high-resolution image are degraded. Of these, a crop of
S x S pixels is used for training, with its low-resolution image of S / s x S / s.
"""

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saddlepoint.data.degradation import SecondOrderDegradation
from saddlepoint.data.degradation_draws import uniform
from saddlepoint.data.degradation_pool import PairPool
from saddlepoint.game.random_streams import seed_of


class DegradedPairs(nn.Module):
    """A degradation of each image by itself, whose random numbers depend on the seed and its position in the stream.

    So a low-resolution image depends neither on the other images of its batch nor on the number of processes or of
    workers. The paper's code draws sizes and kinds of noise for a whole batch and therefore needs the pool; here the
    pool changes the order alone. Each process has a pool of its own. Its pairs are the only state, which a checkpoint
    must save for a run to be resumed exactly.

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
    def pairs(self, high: Tensor, first: int, threads: int | None = None) -> tuple[Tensor, Tensor]:
        """high [N, C, D, D] -> high [N, C, S, S], low [N, C, S / s, S / s]

        The images stand at positions first .. first + N - 1 of the stream. `threads`: see
        SecondOrderDegradation.degrade.
        """
        pairs = [self.pair(image, position, threads) for position, image in enumerate(high, start=first)]
        high, low = (torch.stack(images) for images in zip(*pairs, strict=True))
        return high, low

    def mixed(self, high: Tensor, low: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Exchanges the pairs of the positions from `first` on for some of the pool, if there is one."""
        return (high, low) if self.pool is None else self.pool.exchange(high, low, self._generator("pool", first))

    def pair(self, high: Tensor, position: int, threads: int | None = None) -> tuple[Tensor, Tensor]:
        """Returns a random crop [C, S, S] of high [C, D, D] and its low-resolution image [C, S / s, S / s]."""
        whole, draws = self.sharpen(high[None].float() / 255), self._generator("degradation", position)
        low = self.degradation.degrade(whole, draws, threads)[0].mul(255).round().byte()
        scale, places = self.degradation.scale, self._generator("cut", position)
        size = self.image_size // scale
        top, left = (int(uniform(places) * (side - size + 1)) for side in low.shape[1:])
        crop = high[:, top * scale:(top + size) * scale, left * scale:(left + size) * scale]
        return crop, low[:, top:top + size, left:left + size]

    def _generator(self, purpose: str, position: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, position, f"data/{purpose}"))


class DegradedBatches(Dataset):
    """A data set that loads batches of crops and degrades them: a range of the stream's positions -> (its first
    position, high [len, C, S, S], low [len, C, S / s, S / s], {index: why unreadable}).

    crops: gives (first position, high [len, C, D, D], {index: why unreadable}), as CroppedPairs does
    degraded: makes pairs of crops; its pool stays in the process that trains
    """

    def __init__(self, crops: Dataset, degraded: DegradedPairs):
        self.crops, self.degraded = crops, degraded
        self.threads = torch.get_num_threads()  # of the process that trains; a worker has one

    def __len__(self) -> int:
        return len(self.crops)

    def __getitems__(self, positions: range) -> tuple:
        first, high, unreadable = self.crops.__getitems__(positions)
        return first, *self.degraded.pairs(high, first, self.threads), unreadable
