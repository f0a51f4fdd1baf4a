"""Virtual batch normalisation: against torch's batch normalisation of the reference batch and one more image, and what
follows for a generator."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import evaluating, finished
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.networks.conditional_resnet import ConditionalResNetGenerator
from saddlepoint.networks.dcgan import DCGANGenerator
from saddlepoint.networks.mlp import MLPDiscriminator, MLPGenerator
from saddlepoint.networks.points import PointGenerator
from saddlepoint.networks.virtual_batch import ReferenceBatch, VirtualBatchNorm, give_reference, reference_of
from saddlepoint.sampling import exporting
from tests.composing import settings

NUM_REFERENCE, LATENTS = 5, 4
IMAGES = {"latent_dim": LATENTS, "channels": 1, "image_size": 16}
GENERATORS = {
    "dcgan": lambda kind: DCGANGenerator(**IMAGES, width=2, normalization=kind),
    "conditional_resnet": lambda kind: ConditionalResNetGenerator(**IMAGES, num_classes=3, width=2, normalization=kind),
    "mlp": lambda kind: MLPGenerator(**IMAGES, widths=[6, 6], normalization=kind),
    "points": lambda kind: PointGenerator(LATENTS, 2, widths=[6, 6], normalization=kind),
}


def generator(name: str, kind: str = "virtual_batch") -> nn.Module:
    torch.manual_seed(0)
    network = GENERATORS[name](kind).double()
    give_reference(network, torch.randn(NUM_REFERENCE, LATENTS), torch.arange(NUM_REFERENCE) % 3)
    return network


def drawn(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(count, LATENTS).double(), torch.arange(count) % 3


@pytest.mark.parametrize("shape", [(3, 4, 5), (3,)], ids=["maps", "vectors"])
def test_an_image_is_normalised_as_one_more_of_the_reference_batch(shape):
    """The weights 1/(n + 1) and n/(n + 1) are those of a batch of n + 1 images: torch's own batch normalisation."""
    torch.manual_seed(0)
    values = 3 + 2 * torch.randn(NUM_REFERENCE + 4, *shape).double()
    layer = VirtualBatchNorm(3).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    layer.count = NUM_REFERENCE
    output, reference = layer(values), values[:NUM_REFERENCE]

    def batch_norm(batch: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(batch, None, None, layer.weight, layer.bias, training=True)

    torch.testing.assert_close(output[:NUM_REFERENCE], batch_norm(reference))
    for index in range(NUM_REFERENCE, len(values)):
        torch.testing.assert_close(output[index], batch_norm(torch.cat([reference, values[index:index + 1]]))[-1])


@pytest.mark.parametrize("name", GENERATORS)
def test_an_image_does_not_depend_on_the_others_of_its_batch(name):
    latents, labels = drawn(4)
    network = generator(name)
    images = network(latents, labels)
    assert len(images) == 4
    for index in range(4):
        torch.testing.assert_close(network(latents[index:index + 1], labels[index:index + 1])[0], images[index])
    batch_norm = generator(name, "batch")
    assert not torch.allclose(batch_norm(latents[:2], labels[:2]), batch_norm(latents, labels)[:2])


@pytest.mark.parametrize("name", GENERATORS)
def test_statistics_that_are_kept_give_the_same_images_until_weights_change(name):
    network, latents = generator(name), drawn(4)
    live = network(*latents)
    with evaluating(network), torch.no_grad():
        torch.testing.assert_close(network(*latents), live)
        rows = []
        hook = network.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
        network(*latents)
        hook.remove()
        assert rows == [4]  # and no reference batch with them
    for parameter in network.parameters():
        parameter.data *= 1.5
    again = network(*latents)
    assert not torch.allclose(again, live)
    with evaluating(network):
        torch.testing.assert_close(network(*latents), again)


def test_weights_learn_through_the_statistics_of_the_reference_batch():
    """A central difference of the loss along one direction of the first layer's weights."""
    network, latents = generator("dcgan"), drawn(3)
    weight = network.layers[0].linear.weight
    network(*latents).square().sum().backward()
    direction = torch.randn_like(weight)
    values = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            weight += step * direction
            values.append(network(*latents).square().sum().item())
    assert (values[0] - values[1]) / 2e-6 == pytest.approx((weight.grad * direction).sum().item(), rel=1e-4)


def test_a_copy_has_a_reference_batch_of_its_own():
    network, latents = generator("mlp"), drawn(3)
    average, before = copy.deepcopy(network), network(*latents)
    for parameter in average.parameters():
        parameter.data *= 1.5
    fresh = generator("mlp")
    fresh.load_state_dict(average.state_dict())
    torch.testing.assert_close(average(*latents), fresh(*latents))
    assert torch.equal(network(*latents), before)


def test_a_saved_reference_batch_keeps_its_size():
    network, latents = generator("mlp"), drawn(3)
    other = GENERATORS["mlp"]("virtual_batch").double()
    give_reference(other, torch.zeros(2, LATENTS), torch.zeros(2, dtype=torch.long))
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(*latents), network(*latents))
    assert reference_of(other).size == NUM_REFERENCE


def test_an_exported_generator_has_the_statistics_and_no_reference_batch(tmp_path):
    network = finished(generator("mlp").float())
    what = exporting.of_generator(network, lambda seed, first, count: drawn(count)[0].float(), {})
    assert exporting.write(what, tmp_path / "generator.pt2", "pt2") < 1e-6


def test_the_reference_batch_of_a_game_is_drawn_once_by_its_seed():
    made = settings("model=cgan", "trick=[ema]", "model.generator.normalization=virtual_batch", "data.batch_size=12",
                    "model.generator.widths=[4,4]", "model.discriminator.widths=[4]",
                    "model.discriminator.dropout=0.0", "seed=3")
    module = build.module(made)
    reference = reference_of(module.generator)
    assert torch.equal(reference.latents, module.latents.draw(RandomStreams(3, 0, player="reference"), 12))
    assert reference.labels.tolist() == [*range(10), 0, 1]
    assert torch.equal(reference_of(module.sampling_generator).latents, reference.latents)
    plain = build.module(made | {"model": made["model"] | {
        "generator": made["model"]["generator"] | {"normalization": "none"}}})
    assert torch.equal(plain.generator.layers[0][0].weight, module.generator.layers[0][0].weight)


def test_only_generators_are_normalised_so():
    with pytest.raises(ValueError, match="model.discriminator.normalization=virtual_batch must be one of none, batch"):
        MLPDiscriminator(1, 16, widths=[4], normalization="virtual_batch")
    with pytest.raises(RequestError, match="model.discriminator.normalization=virtual_batch must be one of"):
        settings("model.discriminator.normalization=virtual_batch")
    with pytest.raises(RuntimeError, match="has no reference batch here"):
        VirtualBatchNorm(3)(torch.randn(4, 3))
    assert not [part for part in generator("mlp", "batch").modules() if isinstance(part, ReferenceBatch)]
