import math

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian

from saddlepoint.game.step import parts
from saddlepoint.tricks.gradient_penalty import squared_gradient_norm, squared_gradient_norm_of
from tests.tricks.stand_ins import IMAGE, Patches, images

LENGTH = math.prod(IMAGE)


def patches() -> Patches:
    torch.manual_seed(3)
    return Patches()


def test_squared_norm_of_a_linear_critic_is_that_of_its_weight():
    weight = torch.linspace(-0.5, 1, LENGTH)
    norms = squared_gradient_norm(lambda shown: shown.flatten(1) @ weight, images(5))
    torch.testing.assert_close(norms, weight.square().sum().expand(5))


def test_squared_norm_of_a_quadratic_form_is_that_of_its_gradient():
    matrix = torch.randn(LENGTH, LENGTH, generator=torch.Generator().manual_seed(0))
    shown = images(5)
    norms = squared_gradient_norm(lambda shown: ((shown.flatten(1) @ matrix) * shown.flatten(1)).sum(1), shown)
    torch.testing.assert_close(norms, (shown.flatten(1) @ (matrix + matrix.T)).square().sum(1))


def test_the_logits_of_an_images_patches_are_summed():
    critic, shown = patches(), images(3)
    labels = torch.arange(3)
    norms = squared_gradient_norm(lambda shown: critic(shown, labels), shown)
    for index in range(3):
        by_patch = jacobian(lambda one, index=index: critic(one, labels[index:index + 1]), shown[index:index + 1])
        torch.testing.assert_close(norms[index], by_patch.flatten(0, 3).sum(0).square().sum())


def test_an_images_norm_depends_on_no_other_image():
    critic, shown = patches(), images(6)
    labels = torch.arange(6) % 3

    def norms(rows):
        return squared_gradient_norm(lambda shown: critic(shown, labels[rows]), shown[rows])

    whole, order = norms(torch.arange(6)), torch.tensor([4, 0, 5, 2, 1, 3])
    torch.testing.assert_close(norms(order), whole[order])
    torch.testing.assert_close(torch.cat([norms(torch.arange(2)), norms(torch.arange(2, 6))]), whole)


class OfPairs(nn.Module):
    """A nonlinear score of pairs (images, codes [N, 6]) with labels"""

    def __init__(self):
        super().__init__()
        self.critic, self.codes = Patches(nn.InstanceNorm2d(5)), nn.Linear(6, 1)

    def forward(self, images: torch.Tensor, codes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.critic(images, labels).mean((1, 2, 3)) * self.codes(codes).squeeze(1).exp()


@pytest.mark.parametrize("backend", [None, "aot_eager"])
@pytest.mark.parametrize("kind", [Patches, OfPairs])
def test_the_form_that_can_be_compiled_is_the_same_and_trains_the_same(kind, backend):
    torch.manual_seed(3)
    critic = kind()
    shown = (images(4), *([torch.randn(4, 6)] if kind is OfPairs else []))
    labels = torch.arange(4) % 3
    side = shown if kind is OfPairs else shown[0]
    norms = squared_gradient_norm(lambda side: critic(*parts(side), labels), side)
    compiled = torch.compile(squared_gradient_norm_of, backend=backend, dynamic=False) if backend else (
        squared_gradient_norm_of)
    others = compiled(critic, shown, labels)
    torch.testing.assert_close(others, norms)
    of_norms, of_others = (torch.autograd.grad(each.sin().sum(), [*critic.parameters()], allow_unused=True)
                           for each in (norms, others))
    for one, other in zip(of_norms, of_others, strict=True):  # a bias of the last layer changes no gradient
        torch.testing.assert_close(torch.zeros(()) if one is None else one, torch.zeros(()) if other is None else other,
                                   check_stride=False)


def test_the_form_that_can_be_compiled_is_exact_under_autocast():
    class Score(nn.Linear):
        def forward(self, images, labels):
            return super().forward(images.flatten(1))

    critic = Score(LENGTH, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        norms = squared_gradient_norm_of(critic, (images(4).bfloat16(),), torch.arange(4))
    torch.testing.assert_close(norms, critic.weight.square().sum().expand(4))


def test_the_norm_is_exact_under_autocast():
    critic = nn.Linear(LENGTH, 1)
    exact = critic.weight.square().sum().expand(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(images(4).flatten(1)).dtype == torch.bfloat16
        norms = squared_gradient_norm(lambda shown: critic(shown.flatten(1)), images(4).bfloat16())
    torch.testing.assert_close(norms, exact)  # bfloat16 would miss by up to 1 in 256


def test_the_norm_leaves_images_and_gradients_alone():
    critic, shown = patches(), images(4)
    squared_gradient_norm(lambda shown: critic(shown, torch.zeros(4, dtype=torch.long)), shown)
    assert not shown.requires_grad and shown.grad is None
    assert all(parameter.grad is None for parameter in critic.parameters())
