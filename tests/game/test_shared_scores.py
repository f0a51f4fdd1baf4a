"""R1 and R2 differentiate the logits of D's loss, so that D scores no image twice."""

import pytest
import torch

from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import DiscriminatorStep
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import SCORINGS, Turns
from saddlepoint.losses.adversarial import Relativistic
from saddlepoint.tricks import gradient_penalty
from saddlepoint.tricks.gradient_penalty import R1, R2
from tests.game import playing
from tests.tricks.stand_ins import Linear


class Doubling(Trick):
    """Shows D each batch of images with another factor: 2, 4, 8, ..."""

    def __init__(self):
        super().__init__()
        self.factors = []

    def discriminator_input(self, images, step):
        self.factors.append(2.0 ** (len(self.factors) + 1))
        return self.factors[-1] * images


def terms_of(tricks, turns=None, discriminator=None, images_seen=0):
    """-> the module after D has scored a batch, its terms, and the gradients of D's weights"""
    module = playing.game(turns, tricks=tricks, discriminator=discriminator, loss=Relativistic())
    module.images_seen = images_seen
    random, [batch] = RandomStreams(5, 0, player="discriminator"), playing.batches(1)
    contest = module.contests(batch, 8, random)[0].detached()
    step = module.tricks.differentiable(module.step(contest, batch, random))
    scored = DiscriminatorStep(**vars(step), sides=SCORINGS[module.turns.scoring][0](step))
    terms = module.tricks.discriminator_losses(scored)
    total = scored.adversarial(module.targets([step])[0]) + sum(terms.values())
    return module, terms, torch.autograd.grad(total, [*module.discriminator.parameters()], allow_unused=True)


@pytest.mark.parametrize("scoring", ["separate", "together"])
def test_the_terms_and_gradients_are_those_of_images_that_are_scored_again(scoring, monkeypatch):
    (module, shared, gradients) = terms_of({"r1": R1(3.0), "r2": R2(2.0)}, Turns(scoring=scoring))
    assert module.discriminator.scored == ([8, 8] if scoring == "separate" else [16])
    monkeypatch.setattr(gradient_penalty, "logits_serve", lambda step, shown: False)
    (module, again, expected) = terms_of({"r1": R1(3.0), "r2": R2(2.0)}, Turns(scoring=scoring))
    assert module.discriminator.scored[-2:] == [8, 8] and sum(module.discriminator.scored) == 32
    assert shared.keys() == again.keys() == {"r1", "r2"}
    for one, other in zip([*shared.values(), *gradients], [*again.values(), *expected], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


def test_the_gradient_goes_through_the_random_change_that_the_loss_saw():
    """With D(x) = <w, 2 x> at reals and <w, 4 x> at fakes the squared norms are 4 <w, w> and 16 <w, w>."""
    weight, tricks = torch.tensor([0.5, -1.0, 2.0, 0.25]).double(), {"r1": R1(1.0), "r2": R2(1.0), "more": Doubling()}
    _, terms, _ = terms_of(tricks, discriminator=Linear(weight))
    assert tricks["more"].factors == [2.0, 4.0]
    square = weight.square().sum()
    torch.testing.assert_close(torch.stack([terms["r1"], terms["r2"]]), torch.stack([4 * square / 2, 16 * square / 2]))


@pytest.mark.parametrize(("images_seen", "terms"), [(0, {"r1", "r2"}), (8, {"r2"})])
def test_images_get_a_gradient_only_where_a_penalty_counts(images_seen, terms):
    tricks = {"r1": R1(every=2), "r2": R2()}
    module, found, _ = terms_of(tricks, images_seen=images_seen)
    assert found.keys() == terms and module.discriminator.scored == [8, 8]
    [batch], random = playing.batches(1), RandomStreams(5, 0, player="discriminator")
    step = module.step(module.contests(batch, 8, random)[0].detached(), batch, random)
    there = module.tricks.differentiable(step)
    assert (there.real.requires_grad, there.fake.requires_grad) == ("r1" in terms, "r2" in terms)
    assert not batch.real.requires_grad and not step.fake.requires_grad


def test_under_autocast_the_images_are_scored_again_in_float32():
    discriminator = playing.TinyDiscriminator()
    module = playing.game(tricks={"r1": R1(1.0)}, discriminator=discriminator)
    module.float()
    [batch], random = playing.batches(1), RandomStreams(5, 0, player="discriminator")
    batch = batch._replace(real=batch.real.float())
    step = module.step(module.contests(batch, 8, random)[0].detached(), batch, random)
    assert module.tricks.differentiable(step).real.requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert not module.tricks.differentiable(step).real.requires_grad


def test_images_in_half_precision_are_scored_again():
    module = playing.game(tricks={"r1": R1(1.0)})
    [batch], random = playing.batches(1), RandomStreams(5, 0, player="discriminator")
    step = module.step(module.contests(batch, 8, random)[0].detached()._replace(real=batch.real.half()), batch, random)
    assert not module.tricks.differentiable(step).real.requires_grad
