"""SeFa's directions, in closed form, and the picture of them."""

import pytest
import torch
from torch import nn

from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.networks.conditional_dcgan import ConditionalDCGANGenerator
from saddlepoint.networks.dcgan import DCGANGenerator
from saddlepoint.networks.mlp import MLPGenerator
from saddlepoint.sampling.directions import along, deviation, first_weights, semantic_directions
from saddlepoint.sampling.generator import SamplingGenerator
from tests.painting import LATENTS, Studio, painting_generator


class LinearImages(nn.Module):
    """Images of 2 x 2 pixels that are a matrix times the latents; `squash` is applied to these first."""

    latent_dim = LATENTS

    def __init__(self, weights, squash=nn.Identity()):  # noqa: B008  holds no state
        super().__init__()
        self.layer, self.squash = nn.Linear(LATENTS, 4), squash
        with torch.no_grad():
            self.layer.weight.copy_(weights)

    def forward(self, latents, labels):
        return self.layer(self.squash(latents)).view(-1, 1, 2, 2)


def rotated(lengths):
    """-> A of these singular values, and the unit vectors on which they act, a row each"""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(size, size, generator=generator))[0] for size in (4, LATENTS))
    return left[:, :LATENTS] @ torch.diag(torch.tensor(lengths)) @ right, right


def sampling(network, **latents):
    return SamplingGenerator(network, Latents(network.latent_dim, **latents))


def test_directions_of_a_linear_generator_are_its_singular_vectors():
    weights, expected = rotated([1.0, 3.0, 2.0])
    directions, values = semantic_directions(first_weights(sampling(LinearImages(weights))))
    torch.testing.assert_close(values, torch.tensor([9.0, 4.0, 1.0]), rtol=1e-4, atol=1e-4)
    cosines = (directions * expected[[1, 2, 0]]).sum(1).abs()
    torch.testing.assert_close(cosines, torch.ones(3), rtol=1e-4, atol=1e-4)
    assert (directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all()  # signs are fixed


def test_the_first_layer_is_read_whatever_it_is():
    dcgan, mlp = DCGANGenerator(5, 1, 16, width=2), MLPGenerator(5, 1, 4, widths=[7])
    conditional = ConditionalDCGANGenerator(latent_dim=5, num_classes=3, channels=1, image_size=16, width=2)
    for network, weight in ((dcgan, dcgan.layers[0].linear.weight), (mlp, mlp.layers[0][0].weight),
                            (conditional, conditional.layers[0].linear.weight[:, :5])):
        read = first_weights(sampling(network))
        ours, expected = (each.T @ each for each in (read, weight.detach()))  # maps are in another order
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_a_transposed_convolution_of_one_pixel_and_normalised_weights_are_read():
    convolution = nn.utils.parametrizations.spectral_norm(nn.ConvTranspose2d(LATENTS, 2, 2))

    class Convolving(nn.Module):
        latent_dim = LATENTS

        def __init__(self):
            super().__init__()
            self.layer = convolution

        def forward(self, latents, labels):
            return self.layer(latents[:, :, None, None])
    read = first_weights(sampling(Convolving()))
    torch.testing.assert_close(read, convolution.weight.detach().flatten(1).T, rtol=1e-4, atol=1e-5)


def test_latents_that_are_changed_before_the_first_layer_and_none_that_is_linear_are_refused():
    weights, _ = rotated([1.0, 2.0, 3.0])
    with pytest.raises(RequestError, match="changes latents before"):
        first_weights(sampling(LinearImages(weights, nn.Tanh())))
    with pytest.raises(RequestError, match="has none that reads latents"):
        first_weights(painting_generator(0))


def test_latents_move_by_standard_deviations_and_uniform_ones_stay_in_their_range():
    base, directions = torch.tensor([[0.0, 0.5], [0.2, 0.0]]), torch.eye(2)
    moved = along(base, directions, torch.tensor([-1.0, 0.0, 2.0]), Latents(2))
    assert torch.equal(moved.view(2, 2, 3, 2)[1, 0], torch.tensor([[-0.8, 0.0], [0.2, 0.0], [2.2, 0.0]]))
    uniform = Latents(2, "uniform", -1.0, 1.0)
    assert along(base, directions, torch.tensor([2.0]), uniform).max() == 1
    drawn = uniform.of_images(0, 0, 3000)
    assert abs(drawn.std().item() / deviation(uniform) - 1) < 0.02 and deviation(Latents(2)) == 1


def test_a_learned_mixture_has_a_deviation_and_a_range_of_its_own():
    torch.manual_seed(0)
    mixture = Latents(8, "mixture", components=40, scale=0.3)
    drawn = mixture.draw(RandomStreams(0, 0), 20_000).detach()
    assert deviation(mixture) == pytest.approx(drawn.var(0).mean().sqrt().item(), rel=0.02)
    far = along(drawn[:3], torch.eye(8)[:2], torch.tensor([-100.0, 100.0]), mixture)
    low, high = mixture.limits()
    assert (far >= low).all() and (far <= high).all() and (far == low).any() and (far == high).any()


def test_shapes_are_no_images():
    generator = painting_generator(0)
    generator.edge = 8
    with pytest.raises(RequestError, match="run=RUN is inverted, and this run makes shapes: name a run of images"):
        generator.require_colours("run=RUN is inverted")


@pytest.fixture
def studio(tmp_path, monkeypatch):
    return Studio(tmp_path, monkeypatch)


def test_each_row_of_the_picture_is_a_direction_through_the_image(studio, capsys):
    weights, expected = rotated([0.1, 0.3, 0.2])
    generator = sampling(LinearImages(weights))
    studio.draw(generator, "directions=2", "seed=4")
    cells = studio.cells("last_directions1-2_seed4_count1_steps7_from-3to3")
    assert cells.shape == (2, 7, 4)
    z = generator.latents.of_images(4, 0, 1)
    for row, direction in zip(cells, expected[[1, 2]], strict=True):
        points = z + torch.linspace(-3, 3, 7)[:, None] * direction
        drawn = pixels.to_bytes(generator(points)).flatten(1).int()
        assert min((row - each).abs().max() for each in (drawn, drawn.flip(0))) <= 1  # the sign means nothing
    studio.draw(generator, "directions=[3]", "seed=4", "steps=3", "count=2", "direction_range=[0,2]")
    assert studio.cells("last_directions3_seed4_count2_steps3_from0to2").shape == (2, 3, 4)
    said = capsys.readouterr().out
    assert "1 (64.3%), 2 (28.6%)" in said  # 9 and 4 of 14


@pytest.mark.parametrize(("typed", "sentence"), [
    (["directions=4"], "have the directions 1 to 3"),
    (["directions=1", "columns=3"], "each column is a step"),
    (["directions=1", "interpolate=[1,2]"], "interpolate= and directions= are two pictures"),
    (["directions=0"], "directions=0 must be"),
])
def test_what_cannot_be_drawn_is_refused(studio, typed, sentence):
    weights, _ = rotated([1.0, 2.0, 3.0])
    with pytest.raises(RequestError, match=sentence):
        studio.draw(sampling(LinearImages(weights)), *typed)
