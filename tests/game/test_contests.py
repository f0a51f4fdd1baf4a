"""Games of several networks, of pairs and of points, against the same games written out by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.errors import RequestError
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import Contest
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import Hinge, LeastSquares, Minimax, NonSaturating, Relativistic, Wasserstein
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.gradient_penalty import R1, R2, WassersteinGradientPenalty
from saddlepoint.tricks.labels import LabelFlip
from tests.game.playing import LATENTS, TinyDiscriminator, TinyGenerator, batches, game, play, sgd, weights

PARTS = {"tricks": {}, "optimizers": Optimizers(sgd, sgd), "turns": Turns(), "seed": 5}


def latents(player: str, step: int, count: int = 8) -> Tensor:
    return RandomStreams(5, step, player=player).normal("latents", (count, LATENTS)).double()


def moved(networks: list[nn.Module], loss: Tensor) -> None:
    """One step of gradient descent with the rate of playing.sgd"""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= 0.1 * (0 if gradient is None else gradient)


def same(*pairs: tuple[nn.Module, nn.Module]) -> None:
    for ours, theirs in pairs:
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-12, atol=1e-14)


# Turns.


class Both(nn.Module):
    """Two networks as one, so that both have their gradients taken at once."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


@pytest.mark.parametrize("scoring", ["separate", "together"])
@pytest.mark.parametrize("loss", [NonSaturating(), Relativistic()], ids=["nonsaturating", "relativistic"])
def test_simultaneous_players_move_by_gradients_at_the_same_weights(scoring, loss):
    module = game(Turns(order="simultaneous", scoring=scoring), loss, generator=TinyGenerator(True))
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        fake = generator(latents("discriminator", index), labels)
        real_logits, fake_logits = discriminator(real, labels), discriminator(fake, labels)
        if isinstance(loss, Relativistic):
            of_discriminator, of_generator = (F.softplus(sign * (fake_logits - real_logits)).mean() for sign in (1, -1))
        else:
            of_discriminator = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
            of_generator = F.softplus(-fake_logits).mean()
        up = torch.autograd.grad(of_generator, list(generator.parameters()), retain_graph=True)
        moved([discriminator], of_discriminator)
        with torch.no_grad():
            for parameter, gradient in zip(generator.parameters(), up, strict=True):
                parameter -= 0.1 * gradient
    same((module.generator, generator), (module.discriminator, discriminator))
    assert module.generator.layers[1].num_batches_tracked == 3  # one pass a batch
    assert (module.discriminator_steps_taken, module.generator_steps_taken) == (3, 3)


def test_a_simultaneous_game_circles_where_an_alternating_one_does_not_leave():
    """min over g, max over d of g d: descent-ascent multiplies the distance from (0, 0) by sqrt(1 + rate^2) a step
    (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, section 2), the alternating order keeps it bounded."""
    class Number(nn.Module):
        latent_dim = LATENTS

        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.tensor(1.0))

        def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
            return self.value.expand(len(inputs), 1, 2, 2) if inputs.ndim == 2 else self.value * inputs[:, 0, 0, 0]

    data = [ImageBatch(torch.zeros(8, 1, 2, 2).double(), torch.zeros(8, dtype=torch.long))] * 200
    distances = {}
    for order in ("alternating", "simultaneous"):
        module = game(Turns(order=order), Wasserstein(), generator=Number(), discriminator=Number())
        play(module, data)
        distances[order] = torch.hypot(module.generator.value, module.discriminator.value).item()
    assert distances["simultaneous"] == pytest.approx(2**0.5 * (1 + 0.1**2) ** (200 / 2))
    assert distances["alternating"] < 1.6


def test_shared_latents_are_those_of_the_discriminators_update_for_all_of_the_generators():
    module = game(Turns(share_latents=True, generator_steps=2))
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        z = latents("discriminator", index)
        moved([discriminator], F.softplus(-discriminator(real, labels)).mean()
              + F.softplus(discriminator(generator(z, labels).detach(), labels)).mean())
        for _ in range(2):
            moved([generator], F.softplus(-discriminator(generator(z, labels), labels)).mean())
    same((module.generator, generator), (module.discriminator, discriminator))


