"""Orthogonal regularisation against closed forms of layers whose products are known."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.networks.biggan import BigGANGenerator
from saddlepoint.tricks.orthogonal import Orthogonal, filters_of
from tests.game.playing import batches, game, play, weights
from tests.tricks.stand_ins import Generator, Patches, built, step


def term(layer: nn.Module, player: str = "generator", images_seen: int = 0, **settings) -> Tensor | None:
    trick = Orthogonal(**{"generator_weight": 1.0, **settings})
    players = {"generator": Generator(), "discriminator": Patches(), player: nn.ModuleDict({"network": layer})}
    built({"orthogonal": trick}, players["generator"], players["discriminator"])
    return trick.weights_loss(player, step(Patches(), images_seen=images_seen))


def filled(layer: nn.Module, values: Tensor | float) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(values).expand_as(layer.weight))
    return layer


# F filters of K numbers that are all v: each product is K v^2, of which F (F - 1) are of different filters.
ALIKE = {
    "linear": (nn.Linear(6, 4), 4, 6), "convolution": (nn.Conv2d(3, 4, 2), 4, 12),
    "transposed": (nn.ConvTranspose2d(3, 4, 2), 4, 12), "of volumes": (nn.Conv3d(1, 5, 2), 5, 8),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_filters_that_are_all_alike(kind):
    layer, count, length = ALIKE[kind]
    product = length * 0.5**2
    off_diagonal = count * (count - 1) * product**2
    torch.testing.assert_close(term(filled(layer, 0.5)), torch.tensor(off_diagonal))
    torch.testing.assert_close(term(layer, form="identity"), torch.tensor(off_diagonal + count * (product - 1) ** 2))


def test_filters_at_right_angles_may_have_any_length():
    lengths = torch.tensor([2.0, 0.5, 3.0])
    rotation = torch.linalg.qr(torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    layer = filled(nn.Linear(7, 3).double(), lengths[:, None] * rotation.T)
    assert term(layer).item() == pytest.approx(0, abs=1e-20)
    assert term(layer, form="identity").item() == pytest.approx(sum((each**2 - 1) ** 2 for each in lengths.tolist()))


def test_the_filters_of_a_transposed_convolution_are_those_that_make_its_maps():
    """Two maps made of three, each by a filter of its own: at right angles, while the three inputs are not."""
    weight = torch.tensor([[[[1.0]], [[0.0]]], [[[1.0]], [[0.0]]], [[[0.0]], [[1.0]]]])  # [inputs, maps, 1, 1]
    assert term(filled(nn.ConvTranspose2d(3, 2, 1), weight)) == 0
    assert term(filled(nn.Conv2d(2, 3, 1), weight)) == 2


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_filters_of_different_groups_are_not_compared(kind):
    """Two groups of two filters that are all alike, of 2 maps each: 2 pairs a group in either order, product 2"""
    torch.testing.assert_close(term(filled(kind(4, 4, 1, groups=2), 1.0)), torch.tensor(2 * 2 * 2.0**2))


def test_its_gradient_is_four_times_the_filters_times_their_products():
    layer = nn.Linear(6, 4).double()
    term(layer, generator_weight=0.3).backward()
    products = layer.weight @ layer.weight.T
    expected = 0.3 * 4 * (products - products.diag().diag()) @ layer.weight
    torch.testing.assert_close(layer.weight.grad, expected)
    assert layer.bias.grad is None


def test_the_layers_are_summed_and_embeddings_biases_and_scales_left_out():
    one, other = filled(nn.Linear(6, 4), 0.5), filled(nn.Conv2d(3, 4, 2), 0.25)
    parts = nn.Sequential(one, other, nn.Embedding(5, 3), spectral_norm(nn.Embedding(5, 3)), nn.BatchNorm2d(4),
                          nn.LayerNorm([4, 3]))
    torch.testing.assert_close(term(parts[:5]), term(one) + term(other))
    assert term(nn.Sequential(nn.Embedding(5, 3), nn.BatchNorm2d(4))) is None


def test_the_shared_embedding_of_biggan_is_left_out():
    generator = BigGANGenerator(8, 1, 32, 11, width=2, embedding_size=5)
    matrices = [*filters_of(generator)]
    of_weights = [each for name, each in generator.named_parameters() if name.endswith(".weight") and each.ndim > 1]
    assert generator.classes.shape == (11, 5) and not any(11 in filters.shape for filters in matrices)
    assert sum(map(torch.numel, matrices)) == sum(map(torch.numel, of_weights)) > 0


def test_it_is_about_weights_before_spectral_normalisation():
    layer = filled(nn.Linear(6, 4), 0.5)
    plain = term(layer)
    torch.testing.assert_close(term(spectral_norm(layer)), plain)


def test_layers_that_stay_as_they_are_have_no_term():
    assert term(filled(nn.Linear(6, 4), 0.5).requires_grad_(False)) is None


def test_the_products_are_float32_under_autocast():
    layer = filled(nn.Linear(6, 4), torch.linspace(0, 1, 24).view(4, 6))
    exact = term(layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(term(layer), exact)


def test_only_the_generator_has_a_term_unless_the_other_weight_is_set():
    layer = filled(nn.Linear(6, 4), 0.5)
    assert term(layer, "discriminator") is None
    torch.testing.assert_close(term(layer, "discriminator", discriminator_weight=0.5), 0.5 * term(layer))
    assert term(layer, generator_weight=0) is None


def test_the_weight_follows_its_schedule():
    layer, schedule = filled(nn.Linear(6, 4), 0.5), LinearSchedule(start=4, end=0, images=100)
    torch.testing.assert_close(term(layer, images_seen=50, generator_weight=schedule), 2 * term(layer))


def test_a_game_moves_each_player_by_its_own_term():
    """The first update of G, of SGD with the rate 0.1, differs from that without by the gradient of the term"""
    module, plain = (game(tricks=tricks) for tricks in ({"orthogonal": Orthogonal(0.5)}, {}))
    weight = module.generator.layers[0].weight.detach().clone()
    products = weight @ weight.T
    for each in (module, plain):
        play(each, batches(1))
    expected = -0.1 * 0.5 * 4 * (products - products.diag().diag()) @ weight
    torch.testing.assert_close(module.generator.layers[0].weight - plain.generator.layers[0].weight, expected)
    assert torch.equal(weights(module.discriminator), weights(plain.discriminator))
    assert "generator/orthogonal" in module.latest and "discriminator/orthogonal" not in module.latest


@pytest.mark.parametrize(("settings", "message"), [
    ({"generator_weight": -1}, "tricks.orthogonal.generator_weight"),
    ({"discriminator_weight": -1}, "tricks.orthogonal.discriminator_weight"),
    ({"form": "diagonal"}, "tricks.orthogonal.form=diagonal must be one of off_diagonal, identity")])
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Orthogonal(**settings)
