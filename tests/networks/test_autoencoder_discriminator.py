"""EBGAN's discriminator: what its logit is, and whom its codes belong to. Images are [N, 2, 16, 16]."""

import torch

from saddlepoint.game.networks import HasFeatures, IsAutoencoder
from saddlepoint.networks.autoencoder_discriminator import DCGANAutoencoderDiscriminator
from saddlepoint.networks.dcgan import DCGANGenerator
from saddlepoint.networks.encoders import DCGANEncoder
from tests.networks.counting import trainable

LABELS = torch.zeros(3, dtype=torch.long)


def network() -> DCGANAutoencoderDiscriminator:
    torch.manual_seed(0)
    return DCGANAutoencoderDiscriminator(2, 16, code_size=5, width=3).eval()


def test_the_logit_is_minus_the_mean_squared_error_of_the_reconstruction():
    discriminator, images = network(), torch.rand(3, 2, 16, 16) * 2 - 1
    made = discriminator.reconstructions(images, LABELS)
    assert made.shape == images.shape and made.abs().max() <= 1
    by_hand = [-((image - other) ** 2).sum() / (2 * 16 * 16) for image, other in zip(images, made, strict=True)]
    torch.testing.assert_close(discriminator(images, LABELS), torch.stack(by_hand))


def test_an_image_that_is_reconstructed_exactly_has_the_largest_logit_zero():
    discriminator, images = network(), torch.rand(3, 2, 16, 16) * 2 - 1
    discriminator.reconstructions = lambda images, labels: images
    assert discriminator(images, LABELS).tolist() == [0.0] * 3


def test_codes_are_what_reconstructions_are_made_of():
    discriminator, images = network(), torch.rand(3, 2, 16, 16)
    assert isinstance(discriminator, IsAutoencoder) and isinstance(discriminator, HasFeatures)
    codes = discriminator.encodings(images, LABELS)
    assert codes.shape == (3, 5)
    torch.testing.assert_close(discriminator.decoder(codes, LABELS), discriminator.reconstructions(images, LABELS))
    features = discriminator.features(images, LABELS)
    assert [tuple(each.shape[1:]) for each in features] == [(3, 8, 8), (6, 4, 4), (5,)]
    torch.testing.assert_close(features[-1], codes)


def test_its_weights_are_those_of_an_encoder_and_a_decoder_of_dcgan():
    with torch.device("meta"):
        halves = DCGANEncoder(64, 3, 32, width=16), DCGANGenerator(64, 3, 32, width=16)
        assert trainable(DCGANAutoencoderDiscriminator(3, 32, width=16)) == sum(map(trainable, halves))
