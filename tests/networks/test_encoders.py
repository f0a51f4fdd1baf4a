"""Encoders, and discriminators that are shown latents: shapes, counts by hand, what each output depends on."""

import pytest
import torch

from saddlepoint.game.networks import Encoder
from saddlepoint.networks.dcgan import DCGANDiscriminator
from saddlepoint.networks.encoders import DCGANEncoder, MLPEncoder
from saddlepoint.networks.latent_discriminators import (
    DCGANPairDiscriminator,
    LatentDiscriminator,
    MLPPairDiscriminator,
)
from tests.composing import settings
from tests.networks.counting import trainable
from tests.networks.test_model_configs import build, dense_count, settings_of

LABELS = torch.zeros(4, dtype=torch.long)
ENCODERS = {
    "dcgan": lambda stochastic=False: DCGANEncoder(5, 3, 16, stochastic, width=4),
    "mlp": lambda stochastic=False: MLPEncoder(5, 3, 16, stochastic, widths=[8, 7]),
}
PAIRS = {
    "dcgan": lambda: DCGANPairDiscriminator(5, 3, 16, width=4, hidden=6, normalization="layer"),
    "mlp": lambda: MLPPairDiscriminator(5, 3, 16, widths=[8, 7]),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_image_becomes_as_many_numbers_as_the_generator_reads(name):
    encoder, images = ENCODERS[name](), torch.randn(4, 3, 16, 16)
    assert isinstance(encoder, Encoder) and encoder.latent_dim == 5
    encoder.eval()
    mean, deviation = encoder.distribution(images, LABELS)
    assert mean.shape == (4, 5) and deviation is None
    assert torch.equal(encoder(images, LABELS), mean)
    with torch.device("meta"):
        assert ENCODERS[name]()(torch.empty(4, 3, 16, 16), LABELS.to("meta")).shape == (4, 5)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_stochastic_encoder_has_means_and_deviations_that_are_linear_in_its_features(name):
    torch.manual_seed(0)
    encoder, images = ENCODERS[name](stochastic=True).eval(), torch.randn(4, 3, 16, 16)
    mean, deviation = encoder.distribution(images, LABELS)
    assert mean.shape == deviation.shape == (4, 5) and (deviation > 0).all()
    assert torch.equal(encoder(images, LABELS), mean)
    features = torch.cat([encoder.features(images, LABELS), torch.ones(4, 1)], 1)
    last = encoder.layers[-1][0] if name == "mlp" else encoder.last
    outputs = features @ torch.cat([last.weight, last.bias[:, None]], 1).T
    torch.testing.assert_close(torch.cat([mean, 2 * deviation.log()], 1), outputs)


@pytest.mark.parametrize("stochastic", [False, True])
def test_encoders_have_the_weights_of_their_layers(stochastic):
    outputs = 10 if stochastic else 5
    blocks = 16 * 3 * 4 + 16 * 4 * 8 + 2 * 8
    assert trainable(ENCODERS["dcgan"](stochastic)) == blocks + 16 * 8 * outputs + outputs
    assert trainable(ENCODERS["mlp"](stochastic)) == 768 * 8 + 8 + 8 * 7 + 7 + 7 * outputs + outputs


def test_the_convolutions_of_an_encoder_are_those_of_a_discriminator():
    encoder, discriminator = DCGANEncoder(5, 3, 32, width=4).eval(), DCGANDiscriminator(3, 32, width=4).eval()
    discriminator.blocks.load_state_dict(encoder.blocks.state_dict())
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(encoder.features(images, LABELS), discriminator.last_maps(images))


def test_discriminators_of_latents_have_the_weights_of_their_layers():
    assert trainable(LatentDiscriminator(2, widths=[1000, 1000])) == 2 * 1000 + 1000 + 1000 * 1000 + 1000 + 1000 + 1
    assert trainable(PAIRS["mlp"]()) == (768 + 5) * 8 + 8 + 8 * 7 + 7 + 7 + 1
    blocks = 16 * 3 * 4 + 16 * 4 * 8 + 2 * 8
    of_pairs = trainable(DCGANPairDiscriminator(5, 3, 16, width=4, hidden=6))
    assert of_pairs == blocks + 5 * 6 + 6 + (16 * 8 + 6) * 6 + 6 + 6 + 1


@pytest.mark.parametrize(("name", "latents", "width", "beside", "normalised"), [
    ("adversarial_autoencoder", 2, 1000, 0, False), ("bigan_mlp", 50, 1024, 784, True)])
def test_fully_connected_models_have_the_papers_two_layers_in_each_network(name, latents, width, beside, normalised):
    """`beside`: the pixels that D is shown with the latents. BatchNorm has two numbers for each of a layer's."""
    model = settings(f"model={name}", "data.image_size=28")["model"]
    norms = 2 * 2 * width if normalised else 0
    with torch.device("meta"):
        counts = [trainable(build(model[network])) for network in ("generator", "encoder", "discriminator")]
    assert counts == [dense_count(latents, width, width, 784) + norms, dense_count(784, width, width, latents) + norms,
                      dense_count(beside + latents, width, width, 1)]


@pytest.mark.parametrize("image_size", [32, 64])
def test_bigans_encoder_is_its_discriminator_with_latents_in_place_of_a_score(image_size):
    model = settings_of("bigan", image_size=image_size)
    with torch.device("meta"):
        encoder, dcgan = build(model["encoder"]), build(settings_of("dcgan", image_size=image_size)["discriminator"])
    vectors = dcgan.logit.in_features
    assert trainable(encoder) == trainable(dcgan) - vectors + 50 * vectors + 50


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_gets_one_score_which_both_its_parts_decide_and_no_other_pair(name):
    torch.manual_seed(0)
    discriminator = PAIRS[name]().double()
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    latents = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    logits = discriminator(images, latents, LABELS)
    assert logits.shape == (4,)
    for part in torch.autograd.grad(logits[2], (images, latents)):
        felt = part.flatten(1).abs().sum(1)
        assert felt[2] > 0 and not felt[[0, 1, 3]].any()
    assert discriminator.features(images, latents, LABELS).shape == (4, 6 if name == "dcgan" else 7)


def test_a_discriminator_of_latents_has_features_of_its_last_hidden_layer():
    discriminator, latents = LatentDiscriminator(2, widths=[6, 3]), torch.randn(4, 2)
    features = discriminator.features(latents, LABELS)
    assert features.shape == (4, 3)
    torch.testing.assert_close(discriminator(latents, LABELS), discriminator.layers[-1](features).squeeze(1))


@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: DCGANEncoder(0, 1, 16), r"model\.latents\.size=0"),
    (lambda: DCGANEncoder(5, 1, 28), r"data\.image_size=28 must be a power of two"),
    (lambda: DCGANEncoder(5, 1, 16, width=0), r"model\.encoder\.width=0"),
    (lambda: MLPEncoder(5, 1, 16, widths=[0]), r"model\.encoder\.widths"),
    (lambda: LatentDiscriminator(0, widths=[8]), r"model\.latents\.size=0"),
    (lambda: DCGANPairDiscriminator(5, 1, 16, hidden=0), r"model\.discriminator\.hidden=0"),
    (lambda: DCGANPairDiscriminator(5, 1, 16, dropout=1.0), r"model\.discriminator\.dropout=1\.0"),
])
def test_impossible_settings_are_refused_by_the_name_that_is_typed(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
