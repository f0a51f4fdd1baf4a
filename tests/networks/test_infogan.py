"""InfoGAN's networks: the paper's shapes and numbers of weights, and who shares what."""

import pytest
import torch
from torch import nn

from saddlepoint.game.networks import HasCodes
from saddlepoint.networks.infogan import InfoGANDiscriminator, InfoGANGenerator
from tests.networks.counting import trainable
from tests.networks.test_model_configs import build, settings_of

LABELS = torch.zeros(4, dtype=torch.long)


def small_discriminator() -> InfoGANDiscriminator:
    torch.manual_seed(0)
    return InfoGANDiscriminator(1, 12, categorical=[3, 2], continuous=1, width=2, hidden=6, code_hidden=5)


def test_the_numbers_of_weights_are_those_of_the_papers_layers():
    """Linear and convolutional weights, biases of layers that are not normalised, scale and shift of those that are."""
    generator = 74 * 1024 + 2 * 1024 + 1024 * 6272 + 2 * 6272 + 16 * 128 * 64 + 2 * 64 + 16 * 64 + 1
    trunk = 16 * 64 + 64 + 16 * 64 * 128 + 2 * 128 + 6272 * 1024 + 2 * 1024
    heads = 1024 + 1 + 1024 * 128 + 2 * 128 + 128 * 12 + 12
    with torch.device("meta"):
        assert trainable(InfoGANGenerator(74, 1, 28)) == generator
        assert trainable(InfoGANDiscriminator(1, 28, [10], 2)) == trunk + heads
        model = settings_of("infogan", channels=1, image_size=28)
        assert trainable(build(model["generator"])) == generator
        assert trainable(build(model["discriminator"])) == trunk + heads


def test_every_code_has_its_numbers_and_labels_are_not_read():
    discriminator, images = small_discriminator().eval(), torch.randn(4, 1, 12, 12)
    assert isinstance(discriminator, HasCodes)
    codes = discriminator.codes(images, LABELS)
    assert codes.shape == (4, 3 + 2 + 1)
    assert torch.equal(codes, discriminator.codes(images, LABELS + 1))
    assert discriminator(images, LABELS).shape == (4,)


def test_both_heads_read_the_same_features():
    discriminator, images = small_discriminator().eval(), torch.randn(4, 1, 12, 12)
    features = discriminator.features(images, LABELS)
    assert features.shape == (4, 6)
    torch.testing.assert_close(discriminator(images, LABELS), discriminator.logit(features).squeeze(1))
    torch.testing.assert_close(discriminator.codes(images, LABELS), discriminator.guess(features))
    before = discriminator(images, LABELS)
    with torch.no_grad():
        discriminator.guess[-1].weight.add_(1)
    assert torch.equal(discriminator(images, LABELS), before)


def test_the_score_and_the_guess_train_the_trunk_and_each_its_own_head():
    discriminator, images = small_discriminator(), torch.randn(4, 1, 12, 12)
    discriminator(images, LABELS).square().sum().backward()
    without = {name.partition(".")[0] for name, each in discriminator.named_parameters() if each.grad is None}
    assert without == {"guess"}
    discriminator.zero_grad(set_to_none=True)
    discriminator.codes(images, LABELS).square().sum().backward()
    assert {name.partition(".")[0] for name, each in discriminator.named_parameters() if each.grad is None} == {"logit"}


@pytest.mark.parametrize("size", [4, 12, 28, 32])
def test_latents_become_images_of_any_size_that_is_a_multiple_of_four(size):
    with torch.device("meta"):
        images = InfoGANGenerator(5, 3, size, width=2, hidden=6)(torch.empty(4, 5), LABELS)
        assert images.shape == (4, 3, size, size)
        assert InfoGANDiscriminator(3, size, [2], 0, 2, 6, 5)(images, LABELS).shape == (4,)


@pytest.mark.parametrize("size", [30, 3])
@pytest.mark.parametrize("network", [lambda size: InfoGANGenerator(5, 1, size),
                                     lambda size: InfoGANDiscriminator(1, size, [2], 0)])
def test_other_sizes_are_refused_with_one_that_can_be_had(network, size):
    with pytest.raises(ValueError, match=rf"data.image_size={size} must be a multiple of 4.*type data.image_size=\d"):
        network(size)


def test_layers_have_a_bias_only_where_they_are_not_normalised():
    for normalization in ("batch", "layer"):
        discriminator = InfoGANDiscriminator(1, 12, [2], 0, 2, 6, 5, normalization)
        biased = [name for name, layer in discriminator.named_modules()
                  if isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None]
        assert biased == ["trunk.0", "logit", "guess.3"]
    weighted = [layer for network in (InfoGANDiscriminator(1, 12, [2], 0, 2, 6, 5, "none"),
                                      InfoGANGenerator(5, 1, 12, 2, 6, "none"))
                for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    assert len(weighted) == 6 + 4 and all(layer.bias is not None for layer in weighted)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_only_batch_normalisation_makes_a_score_depend_on_the_other_images(normalization):
    torch.manual_seed(0)
    discriminator = InfoGANDiscriminator(1, 12, [2], 0, 2, 6, 5, normalization).double()
    images = torch.randn(4, 1, 12, 12, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(images, LABELS)[2], images)
    felt = gradient.flatten(1).abs().sum(1)
    assert felt[2] > 0 and bool(felt[[0, 1, 3]].any()) is (normalization == "batch")


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match=r"model\.generator\.normalization=instance must be one of none, batch, layer"):
        InfoGANGenerator(5, 1, 12, normalization="instance")
