"""Older fakes for the discriminator. N images in a batch of one process, n processes."""

from typing import Any

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import WholeNumber
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.parallel.collectives import gather


class ImagePool(nn.Module):
    """A pool of fakes, so that D does not forget the earlier ones (Shrivastava et al. 2017, section 2.3,
    https://arxiv.org/abs/1612.07828), in the form that CycleGAN gives it.

    The first `size` fakes are kept. From then on each fake is shown itself with probability 1/2; else one of the pool,
    drawn uniformly, is shown and the fake takes its place. All processes have the same pool, of everybody's fakes.
    """

    def __init__(self, size: WholeNumber):
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.empty(0))  # [at most size, C, H, W]: grows with the first batches
        self.register_load_state_dict_pre_hook(_take_shape)

    @torch.no_grad()
    def exchange(self, fakes: Tensor, random: RandomStreams) -> Tensor:
        """fakes [N, C, H, W], without gradient -> as many images to show instead. Never waits for the device."""
        if not self.size:
            return fakes
        shown = gather(fakes).clone()
        kept = shown[:max(self.size - len(self.images), 0)]
        if len(kept):
            self.images = torch.cat([self.images, kept]) if len(self.images) else kept.clone()
        swaps = torch.rand(len(shown), generator=random.generator("pool"), device=random.device) < 0.5
        places = torch.randint(self.size, (len(shown),), generator=random.generator("pool"), device=random.device)
        for row in range(len(kept), len(shown)):  # one after the other: a fake may meet one of its own batch
            place, new = places[row:row + 1], shown[row:row + 1].clone()
            old = self.images.index_select(0, place)
            shown[row:row + 1] = torch.where(swaps[row], old, new)
            self.images.index_copy_(0, place, torch.where(swaps[row], new, old))
        return shown[random.rank * len(fakes):][:len(fakes)]


def _take_shape(pool: ImagePool, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Gives the buffer the shape of the saved one, which depends on how many fakes there had been."""
    if (saved := state.get(f"{prefix}images")) is not None:
        pool.images = torch.empty_like(saved, device=pool.images.device)
