"""What the layers of networks say of images, as numbers."""

import pytest
import torch
from torch import nn

from saddlepoint.data.pixels import to_unit_range
from saddlepoint.errors import RequestError
from saddlepoint.networks.dcgan import DCGANDiscriminator
from saddlepoint.networks.encoders import DCGANEncoder
from saddlepoint.networks.mlp import MLPDiscriminator
from saddlepoint.probing.representations import LayerOutputs, of_pixels, pooled

IMAGES = torch.randint(256, (3, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_maps_are_pooled_to_4x4_and_vectors_stay():
    maps = torch.randn(2, 3, 8, 16)
    expected = maps.unfold(2, 2, 2).unfold(3, 4, 4).amax((-1, -2))  # [2, 3, 4, 4]
    assert torch.equal(pooled(maps), expected.flatten(1))
    small = torch.randn(2, 3, 2, 2)
    assert torch.equal(pooled(small), small.flatten(1)) and torch.equal(pooled(maps[:, :, 0, 0]), maps[:, :, 0, 0])


def test_a_discriminator_of_the_papers_width_gives_the_papers_28672_numbers():
    with torch.device("meta"):
        discriminator = DCGANDiscriminator(3, 32, width=256, kernel_size=5)
        features = discriminator.features(torch.empty(1, 3, 32, 32), torch.zeros(1, dtype=torch.long))
        assert sum(pooled(each).shape[1] for each in features) == 28672


def test_layers_are_chosen_by_number_and_computed_in_evaluation_mode():
    discriminator = DCGANDiscriminator(1, 32, width=2)
    every, last = LayerOutputs(discriminator, None, "discriminator"), LayerOutputs(discriminator, [3], "discriminator")
    assert every(IMAGES).shape == (3, 16 * (2 + 4 + 8)) and torch.equal(every(IMAGES)[:, -128:], last(IMAGES))
    torch.testing.assert_close(last(IMAGES), discriminator.last_maps(to_unit_range(IMAGES)))  # 4x4: nothing to pool
    torch.testing.assert_close(every(IMAGES[:1]), every(IMAGES)[:1])  # BatchNorm does not look at the others
    every.check(IMAGES)
    with pytest.raises(RequestError, match=r"layers=\[4\]: this run's discriminator has the layers 1 to 3"):
        LayerOutputs(discriminator, [4], "discriminator").check(IMAGES)


def test_an_encoder_gives_its_last_hidden_layer_and_pixels_themselves():
    encoder = DCGANEncoder(5, 1, 32, width=2)
    given = LayerOutputs(encoder, None, "encoder")
    torch.testing.assert_close(given(IMAGES), encoder.hidden(to_unit_range(IMAGES)))
    assert torch.equal(of_pixels(IMAGES), to_unit_range(IMAGES).flatten(1))


class Told(MLPDiscriminator):
    """Reads the class beside the image."""

    def numbers(self, images, labels):
        return images.flatten(1) + labels[:, None]


@pytest.mark.parametrize(("network", "reason"), [
    (nn.Linear(4, 1), "Linear does not show its hidden layers"),
    (Told(1, 32, widths=[4]), "reads the class of an image"),
    (DCGANDiscriminator(2, 32, width=2), "cannot be shown single images of 1 x 32 x 32 alone"),
])
def test_what_cannot_be_probed_is_refused(network, reason):
    with pytest.raises(RequestError, match=reason):
        LayerOutputs(network, None, "discriminator").check(IMAGES)
