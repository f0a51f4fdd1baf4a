"""The networks of pix2pix and CycleGAN: their authors' numbers of parameters, and what each pixel depends on."""

import math

import pytest
import torch
from torch import Tensor, nn

from saddlepoint.networks.patch_discriminator import ConditionalPatchDiscriminator, PatchDiscriminator
from saddlepoint.networks.resnet_translator import ResNetTranslator
from saddlepoint.networks.unet import UNet
from tests.networks.counting import layer_names, trainable

LABELS = torch.zeros(2, dtype=torch.long)


@pytest.mark.parametrize(("network", "settings", "count"), [
    (UNet, {}, 54_413_955),
    (ConditionalPatchDiscriminator, {}, 2_768_705),
    (PatchDiscriminator, {"normalization": "instance"}, 2_764_737),
    (ResNetTranslator, {}, 11_378_179),
])
def test_the_defaults_have_as_many_parameters_as_their_authors_code(network, settings, count):
    with torch.device("meta"):
        assert trainable(network(**settings)) == count


def test_a_small_u_net_is_counted_by_hand():
    """Three levels of 4, 8 and 16 maps: convolutions of 4x4, of which the first and the innermost two are without
    BatchNorm on the way in, and only the last has a bias."""
    inwards = 16 * (2 * 4 + 4 * 8 + 8 * 16) + 2 * 8
    outwards = 16 * (16 * 8 + 2 * 8 * 4 + 2 * 4 * 3) + 3 + 2 * (8 + 4)
    assert trainable(UNet(source_channels=2, image_size=8, width=4)) == inwards + outwards


def test_layers_of_a_u_net_of_five_levels():
    network = UNet(image_size=32, width=2)
    inner, last = ["LeakyReLU", "Conv2d", "BatchNorm2d"], ["ReLU", "ConvTranspose2d", "Tanh"]
    outer = ["ReLU", "ConvTranspose2d", "BatchNorm2d"]
    assert layer_names(network) == ["Conv2d", *inner * 3, "LeakyReLU", "Conv2d", *outer,
                                    *(outer + ["Dropout"]) * 3, *last]


@pytest.mark.parametrize(("image_size", "pixels_in_the_middle"), [(32, 1), (64, 1), (256, 1), (512, 2), (96, 3)])
def test_a_u_net_halves_to_one_pixel_but_no_more_than_eight_times(image_size, pixels_in_the_middle):
    with torch.device("meta"):
        network = UNet(image_size=image_size, width=2)
        maps = torch.empty(1, 3, image_size, image_size)
        for halve in network.halvings:
            maps = halve(maps)
        assert maps.shape[2:] == (pixels_in_the_middle, pixels_in_the_middle)
        assert network(torch.empty(1, 3, image_size, image_size), LABELS[:1]).shape == (1, 3, image_size, image_size)
    assert network.multiple * pixels_in_the_middle == image_size


def test_a_size_that_cannot_be_halved_is_refused_with_one_that_can():
    with pytest.raises(ValueError, match=r"data\.image_size=70 .* multiple of 4 .* data\.image_size=72"):
        UNet(image_size=70)
    with pytest.raises(ValueError, match=r"data\.image_size=48 .* multiple of 32 .* data\.image_size=64"):
        UNet(image_size=48, levels=5)


def test_the_skip_connections_carry_what_the_innermost_pixel_cannot():
    torch.manual_seed(0)
    network = UNet(image_size=16, width=4, dropout=0.0).eval()
    source = torch.rand(1, 3, 16, 16)
    for layer in network.doublings[0]:  # the innermost maps no longer arrive
        if isinstance(layer, nn.ConvTranspose2d):
            nn.init.zeros_(layer.weight)
    changed = network(source, LABELS) - network(source.flip(3), LABELS)
    assert changed.abs().max() > 1e-4


def test_dropout_is_the_only_noise_and_off_in_evaluation():
    torch.manual_seed(0)
    network, source = UNet(image_size=32, width=2, normalization="none"), torch.rand(2, 3, 32, 32)
    assert not torch.equal(network(source, LABELS), network(source, LABELS))
    network.eval()
    assert torch.equal(network(source, LABELS), network(source, LABELS))
    calm = UNet(image_size=32, width=2, normalization="none", dropout=0.0)
    assert torch.equal(calm(source, LABELS), calm(source, LABELS))


