"""Content losses against closed forms, limits and hand-written sums. Images [N, C, H, W] in [0, 1], float64."""

import pytest
import torch
from torch import nn

from saddlepoint.losses.content import PerceptualLoss, PixelLoss, TotalVariation

MADE = torch.tensor([0.25, 0.5, 1.0, 0.0], dtype=torch.float64).view(1, 1, 2, 2)
TARGET = torch.tensor([0.5, 0.5, 0.0, 1.0], dtype=torch.float64).view(1, 1, 2, 2)


@pytest.mark.parametrize(("distance", "value"), [
    ("l1", (0.25 + 0 + 1 + 1) / 4), ("mse", (0.0625 + 0 + 1 + 1) / 4), ("charbonnier", (0.25 + 1e-6 + 1 + 1) / 4)])
@pytest.mark.parametrize("weight", [1.0, 0.01])
def test_pixel_distances_are_means_times_the_weight(distance, value, weight):
    assert PixelLoss(weight, distance)(MADE, TARGET).item() == pytest.approx(weight * value, rel=1e-9)


@pytest.mark.parametrize("loss", [
    PixelLoss(), PixelLoss(distance="mse"), PixelLoss(distance="charbonnier"), TotalVariation(weight=1.0)])
def test_of_images_in_half_precision_a_loss_is_that_in_float32(loss):
    """Of many small differences, whose mean has more digits than bfloat16"""
    generator = torch.Generator().manual_seed(0)
    image, target = (torch.rand(2, 3, 16, 16, generator=generator).bfloat16() for _ in range(2))
    value = loss(image, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), loss(image.double(), target.double()), rtol=1e-6, atol=0)


def test_charbonnier_is_l1_far_from_zero_and_a_parabola_with_a_gradient_near_it():
    def charbonnier(difference):
        image = torch.full((1, 1, 2, 2), difference, dtype=torch.float64, requires_grad=True)
        value = PixelLoss(distance="charbonnier")(image, torch.zeros_like(image))
        value.backward()
        return value.item(), image.grad.sum().item()
    assert charbonnier(0.3) == pytest.approx((0.3, 1.0), rel=1e-9)
    assert charbonnier(0.0) == (1e-6, 0.0)
    small = 1e-9  # sqrt(d^2 + e^2) = e + d^2 / 2 e + ...
    assert charbonnier(small) == pytest.approx((1e-6 + small**2 / 2e-6, small / 1e-6), rel=1e-6)


@pytest.mark.parametrize("loss", [PixelLoss(), PixelLoss(distance="mse")])
def test_pixel_losses_do_not_depend_on_the_size_of_batch_and_image(loss):
    torch.testing.assert_close(loss(MADE.repeat(3, 2, 5, 4), TARGET.repeat(3, 2, 5, 4)), loss(MADE, TARGET))


def test_the_total_variation_of_a_ramp_is_its_slopes():
    rows, columns = torch.arange(5.0).double().view(5, 1), torch.arange(7.0).double().view(1, 7)
    ramp = (0.03 * rows - 0.02 * columns).expand(2, 3, 5, 7)
    assert TotalVariation(weight=4)(ramp, None).item() == pytest.approx(4 * (0.03 + 0.02))
    assert TotalVariation(weight=4)(torch.full((1, 1, 3, 3), 0.4), None).item() == 0


def test_total_variation_pulls_a_pixel_that_stands_out_towards_its_neighbours():
    image = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    image[0, 0, 1, 1] = 1
    image.requires_grad_()
    TotalVariation(weight=1)(image, None).backward()
    assert image.grad[0, 0, 1, 1].item() == pytest.approx(2 / 6 + 2 / 6)  # two of six differences each way


class TwoLayers(nn.Module):
    """Features: the image, and its horizontal differences"""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, images):
        return {"pixels": images, "edges": images.diff(dim=-1)}


def test_the_perceptual_loss_is_the_weighted_sum_over_layers():
    loss = PerceptualLoss(TwoLayers({"pixels": 0.5, "edges": 3.0}), weight=0.1, distance="l1")
    edges = ((0.25 - 0.0) + (-1 - 1.0) * -1) / 2  # |0.25 - 0|, |-1 - 1|
    assert loss(MADE, TARGET).item() == pytest.approx(0.1 * (0.5 * 2.25 / 4 + 3 * edges))


def test_the_perceptual_loss_is_zero_at_equality_and_its_gradient_flows_to_the_image_alone():
    loss = PerceptualLoss(TwoLayers({"pixels": 1.0, "edges": 1.0}), distance="mse")
    image, target = MADE.clone().requires_grad_(), TARGET.clone().requires_grad_()
    assert loss(image, image.detach()).item() == 0
    loss(image, target).backward()
    assert image.grad.abs().sum() > 0
    assert target.grad is None


@pytest.mark.parametrize(("during", "warmup", "game"), [
    ("always", True, True), ("warmup", True, False), ("game", False, True)])
def test_a_loss_counts_during_its_part_of_training(during, warmup, game):
    loss = PixelLoss(during=during)
    assert (loss.counts(playing=False), loss.counts(playing=True)) == (warmup, game)


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: PixelLoss(distance="l2"), "model.content.pixel.distance=l2 must be one of l1, mse, charbonnier"),
    (lambda: PerceptualLoss(nn.Identity(), distance="cosine"), "model.content.perceptual.distance=cosine must be one"),
    (lambda: TotalVariation(during="never"), "during=never must be always, warmup or game"),
])
def test_settings_that_do_not_exist_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
