"""Between two classes: what a network makes of labels, and nothing after that, is mixed."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from saddlepoint.errors import RequestError
from saddlepoint.game.mixed_labels import MixedLabels
from saddlepoint.networks.conditional_dcgan import ConditionalDCGANGenerator
from saddlepoint.networks.conditional_mlp import ConditionalMLPGenerator
from saddlepoint.networks.conditional_resnet import ConditionalResNetGenerator
from saddlepoint.networks.conditioning import ConditionalNormalization
from saddlepoint.networks.lecture import ConditionalLectureGenerator

START, END, FRACTION = torch.tensor([0, 1, 2, 0]), torch.tensor([2, 2, 0, 1]), torch.tensor([0.0, 0.25, 1.0, 0.5])
TABLE = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
# The shares of classes 0, 1, 2 in each image, by hand.
SHARES = torch.tensor([[1.0, 0, 0], [0, 0.75, 0.25], [1, 0, 0], [0.5, 0.5, 0]])


def mixed() -> MixedLabels:
    return MixedLabels(START, END, FRACTION)


@pytest.mark.parametrize("read", [
    lambda labels: nn.Embedding.from_pretrained(TABLE)(labels),
    lambda labels: functional.embedding(labels, TABLE),
    lambda labels: TABLE[labels],
    lambda labels: TABLE.index_select(0, labels),
    lambda labels: functional.one_hot(labels, 3).float() @ TABLE,
    lambda labels: (labels.view(-1, 1) == torch.arange(3)).to(TABLE.dtype) @ TABLE,
    lambda labels: functional.embedding(input=labels.to("cpu"), weight=TABLE)[:, :, None, None].flatten(1),
], ids=["layer", "function", "indexing", "selecting", "one-hot", "comparing", "with names and shapes"])
def test_what_is_read_for_a_mixture_is_the_mixture_of_what_is_read(read):
    result = read(mixed())
    assert type(result) is torch.Tensor
    torch.testing.assert_close(result, SHARES @ TABLE)


def test_the_ends_are_the_classes_themselves_to_the_bit():
    assert torch.equal(TABLE[MixedLabels(START, END, torch.zeros(4))], TABLE[START])
    assert torch.equal(TABLE[MixedLabels(START, END, torch.ones(4))], TABLE[END])


def test_a_network_that_is_not_linear_sees_the_mixture_not_the_results_mixed():
    network = nn.Sequential(nn.Embedding(3, 5), nn.Tanh(), nn.Linear(5, 2), nn.Tanh())
    expected = network[1:](SHARES @ network[0].weight)
    torch.testing.assert_close(network(mixed()), expected)
    assert not torch.allclose(expected, torch.lerp(network(START), network(END), FRACTION[:, None]), atol=1e-3)


@pytest.mark.parametrize("make", [
    lambda **shape: ConditionalMLPGenerator(widths=[8], **shape),
    lambda **shape: ConditionalDCGANGenerator(width=4, **shape),
    lambda **shape: ConditionalResNetGenerator(width=4, **shape),
    lambda **shape: ConditionalLectureGenerator(first_maps=4, maps=[4, 4], **shape),
], ids=["MLP", "DCGAN", "ResNet", "lecture"])
def test_half_of_two_classes_is_a_third_class_with_the_mean_of_their_numbers(make):
    torch.manual_seed(0)
    generator = make(latent_dim=5, channels=1, image_size=16, num_classes=3).double().eval()
    tables = [layer.weight for layer in generator.modules() if isinstance(layer, nn.Embedding)]
    tables += [table for layer in generator.modules() if isinstance(layer, ConditionalNormalization)
               for table in (layer.scale, layer.shift)]
    with torch.no_grad():
        for table in tables:
            table.normal_()
            table[2] = (table[0] + table[1]) / 2
        latents, ones = torch.randn(4, 5).double(), torch.ones(4, dtype=torch.long)
        halfway = generator(latents, MixedLabels(0 * ones, ones, torch.full((4,), 0.5)))
        torch.testing.assert_close(halfway, generator(latents, 2 * ones), rtol=1e-6, atol=0)
        assert not torch.allclose(halfway, generator(latents, ones), rtol=1e-3, atol=0)


def test_labels_keep_the_looks_of_labels():
    labels = mixed()
    assert labels.shape == (4,) and len(labels) == 4 and labels.dtype == torch.long and labels.device == START.device
    assert "MixedLabels" in repr(labels)
    one, other = labels.view(2, 2).chunk(2)
    assert one.start.tolist() == [[0, 1]] and other.end.tolist() == [[0, 1]]


@pytest.mark.parametrize("read", [
    lambda labels: TABLE[labels[None]],
    lambda labels: labels.tolist(),
    lambda labels: torch.zeros(4, 3).scatter_(1, labels.view(-1, 1), 1.0),
    lambda labels: torch.zeros(4, 3, dtype=torch.long).scatter_(1, labels.view(-1, 1), 1),
    lambda labels: torch.zeros(4, 3).index_put_((torch.arange(4), labels), torch.ones(4)),
    lambda labels: torch.zeros(4, 3).__setitem__((torch.arange(4), labels), 1.0),
], ids=["not an image a row", "as numbers", "written into", "written as numbers", "put into", "set into"])
def test_what_cannot_be_mixed_is_refused_not_guessed(read):
    with pytest.raises(RequestError, match="does not read its labels one by one"):
        read(mixed())
