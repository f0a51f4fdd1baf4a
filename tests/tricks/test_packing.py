"""Packs of images: which images they are made of, what D and penalties see of them, and the step of PacGAN by hand."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint import build
from saddlepoint.commands.description import describe
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.step import Contest
from saddlepoint.game.turns import Turns
from saddlepoint.training.callbacks.pace import arithmetic_of_training
from saddlepoint.training.callbacks.realest_and_fakest import refuse_unless_of_images
from saddlepoint.tricks.gradient_penalty import R1, R2, WassersteinGradientPenalty
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.labels import LabelFlip
from saddlepoint.tricks.packing import Packing
from tests.composing import SMALL, settings
from tests.game.playing import LATENTS, TinyDiscriminator, TinyGenerator, batches, game, latents, play, same, weights
from tests.tricks.stand_ins import Linear, Quadratic, images, step


def contest(real: Tensor, fake: Tensor) -> Contest:
    return Contest("", nn.Identity(), nn.Identity(), real, fake, torch.arange(len(real)), torch.arange(len(fake)),
                   torch.arange(2 * len(fake)).view(-1, 2))


class PackDiscriminator(TinyDiscriminator):
    """TinyDiscriminator of packs of so many images."""

    def __init__(self, count: int):
        super().__init__()
        self.layers[0] = nn.Linear(4 * count, 5)


class LooksAtTheFirst(TinyDiscriminator):
    """Sees nothing of a pack but its first image."""

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return super().forward(images[:, :1], labels)


class EverySecond(Latents):
    def draw(self, random, count):
        return super().draw(random, 2 * count)[::2]


@pytest.mark.parametrize("shape", [(2, 3, 4), (5,)], ids=["images", "points"])
def test_a_pack_has_images_that_follow_each_other_side_by_side(shape):
    real, fake = torch.randn(6, *shape), torch.randn(12, *shape)
    packs = Packing(3).contest(contest(real, fake))
    for given, packed in ((real, packs.real), (fake, packs.fake)):
        assert packed.shape == (len(given) // 3, 3 * shape[0], *shape[1:])
        for index, image in enumerate(given):
            place = index % 3 * shape[0]
            assert torch.equal(packed[index // 3, place:place + shape[0]], image)
    assert packs.latents.tolist() == torch.arange(24).view(4, 6).tolist()  # those of a pack's fakes, in their order
    assert [len(labels) for labels in (packs.real_labels, packs.fake_labels)] == [2, 4]


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
@pytest.mark.parametrize("scoring", ["separate", "together"])
def test_a_step_is_that_of_pacgan_written_by_hand(order, scoring):
    """Lin et al. 2018, figure 3: D is shown the concatenation of two images of a side, here [N/2, 2 * 4]"""
    module = game(Turns(order=order, scoring=scoring), tricks={"packing": Packing(2)}, generator=TinyGenerator(True),
                  discriminator=PackDiscriminator(2))
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    optimizers = [torch.optim.SGD(network.parameters(), 0.1) for network in (generator, discriminator)]

    def score(side: Tensor) -> Tensor:
        pairs = torch.cat([side[0::2].flatten(1), side[1::2].flatten(1)], 1)
        return discriminator.layers(pairs).squeeze(1)

    def gradients(network: nn.Module, loss: Tensor) -> None:
        for parameter, gradient in zip(network.parameters(), torch.autograd.grad(
                loss, [*network.parameters()], retain_graph=True), strict=True):
            parameter.grad = gradient

    for index, (real, labels) in enumerate(batches(3)):
        fake = generator(latents("discriminator", index), labels)
        gradients(discriminator, F.softplus(-score(real)).mean() + F.softplus(score(fake)).mean())
        if order == "alternating":
            optimizers[1].step()
            fake = generator(latents("generator", index), labels)
        gradients(generator, F.softplus(-score(fake)).mean())
        for optimizer in optimizers if order == "simultaneous" else optimizers[:1]:
            optimizer.step()
    same((module.generator, generator), (module.discriminator, discriminator))
    assert module.images_seen == 24  # three batches of 8 images, i.e. of 4 packs


def test_a_discriminator_of_each_packs_first_image_trains_as_without_packing_on_these_images():
    packed = game(tricks={"packing": Packing(2)}, discriminator=LooksAtTheFirst())
    plain = game()
    plain.discriminator.load_state_dict(packed.discriminator.state_dict())
    plain.latents = EverySecond(LATENTS)
    play(packed, batches(3))
    play(plain, [each._replace(real=each.real[::2], labels=each.labels[::2]) for each in batches(3)])
    for ours, theirs in ((packed.generator, plain.generator), (packed.discriminator, plain.discriminator)):
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("count", [2, 3])
def test_a_penalty_means_the_gradient_of_the_whole_pack(count):
    """D = <w, x> of packs: ||w||^2 of all of w. D = <x, x>/2, so its gradient is x: the sum over a pack's images."""
    trick, reals, fakes = Packing(count), images(6, seed=1), images(12, seed=2)
    packs = trick.contest(contest(reals, fakes))
    weight = torch.randn(count * 24)
    linear = step(Linear(weight), real=packs.real, fake=packs.fake)
    square = weight.square().sum()
    for penalty, expected in ((R1(3.0), 1.5 * square), (R2(3.0), 1.5 * square),
                              (WassersteinGradientPenalty(7.0), 7 * (square.sqrt() - 1) ** 2)):
        torch.testing.assert_close(penalty.discriminator_loss(linear).detach(), expected)
    quadratic = R1(2.0).discriminator_loss(step(Quadratic(), real=packs.real, fake=packs.fake))
    torch.testing.assert_close(quadratic, reals.square().sum() / (6 // count))


def test_each_image_of_a_pack_has_noise_of_its_own_and_a_pack_one_target():
    shown = Packing(4).contest(contest(torch.zeros(400, *(2, 3, 4)), torch.zeros(400, *(2, 3, 4))))
    noise = InstanceNoise(1.0).discriminator_input(shown.real, step(Quadratic())).view(100, 4, 24)
    for one, other in ((0, 1), (0, 3), (2, 3)):  # uncorrelated, within 5 / sqrt(2400)
        assert abs((noise[:, one] * noise[:, other]).mean()) < 0.1
    update = step(Quadratic(), real=shown.real, fake=shown.fake)
    flipped = LabelFlip(0.5).targets(SimpleNamespace(real=torch.tensor(1.0), fake=torch.tensor(0.0)), update)
    assert [len(targets) for targets in flipped] == [100, 100]


def test_noise_is_drawn_for_packs_in_a_game():
    module = game(tricks={"instance_noise": InstanceNoise(0.5), "packing": Packing(2)},
                  discriminator=PackDiscriminator(2))
    shown = []
    module.discriminator.layers.register_forward_pre_hook(lambda layers, given: shown.append(given[0].detach()))
    play(module, batches(1))
    expected = Packing(2).packed(batches(1)[0].real).flatten(1)
    assert shown[0].shape == (4, 8) and (shown[0] != expected).all()


def test_a_discriminator_is_built_for_packs_and_nothing_else_changes(capsys):
    plain, packed = (build.networks(settings("model.discriminator.width=4", *more)) for more in (
        (), ("trick=packing", "tricks.packing.images=3")))
    first = [networks["discriminator"].blocks[0][0].weight.shape for networks in (plain, packed)]
    assert [tuple(shape) for shape in first] == [(4, 1, 4, 4), (4, 3, 4, 4)]
    torch.manual_seed(7)
    alone = build.networks(settings())["generator"].state_dict()
    torch.manual_seed(7)
    beside = build.networks(settings("trick=packing"))["generator"].state_dict()
    assert all(torch.equal(alone[name], beside[name]) for name in alone)
    describe(settings("model=mlp", "trick=[packing]", "data.image_size=8"))
    written = capsys.readouterr().out
    assert "Discriminator (MLPDiscriminator), of [N, 2, 8, 8]" in written and f"{128 * 512 + 512:,}" in written


@pytest.mark.parametrize(("typed", "words"), [
    ("model=pix2pix data=photo_edges", "which Pix2PixModule (model.module) cannot"),
    ("model=infogan data.image_size=28", "which InfoGANModule (model.module) cannot"),
    ("model=bigan", "which BiGANModule (model.module) cannot"),
])
def test_other_games_are_refused(typed, words):
    with pytest.raises(RequestError, match="Choose another model, e.g. model=dcgan") as refusal:
        build.networks(settings(*typed.split(), "trick=packing"))
    assert words in str(refusal.value)


def test_a_discriminator_without_a_number_of_channels_is_refused():
    made = settings("trick=packing")
    del made["model"]["discriminator"]["channels"]
    with pytest.raises(RequestError, match="DCGANDiscriminator has no setting `channels`.*e.g. channels: "):
        build.networks(made)


def test_processes_share_whole_packs():
    data = build.data(settings(*SMALL, "data.batch_size=12"))
    data.refuse_unequal_shares(2, 3)
    with pytest.raises(RequestError, match="4 processes cannot share equally, in packs of 2: type data.batch_size=48"):
        data.refuse_unequal_shares(4, 2)


def test_single_images_are_not_ranked_by_a_discriminator_of_packs():
    context = SimpleNamespace(module=game(tricks={"packing": Packing(2)}, discriminator=PackDiscriminator(2)),
                              data=SimpleNamespace(yields=ImageBatch))
    with pytest.raises(RequestError, match=r"judges 2 at once \(trick=packing\): leave realest_and_fakest out of"):
        refuse_unless_of_images(context)


def test_the_arithmetic_of_packs_is_that_of_each_images_share():
    """A linear layer of m images takes as much for each of them as one of single images, all later layers 1/m."""
    typed = ("model=mlp", "data.image_size=8", "model.discriminator.widths=[16]", "model.generator.widths=[16]")
    plain, packed = (arithmetic_of_training(build.module(settings(*typed, *more))) for more in ((), ("trick=packing",)))
    assert plain - packed == (6 + 2) * 2 * 16 / 2  # 16 products and sums of the last layer, halved
