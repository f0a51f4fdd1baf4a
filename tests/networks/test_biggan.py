"""BigGAN's networks and self-attention: counts of published ones, and each part by what it is to compute."""

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.networks.attention import SelfAttention
from saddlepoint.networks.biggan import BigGANDiscriminator, BigGANGenerator, ChunkNormalization
from saddlepoint.networks.conditional_resnet import ConditionalResNetGenerator, ProjectionResNetDiscriminator
from saddlepoint.networks.resnet import ResNetDiscriminator, ResNetGenerator
from tests.networks.counting import trainable


@pytest.mark.parametrize(("latents", "size", "classes", "width", "generator_count", "discriminator_count"), [
    (80, 32, 10, 96, 9_416_196, 2_415_170), (100, 64, 200, 80, 17_335_204, 30_796_722),
    (120, 128, 1000, 96, 70_433_988, 87_982_370)])
def test_the_counts_of_biggan_are_studiogans(latents, size, classes, width, generator_count, discriminator_count):
    with torch.device("meta"):
        assert trainable(BigGANGenerator(latents, 3, size, classes, width)) == generator_count
        assert trainable(BigGANDiscriminator(3, size, classes, width)) == discriminator_count


def test_the_counts_of_sagan_are_studiogans():
    with torch.device("meta"):
        assert trainable(ConditionalResNetGenerator(128, 3, 32, 10, width=256, attention_at=16)) == 4_386_308
        assert trainable(ProjectionResNetDiscriminator(3, 32, 10, attention_at=16)) == 1_075_586


def test_attention_adds_means_of_all_places_weighted_by_likeness():
    """Place by place, by the paper's eq. 1 to 3, with keys and values of every 2x2 places' maximum."""
    torch.manual_seed(0)
    layer, maps = SelfAttention(16).double(), torch.randn(2, 16, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer(maps), maps, rtol=0, atol=0)  # a scale of 0
        layer.scale.fill_(0.7)
        expected = maps.clone()
        for number, image in enumerate(maps):
            query, key, value = (F.conv2d(image[None], each.weight) for each in (layer.query, layer.key, layer.value))
            keys, values = (F.max_pool2d(each, 2)[0].flatten(1) for each in (key, value))
            for row in range(4):
                for column in range(4):
                    shares = torch.softmax(keys.T @ query[0, :, row, column], 0)
                    taken = layer.output.weight[:, :, 0, 0] @ (values @ shares)
                    expected[number, :, row, column] += 0.7 * taken
        torch.testing.assert_close(layer(maps), expected)


def test_attention_can_be_differentiated_twice():
    layer, maps = SelfAttention(8).double(), torch.randn(1, 8, 2, 2, dtype=torch.float64, requires_grad=True)
    torch.nn.init.constant_(layer.scale, 0.5)
    assert torch.autograd.gradgradcheck(layer, maps)


def test_attention_stands_behind_the_block_that_makes_maps_of_its_side():
    images, labels = torch.randn(2, 1, 32, 32), torch.zeros(2, dtype=torch.long)
    generator = ResNetGenerator(5, 1, 32, width=8, attention_at=16)
    discriminator = ResNetDiscriminator(1, 32, width=8, attention_at=8)
    assert isinstance(generator.stages[1][-1], SelfAttention) and isinstance(discriminator.stages[1][-1], SelfAttention)
    seen = []
    for network in (generator, discriminator):
        [attention] = [module for module in network.modules() if isinstance(module, SelfAttention)]
        attention.register_forward_hook(lambda module, given, result: seen.append(given[0].shape[2]))
    generator(torch.randn(2, 5), labels), discriminator(images, labels)
    assert seen == [16, 8]


@pytest.mark.parametrize(("player", "network", "choices"), [
    ("generator", lambda: ResNetGenerator(5, 1, 32, width=8, attention_at=64), ("8, 16 or 32", 32)),
    ("discriminator", lambda: ResNetDiscriminator(1, 32, width=8, attention_at=64), ("16 or 8", 16))])
def test_attention_at_a_side_that_does_not_exist_is_refused(player, network, choices):
    sides, nearest = choices
    setting = f"model.{player}.attention_at"
    with pytest.raises(ValueError, match=f"{setting}=64 must be the side .* {sides} for images of this size, or null "
                                         f"for none: type {setting}={nearest}$"):
        network()


def test_a_norm_by_chunks_is_batch_norm_with_a_scale_and_shift_that_are_linear():
    torch.manual_seed(0)
    layer, maps, vectors = ChunkNormalization(3, 5), torch.randn(4, 3, 2, 2), torch.randn(4, 5)
    scale, shift = (F.linear(vectors, each.weight)[:, :, None, None] for each in (layer.scale, layer.shift))
    normalised = F.batch_norm(maps, None, None, training=True, eps=1e-4)
    torch.testing.assert_close(layer(maps, vectors), (1 + scale) * normalised + shift)


def test_each_chunk_of_the_latents_reaches_its_own_block():
    torch.manual_seed(0)
    network = BigGANGenerator(8, 1, 32, 3, width=2, embedding_size=4).eval()
    latents, labels, seen = torch.randn(2, 8), torch.tensor([0, 2]), []
    for block in network.blocks:
        block.register_forward_hook(lambda module, given, result: seen.append(given[1]))
    network(latents, labels)
    for number, vectors in enumerate(seen, start=1):
        expected = torch.cat([latents[:, 2 * number:2 * number + 2], network.classes[labels]], 1)
        torch.testing.assert_close(vectors, expected, rtol=0, atol=0)


def test_d_is_a_projection_of_summed_maps():
    torch.manual_seed(0)
    network = BigGANDiscriminator(1, 32, 3, width=4)
    images, labels = torch.randn(2, 1, 32, 32), torch.tensor([2, 1])
    pooled = F.relu(network.features(images, labels)[-1]).flatten(2).sum(2)
    expected = network.logit(pooled)[:, 0] + (network.embedding.weight[labels] * pooled).sum(1)
    torch.testing.assert_close(network(images, labels), expected)
    assert [each.shape[1:] for each in network.features(images, labels)] == [(8, 16, 16), *[(8, 8, 8)] * 3]


@pytest.mark.parametrize(("network", "said"), [
    (lambda: BigGANGenerator(80, 3, 48, 10), "data.image_size=48 must be 32, 64 or 128.*type data.image_size=32"),
    (lambda: BigGANGenerator(82, 3, 32, 10), "model.latents.size=82 must be a multiple of 4.*model.latents.size=80"),
    (lambda: BigGANGenerator(80, 3, 32, 0), "data.num_classes=0 must be")])
def test_what_does_not_go_together_is_refused(network, said):
    with pytest.raises(ValueError, match=said):
        network()
