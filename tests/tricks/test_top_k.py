"""G's loss over its best fakes only."""

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.game.step import Side
from saddlepoint.tricks.top_k import TopK
from tests.game.playing import TinyDiscriminator, TinyGenerator, batches, game, latents, moved, play, same
from tests.tricks.stand_ins import Quadratic, step

LOGITS = torch.tensor([0.3, -2.0, 4.0, 1.0, -1.0, 0.0, 2.0, -3.0])


def sides(logits: torch.Tensor) -> tuple[Side, ...]:
    shown = torch.arange(8.0).view(-1, 1, 1, 1)
    return Side("real", shown, torch.zeros(8), torch.zeros(8)), Side("fake", shown, torch.arange(8), logits)


@pytest.mark.parametrize(("share", "best"), [(0.5, {2, 6, 3, 0}), (0.25, {2, 6}), (1.0, {*range(8)}), (1e-6, {2})])
def test_the_fakes_with_the_highest_logits_remain_with_their_labels_and_images(share, best):
    real, fake = TopK(share).generator_sides(sides(LOGITS), step(Quadratic()))
    assert len(real.logits) == 8
    assert {*fake.labels.tolist()} == best and len(fake.labels) == len(best)
    assert torch.equal(fake.shown.flatten(), fake.labels.float())
    assert torch.equal(fake.logits, LOGITS[fake.labels])


def test_of_patches_the_mean_decides():
    patches = LOGITS.view(-1, 1, 1, 1) + torch.tensor([[9.0, -9.0]])
    _, fake = TopK(0.25).generator_sides(sides(patches), step(Quadratic()))
    assert {*fake.labels.tolist()} == {2, 6} and fake.logits.shape == (2, 1, 1, 2)


def test_k_follows_its_schedule():
    trick = TopK(LinearSchedule(start=1, end=0.5, images=1000))
    counts = [len(trick.generator_sides(sides(LOGITS), step(Quadratic(), images_seen=seen))[-1].logits)
              for seen in (0, 500, 1000, 9000)]
    assert counts == [8, 6, 4, 4]


def test_g_moves_by_the_gradient_of_its_best_half_alone():
    module = game(tricks={"top_k": TopK(0.5)})
    generator, discriminator = TinyGenerator().double(), TinyDiscriminator().double()
    generator.load_state_dict(module.generator.state_dict())
    discriminator.load_state_dict(module.discriminator.state_dict())
    [batch] = batches(1)
    play(module, [batch])
    fakes = generator(latents("discriminator", 0), None).detach()
    moved([discriminator], F.softplus(-discriminator(batch.real, None)).mean()
          + F.softplus(discriminator(fakes, None)).mean())
    logits = discriminator(generator(latents("generator", 0), None), None)
    moved([generator], F.softplus(-logits.sort(descending=True).values[:4]).mean())
    same((module.generator, generator), (module.discriminator, discriminator))


def test_a_share_out_of_range_is_named():
    with pytest.raises(ValueError, match="tricks.top_k.share"):
        TopK(0.0)
