"""Impossible combinations: every reason at once, and a line to type that is itself allowed."""

import shlex
from dataclasses import replace

import pytest
from torch import nn

from saddlepoint import build
from saddlepoint.commands.recipe_refusals import changes_that_work, problems_of, read_recipe, refuse
from saddlepoint.errors import RequestError
from saddlepoint.game import recipe_check
from saddlepoint.game.trick import Trick
from tests.composing import settings

REFUSED = [
    ("loss=wasserstein", ["loss=wasserstein needs a Lipschitz critic"]),
    ("trick=[wgan_gp]", ["wgan_gp", "BatchNorm"]),
    ("trick=[r1]", ["r1", "BatchNorm"]),
    ("loss=hinge trick=[label_smoothing]", ["label_smoothing", "loss=hinge"]),
    ("loss=wasserstein trick=[label_flip,weight_clipping]", ["label_flip"]),
    ("loss=wasserstein trick=[weight_clipping,wgan_gp] model.discriminator.normalization=none", ["weight_clipping"]),
    ("loss=relativistic model.turns.scoring=half", ["loss=relativistic", "half"]),
    ("loss=relativistic_average model.turns.scoring=half", ["loss=relativistic_average", "half"]),
    ("loss=relativistic model.turns.generator_batch_multiple=2", ["loss=relativistic"]),
    ("trick=[r1] model.discriminator.normalization=none model.turns.scoring=half", ["r1", "half"]),
    ("model.turns.scoring=half data.batch_size=7", ["data.batch_size=7", "odd"]),
    ("data.batch_size=1", ["BatchNorm in the generator", "BatchNorm in the discriminator"]),
    ("model=cyclegan data=coloured_digits model.turns.order=simultaneous", ["order=simultaneous"]),
    ("trick=[packing] data.batch_size=15", ["tricks.packing.images=2 does not divide the 15 real images"]),
    ("trick=[packing] model.turns.scoring=half data.batch_size=18", ["does not divide the 9 real images"]),
    ("trick=[packing] data.batch_size=2", ["BatchNorm in the discriminator a single pack"]),
    ("trick=[packing] model=points data=ring data.fixed_packs=5", ["data.fixed_packs=5 keeps so many points together"]),
    ("trick=[packing] model=cgan", ["trick=[packing]", "model.discriminator is conditional"]),
    ("trick=[auxiliary_classifier,packing] model=acgan_dcgan", ["another trick lets it tell the class of each"]),
    ("trick=[consensus]", ["trick=[consensus]", "model.turns.order=alternating moves one after the other"]),
    ("trick=[consensus] model.turns.discriminator_steps=2 model.turns.scoring=half", ["trick=[consensus]"]),
    ("model.discriminator.minibatch_discrimination={kernels:3,dimensions:2} model.turns.scoring=together",
     ["model.discriminator.minibatch_discrimination compares the images of a batch", "scoring=together"]),
    ("model.discriminator.minibatch_discrimination={kernels:3,dimensions:2} model.turns.scoring=half",
     ["reals and both players' fakes must be equally many"]),
    ("model.discriminator.minibatch_discrimination={kernels:3,dimensions:2} model.turns.fake_batch_multiple=2",
     ["reals and both players' fakes must be equally many"]),
    ("model.discriminator.minibatch_discrimination={kernels:3,dimensions:2} trick=[packing] data.batch_size=2",
     ["compares an image with the others of its batch"]),
    ("model.discriminator.minibatch_discrimination={kernels:3,dimensions:2} trick=[r1] "
     "model.discriminator.normalization=none", ["trick=[r1]", "no image has a score of its own"]),
    ("model.discriminator.minibatch_stddev=4 data.batch_size=10", ["minibatch_stddev=4 does not divide the 10 real"]),
    ("model.discriminator.minibatch_stddev=4 model.turns.scoring=half data.batch_size=12",
     ["minibatch_stddev=4 does not divide the 6 real images"]),
    ("model.generator.normalization=virtual_batch data.batch_size=1", ["a single image has no statistics"]),
    ("model=adversarial_autoencoder model.latents.distribution=mixture", ["which nobody may move"]),
    ("model.generator.latent_dim=50", ["model.generator.latent_dim=50 must equal model.latents.size=100"]),
]


