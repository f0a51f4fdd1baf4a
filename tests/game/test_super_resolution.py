"""High resolution from low: one fake for both players, warm-up on content alone, steps equal to hand-written ones.

Images are [N, 1, 4, 4], low ones [N, 1, 2, 2], float64.
"""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.game.batches import PairedBatch
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.super_resolution import SuperResolutionModule
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating, Relativistic, RelativisticAverage
from saddlepoint.losses.content import PixelLoss, TotalVariation
from saddlepoint.tricks.ema import ExponentialMovingAverage
from tests.game.playing import Recorder, play, weights

SIZE = 6  # images in a batch


class TinyUpscaler(nn.Module):
    """Keeps what it made."""

    scale, channels, multiple = 2, 1, 1

    def __init__(self, normalization: bool = False):
        super().__init__()
        between = nn.BatchNorm2d(4) if normalization else nn.Identity()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), between, nn.PixelShuffle(2), nn.PReLU())
        self.made: list[Tensor] = []

    def forward(self, low: Tensor) -> Tensor:
        high = self.layers(low)
        self.made.append(high.detach().clone())
        return high


class TinyJudge(nn.Module):
    """Keeps what it was shown, and whether a gradient would flow back to it."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 5), nn.Softplus(), nn.Linear(5, 1))
        self.shown: list[tuple[Tensor, bool]] = []

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        self.shown.append((images.detach().clone(), images.requires_grad))
        return self.layers(images.flatten(1)).squeeze(1)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def enlargement(content=None, turns=None, loss=None, generator=None, **more) -> SuperResolutionModule:
    torch.manual_seed(1)
    return SuperResolutionModule(
        content={"pixel": PixelLoss(0.5)} if content is None else content, loss=loss or NonSaturating(),
        generator=(generator or TinyUpscaler()).double(), discriminator=TinyJudge().double(),
        tricks=more.pop("tricks", {}), optimizers=Optimizers(adam, adam), turns=turns or Turns(), seed=5, **more)


def batches(count: int) -> list[PairedBatch]:
    source = torch.Generator().manual_seed(3)
    result = []
    for _ in range(count):
        high = torch.rand(SIZE, 1, 4, 4, generator=source).double()
        labels = torch.zeros(SIZE, dtype=torch.long)
        result.append(PairedBatch(2 * high - 1, labels, F.avg_pool2d(high, 2), high.square()))  # a target of its own
    return result


def terms_of(module: SuperResolutionModule, data) -> list[list[str]]:
    """The names of the terms of every update, in order"""
    names, step = [], module.players_optimizers.step
    module.players_optimizers.step = lambda *update: names.append([*update[-1]]) or step(*update)
    play(module, data)
    return names


def by_hand(module: SuperResolutionModule, data, players_losses, warmup_images: int = 0) -> tuple[nn.Module, nn.Module]:
    """Plain torch: `players_losses(real logits, fake logits)` -> D's loss; (the same) -> G's part of the game"""
    generator, discriminator = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    discriminator_loss, generator_loss = players_losses
    of_generator, of_discriminator = adam(generator.parameters()), adam(discriminator.parameters())
    for number, batch in enumerate(data):
        playing = number * SIZE >= warmup_images
        if playing:
            of_discriminator.zero_grad()
            fake = 2 * generator(batch.low).detach() - 1
            discriminator_loss(discriminator(batch.real, None), discriminator(fake, None)).backward()
            of_discriminator.step()
        of_generator.zero_grad()
        high = generator(batch.low)
        loss = 0.5 * (high - batch.target).abs().mean()
        if playing:
            logits = discriminator(batch.real, None).detach(), discriminator(2 * high - 1, None)
            loss = loss + 0.03 * generator_loss(*logits)
        loss.backward()
        of_generator.step()
    return generator, discriminator


def cross_entropy(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def relativistic_average(real, fake):
    return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()


GAMES = {
    "nonsaturating": (NonSaturating(), (cross_entropy, lambda real, fake: F.softplus(-fake).mean())),
    "relativistic": (Relativistic(), (lambda real, fake: F.softplus(fake - real).mean(),
                                      lambda real, fake: F.softplus(real - fake).mean())),
    "relativistic_average": (RelativisticAverage(), (relativistic_average,
                                                     lambda real, fake: relativistic_average(fake, real))),
}


@pytest.mark.parametrize("warmup_images", [0, SIZE])
@pytest.mark.parametrize("name", GAMES)
def test_three_steps_are_those_of_a_hand_written_loop(name, warmup_images):
    loss, losses = GAMES[name]
    module = enlargement(loss=loss, turns=Turns(generator_warmup_images=warmup_images), adversarial_weight=0.03)
    generator, discriminator = by_hand(module, batches(3), losses, warmup_images)
    play(module, batches(3))
    torch.testing.assert_close(weights(module.generator), weights(generator), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(weights(module.discriminator), weights(discriminator), rtol=1e-12, atol=1e-14)


def test_both_players_are_shown_one_fake_made_once_a_batch():
    module = enlargement()
    play(module, batches(2))
    made, shown = module.generator.made, module.discriminator.shown
    assert len(made) == 2 and len(shown) == 2 * 3  # D: real, fake; G: fake
    for step, high in enumerate(made):
        of_discriminator, of_generator = shown[3 * step + 1], shown[3 * step + 2]
        assert torch.equal(of_discriminator[0], 2 * high - 1) and torch.equal(of_generator[0], 2 * high - 1)
        assert (of_discriminator[1], of_generator[1]) == (False, True)  # detached for D alone


def test_batch_norm_sees_each_batch_once():
    module = enlargement(generator=TinyUpscaler(normalization=True))
    play(module, batches(3))
    assert module.generator.layers[1].num_batches_tracked.item() == 3


def test_the_fake_is_made_anew_when_the_generator_moves_twice():
    module = enlargement(turns=Turns(generator_steps=2))
    play(module, batches(1))
    first, second = module.generator.made
    assert not torch.equal(first, second)
    assert torch.equal(module.discriminator.shown[2][0], 2 * first - 1)
    assert torch.equal(module.discriminator.shown[3][0], 2 * second - 1)


def test_a_discriminator_that_moves_twice_a_round_is_shown_fakes_without_a_graph_in_between():
    module = enlargement(turns=Turns(discriminator_steps=2))
    recorder = play(module, batches(4))
    assert [steps[1:] for steps in recorder.steps] == [(1, 0), (2, 1), (3, 1), (4, 2)]
    assert len(module.generator.made) == 4


def test_fakes_of_evaluation_mode_are_not_those_the_generator_learns_from():
    module = enlargement(turns=Turns(fakes_in_eval=True), generator=TinyUpscaler(normalization=True))
    play(module, batches(1))
    assert len(module.generator.made) == 2 and not torch.equal(*module.generator.made)


def test_in_the_warm_up_only_content_counts_and_the_discriminator_stands_still():
    content = {"pixel": PixelLoss(during="always"), "first": PixelLoss(distance="mse", during="warmup"),
               "late": TotalVariation(0.1, during="game")}
    module = enlargement(content, Turns(generator_warmup_images=2 * SIZE))
    start = weights(module.discriminator)
    assert terms_of(module, batches(4)) == [["pixel", "first"]] * 2 + [["adversarial"],
                                                                       ["adversarial", "pixel", "late"]] * 2
    assert not torch.equal(weights(module.discriminator), start)
    still = enlargement(content, Turns(generator_warmup_images=2 * SIZE))
    recorder: Recorder = play(still, batches(2))
    assert torch.equal(weights(still.discriminator), start) and still.discriminator.shown == []
    assert [steps[1:] for steps in recorder.steps] == [(0, 1), (0, 2)]


def test_the_average_people_see_learns_in_the_warm_up_too():
    module = enlargement(turns=Turns(generator_warmup_images=100), tricks={"ema": ExponentialMovingAverage(1, None)})
    start = weights(module.generator)
    play(module, batches(3))
    average = weights(module.sampling_generator)
    assert module.sampling_generator is not module.generator and (average - start).abs().max() > 0.02
    torch.testing.assert_close(average, weights(module.generator), atol=1e-3, rtol=0)  # half is forgotten an image


def test_the_adversarial_weight_scales_the_game_and_not_the_content():
    terms = {}
    for weight in (0.5, 1.0):
        module = enlargement(adversarial_weight=weight)
        play(module, batches(1))
        terms[weight] = module.latest
    assert terms[1.0]["generator/adversarial"].item() == pytest.approx(2 * terms[0.5]["generator/adversarial"].item())
    for unchanged in ("generator/pixel", "discriminator/adversarial"):
        assert terms[1.0][unchanged] == terms[0.5][unchanged]


def test_content_is_measured_in_0_to_1_against_the_target():
    module, [batch] = enlargement({"pixel": PixelLoss(1.0)}), batches(1)
    with torch.no_grad():
        expected = (module.generator(batch.low) - batch.target).abs().mean().item()
    play(module, [batch])
    assert module.latest["generator/pixel"].item() == pytest.approx(expected)


def test_relativistic_generators_are_given_the_logits_of_the_batchs_reals():
    module, [batch] = enlargement(loss=RelativisticAverage(reduction="mean")), batches(1)
    play(module, [batch])
    shown = [images for images, _ in module.discriminator.shown]
    assert len(shown) == 4 and torch.equal(shown[2], batch.real)  # D: real, fake; G: real, fake
    assert math.isfinite(module.latest["generator/adversarial"])


def test_content_networks_are_not_saved_and_a_checkpoint_loads_without_them():
    module = enlargement()
    play(module, batches(2))
    other = enlargement(content={})
    other.load_state_dict(module.state_dict())
    assert torch.equal(weights(other.generator), weights(module.generator)) and other.images_seen == 2 * SIZE
