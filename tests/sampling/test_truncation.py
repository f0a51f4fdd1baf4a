"""truncation=: the truncated normal distribution of latents, and styles moved to their mean."""

import json
from importlib import resources

import jsonschema
import numpy
import pytest
import torch
from omegaconf import OmegaConf
from scipy import stats

import saddlepoint
from saddlepoint.commands import drawing, evaluation, exporting
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents, within
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.networks.stylegan2 import ConditionalStyleGAN2Generator, StyleGAN2Generator
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.truncation import truncate
from tests.composing import composed, settings
from tests.networks.every_network import GENERATORS
from tests.translation_runs import untrained_run

STYLED = ("model=stylegan2", "data.image_size=16", "data.fit=resize", "model.latents.size=6",
          "model.generator.style_size=6", "model.generator.mapping_layers=2", "model.generator.most_maps=4",
          "model.discriminator.most_maps=4")
PLAIN = ("model.generator.width=2", "model.discriminator.width=2")
SMALL = {"latent_dim": 6, "channels": 2, "image_size": 16, "style_size": 5, "mapping_layers": 2, "most_maps": 4}


def styled(network: torch.nn.Module) -> torch.nn.Module:
    """Gives a network a mean style and noise, as training does."""
    network.mean_style.normal_(generator=torch.Generator().manual_seed(3))
    for layer in network.modules():
        if hasattr(layer, "noise_strength"):
            torch.nn.init.constant_(layer.noise_strength, 0.3)
    return network.eval()


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("plain") / "run", settings(*PLAIN))


@pytest.fixture(scope="module")
def styled_run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("styled") / "run", settings(*STYLED))


def drawn(run, *overrides):
    config, _ = composed(f"run='{run}'", *overrides, config="sample")
    return drawing.draw(checked_settings(OmegaConf.create(config), OF_COMMANDS["sample"]))


@pytest.mark.parametrize("threshold", [0.04, 0.5, 2.0])
def test_truncated_latents_have_the_truncated_normal_distribution(threshold):
    numbers = Latents(100).truncated(threshold).of_images(5, 0, 400).flatten().double().numpy()
    expected = stats.truncnorm(-threshold, threshold)
    assert numpy.abs(numbers).max() <= threshold
    assert stats.kstest(numbers, expected.cdf).pvalue > 1e-3
    error = expected.std() / numpy.sqrt(numbers.size)
    assert abs(numbers.mean()) < 4 * error
    fourth = expected.moment(4)
    assert abs((numbers**2).mean() - expected.var()) < 4 * numpy.sqrt((fourth - expected.var()**2) / numbers.size)


def test_numbers_within_the_threshold_stay_and_only_others_are_drawn_again():
    before, after = Latents(50).of_images(1, 0, 20), Latents(50).truncated(1.0).of_images(1, 0, 20)
    inside = before.abs() <= 1
    assert torch.equal(after[inside], before[inside]) and 0.25 < (~inside).float().mean() < 0.4
    assert (after[~inside].abs() < 1).all()
    assert torch.equal(Latents(50).truncated(100.0).of_images(1, 0, 20), before)
    assert torch.equal(Latents(50).truncated(1.0).of_images(1, 7, 2), after[7:9])


@pytest.mark.parametrize("threshold", [1e-3, 0.7, 3.0])
def test_what_is_drawn_again_are_quantiles_of_the_truncated_distribution(threshold):
    uniform = torch.tensor([[0.0, 0.1, 0.5, 0.9, 1 - 2**-24]])
    again = within(threshold, torch.full_like(uniform, 4.0), uniform)
    expected = stats.truncnorm(-threshold, threshold).ppf(uniform.double().numpy())
    torch.testing.assert_close(again.double(), torch.from_numpy(expected), rtol=1e-6, atol=threshold * 1e-6)


@pytest.mark.parametrize("network", [StyleGAN2Generator, ConditionalStyleGAN2Generator])
def test_styles_move_to_their_mean(network):
    torch.manual_seed(0)
    generator = styled(network(**SMALL, **({"num_classes": 3} if "Conditional" in network.__name__ else {})))
    latents, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 1])
    with torch.no_grad():
        styles, mean = generator.mapping(latents, labels), generator.mean_style
        for psi in (0.0, 0.3, 0.7, 1.0):
            truncated = truncate(generator, Latents(6), psi).generator
            torch.testing.assert_close(truncated.mapping(latents, labels), psi * styles + (1 - psi) * mean)
            torch.testing.assert_close(truncated(latents, labels), generator.synthesis(psi * styles + (1 - psi) * mean))
        same = truncate(generator, Latents(6), 0.0).generator
        assert torch.equal(same.mapping(latents, labels), mean.expand(4, -1))
        torch.testing.assert_close(same(latents, labels), same(latents, labels)[:1].expand(4, -1, -1, -1))
        assert torch.equal(truncate(generator, Latents(6), 1.0).generator(latents, labels), generator(latents, labels))


def test_a_seed_with_psi_1_is_the_seed_without(styled_run):
    generator = saddlepoint.load_generator(styled_run)
    assert torch.equal(generator.truncated(1.0).sample(5, seed=2), generator.sample(5, seed=2))
    assert not torch.equal(generator.truncated(0.5).sample(5, seed=2), generator.sample(5, seed=2))


