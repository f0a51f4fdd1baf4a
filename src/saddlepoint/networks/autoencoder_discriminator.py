"""A discriminator that is an autoencoder: Zhao, Mathieu and LeCun 2017 (EBGAN), https://arxiv.org/abs/1609.03126

N images of C channels and H x W pixels, L numbers in a code.
"""

from torch import Tensor, nn

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.rules import BelowOne, Count, ImageSize
from saddlepoint.networks.dcgan import DCGANGenerator, KernelSize, check_maps
from saddlepoint.networks.encoders import DCGANEncoder
from saddlepoint.networks.layers import Normalization, outputs_of_each


class DCGANAutoencoderDiscriminator(nn.Module):
    """The logit is minus the mean squared error of an image's reconstruction, over its channels and pixels.

    The encoder has the convolutions of DCGAN's discriminator and ends in a code, from which the decoder, DCGAN's
    generator, makes the reconstruction. So a logit is at most 0, and an image that is reconstructed well is more real.

    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    code_size: L, 1 or more
    width: maps of H/2 x W/2 pixels, in either half, 1 or more
    kernel_size: pixels, 4 or 5
    normalization: none, batch, layer or instance, in either half
    negative_slope: of the encoder's LeakyReLU, at least 0 and below 1; the decoder has ReLU
    """

    def __init__(self, channels: Count, image_size: ImageSize, code_size: Count = 64, width: Count = 64,
                 kernel_size: KernelSize = 4, normalization: Normalization = "batch", negative_slope: BelowOne = 0.2):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.discriminator.code_size": code_size})
        check_maps("discriminator", width, kernel_size, normalization, negative_slope)
        self.encoder = DCGANEncoder(code_size, channels, image_size, width=width, kernel_size=kernel_size,
                                    normalization=normalization, negative_slope=negative_slope)
        self.decoder = DCGANGenerator(code_size, channels, image_size, width, kernel_size, normalization)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N], 0 or less"""
        return -(self.reconstructions(images, labels) - images).square().flatten(1).mean(1)

    def encodings(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> codes [N, L]"""
        return self.encoder(images, labels)

    def reconstructions(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> images [N, C, H, W] in [-1, 1]"""
        return self.decoder(self.encodings(images, labels), labels)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] (ignored) -> the maps of each convolution of the encoder, then the code"""
        maps = outputs_of_each(self.encoder.blocks, images)
        return [*maps, self.encoder.last(maps[-1].flatten(1))]
