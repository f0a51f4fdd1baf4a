"""The discriminators of upscaling by count, by layer, and against basicsr's (recipes B4 to B6)."""

import pytest
import torch
from torch import nn

from saddlepoint.compat import basicsr
from saddlepoint.networks.upscaling_discriminators import SRGANDiscriminator, UNetDiscriminator, VGGStyleDiscriminator
from tests.networks.counting import layer_names, trainable

LABELS = torch.zeros(2, dtype=torch.long)


@pytest.fixture(scope="module")
def theirs():
    return basicsr.module("archs.discriminator_arch")


def shaken(network: nn.Module) -> nn.Module:
    """Running statistics and scales that are not those of a new network."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    return network


def equal(one, other) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("network", "settings", "count"), [
    (SRGANDiscriminator, {}, 23_565_505),
    (VGGStyleDiscriminator, {}, 14_499_401),
    (VGGStyleDiscriminator, {"image_size": 256}, 21_055_049),
    (UNetDiscriminator, {}, 4_376_897),
])
def test_parameter_counts_are_the_papers_and_basicsrs(network, settings, count):
    with torch.device("meta"):
        assert trainable(network(**settings)) == count


def test_ledigs_layers():
    pair = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert layer_names(SRGANDiscriminator(image_size=16, width=2)) == [
        "Conv2d", "LeakyReLU", *(pair * 7), "Linear", "LeakyReLU", "Linear"]
    with torch.device("meta"):
        features = SRGANDiscriminator().features(torch.empty(2, 3, 96, 96), LABELS)
    assert [tuple(maps.shape[1:]) for maps in features] == [
        (64, 96, 96), (64, 48, 48), (128, 48, 48), (128, 24, 24), (256, 24, 24), (256, 12, 12), (512, 12, 12),
        (512, 6, 6)]


@pytest.mark.parametrize("build", [
    lambda **settings: SRGANDiscriminator(image_size=32, width=2, **settings),
    lambda **settings: VGGStyleDiscriminator(image_size=32, width=2, **settings),
    lambda **settings: UNetDiscriminator(width=2)])
def test_the_logit_is_computed_from_the_last_features_and_every_parameter_is_felt(build):
    torch.manual_seed(0)
    discriminator, images = build(), torch.rand(2, 3, 32, 32) * 2 - 1
    logits = discriminator(images, LABELS)
    assert logits.shape in ((2,), (2, 1, 32, 32))
    logits.square().sum().backward()
    assert all(parameter.grad.any() for name, parameter in discriminator.named_parameters())
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("network", [SRGANDiscriminator, VGGStyleDiscriminator])
@pytest.mark.parametrize("normalization", ["none", "layer", "instance"])
def test_without_batch_normalisation_each_image_is_judged_alone(network, normalization):
    torch.manual_seed(0)
    discriminator, images = network(image_size=32, width=2, normalization=normalization), torch.rand(2, 3, 32, 32)
    alone = discriminator(images[:1], LABELS[:1])
    torch.testing.assert_close(discriminator(images, LABELS)[:1], alone)
    batch = network(image_size=32, width=2)
    assert not torch.allclose(batch(images, LABELS)[:1], batch(images[:1], LABELS[:1]))


@pytest.mark.parametrize("normalization", ["batch", "none"])
def test_vgg_convolutions_have_a_bias_only_where_nothing_normalises(normalization):
    biased = [layer.bias is not None for layer in VGGStyleDiscriminator(width=1, normalization=normalization).modules()
              if isinstance(layer, nn.Conv2d)]
    assert biased == [True] + [normalization == "none"] * 9


@pytest.mark.parametrize(("image_size", "channels"), [(128, 3), (256, 1)])
@pytest.mark.parametrize("training", [True, False])
def test_vgg_logits_are_basicsrs_with_the_same_weights(theirs, image_size, channels, training):
    torch.manual_seed(0)
    ours = shaken(VGGStyleDiscriminator(channels, image_size, width=2)).train(training)
    reference = theirs.VGGStyleDiscriminator(channels, 2, image_size).train(training)
    reference.load_state_dict(ours.state_dict(), strict=True)
    images = torch.rand(2, channels, image_size, image_size) * 2 - 1
    torch.testing.assert_close(ours(images, LABELS), reference(images).squeeze(1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (24, 40)])
def test_unet_logits_are_basicsrs_with_its_file(theirs, size):
    torch.manual_seed(0)
    reference, ours = theirs.UNetDiscriminatorSN(3, num_feat=4), UNetDiscriminator(width=4)
    images = torch.rand(2, 3, *size) * 2 - 1
    reference(images)  # in training: its singular vectors move away from where they started
    ours.load_state_dict(reference.state_dict(), strict=True)
    torch.testing.assert_close(ours.eval()(images, LABELS), reference.eval()(images), atol=1e-5, rtol=1e-5)


def test_unet_gives_back_the_file_it_was_given_and_basicsr_reads_what_it_gives(theirs):
    torch.manual_seed(0)
    file = theirs.UNetDiscriminatorSN(3, num_feat=4).state_dict()
    ours = UNetDiscriminator(width=4)
    ours.load_state_dict(file)
    assert equal(ours.basicsr_state(), file)
    ours(torch.rand(2, 3, 8, 8), LABELS)
    reference = theirs.UNetDiscriminatorSN(3, num_feat=4)
    reference.load_state_dict(ours.basicsr_state(), strict=True)
    assert equal(reference.state_dict(), ours.basicsr_state())


def test_unet_also_reads_its_own_state_and_a_state_below_a_prefix(theirs):
    torch.manual_seed(0)
    one, other = UNetDiscriminator(width=2), UNetDiscriminator(width=2)
    other.load_state_dict(one.state_dict(), strict=True)
    assert equal(other.state_dict(), one.state_dict())
    file = {f"discriminator.{name}": values for name, values in theirs.UNetDiscriminatorSN(3, 2).state_dict().items()}
    nn.ModuleDict({"discriminator": other}).load_state_dict(file, strict=True)
    assert equal(other.basicsr_state(), {name.removeprefix("discriminator."): values for name, values in file.items()})


def test_spectral_norm_holds_each_normalised_convolution_at_1():
    torch.manual_seed(0)
    network, images = UNetDiscriminator(width=2), torch.rand(1, 3, 8, 8)
    for _ in range(100):
        network(images, LABELS)
    for number in range(1, 9):
        weight = network.get_submodule(f"conv{number}").weight
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, rel=1e-3)


def test_unet_refuses_images_it_cannot_halve_three_times():
    with pytest.raises(ValueError, match=r"images of 20 x 24 pixels .* multiple of 8, e\.g\. data\.image_size=16"):
        UNetDiscriminator(width=2)(torch.rand(1, 3, 20, 24), LABELS)


@pytest.mark.parametrize(("network", "settings", "sentence"), [
    (SRGANDiscriminator, {"image_size": 100}, r"data\.image_size=100 must be a multiple of 16 .*data\.image_size=96"),
    (SRGANDiscriminator, {"image_size": 24}, r"data\.image_size=24 must be a multiple of 16 .*data\.image_size=32"),
    (SRGANDiscriminator, {"width": 0}, r"model\.discriminator\.width=0 must be a whole number"),
    (VGGStyleDiscriminator, {"image_size": 96}, r"data\.image_size=96 must be a power of two .*data\.image_size=64"),
    (VGGStyleDiscriminator, {"normalization": "spectral"}, r"normalization=spectral must be one of none, batch"),
    (VGGStyleDiscriminator, {"channels": 0}, r"data\.channels=0 must be a whole number"),
    (UNetDiscriminator, {"width": 0}, r"model\.discriminator\.width=0 must be a whole number"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(network, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        network(**settings)
