"""The conditional networks that put an embedding of the label beside numbers (recipe B1's cGAN, ACGAN's DCGAN)."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.networks.conditional_dcgan import ClassifyingDCGANDiscriminator, ConditionalDCGANGenerator
from saddlepoint.networks.conditional_mlp import ConditionalMLPDiscriminator, ConditionalMLPGenerator
from saddlepoint.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from saddlepoint.networks.mlp import MLPGenerator
from tests.networks.counting import trainable

LABELS = torch.tensor([0, 2, 2, 1])
DIGITS = {"channels": 1, "image_size": 28}


def linears(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def test_the_discriminator_is_the_layers_written_out_by_hand():
    torch.manual_seed(0)
    discriminator = ConditionalMLPDiscriminator(2, 3, num_classes=3, embedding_size=4, widths=[8, 6],
                                                dropout=[0.0, 0.4, 0.0]).eval()
    images = torch.randn(4, 2, 3, 3)
    values = torch.cat([images.flatten(1), discriminator.embedding.weight[LABELS]], 1)
    first, second, logit = linears(discriminator)
    values = F.leaky_relu(first(values), 0.2)
    values = F.leaky_relu(second(values), 0.2)
    torch.testing.assert_close(discriminator.features(images, LABELS)[-1], values)
    torch.testing.assert_close(discriminator(images, LABELS), logit(values).squeeze(1))


@pytest.mark.parametrize(("conditional", "plain", "settings"), [
    (ConditionalMLPGenerator, MLPGenerator, {**DIGITS, "widths": [8, 6]}),
    (ConditionalDCGANGenerator, DCGANGenerator, {"channels": 1, "image_size": 16, "width": 2}),
])
def test_a_generator_with_labels_is_the_plain_one_on_longer_latents(conditional, plain, settings):
    torch.manual_seed(0)
    generator = conditional(latent_dim=5, num_classes=3, embedding_size=4, **settings)
    without = plain(latent_dim=9, **settings)
    without.load_state_dict({name: values for name, values in generator.state_dict().items()
                             if not name.startswith("embedding")})
    latents = torch.randn(4, 5)
    described = torch.cat([latents, generator.embedding.weight[LABELS]], 1)
    torch.testing.assert_close(generator(latents, LABELS), without(described, LABELS))
    assert generator.latent_dim == 5


def test_a_class_is_described_by_as_many_numbers_as_there_are_classes_unless_said_otherwise():
    for embedding_size, width in ((None, 7), (3, 3)):
        discriminator = ConditionalMLPDiscriminator(1, 2, num_classes=7, embedding_size=embedding_size, widths=[5])
        assert discriminator.embedding.weight.shape == (7, width)
        assert linears(discriminator)[0].in_features == 4 + width


def test_the_classifier_of_a_dcgan_reads_what_its_logit_reads():
    torch.manual_seed(0)
    settings = {"channels": 3, "image_size": 16, "width": 4}
    discriminator = ClassifyingDCGANDiscriminator(**settings, num_classes=6).eval()
    images = torch.randn(4, 3, 16, 16)
    seen = discriminator.features(images, LABELS)[-1].flatten(1)
    expected = seen @ discriminator.classes.weight.T + discriminator.classes.bias
    torch.testing.assert_close(discriminator.class_logits(images, LABELS), expected)
    plain = DCGANDiscriminator(**settings).eval()
    plain.load_state_dict(discriminator.state_dict(), strict=False)
    torch.testing.assert_close(discriminator(images, LABELS), plain(images, LABELS))
    assert trainable(discriminator) == trainable(plain) + 6 * (4 * 4 * 8) + 6


@pytest.mark.parametrize(("network", "sentence"), [
    (lambda: ConditionalMLPGenerator(latent_dim=0, num_classes=3, **DIGITS, widths=[8]), r"model\.latents\.size=0 "),
    (lambda: ConditionalMLPGenerator(latent_dim=4, num_classes=3, embedding_size=0, **DIGITS, widths=[8]),
     r"model\.generator\.embedding_size=0 must be a whole number of at least 1"),
    (lambda: ConditionalMLPDiscriminator(num_classes=3, embedding_size=-1, **DIGITS, widths=[8]),
     r"model\.discriminator\.embedding_size=-1 must be a whole number"),
    (lambda: ConditionalMLPDiscriminator(num_classes=3, channels=0, image_size=4, widths=[8]), r"data\.channels=0 "),
    (lambda: ConditionalMLPDiscriminator(num_classes=3, **DIGITS, widths=[8], dropout=2.0),
     r"model\.discriminator\.dropout=2\.0"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(network, sentence):
    with pytest.raises(ValueError, match=sentence):
        network()
