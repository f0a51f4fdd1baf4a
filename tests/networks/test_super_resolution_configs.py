"""The models of super-resolution are those of their papers: networks of published sizes, what their losses compare."""

import pytest
import torch

from saddlepoint import build, making
from saddlepoint.losses.content import PerceptualLoss, PixelLoss, TotalVariation
from saddlepoint.losses.perceptual import RandomFeatures, vgg_layers
from tests.composing import settings
from tests.networks.counting import trainable

MODELS = {"srgan": 96, "esrgan": 128, "real_esrgan": 256}  # side of a crop in pixels


@pytest.mark.parametrize(("model", "generator_count", "discriminator_count"), [
    ("srgan", 1_549_462, 23_565_505), ("esrgan", 16_697_987, 14_499_401), ("real_esrgan", 16_697_987, 4_376_897)])
def test_the_defaults_are_the_papers_networks(model, generator_count, discriminator_count):
    composed_settings = settings(f"model={model}", "data=sr_folder", f"data.image_size={MODELS[model]}")
    with torch.device("meta"):
        networks = build.networks(composed_settings)
    assert {name: trainable(network) for name, network in networks.items()} == {
        "generator": generator_count, "discriminator": discriminator_count}


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_looks_at_are_layers_of_vgg19(model):
    perceptual = settings(f"model={model}", "data=sr_folder")["perceptual"]
    assert perceptual["layers"] and perceptual["layers"].keys() <= vgg_layers().keys()
    before_the_activation = {layer for layer in perceptual["layers"] if layer.startswith("conv")}
    assert before_the_activation == (set() if model == "srgan" else set(perceptual["layers"]))


@pytest.mark.parametrize("model", MODELS)
def test_content_is_what_the_settings_say_and_nothing_of_weight_0(model):
    chosen = ("data=sr_folder", f"model={model}", "perceptual=random", "perceptual.width=4")
    content = build.content(settings(*chosen))
    assert {name: type(loss) for name, loss in content.items()} == {"pixel": PixelLoss, "perceptual": PerceptualLoss}
    assert isinstance(content["perceptual"].extractor, RandomFeatures)
    assert {type(loss) for loss in build.content(settings(*chosen, "model.content.total_variation.weight=1")).values()
            } == {PixelLoss, PerceptualLoss, TotalVariation}
    assert list(build.content(settings(*chosen[:2], "perceptual=none"))) == ["pixel"]


def test_esrgan_plays_basicsrs_game_and_real_esrgan_turns_no_crop():
    esrgan = making.make(settings("experiment=esrgan_x4")["loss"], object, "loss")
    real, fake = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([0.5, -1.0], requires_grad=True)
    esrgan.discriminator(real, fake, None).backward()
    cross_entropy = torch.nn.BCEWithLogitsLoss()
    again, other = real.detach().requires_grad_(), fake.detach().requires_grad_()
    (0.5 * cross_entropy(again - other.mean().detach(), torch.ones(2))).backward()  # its two backward passes
    (0.5 * cross_entropy(other - again.mean().detach(), torch.zeros(2))).backward()
    torch.testing.assert_close(real.grad, again.grad)
    torch.testing.assert_close(fake.grad, other.grad)
    data = settings("experiment=real_esrgan_x4")["data"]
    assert data["horizontal_flip"] and not data["rotate"] and data["sharpen_target"] and data["pair_pool"] == 180