def test_shared_fakes_pass_through_the_generator_once():
    for shares, passes in ((False, 6), (True, 3)):
        module = game(Turns(share_latents=shares), generator=TinyGenerator(True))
        play(module, batches(3))
        assert module.generator.layers[1].num_batches_tracked == passes


@pytest.mark.parametrize(("turns", "words"), [
    ({"order": "simultaneous", "discriminator_steps": 2}, "type model.turns.discriminator_steps=1"),
    ({"order": "simultaneous", "fakes_in_eval": True}, "type model.turns.fakes_in_eval=false"),
    ({"order": "simultaneous", "scoring": "half"}, "type model.turns.scoring=separate"),
    ({"share_latents": True, "scoring": "half"}, "type model.turns.scoring=separate"),
    ({"share_latents": True, "generator_batch_multiple": 2}, "type model.turns.generator_batch_multiple=1"),
    ({"order": "at once"}, "must be one of alternating, simultaneous"),
])
def test_turns_that_cannot_share_fakes_are_refused(turns, words):
    with pytest.raises(ValueError, match=words):
        Turns(**turns)


# Tricks with parameters, and with another opponent.


class Rescaled(Trick):
    """Shows D everything times a number that a player learns."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1.0))

    def discriminator_input(self, images: Tensor, step) -> Tensor:
        return self.factor * images


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_parameters_of_a_trick_are_trained_by_its_player(player):
    trick = type("Trained", (Rescaled,), {"trained_with": player})().double()
    module = game(tricks={"rescaled": trick})
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    factor = nn.ParameterList([nn.Parameter(torch.tensor(1.0))]).double()
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        fake = generator(latents("discriminator", index), labels).detach()
        loss = (F.softplus(-discriminator(factor[0] * real, labels)).mean()
                + F.softplus(discriminator(factor[0] * fake, labels)).mean())
        moved([discriminator, factor] if player == "discriminator" else [discriminator], loss)
        fake = generator(latents("generator", index), labels)
        loss = F.softplus(-discriminator(factor[0] * fake, labels)).mean()
        moved([generator, factor] if player == "generator" else [generator], loss)
    same((module.generator, generator), (module.discriminator, discriminator))
    torch.testing.assert_close(trick.factor.item(), factor[0].item(), rtol=1e-6, atol=0)
    assert abs(factor[0].item() - 1) > 1e-3


def test_parameters_that_no_player_trains_are_refused():
    with pytest.raises(RequestError, match=r"trick=rescaled has parameters that no player trains, e.g. factor"):
        game(tricks={"rescaled": Rescaled()})


class LooksAtD(Trick):
    """Keeps the discriminator as a part of its own, e.g. for its features."""

    def build(self, generator, discriminator):
        self.judge = discriminator


def test_a_network_that_a_trick_keeps_is_no_parameter_of_the_trick():
    module = game(tricks={"looks": LooksAtD()})
    play(module, batches(1))
    assert len(module.parameters_of["discriminator"]) == 4


class PlaysAgainstTheFirst(Trick):
    """Lets G play against D as it was before training."""

    def build(self, generator, discriminator):
        self.first = copy.deepcopy(discriminator).requires_grad_(False)

    def opponent(self, step):
        return self.first


def test_a_trick_chooses_whom_the_generator_plays_against():
    module = game(tricks={"first": PlaysAgainstTheFirst()})
    generator, first = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index in range(3):
        moved([generator], F.softplus(-first(generator(latents("generator", index), None), None)).mean())
    same((module.generator, generator))
    assert not torch.equal(weights(module.discriminator), weights(first))


# Several contests.


class TwoDomains(AdversarialModule):
    """Two generators, each against a discriminator of its own; both fakes come from the same latents."""

    further_networks = {"second_generator": "generator", "second_discriminator": "discriminator"}

    def contests(self, batch, count, random):
        z = random.normal("latents", (count, LATENTS)).double()
        made = []
        for name, prefix in (("one", ""), ("two", "second_")):
            generator, discriminator = self.networks[f"{prefix}generator"], self.networks[f"{prefix}discriminator"]
            real = batch.real if name == "one" else -batch.real
            made.append(Contest(name, generator, discriminator, real, generator(z, batch.labels), batch.labels,
                                batch.labels, z))
        return made

    def generator_terms(self, batch, contests):
        return {"close": (contests[0].fake - contests[1].fake).square().mean()}


def two_domains(**parts) -> TwoDomains:
    torch.manual_seed(1)
    generators, discriminators = (
        nn.ModuleDict({name: kind().double(), f"second_{name}": kind().double()})
        for name, kind in (("generator", TinyGenerator), ("discriminator", TinyDiscriminator)))
    return TwoDomains(generator=generators, discriminator=discriminators, **{"loss": NonSaturating(), **PARTS, **parts})


def test_a_game_of_two_contests_is_the_sum_of_both():
    module = two_domains(tricks={"r1": R1(3.0)})
    generators, discriminators = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        loss = 0
        for prefix, sign in (("", 1), ("second_", -1)):
            generator, discriminator = generators[f"{prefix}generator"], discriminators[f"{prefix}discriminator"]
            fake, shown = generator(latents("discriminator", index), labels).detach(), (sign * real).requires_grad_()
            logits = discriminator(shown, labels)
            [gradient] = torch.autograd.grad(logits.sum(), shown, create_graph=True)
            loss = loss + (F.softplus(-logits).mean() + F.softplus(discriminator(fake, labels)).mean()
                           + 1.5 * gradient.square().sum((1, 2, 3)).mean())
        moved([discriminators], loss)
        fakes = [generators[name](latents("generator", index), labels) for name in ("generator", "second_generator")]
        moved([generators], (fakes[0] - fakes[1]).square().mean() + sum(
            F.softplus(-discriminators[name](fake, labels)).mean()
            for name, fake in zip(("discriminator", "second_discriminator"), fakes, strict=True)))
    same((module.generator, generators), (module.discriminator, discriminators))
    assert {"discriminator/one.adversarial", "discriminator/two.r1", "generator/two.adversarial", "generator/close",
            "logits/one.real", "logits/two.fake"} <= set(module.latest)


def test_an_average_is_kept_of_every_network_of_the_generator():
    module = two_domains(tricks={"ema": ExponentialMovingAverage(8, None)})
    play(module, batches(3))
    assert set(module.sampling_networks) == {"generator", "second_generator"}
    for name, average in module.sampling_networks.items():
        assert not torch.equal(weights(average), weights(module.networks[name]))
    assert module.sampling_generator is module.sampling_networks["generator"] and module.has_average


def test_two_contests_draw_different_numbers():
    flips = []

    class Flips(LabelFlip):
        def draw_flips(self, count, step):
            flips.append(super().draw_flips(count, step))
            return flips[-1]

    play(two_domains(tricks={"flips": Flips(0.5)}), batches(1, size=64))
    assert len(flips) == 4 and not any(torch.equal(flips[0], other) for other in flips[1:])


# Pairs and points.


class Pairs(SynthesisModule):
    """Bidirectional: D tells (x, E(x)) from (G(z), z) (Donahue et al. 2017, https://arxiv.org/abs/1605.09782)."""

    further_networks = {"encoder": "generator"}

    def contests(self, batch, count, random):
        [contest] = super().contests(batch, count, random)
        code = self.networks["encoder"](batch.real)
        return [contest._replace(real=(contest.real, code), fake=(contest.fake, contest.latents.double()),
                                 reals_are_made=True)]


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(4, LATENTS))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class PairDiscriminator(TinyDiscriminator):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4 + LATENTS, 5), nn.Softplus(), nn.Linear(5, 1))

    def forward(self, images: Tensor, codes: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([images.flatten(1), codes], 1)).squeeze(1)


