"""What every generator and discriminator of saddlepoint owes the game, whichever it is."""

import copy

import pytest
import torch
from torch import nn

from saddlepoint.game.networks import HasFeatures
from tests.networks.every_network import (
    ALL_DISCRIMINATORS,
    ALL_GENERATORS,
    CLASSIFYING,
    COMPARING,
    DISCRIMINATORS,
    DISCRIMINATORS_OFFER,
    GENERATORS,
    GENERATORS_OFFER,
    LABELS,
    NORMALIZATIONS,
    OTHERS,
    OWN_DISCRIMINATORS,
    OWN_GENERATORS,
    SIDES,
    judging_alone,
    noise_images,
    normalized,
)

every_generator = pytest.mark.parametrize("name", ALL_GENERATORS)
every_discriminator = pytest.mark.parametrize("name", ALL_DISCRIMINATORS)
WITHOUT_TANH = [name for name in OWN_GENERATORS if name != "biggan"]
OUTPUTS_CHOSEN = ["mlp", "dcgan", "resnet", "cgan", "projection", "acgan_dcgan", "biggan", "r3gan", "r3gan_conditional",
                  "stylegan2", "stylegan2_conditional"]  # with tanh or without


@every_generator
@pytest.mark.parametrize(("channels", "size", "num_images"), [(1, 16, 3), (3, 32, 1), (4, 64, 2), (2, 128, 3)])
def test_latents_become_images_and_images_become_one_logit_each(name, channels, size, num_images):
    size = max(size, SIDES.get(name, size))
    with torch.device("meta"):
        labels = torch.zeros(num_images, dtype=torch.long)
        generator, discriminator = ALL_GENERATORS[name](channels, size), ALL_DISCRIMINATORS[name](channels, size)
        images = generator(torch.empty(num_images, generator.latent_dim), labels)
        logits = discriminator(images, labels)
    assert images.shape == (num_images, channels, size, size)
    assert logits.shape == (num_images,)
    assert images.is_meta
    assert logits.is_meta


@every_generator
def test_images_come_near_minus_one_and_one_and_stay_within_with_tanh(name):
    torch.manual_seed(0)
    generator = ALL_GENERATORS[name]()
    for parameter in generator.parameters():
        parameter.data *= 100
    images = generator(torch.randn(6, generator.latent_dim), LABELS)
    assert (images.abs().max() <= 1) == (name not in WITHOUT_TANH)
    assert images.max() > 0.99
    assert images.min() < -0.99


@pytest.mark.parametrize("name", OUTPUTS_CHOSEN)
def test_without_tanh_a_generator_makes_what_tanh_would_be_given(name):
    torch.manual_seed(0)
    generator = ALL_GENERATORS[name](output_activation="tanh")
    other = ALL_GENERATORS[name](output_activation="none")
    other.load_state_dict(generator.state_dict())
    latents = torch.randn(6, generator.latent_dim)
    torch.testing.assert_close(other(latents, LABELS).tanh(), generator(latents, LABELS))
    with pytest.raises(ValueError, match="model.generator.output_activation=relu must be tanh or none"):
        ALL_GENERATORS[name](output_activation="relu")


def all_normalizations(networks: dict, offered: dict) -> list:
    return [(name, kind) for name in networks for kind in offered.get(name, NORMALIZATIONS)]


def parameters_without_gradient(network: nn.Module) -> list[str]:
    return [name for name, parameter in network.named_parameters()
            if parameter.grad is None or not parameter.grad.isfinite().all()]


@pytest.mark.parametrize(("name", "settings"), [
    *((name, {"normalization": kind}) for name, kind in all_normalizations(GENERATORS, GENERATORS_OFFER)),
    *((name, {}) for name in OWN_GENERATORS)])
def test_a_finite_gradient_reaches_every_parameter_of_the_generator(name, settings):
    torch.manual_seed(0)
    generator = ALL_GENERATORS[name](**settings)
    generator(torch.randn(6, generator.latent_dim), LABELS).square().sum().backward()
    assert parameters_without_gradient(generator) == []


@pytest.mark.parametrize(("name", "normalization"), all_normalizations(DISCRIMINATORS, DISCRIMINATORS_OFFER))
def test_a_finite_gradient_reaches_every_parameter_of_the_discriminator(name, normalization):
    torch.manual_seed(0)
    discriminator, images = normalized(name, normalization), torch.randn(6, 3, 16, 16)
    discriminator(images, LABELS).sum().backward()
    if name in CLASSIFYING:
        assert parameters_without_gradient(discriminator) == ["classes.weight", "classes.bias"]
        discriminator.class_logits(images, LABELS).square().sum().backward()
    assert parameters_without_gradient(discriminator) == []


