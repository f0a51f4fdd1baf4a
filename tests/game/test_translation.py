"""pix2pix and CycleGAN: steps equal to hand-written ones, what each discriminator is shown, what is refused.

Images are [N, C, 4, 4], float64; sources have 2 channels in pix2pix.
"""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.game.batches import ImageBatch, TranslationBatch, UnpairedBatch
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.translation import CycleGANModule, Pix2PixModule
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import LeastSquares, NonSaturating
from saddlepoint.tricks.ema import ExponentialMovingAverage
from tests.game.playing import play, weights
from tests.game.test_image_pool import ListPool

SIZE = 3  # images in a batch


class TinyTranslator(nn.Module):
    """Counts how often it is called."""

    def __init__(self, source_channels: int = 1, channels: int = 1):
        super().__init__()
        self.source_channels, self.channels, self.calls = source_channels, channels, 0
        self.layers = nn.Sequential(nn.Conv2d(source_channels, 3, 3, padding=1), nn.Softplus(),
                                    nn.Conv2d(3, channels, 3, padding=1), nn.Tanh())

    def forward(self, source: Tensor, labels: Tensor) -> Tensor:
        self.calls += 1
        return self.layers(source)


class TinyJudge(nn.Module):
    """Keeps what it was shown. It gives 2 x 2 logits an image."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, 4, 2, stride=2), nn.Softplus(), nn.Conv2d(4, 1, 1))
        self.shown: list[tuple[Tensor, ...]] = []

    def forward(self, *shown: Tensor) -> Tensor:
        *images, _ = shown
        self.shown.append(tuple(images))
        return self.layers(torch.cat(images, dim=1))


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def pix2pix(**more) -> Pix2PixModule:
    torch.manual_seed(1)
    return Pix2PixModule(generator=TinyTranslator(2).double(), discriminator=TinyJudge(3).double(),
                         loss=NonSaturating("mean"), tricks=more.pop("tricks", {}), optimizers=Optimizers(adam, adam),
                         turns=more.pop("turns", Turns()), seed=5, **more)


def cyclegan(channels: int = 1, **more) -> CycleGANModule:
    torch.manual_seed(1)
    networks = [TinyTranslator(1, channels), TinyTranslator(channels, 1), TinyJudge(channels), TinyJudge(1)]
    there, back, of_target, of_source = (network.double() for network in networks)
    return CycleGANModule(
        generator=nn.ModuleDict({"generator": there, "inverse_generator": back}),
        discriminator=nn.ModuleDict({"discriminator": of_target, "inverse_discriminator": of_source}),
        loss=LeastSquares(), tricks=more.pop("tricks", {}), optimizers=Optimizers(adam, adam),
        turns=more.pop("turns", Turns()), seed=5, **more)


def batches(count: int, source_channels: int = 1, channels: int = 1) -> list[TranslationBatch]:
    draws = torch.Generator().manual_seed(3)

    def images(number: int) -> Tensor:
        return torch.rand(SIZE, number, 4, 4, generator=draws).double() * 2 - 1

    return [TranslationBatch(images(channels), torch.zeros(SIZE, dtype=torch.long), images(source_channels))
            for _ in range(count)]


def test_three_steps_of_pix2pix_are_those_of_a_hand_written_loop():
    module = pix2pix(l1_weight=7.0)
    generator, discriminator = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    of_generator, of_discriminator = adam(generator.parameters()), adam(discriminator.parameters())
    entropy = nn.BCEWithLogitsLoss()
    for batch in batches(3, 2):
        fake = generator.layers(batch.source)
        of_discriminator.zero_grad()
        real_logits = discriminator.layers(torch.cat([batch.real, batch.source], 1))
        fake_logits = discriminator.layers(torch.cat([fake.detach(), batch.source], 1))
        (0.5 * (entropy(real_logits, torch.ones_like(real_logits))
                + entropy(fake_logits, torch.zeros_like(fake_logits)))).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        fake_logits = discriminator.layers(torch.cat([fake, batch.source], 1))
        (entropy(fake_logits, torch.ones_like(fake_logits)) + 7.0 * F.l1_loss(fake, batch.real)).backward()
        of_generator.step()
    play(module, batches(3, 2))
    torch.testing.assert_close(weights(module.generator), weights(generator), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(weights(module.discriminator), weights(discriminator), rtol=1e-12, atol=1e-14)


class HandWrittenCycleGAN:
    """The step in plain torch, in the form of the authors' code, with a pool of lists."""

    def __init__(self, module: CycleGANModule, pool_size: int):
        self.there, self.back, self.of_target, self.of_source = (
            copy.deepcopy(module.networks[name].layers) for name in
            ("generator", "inverse_generator", "discriminator", "inverse_discriminator"))
        self.generators = adam([*self.there.parameters(), *self.back.parameters()])
        self.discriminators = adam([*self.of_target.parameters(), *self.of_source.parameters()])
        self.pools, self.pool_size, self.fakes = [ListPool(pool_size), ListPool(pool_size)], pool_size, []

    def from_pools(self, fakes: list[Tensor], step: int) -> list[Tensor]:
        random, shown = RandomStreams(5, step, player="discriminator"), []
        for pool, images in zip(self.pools, fakes, strict=True):
            swaps = (torch.rand(SIZE, generator=random.generator("pool")) < 0.5).tolist()
            places = torch.randint(self.pool_size, (SIZE,), generator=random.generator("pool")).tolist()
            shown.append(torch.stack(pool.exchange([*images.detach().clone()], swaps, places)))
        return shown

    def step(self, batch: TranslationBatch, number: int) -> None:
        source, target, mse = batch.source, batch.real, F.mse_loss
        in_target, in_source = self.there(source), self.back(target)
        old_target, old_source = self.from_pools([in_target, in_source], number)
        self.discriminators.zero_grad()
        for judge, real, fake in ((self.of_target, target, old_target), (self.of_source, source, old_source)):
            one, other = judge(real), judge(fake)
            (0.5 * (mse(one, torch.ones_like(one)) + mse(other, torch.zeros_like(other)))).backward()
        self.discriminators.step()
        self.generators.zero_grad()
        loss = sum(mse(judge(fake), torch.ones_like(judge(fake)))
                   for judge, fake in ((self.of_target, in_target), (self.of_source, in_source)))
        loss = loss + 10.0 * (F.l1_loss(self.back(in_target), source) + F.l1_loss(self.there(in_source), target))
        loss = loss + 10.0 * 0.5 * (F.l1_loss(self.there(target), target) + F.l1_loss(self.back(source), source))
        loss.backward()
        self.generators.step()


