"""Games of several networks, against the same games written out by hand."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.step import Contest
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.training.callbacks.health import saturation
from saddlepoint.training.callbacks.scalars import newest
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.gradient_penalty import R1
from saddlepoint.tricks.labels import LabelFlip
from tests.game.playing import (
    LATENTS,
    TinyDiscriminator,
    TinyGenerator,
    batches,
    latents,
    moved,
    play,
    same,
    sgd,
    weights,
)

PARTS = {"tricks": {}, "optimizers": Optimizers(sgd, sgd), "turns": Turns(), "seed": 5}




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


def two_domains(critic: type[nn.Module] = TinyDiscriminator, **parts) -> TwoDomains:
    torch.manual_seed(1)
    generators, discriminators = (
        nn.ModuleDict({name: kind().double(), f"second_{name}": kind().double()})
        for name, kind in (("generator", TinyGenerator), ("discriminator", critic)))
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


def test_each_contest_has_its_own_accuracy_and_saturation_is_the_mean_of_both():
    module = two_domains()
    far, near = torch.full((4,), 9.0), torch.full((4,), 0.5)
    module.latest = {"logits/one.real": far, "logits/one.fake": -far,  # all right, and nothing left to learn
                     "logits/two.real": near * torch.tensor([1, 1, -1, -1]), "logits/two.fake": -near}
    curves = {name: value.item() for name, value in newest(module).items()}
    assert (curves["logits/one.accuracy"], curves["logits/two.accuracy"]) == (1.0, 0.75)
    assert (curves["logits/one.real"], curves["logits/two.fake"]) == (9.0, -0.5)
    assert saturation(module) == 0.5


def test_two_contests_draw_different_numbers():
    flips = []

    class Flips(LabelFlip):
        def draw_flips(self, count, step):
            flips.append(super().draw_flips(count, step))
            return flips[-1]

    play(two_domains(tricks={"flips": Flips(0.5)}), batches(1, size=64))
    assert len(flips) == 4 and not any(torch.equal(flips[0], other) for other in flips[1:])