@pytest.mark.parametrize("name", OWN_DISCRIMINATORS)
def test_a_finite_gradient_reaches_every_parameter_of_a_discriminator_of_its_own_kind(name):
    torch.manual_seed(0)
    discriminator = OWN_DISCRIMINATORS[name]()
    discriminator(noise_images(name), LABELS).sum().backward()
    assert parameters_without_gradient(discriminator) == []


@pytest.mark.parametrize(("name", "normalization"), [
    *all_normalizations(DISCRIMINATORS, DISCRIMINATORS_OFFER), *((name, "none") for name in OWN_DISCRIMINATORS),
    *((name, "compares") for name in COMPARING)])
def test_only_batch_normalisation_and_comparisons_make_a_score_depend_on_the_other_images(name, normalization):
    torch.manual_seed(0)
    if normalization == "compares":
        discriminator = OWN_DISCRIMINATORS[name](minibatch_stddev=6).double()
    else:
        own = name in OWN_DISCRIMINATORS
        discriminator = (judging_alone(name) if own else normalized(name, normalization)).double()
    images = noise_images(name, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(images, LABELS)[2], images)
    influence = gradient.flatten(1).abs().sum(1)
    others = influence[torch.arange(6) != 2]
    assert influence[2] > 0
    assert bool(others.any()) == (normalization in ("batch", "compares"))


@every_discriminator
def test_the_scores_of_a_permuted_batch_are_the_permuted_scores(name):
    torch.manual_seed(0)
    discriminator, order, images = judging_alone(name), torch.randperm(6), noise_images(name)
    torch.testing.assert_close(discriminator(images[order], OTHERS[order]), discriminator(images, OTHERS)[order])


@every_discriminator
def test_a_gradient_penalty_can_be_differentiated_again(name):
    """Half the squared gradient norm of the score, against central differences along one direction."""
    torch.manual_seed(0)
    discriminator = judging_alone(name).double()
    images = noise_images(name, 2, dtype=torch.float64, requires_grad=True)

    def penalty() -> torch.Tensor:
        (gradient,) = torch.autograd.grad(discriminator(images, LABELS[:2]).sum(), images, create_graph=True)
        return gradient.square().sum() / 2

    weight = next(discriminator.parameters())
    direction = torch.randn_like(weight)
    (analytic,) = torch.autograd.grad(penalty(), weight)
    values = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            weight += step * direction
        values.append(penalty().item())
        with torch.no_grad():
            weight -= step * direction
    assert (values[0] - values[1]) / 2e-6 == pytest.approx((analytic * direction).sum().item(), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("networks", [ALL_GENERATORS, ALL_DISCRIMINATORS], ids=["generator", "discriminator"])
@every_generator
def test_the_memory_layout_changes_no_value(networks, name):
    torch.manual_seed(0)
    network = networks[name]()
    inputs = torch.randn(6, network.latent_dim) if networks is ALL_GENERATORS else noise_images(name)
    channels_last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    torch.testing.assert_close(channels_last(inputs, LABELS), network(inputs, LABELS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dcgan", "resnet", "lecture_dcgan", "pacgan_digits", "metz_digits", "lecture_cgan",
                                  "projection", "acgan_dcgan", *OWN_GENERATORS])
def test_maps_stay_channels_last_from_the_latents_to_the_image(name):
    generator = ALL_GENERATORS[name]().to(memory_format=torch.channels_last)
    strays = []

    def note(layer: nn.Module, inputs: tuple, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        for maps in output if isinstance(output, tuple) else (output,):
            if maps.ndim == 4 and not maps.is_contiguous(memory_format=torch.channels_last):
                strays.append(type(layer).__name__)

    for layer in generator.modules():
        layer.register_forward_hook(note)
    generator(torch.randn(6, generator.latent_dim), LABELS)
    assert strays == []


@every_discriminator
def test_features_hold_one_tensor_of_the_whole_batch_per_hidden_stage(name):
    discriminator = ALL_DISCRIMINATORS[name](size=32)
    assert isinstance(discriminator, HasFeatures)
    features = discriminator.features(torch.randn(6, 3, 32, 32), LABELS)
    assert len(features) == {"mlp": 2, "dcgan": 3, "ebgan": 4, "resnet": 4, "lecture_dcgan": 3, "cgan": 2,
                             "lecture_cgan": 3, "pacgan_digits": 2, "metz_digits": 2, "projection": 4, "acgan": 4,
                             "acgan_dcgan": 3, "biggan": 4, "r3gan": 4, "r3gan_conditional": 4, "stylegan2": 3,
                             "stylegan2_conditional": 3}[name]
    assert all(len(values) == 6 and values.requires_grad for values in features)