@pytest.mark.parametrize(("overrides", "words"), REFUSED)
def test_a_recipe_that_cannot_train_is_refused_with_its_reasons(overrides, words):
    with pytest.raises(RequestError) as refusal:
        refuse(settings(*overrides.split()), "train", overrides.split())
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("overrides", [overrides for overrides, _ in REFUSED])
def test_the_line_to_type_is_allowed(overrides):
    with pytest.raises(RequestError) as refusal:
        refuse(settings(*overrides.split()), "train", overrides.split())
    line = str(refusal.value).splitlines()[-1].strip()
    python, script, *typed = shlex.split(line)
    assert (python, script) == ("python", "train.py")
    refuse(settings(*typed), "train", typed)


def test_a_generator_that_does_not_say_its_number_of_latents_is_refused():
    chosen = settings()
    chosen["model"]["generator"] = {"_target_": "torch.nn.Identity"}
    with pytest.raises(RequestError, match=r"Identity \(model.generator\) has no attribute latent_dim"):
        refuse(chosen, "train", [])


class Misspelt(Trick):
    def discriminator_los(self, step):
        return step.real_logits.mean()


def test_a_trick_that_acts_nowhere_is_refused():
    read, _ = read_recipe(settings("trick=[ema]"))
    assert recipe_check.problems(read) == []
    [problem] = recipe_check.problems(replace(read, tricks={"mine": Misspelt()}))
    assert problem.reason.startswith("trick=mine does nothing: Misspelt overrides no method")


class PlaysAgainstAnother(Trick):
    def opponent(self, step):
        return step.discriminator


def test_another_opponent_is_refused_where_both_players_move_at_once():
    read, _ = read_recipe(settings("model.turns.order=simultaneous"))
    [problem] = recipe_check.problems(replace(read, tricks={"other": PlaysAgainstAnother()}))
    assert "trick=[other] lets the generator play against another discriminator" in problem.reason
    assert problem.instead == {"model.turns.order": "alternating"}


def test_a_conditional_critic_beside_an_unconditional_generator_is_warned_of():
    read, _ = read_recipe(settings("model=cgan"))
    assert recipe_check.warnings(read) == []
    other, _ = read_recipe(settings("model=mlp"))
    [sentence] = recipe_check.warnings(replace(read, networks={**read.networks, "generator": other.generator}))
    assert sentence.startswith("the discriminator is conditional and the generator is not")


def test_a_network_that_takes_no_labels_is_refused_in_the_check_of_shapes():
    read, _ = read_recipe(settings("model=mlp"))
    for network in ("generator", "discriminator"):
        other = OneArgument()
        other.latent_dim = read.latents.size
        reasons = [problem.reason for problem in recipe_check.problems(replace(
            read, networks={**read.networks, network: other}))]
        assert any("takes 2 positional arguments but 3 were given" in reason for reason in reasons)


class OneArgument(nn.Module):
    def forward(self, latents):
        return latents


def test_the_line_for_a_bare_wasserstein_is_the_one_of_the_manual():
    with pytest.raises(RequestError) as refusal:
        refuse(settings("loss=wasserstein"), "train", ["model=dcgan", "loss=wasserstein"])
    assert str(refusal.value).endswith(
        "python train.py model=dcgan loss=wasserstein 'trick=[wgan_gp]' model.discriminator.normalization=layer")


@pytest.mark.parametrize(("overrides", "words"), [
    ("data.image_size=20 model=dcgan", "data.image_size=20"),
    ("data.image_size=20 model=resnet", "data.image_size=20"),
    ("data.image_size=[20,30] model=resnet", "type data.image_size=[20,32]"),
    ("model.generator.channels=3", "images of 3 x 32 x 32 and the data has 1 x 32 x 32"),
    ("model.discriminator.image_size=64", "does not fit images of 1 x 32 x 32"),
    ("model=mlp model.discriminator.normalization=instance", "instance"),
    ("optimizer.generator._target_=os.system", "optimizer.generator._target_=os.system"),
])
def test_what_does_not_fit_is_refused(overrides, words):
    with pytest.raises(RequestError) as refusal:
        overrides = overrides.split()
        composed_settings = settings(*overrides)
        refuse(composed_settings, "train", overrides)
        build.module(composed_settings)
    assert words in str(refusal.value)


@pytest.mark.parametrize("model", ["r3gan", "r3gan_conditional", "biggan", "stylegan2", "stylegan2_conditional",
                                   "sagan"])