def pairs(**parts) -> Pairs:
    torch.manual_seed(1)
    player = nn.ModuleDict({"generator": TinyGenerator().double(), "encoder": Encoder().double()})
    return Pairs(Latents(LATENTS), generator=player, discriminator=PairDiscriminator().double(),
                 **{"loss": NonSaturating(), **PARTS, **parts})


@pytest.mark.parametrize("turns", [Turns(), Turns(scoring="together"), Turns(order="simultaneous")],
                         ids=["separate", "together", "simultaneous"])
def test_a_generator_that_makes_both_sides_wants_the_discriminator_wrong_about_both(turns):
    module = pairs(turns=turns)
    player, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        def logits(random_player, index=index, real=real, labels=labels):
            z = latents(random_player, index)
            return (discriminator(real, player["encoder"](real), labels),
                    discriminator(player["generator"](z, labels), z, labels))
        on_real, on_fake = logits("discriminator")
        of_discriminator = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        if turns.order == "alternating":
            moved([discriminator], of_discriminator)
            on_real, on_fake = logits("generator")
            moved([player], F.softplus(on_real).mean() + F.softplus(-on_fake).mean())
        else:
            for network, loss in ((None, of_discriminator), (player, F.softplus(on_real).mean()
                                                             + F.softplus(-on_fake).mean())):
                gradients = torch.autograd.grad(loss, list((network or discriminator).parameters()), retain_graph=True)
                for parameter, gradient in zip((network or discriminator).parameters(), gradients, strict=True):
                    parameter.data = parameter.data - 0.1 * gradient  # another tensor: the graph keeps the old one
    same((module.generator, player), (module.discriminator, discriminator))