def test_steps_of_cyclegan_are_those_of_a_hand_written_loop_with_a_pool_that_is_full_and_one_that_is_not():
    for pool_size in (2, 50):
        module = cyclegan(pool_size=pool_size, adversarial_weight=2.0)  # the authors' G's loss has no factor 1/2
        by_hand = HandWrittenCycleGAN(module, pool_size)
        for number, batch in enumerate(batches(4)):
            by_hand.step(batch, number)
        play(module, batches(4))
        for name, layers in (("generator", by_hand.there), ("inverse_generator", by_hand.back),
                             ("discriminator", by_hand.of_target), ("inverse_discriminator", by_hand.of_source)):
            torch.testing.assert_close(weights(module.networks[name]), weights(layers), rtol=1e-10, atol=1e-12)


def test_the_terms_have_their_names_and_closed_forms():
    """G and F that give their input back cost nothing in cycles and identities; constant ones cost what they differ."""
    module, [batch] = cyclegan(), batches(1)
    module.networks["generator"].forward = lambda source, labels: source
    module.networks["inverse_generator"].forward = lambda source, labels: source
    contests = module.contests(batch, SIZE, RandomStreams(0, 0))
    assert [contest.name for contest in contests] == ["target", "source"]
    assert {name: float(term) for name, term in module.generator_terms(batch, contests).items()
            } == {"cycle": 0.0, "identity": 0.0}
    module.networks["generator"].forward = lambda source, labels: torch.ones_like(source)
    terms = module.generator_terms(batch, module.contests(batch, SIZE, RandomStreams(0, 0)))
    to_ones = 1 - batch.source.mean(), 1 - batch.real.mean()  # images are below 1
    assert float(terms["cycle"]) == pytest.approx(10 * float(sum(to_ones)))
    assert float(terms["identity"]) == pytest.approx(5 * float(to_ones[1]))


def test_the_curves_name_both_contests():
    module = cyclegan()
    play(module, batches(1))
    assert {name for name in module.latest if "logits" not in name} == {
        *(f"{player}/{contest}.adversarial" for player in ("generator", "discriminator")
          for contest in ("target", "source")),
        "generator/cycle", "generator/identity", "generator/total", "discriminator/total"}


def test_a_translation_is_made_once_a_batch_for_both_players():
    module = pix2pix()
    play(module, batches(2, 2))
    assert module.generator.calls == 2
    cycle = cyclegan(identity_weight=0.0)
    play(cycle, batches(2))
    assert [cycle.networks[name].calls for name in ("generator", "inverse_generator")] == [4, 4]  # there and back


