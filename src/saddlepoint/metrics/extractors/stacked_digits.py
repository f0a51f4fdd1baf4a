"""Looks at stacks of grey digits, one in each channel of an image. N images of C channels and H x W pixels."""

from functools import reduce
from typing import Annotated

import torch
from torch import Tensor

from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import integer
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.classifier import Digits
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor, ModeRule
from saddlepoint.metrics.extractors.interpolation import Interpolation

MOST_CHANNELS = 4  # 10,000 modes


class StackedDigits(Extractor):
    """Reads each channel with the classifier of `extractor=digits`, which has ten classes: 10^C classes of stacks,
    named by their digits, and the features of all channels side by side.

    Counting stacks is Metz et al.'s way to measure missing modes (2017, section 3.3.1,
    https://arxiv.org/abs/1611.02163). Every stack belongs to a mode, that of each channel's most probable digit,
    however bad it looks. The classifier was trained on 4,000 of the 5,000 digits of data=mnist5k and reads 99.2 % of
    the 1,000 others; PacGAN's reads about 99.25 % of MNIST's.

    channels: C, digits of a stack, 1 to 4
    interpolation: how images of other than 28 and 32 pixels are brought to 32
    """

    name = "stacked_digits"

    def __init__(self, channels: Annotated[int, integer(1, MOST_CHANNELS)] = 3,
                 interpolation: Interpolation = "bilinear_antialiased"):
        super().__init__()
        if not 1 <= channels <= MOST_CHANNELS:
            raise ValueError(f"extractor.channels={channels} must be 1 to {MOST_CHANNELS}, as there are 10^channels "
                             "modes to count")
        self.channels, self.digits = channels, Digits(interpolation)
        self.digest, self.resize = self.digits.digest, self.digits.resize
        self.num_features = channels * self.digits.num_features
        card, digits = self.digits.card, self.digits.num_classes
        self.num_classes = digits ** channels
        self.class_names = tuple(f"{number:0{channels}}" for number in range(self.num_classes))
        self.mode_rule = ModeRule(f"each channel's most probable digit, by a classifier that is right on "
                                  f"{card.accuracy:.1%} of {card.held_out_images:,} digits held out", digits, channels,
                                  accuracy=card.accuracy)

    def check(self, channels: int, image_size: int | Sides) -> None:
        if channels == self.channels:
            return
        if not 1 <= channels <= MOST_CHANNELS:
            raise RequestError(f"extractor=stacked_digits counts stacks of 1 to {MOST_CHANNELS} digits, and these "
                               f"images have {channels} channels: type extractor=random")
        raise RequestError(f"extractor.channels={self.channels} must be the number of channels of the images, "
                           f"{channels}: type extractor.channels={channels}")

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, 64 C], logits [N, 10^C] and modes [N]

        The logits are sums of the channels' log-probabilities: those of the stack, if channels are read one by one.
        """
        features, logits, *_ = self.digits(images.flatten(0, 1)[:, None])
        of_channels = logits.log_softmax(1).unflatten(0, (len(images), self.channels)).unbind(1)  # C of [N, 10]
        of_stacks = reduce(lambda before, channel: (before[:, :, None] + channel[:, None]).flatten(1), of_channels)
        return Embedding(features.unflatten(0, (len(images), self.channels)).flatten(1), of_stacks,
                         modes=of_stacks.argmax(1))
