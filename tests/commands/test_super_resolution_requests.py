"""What super-resolution cannot do is said in sentences, before there is a run directory."""

import pytest
import torch

from saddlepoint.commands import description, drawing, evaluation
from saddlepoint.commands.recipe_refusals import changes_that_work, problems_of, refuse
from saddlepoint.config.check import checked_settings
from saddlepoint.errors import RequestError
from saddlepoint.sampling.loading import load_generator
from saddlepoint.training import train
from tests.composing import composed, settings
from tests.training.test_first_weights import SRGAN

PAIRS = ("data=sr_folder", "perceptual=random", "model.generator.num_blocks=1")


@pytest.mark.parametrize(("overrides", "sentence"), [
    (["model=srgan"], "this model enlarges images and the data has no small ones: choose data=sr_folder"),
    (["model=real_esrgan", "data.image_size=30"], "this model enlarges images and the data has no small ones"),
    (["model=dcgan", "data=sr_folder"], "makes images from noise and the data is pairs of images"),
    (["model=srgan", *PAIRS, "model.generator.scale=2"], "model.generator.scale=2 and data.scale=4 must be equal"),
    (["model=srgan", *PAIRS, "model.turns.generator_batch_multiple=2"], "asks for more fakes than there are low-res"),
    (["model=srgan", *PAIRS, "model.turns.scoring=half"], "here each fake is made of one of the low-resolution images"),
    (["model=srgan", *PAIRS, "data.image_size=[96,64]"], "must be one number: .*type data.image_size=64"),
    (["model=srgan", *PAIRS, "data.image_size=40"], "data.image_size=40 must be a multiple of 16"),
    (["model=esrgan", *PAIRS], "data.image_size=96 must be a power of two from 16 to 256 .* type data.image_size=64"),
    (["model=esrgan", *PAIRS, "data.scale=2", "data.image_size=18"], "data.image_size=18 must be a power of two"),
    (["model=esrgan", *PAIRS, "data.scale=8"], "data.scale=8 must be 4, 2 or 1 for RRDBNet"),
    (["model=real_esrgan", *PAIRS, "data.scale=2", "data.image_size=18"], "data.image_size=18 must be a multiple of 4"),
    (["model=real_esrgan", *PAIRS, "data.image_size=36"], "both sides must be a multiple of 8, e.g. data.image_siz"),
    (["model=srgan", *PAIRS, "model.turns.generator_warmup_images=8", "model.content.pixel.during=game"],
     "generator_warmup_images=8 lets the generator learn from content losses alone, and none .* counts then"),
])
def test_a_recipe_that_cannot_train_is_refused(overrides, sentence):
    with pytest.raises(RequestError, match=sentence):
        refuse(settings(*overrides), "train.py", overrides)


def test_of_another_task_nothing_else_is_said():
    [problem] = problems_of(settings("model=dcgan", "data=sr_folder"))  # 96 is no power of two either
    assert "e.g. model=srgan" in problem.reason


@pytest.mark.parametrize(("overrides", "changes"), [
    (["model.generator.scale=2"], {"model.generator.scale": 4}),
    (["model.turns.scoring=half"], {"model.turns.scoring": "separate"}),
    (["model.turns.generator_warmup_images=8", "model.content.pixel.weight=0"],
     {"model.turns.generator_warmup_images": 0}),
])
def test_what_to_type_instead_removes_the_problem(overrides, changes):
    assert changes_that_work(settings("model=srgan", *PAIRS, *overrides)) == changes


def test_perceptual_content_without_a_network_does_not_count_in_the_warm_up():
    content = ("model.content.pixel.weight=0", "model.content.perceptual.during=always",
               "model.turns.generator_warmup_images=8", "data=sr_folder", "model=srgan")
    assert problems_of(settings(*content, "perceptual=random")) == []
    [problem] = problems_of(settings(*content, "perceptual=none"))
    assert "none with a weight counts" in problem.reason


@pytest.mark.parametrize(("overrides", "sentence"), [
    (["callbacks=super_resolution"], "data=mnist5k has no pairs .* callbacks=super_resolution measures: type c"),
    (["degradation=real_esrgan"], "data.degradation.* is not a setting of MNIST5k"),
    ([*SRGAN, "callbacks=default"], "callbacks.image_grid draws images from noise"),
    ([*SRGAN, "data.pair_pool=9"], "data.pair_pool=9 belongs to a degradation"),
])
def test_what_does_not_go_together_leaves_no_run_directory(overrides, sentence, tmp_path):
    with pytest.raises(RequestError, match=sentence):
        train.train(settings(*overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_degradation_is_chosen_by_its_name():
    with pytest.raises(RequestError, match="data.degradation=real_esrgan must be null here: choose it with degrad"):
        settings("data=sr_folder", "data.degradation=real_esrgan")
    assert settings("data=sr_folder", "model=real_esrgan")["data"]["degradation_crop"] == 400
    assert settings("data=sr_folder", "model=real_esrgan", "degradation=bicubic")["data"]["degradation"] is None


def test_both_networks_are_described(capsys):
    description.describe(settings("model=srgan", "data=sr_folder"))
    said = capsys.readouterr().out
    assert "Generator (SRResNet), of [N, 3, 24, 24]" in said and "1,549,462 trainable weights" in said
    assert "Discriminator (SRGANDiscriminator), of [N, 3, 96, 96] and [N]" in said and "23,565,505 train" in said


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train.train(settings(*SRGAN, "model.generator.upsampling=transposed"),
                          tmp_path_factory.mktemp("enlarging") / "run")


def test_commands_for_images_from_noise_send_to_upscale(run):
    for command in (lambda: load_generator(run),
                    lambda: drawing.draw(checked_settings(composed(f"run='{run}'", config="sample")[0])),
                    lambda: evaluation.evaluate(checked_settings(composed(f"run='{run}'", config="evaluate")[0]))):
        with pytest.raises(RequestError, match=f"draws none from noise: type python upscale.py weights={run} input="):
            command()


def test_a_run_ends_by_naming_the_command_that_uses_it(tmp_path, capsys):
    train.train(settings(*SRGAN), tmp_path / "run")
    assert f"enlarge:     python upscale.py weights={tmp_path / 'run'} input=IMAGES" in capsys.readouterr().out


def test_transposed_convolutions_train_and_upscale(run):
    from saddlepoint.upscaling import weights
    network = weights.load(str(run)).network
    assert network(torch.rand(1, 3, 5, 6)).shape == (1, 3, 20, 24)


def test_pictures_of_latents_are_refused_for_a_model_that_has_none(tmp_path):
    made = settings("model=srgan", "data=sr_folder", "perceptual=random", "callbacks=default",
                    "callbacks.sample_quality.metric=[]")
    with pytest.raises(RequestError, match=r"callbacks.image_grid draws images from noise.*callbacks=super_resolution"):
        train.train(made, tmp_path / "run")
    assert not (tmp_path / "run").exists()