def test_a_discriminator_of_pairs_is_shown_the_source_beside_each_side():
    module, [batch] = pix2pix(), batches(1, 2)
    play(module, [batch])
    real, fake, again = module.discriminator.shown
    assert torch.equal(real[0], batch.real)
    assert all(torch.equal(source, batch.source) for _, source in (real, fake, again))
    assert torch.equal(fake[0], again[0]) and again[0].requires_grad and not fake[0].requires_grad


def test_domains_of_different_channels_take_no_identity_term():
    module = cyclegan(3, identity_weight=0.0)
    play(module, batches(1, 1, 3))
    assert "generator/identity" not in module.latest
    with pytest.raises(ValueError, match=r"identity_weight=0\.5 .* type model\.module\.identity_weight=0"):
        cyclegan(3)


def test_the_warm_up_is_the_l1_term_alone_and_refused_without_one():
    module = pix2pix(turns=Turns(generator_warmup_images=2 * SIZE))
    start = weights(module.discriminator)
    play(module, batches(2, 2))
    assert torch.equal(weights(module.discriminator), start) and "generator/adversarial" not in module.latest
    with pytest.raises(ValueError, match=r"l1_weight=0 nothing else counts"):
        pix2pix(turns=Turns(generator_warmup_images=1), l1_weight=0.0)


def test_both_generators_have_an_average_and_both_are_saved():
    module = cyclegan(tricks={"ema": ExponentialMovingAverage(1, None)})
    play(module, batches(3))
    assert module.sampling_networks.keys() == {"generator", "inverse_generator"}
    for name, network in module.sampling_networks.items():
        assert network is not module.networks[name]
        assert not torch.equal(weights(network), weights(module.networks[name]))
    again = cyclegan(tricks={"ema": ExponentialMovingAverage(1, None)})
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.pools["target"].images, module.pools["target"].images)
    assert again.pools["source"].images.shape == (3 * SIZE, 1, 4, 4)


@pytest.mark.parametrize(("task", "yields", "reason"), [
    (Pix2PixModule, ImageBatch, "one kind only"), (CycleGANModule, ImageBatch, "one kind only"),
    (Pix2PixModule, UnpairedBatch, "model=cyclegan, which needs no pairs"),
    (Pix2PixModule, TranslationBatch, ""), (CycleGANModule, UnpairedBatch, ""), (CycleGANModule, TranslationBatch, "")])
def test_data_that_cannot_be_translated_are_refused(task, yields, reason):
    problems = [*task.data_problems(yields)]
    assert [reason in problem.reason for problem in problems] == ([True] if reason else [])


def recipe(networks: dict[str, nn.Module], source_channels: int, turns: Turns) -> SimpleNamespace:
    return SimpleNamespace(networks={name: network.to("meta") for name, network in networks.items()}, channels=1,
                           image_size=4, image_shape=(1, 4, 4), source_channels=source_channels, turns=turns,
                           images_of_a_pack=1)


def test_networks_that_do_not_fit_the_data_are_named():
    one = {"generator": TinyTranslator(2), "discriminator": TinyJudge(3)}
    assert [*Pix2PixModule.problems(recipe(one, 2, Turns()))] == []
    [problem] = Pix2PixModule.problems(recipe(one, 1, Turns()))
    assert problem.reason.startswith("the generator does not take images of 1 x 4 x 4 (data.source_channels")
    [problem] = Pix2PixModule.problems(recipe(one | {"discriminator": TinyJudge(1)}, 2, Turns()))
    assert problem.reason.startswith("the discriminator does not fit")
    two = {"generator": TinyTranslator(3), "discriminator": TinyJudge(1), "inverse_generator": TinyTranslator(1, 1),
           "inverse_discriminator": TinyJudge(3)}
    [problem] = CycleGANModule.problems(recipe(two, 3, Turns()))
    assert problem.reason.startswith("the inverse generator makes images of 1 x 4 x 4, and 3 x 4 x 4 are needed")
    assert [*CycleGANModule.problems(recipe(two | {"inverse_generator": TinyTranslator(1, 3)}, 3, Turns()))] == []


def test_turns_that_need_more_fakes_than_sources_are_refused_with_what_to_type():
    networks = {"generator": TinyTranslator(2), "discriminator": TinyJudge(3)}
    problems = [*Pix2PixModule.problems(recipe(networks, 2, Turns(fake_batch_multiple=2, scoring="half")))]
    assert [problem.instead for problem in problems] == [{"model.turns.fake_batch_multiple": 1},
                                                        {"model.turns.scoring": "separate"}]