@pytest.mark.parametrize(("size", "nearest"), [("28", "32"), ("48", "32"), ("100", "128"), ("300", "256")])
def test_a_preset_on_images_of_another_size_is_refused_in_one_sentence_with_the_size_to_type(model, size, nearest):
    nearest = "128" if (model, size) == ("biggan", "300") else nearest
    [problem] = problems_of(settings(f"model={model}", f"data.image_size={size}"))
    assert problem.reason.startswith(f"data.image_size={size} must be ")
    assert problem.reason.endswith(f"type data.image_size={nearest}")
    assert not any("data.image_size" in each.reason for each in problems_of(settings(
        f"model={model}", f"data.image_size={nearest}", "data.fit=resize")))


@pytest.mark.parametrize(("overrides", "words"), [
    ("model=stylegan2 data.image_size=32 model.latents.distribution=uniform",
     "model.generator.style_mixing=0.9 mixes in styles of latents of N(0, I), and model.latents.distribution=uniform"),
    ("model=stylegan2 data.image_size=32 loss=wasserstein trick=[spectral_norm]",
     "Discriminator (model.discriminator) has none whose weights are not scaled already"),
    ("model=stylegan2 data.image_size=[32,64]", "data.image_size=[32,64] must be a power of two"),
    ("model=biggan data.image_size=[32,64]", "data.image_size=[32,64] must be 32, 64 or 128"),
    ("model=sagan model.generator.attention_at=24", "or null for none: type model.generator.attention_at=16"),
    ("model=sagan data.image_size=16 data.fit=resize", "type model.discriminator.attention_at=8"),
    ("trick=augment tricks/augment/policy=ada loss=relativistic", "type a number, e.g. tricks.augment.probability=0.3"),
    ("trick=augment tricks/augment/policy=ada loss=wasserstein", "type a number, e.g. tricks.augment.probability=0.3"),
    ("trick=[consistency,packing]", "packs of them in one: leave out one of the two"),
])
def test_what_a_preset_cannot_have_is_refused_with_what_to_type(overrides, words):
    assert sum(words in problem.reason for problem in problems_of(settings(*overrides.split()))) == 1


def test_the_same_sentence_is_said_once():
    with pytest.raises(RequestError) as refusal:
        refuse(settings("data.image_size=20"), "train", [])
    assert str(refusal.value).count("data.image_size=20") == 1


def test_all_reasons_are_given_at_once():
    problems = problems_of(settings("loss=wasserstein", "trick=[label_smoothing,r1]", "data.batch_size=1"))
    assert len(problems) >= 4


def test_a_conditional_network_on_data_without_classes_is_refused(monkeypatch):
    from saddlepoint.networks.dcgan import DCGANGenerator
    monkeypatch.setattr(DCGANGenerator, "num_classes", 10, raising=False)
    assert not problems_of(settings())
    [problem] = problems_of(settings("data.num_classes=0"))
    assert "model.generator is conditional (10 classes) and the data has no classes" in problem.reason


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_number_of_classes_that_is_not_the_datas_is_refused_with_the_fix(player):
    chosen = settings("model=cgan", f"model.{player}.num_classes=3")
    [problem] = problems_of(chosen)
    assert f"model.{player}.num_classes=3 and data.num_classes=10 must be equal" in problem.reason
    assert changes_that_work(chosen) == {f"model.{player}.num_classes": 10}


def test_a_classifier_that_nothing_teaches_is_warned_of(capsys):
    refuse(settings("model=acgan_dcgan"), "train", [])
    assert "add trick=[auxiliary_classifier]" in capsys.readouterr().err
    refuse(settings("model=acgan_dcgan", "trick=[auxiliary_classifier]"), "train", [])
    assert capsys.readouterr().err == ""


def test_spectral_norm_beside_batch_norm_only_warns(capsys):
    refuse(settings("trick=[spectral_norm]"), "train", [])
    warning = capsys.readouterr().err
    assert warning.startswith("warning: ") and "BatchNorm" in warning
    refuse(settings("trick=[spectral_norm]", "model.discriminator.normalization=none"), "train", [])
    assert capsys.readouterr().err == ""


def test_without_a_change_that_helps_none_is_proposed():
    assert changes_that_work(settings("data.image_size=20")) == {}


def test_a_check_allocates_no_networks():
    """256 x 256 at width 512 would be gigabytes."""
    composed_settings = settings("data.image_size=256", "model.generator.width=512", "model.discriminator.width=512")
    recipe, problems = read_recipe(composed_settings)
    assert problems == [] and all(p.is_meta for p in recipe.generator.parameters())