@pytest.mark.parametrize("loss", [NonSaturating(), Minimax(), LeastSquares(), Hinge(), Wasserstein()])
def test_the_loss_of_both_sides_mirrors_at_the_losss_boundary(loss):
    """Whoever swaps the sides and mirrors the logits at the boundary has the same game."""
    fake, real = torch.randn(2, 7, generator=torch.Generator().manual_seed(4)).double()
    middle = loss.boundary or 0.0
    torch.testing.assert_close(loss.of_both_sides(fake, real), loss.of_both_sides(2 * middle - real, 2 * middle - fake))
    alone = loss.of_both_sides(fake, real) - loss.generator(fake)
    torch.testing.assert_close(alone, loss.generator(2 * middle - real))


def test_penalties_differentiate_with_respect_to_every_part_of_a_pair():
    torch.manual_seed(0)
    image_weight, code_weight = torch.randn(4).double(), torch.randn(LATENTS).double()

    class LinearPairs(nn.Module):
        def forward(self, images, codes, labels):
            return images.flatten(1) @ image_weight + codes @ code_weight

    norm = image_weight.square().sum() + code_weight.square().sum()
    for trick, expected in ((R1(2.0), norm), (R2(2.0), norm),
                            (WassersteinGradientPenalty(1.0), (norm.sqrt() - 1).square())):
        module = pairs()
        module.discriminator = module.networks["discriminator"] = LinearPairs()
        module.tricks = module.tricks.__class__({"penalty": trick})
        module.tricks.build(module.generator, module.discriminator)
        random = RandomStreams(5, 0, player="discriminator")
        [contest] = module.contests(batches(1)[0], 8, random)
        step = module.step(contest.detached(), batches(1)[0], random)
        torch.testing.assert_close(trick.discriminator_loss(step).double(), expected, rtol=1e-6, atol=0)


class PointGenerator(nn.Module):
    latent_dim = LATENTS

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(LATENTS, 8), nn.Softplus(), nn.Linear(8, 2))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.layers(latents.double())


class PointDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Linear(8, 1))

    def forward(self, points: Tensor, labels: Tensor) -> Tensor:
        return self.layers(points).squeeze(1)


@pytest.mark.parametrize("tricks", [{}, {"wgan_gp": WassersteinGradientPenalty()}, {"r1": R1(), "r2": R2()}])
def test_points_of_the_plane_are_data(tricks):
    random = torch.Generator().manual_seed(3)
    data = [ImageBatch(3 + 0.1 * torch.randn(32, 2, generator=random).double(), torch.zeros(32, dtype=torch.long))
            for _ in range(150)]
    module = game(generator=PointGenerator(), discriminator=PointDiscriminator(), tricks=copy.deepcopy(tricks))
    start = module.generator(latents("generator", 0, 64), None).mean(0)
    play(module, data)
    end = module.generator(latents("generator", 0, 64), None).mean(0)
    assert (end - 3).norm() < (start - 3).norm() / 2
