"""Noise on every image that D is shown."""

from collections.abc import Hashable, Mapping

import torch
from torch import Tensor

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Step
from saddlepoint.game.trick import Trick


class InstanceNoise(Trick):
    """D(x + sigma n), n ~ N(0, I), for reals and fakes, in D's step and in G's, until sigma is 0.

    With noise the distributions of reals and fakes overlap, so that D's gradient is useful from the first step on.
    Arjovsky and Bottou 2017, https://arxiv.org/abs/1701.04862, section 3; annealed as in Sonderby et al. 2017,
    https://arxiv.org/abs/1610.04490 ("instance noise"). Sigma is in units of pixels in [-1, 1].
    """

    def __init__(self, sigma: Schedule | NonNegative):
        super().__init__()
        self.sigma = as_schedule(sigma, "tricks.instance_noise.sigma", low=0)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"sigma": self.sigma}

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        return self.sigma(images_seen) == 0

    def discriminator_input(self, images: Tensor, step: Step) -> Tensor:
        if step.variant(self):
            return images
        sigma, noise = step.value(self.sigma), step.random.normal("instance_noise", images.shape)
        if isinstance(sigma, Tensor):
            return torch.addcmul(images, noise, sigma)  # rounded once, as below
        return torch.add(images, noise, alpha=sigma)
