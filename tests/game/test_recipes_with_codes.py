"""Recipes of InfoGAN, BiGAN and the adversarial autoencoder that cannot train, and the line that can."""

import shlex

import pytest

from saddlepoint.commands.recipe_refusals import refuse
from saddlepoint.errors import RequestError
from tests.composing import settings

INFOGAN, BIGAN, AUTOENCODER = "model=infogan data.image_size=28", "model=bigan", "model=adversarial_autoencoder"
REFUSED = [
    (f"{INFOGAN} model.discriminator.continuous=1", ["gives 11 numbers to guess the codes and the latents have 12"]),
    (f"{INFOGAN} model.latents.size=10", ["model.latents.size=10 is less than the 12 numbers of the codes"]),
    (f"{INFOGAN} model.turns.scoring=half", ["model.turns.scoring=half makes two updates of the discriminator"]),
    (f"{INFOGAN} model.turns.generator_warmup_images=100", ["generator_warmup_images=100"]),
    (f"{INFOGAN} trick=[r1]", ["r1", "BatchNorm"]),
    (f"{BIGAN} model.encoder.latent_dim=7", ["model.encoder.latent_dim=7 must equal model.latents.size=50"]),
    (f"{BIGAN} model.discriminator.latent_dim=7", ["the discriminator does not fit"]),
    (f"{BIGAN} model.turns.generator_warmup_images=100", ["generator_warmup_images=100"]),
    (f"{AUTOENCODER} model.turns.fake_batch_multiple=2", ["asks for more fakes than there are images"]),
    (f"{AUTOENCODER} model.turns.generator_batch_multiple=2", ["asks for more fakes than there are images"]),
    (f"{AUTOENCODER} model.turns.scoring=half", ["each fake is made of one of the images"]),
    (f"{AUTOENCODER} model.discriminator.latent_dim=7", ["the discriminator does not fit"]),
]


@pytest.mark.parametrize(("overrides", "words"), REFUSED)
def test_a_recipe_that_cannot_train_is_refused_with_its_reasons_and_a_line_that_is_allowed(overrides, words):
    with pytest.raises(RequestError) as refusal:
        refuse(settings(*overrides.split()), "train", overrides.split())
    for word in words:
        assert word in str(refusal.value)
    python, script, *typed = shlex.split(str(refusal.value).splitlines()[-1].strip())
    if python == "python":
        assert script == "train.py"
        refuse(settings(*typed), "train", typed)


@pytest.mark.parametrize("overrides", [
    f"{AUTOENCODER} model.turns.generator_warmup_images=100", f"{AUTOENCODER} trick=[r1,ema,instance_noise]",
    f"{BIGAN} model.turns.scoring=together ++model.turns.share_latents=true loss=least_squares",
    f"{BIGAN} trick=[r1,r2] model.discriminator.normalization=layer", f"{BIGAN} ++model.turns.order=simultaneous",
    f"{INFOGAN} ++model.turns.order=simultaneous loss=hinge", f"{INFOGAN} model.latents.continuous=0",
])
def test_what_fits_is_not_refused(overrides):
    refuse(settings(*overrides.split()), "train", [])


@pytest.mark.parametrize(("part", "value", "sentence"), [
    ("latents", {"_target_": "saddlepoint.game.latents.Latents", "size": 74},
     r"Latents \(model.latents\) has no codes"),
    ("discriminator", {"_target_": "saddlepoint.networks.mlp.MLPDiscriminator", "channels": 1, "image_size": 28,
                       "widths": [8]}, r"MLPDiscriminator \(model.discriminator\) guesses no codes"),
])
def test_parts_without_codes_are_refused(part, value, sentence):
    chosen = settings(*INFOGAN.split())
    chosen["model"][part] = value
    with pytest.raises(RequestError, match=sentence):
        refuse(chosen, "train", [])


def test_an_encoder_that_is_none_is_refused():
    chosen = settings(BIGAN)
    chosen["model"]["encoder"] = {"_target_": "torch.nn.Identity"}
    with pytest.raises(RequestError, match=r"Identity \(model.encoder\) is no encoder"):
        refuse(chosen, "train", [])
