"""The classifier of semi-supervised learning: its logit, its noise, its weights."""

import pytest
import torch

from saddlepoint.networks.semi_supervised import GaussianNoise, MLPClassifierDiscriminator
from tests.networks.counting import trainable
from tests.networks.test_model_configs import build, settings_of

IMAGES, LABELS = torch.rand(4, 1, 3, 3) * 2 - 1, torch.zeros(4, dtype=torch.long)


def network(**settings) -> MLPClassifierDiscriminator:
    torch.manual_seed(0)
    return MLPClassifierDiscriminator(1, 3, num_classes=6, widths=[7, 5], **settings)


def test_the_sigmoid_of_the_logit_is_the_probability_of_no_fake_in_a_softmax_with_one_class_more():
    """D(x) = Z / (Z + 1), Salimans et al. 2016, section 5: the logit of `fake` is 0"""
    discriminator = network().eval()
    logits = discriminator.class_logits(IMAGES, LABELS)
    with_fake = torch.cat([logits, torch.zeros(4, 1)], 1).softmax(1)
    torch.testing.assert_close(discriminator(IMAGES, LABELS).sigmoid(), 1 - with_fake[:, -1])
    assert discriminator(IMAGES, LABELS).shape == (4,) and logits.shape == (4, 6)


def test_layers_are_the_papers_1_536_500_weights_and_as_many_scales_and_biases_as_outputs():
    """784-1000-500-250-250-250-10: the matrices of the paper's code, each with a scale and a bias an output"""
    widths = [784, 1000, 500, 250, 250, 250, 10]
    matrices = sum(before * after for before, after in zip(widths, widths[1:], strict=False))
    assert matrices == 1_536_500
    with torch.device("meta"):
        built = build(settings_of("semi_supervised", channels=1, image_size=28)["discriminator"])
    assert trainable(built) == matrices + 2 * sum(widths[1:])


def test_a_scale_multiplies_its_row_whose_length_does_not_matter():
    discriminator = network(input_noise=0.0, hidden_noise=0.0)
    before = discriminator.class_logits(IMAGES, LABELS)
    parts = discriminator.logits[1].parametrizations.weight
    with torch.no_grad():
        parts.original1.mul_(3.0)  # the direction
    torch.testing.assert_close(discriminator.class_logits(IMAGES, LABELS), before)
    with torch.no_grad():
        parts.original0.mul_(2.0)  # the scale; biases are 0 at first
    torch.testing.assert_close(discriminator.class_logits(IMAGES, LABELS), 2 * before)


def test_noise_has_its_deviation_in_training_and_is_absent_in_evaluation():
    noise, zeros = GaussianNoise(0.3), torch.zeros(200, 200)
    torch.manual_seed(0)
    assert noise(zeros).std().item() == pytest.approx(0.3, rel=0.02)
    assert torch.equal(noise.eval()(zeros), zeros)
    discriminator = network()
    assert not torch.equal(discriminator(IMAGES, LABELS), discriminator(IMAGES, LABELS))
    discriminator.eval()
    assert torch.equal(discriminator(IMAGES, LABELS), discriminator(IMAGES, LABELS))


def test_features_are_of_each_hidden_layer_and_the_logits_are_a_linear_function_of_the_last():
    discriminator = network().eval()
    features = discriminator.features(IMAGES, LABELS)
    assert [tuple(each.shape) for each in features] == [(4, 7), (4, 5)] and all((each >= 0).all() for each in features)
    torch.testing.assert_close(discriminator.class_logits(IMAGES, LABELS), discriminator.logits[1](features[-1]))


@pytest.mark.parametrize(("setting", "sentence"), [
    ({"hidden_noise": -1.0}, r"model.discriminator.hidden_noise=-1.0 must be at least 0"),
    ({"input_noise": -0.1}, r"model.discriminator.input_noise=-0.1 must be at least 0")])
def test_noise_below_zero_is_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        network(**setting)
