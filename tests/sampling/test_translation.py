"""Translations by a run's networks: modes, sizes, directions, and random numbers that stay as they are."""

import pytest
import torch
from torch import nn

from saddlepoint.errors import RequestError
from saddlepoint.game.modes import evaluating
from saddlepoint.networks.resnet_translator import ResNetTranslator
from saddlepoint.networks.unet import UNet
from saddlepoint.parallel import batchnorm
from saddlepoint.parallel.batchnorm import synchronise_batchnorm
from saddlepoint.sampling.translation import load_translator, mirror_to_multiple, translate
from tests.translation_runs import translation_run

SOURCE = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def u_net(**more) -> UNet:
    torch.manual_seed(0)
    network = UNet(image_size=16, width=4, **more)
    with torch.no_grad():
        for _ in range(3):  # running statistics that are not those of a new network
            network(torch.rand(8, 3, 16, 16), torch.zeros(8, dtype=torch.long))
    return network


def test_translations_are_those_of_evaluation_mode_in_blocks():
    network = u_net()
    with torch.no_grad(), evaluating(network):
        expected = network(SOURCE, torch.zeros(20, dtype=torch.long))
    torch.testing.assert_close(translate(network, SOURCE), expected)
    assert all(layer.training for layer in network.modules())


def test_with_dropout_an_image_depends_on_its_number_and_the_seed_alone():
    network = u_net()
    before, state = {name: value.clone() for name, value in network.state_dict().items()}, torch.random.get_rng_state()
    whole = translate(network, SOURCE, dropout=True, seed=3)
    assert torch.equal(translate(network, SOURCE[:5], dropout=True, seed=3), whole[:5])
    assert not torch.equal(translate(network, SOURCE[:5], dropout=True, seed=4), whole[:5])
    assert not torch.allclose(translate(network, SOURCE[:5]), whole[:5])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_with_dropout_no_other_process_is_asked_for_its_statistics(monkeypatch):
    """Callbacks look in the first process alone, where a collective would wait for ever or meet another one."""
    network = u_net()
    expected = translate(network, SOURCE[:3], dropout=True)
    synchronise_batchnorm(network)
    asked = []
    monkeypatch.setattr(batchnorm, "global_mean", lambda values: asked.append(values) or values)
    torch.testing.assert_close(translate(network, SOURCE[:3], dropout=True), expected)
    assert not asked
    network(SOURCE, torch.zeros(20, dtype=torch.long))
    assert asked  # training goes on with those of all


def test_with_dropout_batch_norm_uses_the_statistics_of_each_image_alone():
    network = u_net(dropout=0.0)
    network.requires_grad_(False)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    translated = translate(network, SOURCE[:2], dropout=True)
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0  # running statistics become those of the image (their variance is the unbiased one)
    alone = network(SOURCE[:1], torch.zeros(1, dtype=torch.long))
    torch.testing.assert_close(translated[:1], alone)
    assert all(norm.track_running_stats and norm.training for norm in norms)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (13, 18), (3, 40)])
def test_images_of_any_size_are_translated(height, width):
    network = ResNetTranslator(width=4, num_blocks=1)
    source = torch.rand(2, 3, height, width)
    translated = translate(network, source)
    assert translated.shape == (2, 3, height, width)
    assert torch.isfinite(translated).all()


def test_a_border_is_mirrored_at_the_right_and_below():
    rows = torch.arange(9.0).view(1, 1, 9, 1)
    assert mirror_to_multiple(rows.expand(-1, -1, -1, 12), 4)[0, 0, :, 0].tolist() == [*range(9), 8, 7, 6]
    assert mirror_to_multiple(torch.arange(3.0).view(1, 1, 1, 3), 4)[0, 0, 0].tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    image = torch.rand(1, 1, 12, 16)
    assert mirror_to_multiple(image, 4) is image


def test_a_run_gives_the_network_of_a_direction_and_the_size_of_its_training(tmp_path):
    run = translation_run(tmp_path / "run", "cyclegan", "trick=[ema]", "model.module.identity_weight=0",
                          source_channels=1)
    there, size = load_translator(run)
    back, _ = load_translator(run / "checkpoints" / "last.ckpt", "back")
    assert (there.source_channels, there.channels, back.source_channels, back.channels, size) == (1, 3, 3, 1, 16)


def test_a_model_that_translates_one_way_is_not_asked_for_the_other(tmp_path):
    run = translation_run(tmp_path / "run", "pix2pix")
    with pytest.raises(RequestError, match="direction=back: .* leave direction= out, or name a run of model=cyclegan"):
        load_translator(run, "back")
