"""A learned mixture of latents: its draws, an update by hand, its average, and who draws from which."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from saddlepoint.game.latents import Latents
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.latent_arithmetic import limit_to_trained, nearby_noise
from saddlepoint.tricks.ema import ExponentialMovingAverage
from tests.game.playing import LATENTS, batches, game, play, weights

COMPONENTS = 4


def mixture(size: int = LATENTS, components: int = COMPONENTS, **more) -> Latents:
    torch.manual_seed(2)
    return Latents(size, "mixture", components=components, **more)


def playing(**more) -> SynthesisModule:
    """A game of a plain generator, played with a mixture in the place of its latents."""
    plain = game(**more)
    latents = mixture(scale_weight=0.7)
    latents.mixture.double()
    return SynthesisModule(latents, generator=plain.generator, discriminator=plain.discriminator, loss=plain.loss,
                           tricks=more.get("tricks", {}), optimizers=plain.players_optimizers, turns=plain.turns,
                           seed=plain.seed)


def test_each_component_is_drawn_as_often_and_has_its_own_mean_and_scale():
    latents = mixture(2, 3, low=-5.0, high=5.0)
    latents.mixture.means.data = torch.tensor([[0.0, 10.0], [20.0, 0.0], [40.0, -10.0]])
    latents.mixture.scales.data = torch.tensor([[1.0, 0.5], [2.0, 0.1], [0.3, 3.0]])
    drawn = latents.draw(RandomStreams(0, 0), 12_000).detach()
    component = (drawn[:, 0] / 20).round().long()
    assert component.bincount(minlength=3).float().div(12_000).sub(1 / 3).abs().max() < 0.02
    for each in range(3):
        own = drawn[component == each]
        torch.testing.assert_close(own.mean(0), latents.mixture.means[each].detach(), atol=0.2, rtol=0)
        torch.testing.assert_close(own.std(0), latents.mixture.scales[each].detach(), rtol=0.06, atol=0)


def test_means_start_in_their_range_and_scales_where_they_are_told():
    latents = mixture(30, 50, low=2.0, high=4.0, scale=0.3)
    assert 2 <= latents.mixture.means.min() < 2.05 and 3.95 < latents.mixture.means.max() < 4
    torch.testing.assert_close(latents.mixture.scale_penalty().item(), 0.7**2)


def test_generators_update_moves_means_and_scales_as_written_out_by_hand():
    module = playing()
    generator, discriminator, latents = copy.deepcopy((module.networks["generator"], module.discriminator,
                                                       module.latents))
    start = weights(latents.mixture)
    play(module, batches(1))
    [batch] = batches(1)

    def drawn(player: str) -> Tensor:
        return latents.draw(RandomStreams(5, 0, player=player), 8)

    loss = F.softplus(-discriminator(batch.real, batch.labels)).mean() + F.softplus(
        discriminator(generator(drawn("discriminator"), batch.labels).detach(), batch.labels)).mean()
    for parameter, gradient in zip(discriminator.parameters(),
                                   torch.autograd.grad(loss, [*discriminator.parameters()]), strict=True):
        parameter.data -= 0.1 * gradient
    loss = F.softplus(-discriminator(generator(drawn("generator"), batch.labels), batch.labels)).mean()
    loss = loss + 0.7 * (1 - latents.mixture.scales).square().mean()
    learned = [*generator.parameters(), *latents.mixture.parameters()]
    for parameter, gradient in zip(learned, torch.autograd.grad(loss, learned), strict=True):
        parameter.data -= 0.1 * gradient
    for ours, theirs in ((module.networks["latents"], latents.mixture), (module.networks["generator"], generator),
                         (module.discriminator, discriminator)):
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-6, atol=1e-9)
    moved = (weights(module.networks["latents"]) - start).view(2, -1)
    assert (moved != 0).any(1).all()  # means as well as scales


def test_the_average_has_its_own_means_and_whoever_draws_takes_them():
    module = playing(tricks={"ema": ExponentialMovingAverage(half_life_images=8, rampup=None)})
    history = [weights(module.networks["latents"])]
    for _ in range(3):
        play(module, batches(1))
        history.append(weights(module.networks["latents"]))
    average = history[1]
    for live in history[2:]:
        average = average + (live - average) / 2  # 8 images are a half-life
    torch.testing.assert_close(weights(module.sampling_latents.mixture), average)
    generator = SamplingGenerator(module.sampling_generator, module.sampling_latents)
    shown = generator.sample(20)
    assert torch.equal(generator.sample(1, first=17)[0], shown[17])
    drawn = module.sampling_latents.of_mixture(module.networks["latents"]).of_images(0, 17, 1)
    assert not torch.equal(generator.of_latents(drawn)[0], shown[17])


def test_two_processes_share_the_draw_of_one():
    latents = mixture()
    whole = latents.draw(RandomStreams(3, 7), 8)
    halves = [latents.draw(RandomStreams(3, 7, rank=rank, num_processes=2), 4) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), whole)


def test_saved_weights_have_the_mixture_once():
    module, other = playing(), playing()
    play(module, batches(1))
    state = module.state_dict()
    assert [name for name in state if "means" in name or "scales" in name] == [
        "generator.latents.means", "generator.latents.scales"]
    other.load_state_dict(state)
    assert torch.equal(other.latents.of_images(0, 0, 5), module.latents.of_images(0, 0, 5))


def test_walks_are_straight_and_sums_stay_where_the_components_are():
    latents = mixture(2, 2)
    latents.mixture.means.data = torch.tensor([[1.0, 0.0], [3.0, 8.0]])
    latents.mixture.scales.data = torch.tensor([[1.0, 0.5], [0.5, 0.25]])
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(latents.between(start, end, 3)[1], torch.tensor([0.5, 0.5]))
    halfway = latents.on_path(start[None], end[None], torch.full((1, 1), 0.5).double())
    torch.testing.assert_close(halfway, torch.tensor([[0.5, 0.5]]))
    assert latents.centre().tolist() == [2.0, 4.0]
    far = limit_to_trained(torch.tensor([[9.0, -9.0], [2.0, 4.0]]), start[None], latents)
    assert far.tolist() == [[4.5, -1.5], [2.0, 4.0]]  # three scales from a mean at most
    drawn = nearby_noise(latents, 0)
    assert not drawn.requires_grad and drawn[4].tolist() == [0, 0]


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"components": 0}, "model.latents.components=0 must be at least 1"),
    ({"scale": 0.0}, "model.latents.scale=0.0 must be above 0")])
def test_impossible_mixtures_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        Latents(3, "mixture", **settings)


def test_noise_beside_codes_is_no_mixture():
    with pytest.raises(ValueError, match="distribution=mixture must be normal or uniform beside codes"):
        StructuredLatents(5, [2], 0, distribution="mixture")