def pixels_felt(score: Tensor, image: Tensor) -> tuple[int, int]:
    """Returns how many rows and columns of the image [1, C, H, W] a score [] depends on."""
    (gradient,) = torch.autograd.grad(score, image)
    felt = gradient.abs().sum(dim=(0, 1))
    return int(felt.any(1).sum()), int(felt.any(0).sum())


@pytest.mark.parametrize(("halvings", "patch"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_logit_depends_on_one_patch(halvings, patch):
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, width=2, halvings=halvings, normalization="none").double()
    image = torch.randn(1, 1, 2 * patch + 20, 2 * patch + 20, dtype=torch.float64, requires_grad=True)
    logits = discriminator(image, LABELS[:1])
    middle = logits.shape[-1] // 2
    assert pixels_felt(logits[0, 0, middle, middle], image) == (patch, patch)


def test_the_receptive_field_of_three_halvings_follows_from_the_layers():
    """From the last layer back: a side of r pixels needs (r - 1) stride + kernel of the layer below."""
    patch = 1
    for stride in (1, 1, 2, 2, 2):
        patch = (patch - 1) * stride + 4
    assert patch == 70


def test_a_patch_discriminator_gives_30_times_30_logits_for_256_pixels():
    with torch.device("meta"):
        images = torch.empty(2, 3, 256, 256)
        assert PatchDiscriminator()(images, LABELS).shape == (2, 1, 30, 30)
        assert ConditionalPatchDiscriminator()(images, images, LABELS).shape == (2, 1, 30, 30)


def test_the_source_is_the_second_half_of_what_a_conditional_discriminator_sees():
    torch.manual_seed(0)
    conditional = ConditionalPatchDiscriminator(2, 1, width=2, normalization="none")
    plain = PatchDiscriminator(3, width=2, normalization="none")
    plain.load_state_dict(conditional.state_dict())
    images, source = torch.randn(2, 2, 32, 32), torch.randn(2, 1, 32, 32)
    joined = torch.cat([images, source], dim=1)
    assert torch.equal(conditional(images, source, LABELS), plain(joined, LABELS))
    assert all(map(torch.equal, conditional.features(images, source, LABELS), plain.features(joined, LABELS)))


def test_a_residual_translator_is_counted_by_hand():
    """Width 2, one halving, one block, 1 -> 3 channels: every convolution has a bias, InstanceNorm has no weights."""
    expected = (49 * 1 * 2 + 2) + (9 * 2 * 4 + 4) + 2 * (9 * 4 * 4 + 4) + (9 * 4 * 2 + 2) + (49 * 2 * 3 + 3)
    assert trainable(ResNetTranslator(3, 1, width=2, num_blocks=1, halvings=1)) == expected


@pytest.mark.parametrize("build", [lambda: UNet(image_size=16, width=2),
                                   lambda: ResNetTranslator(width=2, num_blocks=1)])
def test_every_parameter_is_felt_and_images_stay_in_range(build):
    torch.manual_seed(0)
    network = build()
    images = network(torch.rand(2, 3, 16, 16) * 2 - 1, LABELS)
    assert images.shape == (2, 3, 16, 16) and images.abs().max() <= 1
    (images * torch.randn_like(images)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_instance_normalisation_translates_each_image_alone():
    torch.manual_seed(0)
    source = torch.rand(2, 3, 16, 16)
    for network in (ResNetTranslator(width=2, num_blocks=1), UNet(image_size=16, width=2, normalization="instance",
                                                                   dropout=0.0)):
        torch.testing.assert_close(network(source, LABELS)[:1], network(source[:1], LABELS[:1]))


@pytest.mark.parametrize("network", [UNet(width=16), ResNetTranslator(width=16), PatchDiscriminator(width=16)])
def test_weights_start_from_a_normal_distribution_of_two_hundredths(network):
    weights = torch.cat([layer.weight.flatten() for layer in network.modules()
                         if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)])
    tolerance = 4 / math.sqrt(2 * len(weights))
    assert weights.std().item() == pytest.approx(0.02, rel=tolerance)
    assert all(not layer.bias.any() for layer in network.modules()
               if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None)


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match=r"model\.generator\.normalization=layer must be one of none, batch, instance"):
        UNet(normalization="layer")