def test_classes_and_walks_are_those_of_the_generator():
    generator = SamplingGenerator(styled(ConditionalStyleGAN2Generator(**SMALL, num_classes=3)), Latents(6),
                                  torch.tensor([0.2, 0.5, 1.0]), ("a", "b", "c"))
    truncated = generator.truncated(0.5)
    assert truncated.class_names == ("a", "b", "c") and truncated.num_classes == 3
    assert torch.equal(truncated.labels_of_images(0, 0, 9), generator.labels_of_images(0, 0, 9))
    walk = truncated.walk(generator.latents.of_images(0, 0, 2), 3, torch.tensor([0, 2]))
    torch.testing.assert_close(walk[[0, -1]], truncated(generator.latents.of_images(0, 0, 2), torch.tensor([0, 2])))


@pytest.mark.parametrize(("latents", "value", "words"), [
    (Latents(5, "uniform"), 0.5, "truncation=0.5 needs .* this run has neither: leave truncation= out"),
    (Latents(5, "mixture"), 0.5, "this run has neither"),
    (StructuredLatents(5, [2], 1), 0.5, "normal latents without codes"),
    (Latents(5), 0.0, "truncation=0 is the largest magnitude .* must be above 0: type e.g. truncation=0.5"),
], ids=["uniform", "mixture", "codes", "zero"])
def test_what_cannot_be_truncated_is_refused(latents, value, words):
    with pytest.raises(RequestError, match=words):
        truncate(GENERATORS["dcgan"](), latents, value)


def test_psi_is_from_0_to_1():
    with pytest.raises(RequestError, match="truncation=1.5 is psi .* must be from 0 to 1: type e.g. truncation=0.7"):
        truncate(StyleGAN2Generator(**SMALL), Latents(5), 1.5)
    assert truncate(StyleGAN2Generator(**SMALL), Latents(5, "uniform"), 0.5).formula == "w' = mean + 0.5 (w - mean)"


@pytest.mark.parametrize("how", ["truncation=0.5", "truncation=0.5 output='{}/film.gif' interpolate=[1,2] steps=3",
                                 "truncation=0.5 format=zip count=3"])
def test_sample_says_which_of_the_two_it_is(how, plain_run, styled_run, tmp_path, capsys):
    words = how.format(tmp_path).split()
    first, *_ = drawn(plain_run, *words, "overwrite=true")
    assert "numbers of the latents z beyond 0.5 standard deviations are drawn again" in capsys.readouterr().out
    assert first.exists() and ("truncation0.5" in first.name or "film" in first.name)
    drawn(styled_run, *words, "overwrite=true")
    assert "styles w are moved towards their mean, w' = mean + 0.5 (w - mean)" in capsys.readouterr().out


def test_a_picture_of_another_truncation_is_another_file(plain_run):
    paths = [drawn(plain_run, "count=2", *typed)[0] for typed in ((), ("truncation=0.5",), ("truncation=1",))]
    assert len({*paths}) == 3 and len({path.read_bytes() for path in paths}) == 3


def test_training_pictures_are_not_truncated(plain_run):
    with pytest.raises(RequestError, match="training=images shows .* as training drew them: leave truncation= out"):
        drawn(plain_run, "training=images", "format=gif", "truncation=0.5")


def test_values_of_truncated_images_are_of_another_protocol(plain_run, tmp_path):
    schema = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
    found = {}
    for typed in ("null", "0.5"):
        output = tmp_path / f"{typed}.json"
        config, _ = composed(f"run='{plain_run}'", "num_fake=140", "num_real=140", "resamples=0", "device=cpu",
                             "extractor=random", "metric=fid", f"truncation={typed}", f"output='{output}'",
                             config="evaluate")
        evaluation.evaluate(checked_settings(config))
        content = json.loads(output.read_text())
        jsonschema.validate(content, schema)
        [found[typed]] = content["metrics"]
    assert found["null"]["protocol"]["truncation"] is None
    assert found["0.5"]["protocol"]["truncation"] == "|z| <= 0.5"
    assert found["null"]["value"] != found["0.5"]["value"]


def test_truncation_of_files_is_refused(tmp_path):
    config, _ = composed("real=a", "fake=b", "extractor=random", "truncation=0.5", config="evaluate")
    with pytest.raises(RequestError, match="truncation=0.5 is about a run's generator, and fake=b are files"):
        evaluation.evaluate(checked_settings(config))


def test_a_generator_with_styles_is_exported_truncated(styled_run):
    config, _ = composed(f"run='{styled_run}'", "format=pt2", "truncation=0.5", config="export")
    path = exporting.export(checked_settings(OmegaConf.create(config), OF_COMMANDS["export"]))
    network = torch.export.load(path).module()
    generator, latents = saddlepoint.load_generator(styled_run), torch.randn(3, 6)
    torch.testing.assert_close(network(latents), generator.truncated(0.5)(latents), rtol=1e-4, atol=1e-5)
    assert (network(latents) - generator(latents)).abs().max() > 1e-3


def test_a_generator_of_latents_alone_is_not_exported_truncated(plain_run):
    config, _ = composed(f"run='{plain_run}'", "format=pt2", "truncation=0.5", config="export")
    with pytest.raises(RequestError, match="given its latents, so truncate them where they are drawn"):
        exporting.export(checked_settings(OmegaConf.create(config), OF_COMMANDS["export"]))
