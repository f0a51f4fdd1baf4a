"""conf/model/: each yaml builds the networks it says, from exactly the arguments they take."""

import importlib
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from saddlepoint.game.super_resolution import SuperResolutionModule
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.translation import TranslationModule
from tests.in_conf import classes
from tests.networks.counting import trainable
from tests.networks.every_network import DISCRIMINATORS, GENERATORS, OWN_GENERATORS
from tests.networks.test_super_resolution_configs import MODELS

CONF = Path(__file__).parents[2] / "conf" / "model"
TASKS = classes("model", "module")
UPSCALERS = {name for name, task in TASKS.items() if task is SuperResolutionModule}
TRANSLATORS = {name for name, task in TASKS.items() if issubclass(task, TranslationModule)}
POINTS = {"points", "dirac"}  # test_points.py
PYRAMIDS, VOXELS = {"lapgan"}, {"gan3d"}  # test_lapgan.py, test_voxels.py
OF_OWN_KIND = {*OWN_GENERATORS}  # test_biggan.py, test_r3gan.py, test_stylegan2.py
NETWORKS = sorted(name for name, task in TASKS.items() if task is SynthesisModule and
                  name not in POINTS | VOXELS | OF_OWN_KIND)
WITH_CODES = {"infogan", "bigan", "bigan_mlp", "adversarial_autoencoder"}  # test_infogan.py, test_encoders.py
OF_FEW_LABELS = {"semi_supervised"}  # test_semi_supervised.py


def settings_of(name: str, channels: int = 3, image_size: int = 32, **more: int) -> dict:
    data = {"channels": channels, "image_size": image_size, "num_classes": 10, **more}
    config = OmegaConf.create({"data": data, "model": OmegaConf.load(CONF / f"{name}.yaml")})
    return OmegaConf.to_container(config, resolve=True)["model"]


def constructor(target: str) -> type:
    module, name = target.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def build(settings: dict) -> nn.Module:
    arguments = {name: value for name, value in settings.items() if name != "_target_"}
    return constructor(settings["_target_"])(**arguments)


@pytest.mark.parametrize(("name", "size", "generator_count", "discriminator_count"), [
    ("pacgan_digits", 28, 4_514_819, 4_310_401), ("metz_digits", 28, 287_875, 585),
    ("dcgan", 64, 3_576_704, 2_765_568), ("dcgan", 32, 1_068_928, 663_296), ("resnet", 32, 1_204_483, 1_053_825),
    ("lecture_dcgan", 256, 34_512_035, 921_025), ("lecture_cgan", 256, 34_566_295, 3_978_165),
    ("pix2pix", 256, 54_413_955, 2_768_705), ("cyclegan", 256, 11_378_179, 2_764_737)])
def test_the_defaults_are_the_recipes_networks(name, size, generator_count, discriminator_count):
    settings = settings_of(name, image_size=size)
    with torch.device("meta"):
        assert trainable(build(settings["generator"])) == generator_count
        assert trainable(build(settings["discriminator"])) == discriminator_count


def dense_count(*widths: int) -> int:
    return sum(inputs * outputs + outputs for inputs, outputs in zip(widths, widths[1:], strict=False))


def test_the_default_mlp_has_the_public_notebooks_widths_and_normalises_from_the_second_layer():
    settings = settings_of("mlp", channels=1, image_size=28)
    with torch.device("meta"):
        generator, discriminator = build(settings["generator"]), build(settings["discriminator"])
    assert trainable(generator) == dense_count(100, 128, 256, 512, 1024, 784) + 2 * (256 + 512 + 1024)
    assert trainable(discriminator) == dense_count(784, 512, 256, 1)


def test_the_default_cgan_is_its_public_versions_with_ten_numbers_for_each_of_ten_classes():
    settings = settings_of("cgan", channels=1, image_size=28)
    with torch.device("meta"):
        generator, discriminator = build(settings["generator"]), build(settings["discriminator"])
    assert trainable(generator) == 10 * 10 + dense_count(110, 128, 256, 512, 1024, 784) + 2 * (256 + 512 + 1024)
    assert trainable(discriminator) == 10 * 10 + dense_count(794, 512, 512, 512, 1)
    dropped = [layer.p for layer in discriminator.modules() if isinstance(layer, nn.Dropout)]
    assert dropped == [0.4, 0.4]


@pytest.mark.parametrize(("name", "unconditional", "width", "head"), [
    ("projection", 4_276_739, 256, 10 * 128), ("acgan", 1_204_483, 128, 10 * 128 + 10)])
def test_a_conditional_resnet_is_the_papers_with_ten_scales_and_shifts_in_each_block_norm(name, unconditional, width,
                                                                                          head):
    settings = settings_of(name)
    with torch.device("meta"):
        generator, discriminator = build(settings["generator"]), build(settings["discriminator"])
    assert trainable(generator) == unconditional + 3 * 2 * (10 - 1) * 2 * width
    assert trainable(discriminator) == 1_053_825 + head


def test_every_network_of_a_model_is_among_those_that_are_tested():
    """By the model's name, those of super-resolution in test_super_resolution_configs.py, of translation below"""
    assert GENERATORS.keys() == DISCRIMINATORS.keys() == {*NETWORKS}
    assert MODELS.keys() == UPSCALERS
    elsewhere = WITH_CODES | OF_FEW_LABELS | POINTS | PYRAMIDS | VOXELS | OF_OWN_KIND
    assert {*NETWORKS} | UPSCALERS | TRANSLATORS | elsewhere == TASKS.keys()
    for part, tested in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        offered = classes("model", part)
        assert {name: type(make()) for name, make in tested.items()} == {name: offered[name] for name in NETWORKS}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("channels", "image_size"), [(1, 32), (3, 32), (3, 64)])
def test_the_networks_of_a_model_fit_each_other_and_the_data(name, channels, image_size):
    settings = settings_of(name, channels, image_size)
    with torch.device("meta"):
        generator, discriminator = build(settings["generator"]), build(settings["discriminator"])
        latents, labels = torch.empty(2, settings["latents"]["size"]), torch.zeros(2, dtype=torch.long)
        images = generator(latents, labels)
        assert images.shape == (2, channels, image_size, image_size)
        assert discriminator(images, labels).shape == (2,)


@pytest.mark.parametrize("name", sorted(TRANSLATORS))
@pytest.mark.parametrize(("source_channels", "channels", "image_size"), [(1, 3, 32), (3, 3, 64), (4, 1, 32)])
def test_the_networks_of_a_translator_fit_each_other_and_the_data(name, source_channels, channels, image_size):
    settings = settings_of(name, channels, image_size, source_channels=source_channels)
    parts = {part: node for part, node in settings.items() if "discriminator" in part or "generator" in part}
    with torch.device("meta"):
        networks = {part: build(node) for part, node in parts.items()}
        source, target = (torch.empty(2, number, image_size, image_size) for number in (source_channels, channels))
        labels = torch.zeros(2, dtype=torch.long)
        assert networks["generator"](source, labels).shape == target.shape
        if "inverse_generator" in networks:
            assert networks["inverse_generator"](target, labels).shape == source.shape
            assert networks["inverse_discriminator"](source, labels).shape[:2] == (2, 1)
        shown = (target,) if "inverse_generator" in networks else (target, source)
        assert networks["discriminator"](*shown, labels).shape[:2] == (2, 1)
