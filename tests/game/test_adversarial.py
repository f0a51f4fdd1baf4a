"""The game against the same game written out by hand, and each of its rules."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from saddlepoint.errors import RequestError
from saddlepoint.game.modes import frozen
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.schedule import Linear
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import Hinge, NonSaturating, Relativistic
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.labels import LabelSmoothing
from tests.game.playing import LATENTS, TinyDiscriminator, TinyGenerator, batches, game, play, weights


def latents(player: str, step: int, count: int, seed: int = 5) -> torch.Tensor:
    return RandomStreams(seed, step, player=player).normal("latents", (count, LATENTS)).double()


def update(network, loss):
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter -= 0.1 * gradient


def replay(generator, discriminator, data, discriminator_steps=1, generator_steps=1, multiple=1, together=False,
           half=False):
    """Algorithm 1 of Goodfellow et al. 2014 with the non-saturating loss, as one would write it down."""
    moves = 0
    for index, (real, labels) in enumerate(data):
        count = len(real)
        with torch.no_grad():
            fake = generator(latents("discriminator", index, count), labels)
        if half:
            update(discriminator, F.softplus(-discriminator(real, labels)).mean())
            update(discriminator, F.softplus(discriminator(fake, labels)).mean())
        elif together:
            logits = discriminator(torch.cat([real, fake]), labels)
            update(discriminator, F.softplus(-logits[:count]).mean() + F.softplus(logits[count:]).mean())
        else:
            real_term, fake_term = F.softplus(-discriminator(real, labels)), F.softplus(discriminator(fake, labels))
            update(discriminator, real_term.mean() + fake_term.mean())
        if (index + 1) % discriminator_steps:
            continue
        for _ in range(generator_steps):
            fakes = count * multiple * (2 if half else 1)
            new_fake = generator(latents("generator", moves, fakes), labels)
            update(generator, F.softplus(-discriminator(new_fake, labels)).mean())
            moves += 1


@pytest.mark.parametrize(("turns", "by_hand"), [
    ({}, {}),
    ({"discriminator_steps": 3}, {"discriminator_steps": 3}),
    ({"generator_steps": 2}, {"generator_steps": 2}),
    ({"generator_batch_multiple": 2}, {"multiple": 2}),
    ({"scoring": "together"}, {"together": True}),
    ({"scoring": "half"}, {"half": True}),
    ({"discriminator_steps": 2, "generator_steps": 3, "scoring": "half", "generator_batch_multiple": 2},
     {"discriminator_steps": 2, "generator_steps": 3, "half": True, "multiple": 2}),
])
@pytest.mark.parametrize("normalization", [False, True])
def test_the_game_is_the_algorithm_written_by_hand(turns, by_hand, normalization):
    module = game(Turns(**turns), generator=TinyGenerator(normalization),
                  discriminator=TinyDiscriminator(normalization))
    expected = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(6))
    replay(*expected, batches(6), **by_hand)
    torch.testing.assert_close(weights(module.generator), weights(expected[0]), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(weights(module.discriminator), weights(expected[1]), rtol=1e-12, atol=1e-14)
    for ours, theirs in zip(module.generator.buffers(), expected[0].buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_images_seen_and_steps_are_counted():
    recorder = play(game(Turns(discriminator_steps=2)), batches(4))
    assert recorder.steps == [(8, 1, 0), (16, 2, 1), (24, 3, 1), (32, 4, 2)]


def test_the_generator_only_moves_at_the_end_of_a_round():
    recorder = play(game(Turns(discriminator_steps=2)), batches(4))
    first, second, third, _ = recorder.generators
    assert not torch.equal(first, second) and torch.equal(second, third)


def test_one_player_warms_up_while_the_other_stands_still():
    module = game(Turns(generator_warmup_images=16))
    module.generator_terms = lambda batch, contests: {"content": (contests[0].fake - batch.real).square().mean()}
    start, terms = weights(module.discriminator), []
    optimizers, step = module.players_optimizers, module.players_optimizers.step
    optimizers.step = lambda module, player, named: terms.append([*named]) or step(module, player, named)
    recorder = play(module, batches(4))
    assert torch.equal(recorder.discriminators[1], start) and not torch.equal(recorder.discriminators[2], start)
    assert [steps[2] for steps in recorder.steps] == [1, 2, 3, 4]
    assert terms == [["content"]] * 2 + [["adversarial"], ["adversarial", "content"]] * 2
    module = game(Turns(discriminator_warmup_images=16))
    start = weights(module.generator)
    recorder = play(module, batches(4))
    assert torch.equal(recorder.generators[1], start) and not torch.equal(recorder.generators[2], start)


def test_half_scoring_shows_the_discriminator_reals_and_fakes_apart():
    module = game(Turns(scoring="half", fake_batch_multiple=2))
    play(module, batches(1, size=4))
    assert module.discriminator.scored == [4, 8, 8]  # 4 real, 2 * 4 fake, then G's batch of twice the reals


def test_fakes_in_eval_leave_the_running_statistics_to_the_generator_step():
    counts = {}
    for in_eval in (False, True):
        module = game(Turns(fakes_in_eval=in_eval), generator=TinyGenerator(normalization=True))
        play(module, batches(3))
        counts[in_eval] = module.generator.layers[1].num_batches_tracked.item()
        assert module.generator.training
    assert counts == {False: 6, True: 3}


def test_the_generator_step_leaves_no_gradient_in_the_discriminator():
    module = game()
    play(module, batches(1))
    replayed = copy.deepcopy(module.discriminator)
    assert all(parameter.requires_grad for parameter in module.discriminator.parameters())
    gradients = [parameter.grad.clone() for parameter in module.discriminator.parameters()]
    fake = module.generator(latents("generator", 9, 8), batches(1)[0].labels)
    with frozen(module.parameters_of["discriminator"]):
        F.softplus(-module.discriminator(fake, None)).mean().backward()
    assert all(torch.equal(p.grad, k) for p, k in zip(module.discriminator.parameters(), gradients, strict=True))
    assert torch.equal(weights(module.discriminator), weights(replayed))


def test_relativistic_generators_are_scored_against_the_reals_of_the_batch():
    module = game(loss=Relativistic())
    before = copy.deepcopy((module.generator, module.discriminator))
    [batch] = batches(1)
    play(module, [batch])
    generator, discriminator = before
    fake = generator(latents("discriminator", 0, 8), batch.labels).detach()
    update(discriminator, F.softplus(discriminator(fake, None) - discriminator(batch.real, None)).mean())
    new_fake = generator(latents("generator", 0, 8), batch.labels)
    update(generator, F.softplus(discriminator(batch.real, None).detach() - discriminator(new_fake, None)).mean())
    torch.testing.assert_close(weights(module.generator), weights(generator), rtol=1e-12, atol=1e-14)


def test_learning_rates_follow_the_schedule():
    recorder = play(game(schedule=Linear(1.0, 0.0, images=16)), batches(4))
    _, second, third, fourth = recorder.discriminators
    assert not torch.equal(recorder.discriminators[0], second)
    assert torch.equal(second, third) and torch.equal(third, fourth)


def test_the_weights_are_a_function_of_the_seed_and_not_of_the_global_generator():
    def trained(seed, disturbance):
        torch.manual_seed(2)
        module = game(seed=seed, discriminator=TinyDiscriminator(dropout=0.5), tricks={"noise": InstanceNoise(0.1)})
        torch.manual_seed(disturbance)
        play(module, batches(3))
        return weights(module.generator)
    assert torch.equal(trained(1, 10), trained(1, 11))
    assert not torch.equal(trained(1, 10), trained(2, 10))


def test_every_term_is_left_for_those_who_look():
    module = game(loss=NonSaturating(), tricks={"smoothing": LabelSmoothing(), "noise": InstanceNoise(0.1)})
    play(module, batches(1))
    assert set(module.latest) == {"discriminator/adversarial", "discriminator/total", "generator/adversarial",
                                  "generator/total", "logits/real", "logits/fake"}
    assert not any(tensor.requires_grad for tensor in module.latest.values())


def test_the_state_holds_the_counters():
    module, other = game(loss=Hinge()), game(loss=Hinge())
    play(module, batches(3))
    other.load_state_dict(module.state_dict())
    assert (other.images_seen, other.discriminator_steps_taken, other.generator_steps_taken) == (24, 3, 3)
    assert torch.equal(weights(other.discriminator), weights(module.discriminator))


class NoReduction(NonSaturating):
    """A loss whose author forgot the mean over the batch."""

    def real_term(self, real, targets):
        return F.softplus(-real)


class NoReductionEither(InstanceNoise):
    def generator_loss(self, step):
        return step.fake_logits


@pytest.mark.parametrize(("slip", "words"), [
    ({"loss": NoReduction()}, r"The loss of an update has the shape \[8\]"),
    ({"tricks": {"noise": NoReductionEither(0.1)}}, r"The loss term noise of an update has the shape \[8\]"),
])
def test_a_term_for_each_image_is_refused_before_a_weight_changes(slip, words):
    module = game(**slip)
    before = weights(module.generator)
    with pytest.raises(RequestError, match=f"{words}.* return its mean"):
        play(module, batches(1))
    assert torch.equal(weights(module.generator), before)


def test_a_step_on_the_cpu_does_not_search_for_a_gpu(monkeypatch):
    searches = []

    class Watched(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_index):
            monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(searches.append(batch_index)))

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
            monkeypatch.undo()

    module = game()
    module.players_optimizers = Optimizers(torch.optim.Adam, torch.optim.Adam)  # SGD does not ask
    play(module, batches(2), Watched())
    assert searches == []
