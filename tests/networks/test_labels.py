"""What networks do with labels: conditional ones read them, others do not, classifiers must not."""

import pytest
import torch

from saddlepoint.game.networks import HasClassLogits
from tests.networks.every_network import CLASSIFYING, DISCRIMINATORS, GENERATORS, LABELS, OTHERS, UNCONDITIONAL

CONDITIONAL = [name for name in GENERATORS if name not in UNCONDITIONAL]


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_unconditional_networks_ignore_labels(name):
    generator, discriminator = GENERATORS[name]().eval(), DISCRIMINATORS[name]().eval()
    latents, images = torch.randn(6, 5), torch.randn(6, 3, 16, 16)
    assert not getattr(generator, "num_classes", 0) and not getattr(discriminator, "num_classes", 0)
    torch.testing.assert_close(generator(latents, OTHERS), generator(latents, LABELS), rtol=0, atol=0)
    torch.testing.assert_close(discriminator(images, OTHERS), discriminator(images, LABELS), rtol=0, atol=0)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_label_changes_its_own_image_and_score_and_no_other(name):
    torch.manual_seed(0)
    generator, discriminator = GENERATORS[name]().eval(), DISCRIMINATORS[name]().eval()
    for parameter in generator.parameters():  # scales and shifts by class are all alike at the start
        parameter.data += 0.1 * torch.randn_like(parameter)
    assert generator.num_classes == discriminator.num_classes == 6
    latents, images, changed = torch.randn(6, 5), torch.randn(6, 3, 16, 16), LABELS.clone()
    changed[2] = 4
    image_changes = (generator(latents, changed) - generator(latents, LABELS)).abs().flatten(1).amax(1)
    assert image_changes[2] > 1e-4 and image_changes[torch.arange(6) != 2].max() < 1e-6
    logit_changes = (discriminator(images, changed) - discriminator(images, LABELS)).abs()
    assert bool(logit_changes[2] > 1e-6) is (name not in CLASSIFYING)
    assert logit_changes[torch.arange(6) != 2].max() < 1e-6


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_class_logits_are_one_for_each_image_and_class_and_never_read_the_label(name):
    discriminator, images = DISCRIMINATORS[name]().eval(), torch.randn(5, 3, 16, 16)
    assert isinstance(discriminator, HasClassLogits) is (name in CLASSIFYING)
    if name in CLASSIFYING:
        logits = discriminator.class_logits(images, OTHERS[:5])
        assert logits.shape == (5, 6)
        torch.testing.assert_close(logits, discriminator.class_logits(images, LABELS[:5]), rtol=0, atol=0)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_conditional_network_refuses_data_without_classes_and_both_in_the_same_words(name, player):
    network = {"generator": GENERATORS, "discriminator": DISCRIMINATORS}[player][name]
    with torch.device("meta"), pytest.raises(ValueError) as refusal:
        network(num_classes=0)
    assert str(refusal.value) == (
        "data.num_classes=0 must be a whole number of at least 1 for a conditional model: choose data with classes (a "
        "folder with K class folders: data.num_classes=K) or an unconditional model, e.g. model=dcgan")
