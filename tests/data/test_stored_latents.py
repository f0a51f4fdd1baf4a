"""Latents of an autoencoder: standardised for the networks, trained on by models of every kind, drawn as numbers."""

import json

import numpy
import pytest
import torch
from omegaconf import OmegaConf

from saddlepoint import load_generator
from saddlepoint.commands import drawing, evaluation, exporting
from saddlepoint.commands.recipe_refusals import changes_that_work, problems_of, warnings_of
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.data.standardisation import Standardisation, moments
from saddlepoint.data.stored_latents import StoredLatents
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.runs import checkpoint, data_identity
from saddlepoint.sampling import pictures
from saddlepoint.training.train import train
from tests.composing import SMALL, composed, settings
from tests.data.formats import write_latents
from tests.translation_runs import untrained_run

SQUARES = {"channels": 4, "image_size": 16, "batch_size": 4}
STYLED = ("model.latents.size=6", "model.generator.style_size=6", "model.generator.mapping_layers=2",
          "model.generator.most_maps=4", "model.discriminator.most_maps=4")
WIDTHS = ("model.generator.width=4", "model.discriminator.width=4")
NO_TANH = "model.generator.output_activation=none"
MODELS = {"dcgan_small": (*WIDTHS, NO_TANH), "resnet": (*WIDTHS, NO_TANH), "r3gan": WIDTHS, "stylegan2": STYLED,
          "mlp": ("model.generator.widths=[8]", "model.discriminator.widths=[8]", NO_TANH)}
TRICKS = "trick=[r1,ema,augment]"


def latents_of(root, **more) -> StoredLatents:
    data = StoredLatents("stored_latents", str(root), **SQUARES | more)
    data.setup()
    return data


def batches(data: StoredLatents, count: int) -> list[ImageBatch]:
    loader = iter(data.train_dataloader())
    return [data.on_after_batch_transfer(next(loader), 0) for _ in range(count)]


def typed(tmp_path, *overrides: str) -> dict:
    return settings("data=stored_latents", f"data.root={tmp_path}", "data.image_size=16", "data.batch_size=8",
                    *overrides)


def test_each_channel_has_mean_0_and_standard_deviation_one_half(tmp_path):
    array = write_latents(tmp_path)
    data = latents_of(tmp_path / "latents.npy")
    seen = torch.cat([batch.real for batch in batches(data, 2)]).double()  # an epoch
    torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(4).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std((0, 2, 3), correction=0), torch.full((4,), 0.5).double(), atol=1e-5, rtol=0)
    restored = data.standardisation.restored(seen)
    assert sorted(restored.flatten().tolist()) == pytest.approx(sorted(array.flatten().tolist()), abs=1e-4)


def test_moments_are_those_of_numpy_to_six_digits():
    numbers = torch.randn(300, 3, 5, 2, dtype=torch.float64) * torch.tensor([1e-3, 1, 1e4])[:, None, None] + 7
    for found, expected in zip(moments(numbers), (numbers.numpy().mean((0, 2, 3)), numbers.numpy().std((0, 2, 3))),
                               strict=True):
        numpy.testing.assert_allclose(found, expected, rtol=5e-6)


def test_typed_numbers_are_used_as_they_are(tmp_path):
    array = write_latents(tmp_path)
    for mean, deviation in ((1.0, 0.5), ([0, 10, 20, 30], [1, 2, 3, 4])):
        data = latents_of(tmp_path / "latents.npy", mean=mean, standard_deviation=deviation)
        seen = torch.cat([batch.real for batch in batches(data, 2)]).numpy()
        by_hand = (array - numpy.reshape(mean, (-1, 1, 1))) / numpy.reshape(deviation, (-1, 1, 1)) / 2
        numpy.testing.assert_allclose(numpy.sort(seen, None), numpy.sort(by_hand, None), atol=1e-5)


def test_numbers_become_what_they_were():
    scale, numbers = Standardisation([1, -5], [0.2, 40]), torch.randn(3, 2, 4, 4) * 10
    torch.testing.assert_close(scale.restored(scale.standardised(numbers)), numbers)
    torch.testing.assert_close(scale.standardised(torch.tensor([1.4, 75.0]).view(1, 2, 1, 1)).flatten(), torch.ones(2))


def test_uint8_and_channels_that_come_last_are_read_as_well(tmp_path):
    array = numpy.random.default_rng(0).integers(0, 256, (8, 16, 16, 5), dtype=numpy.uint8)
    numpy.savez(tmp_path / "codes.npz", codes=array, arr_1=numpy.arange(8) % 2)
    data = latents_of(tmp_path / "codes.npz", channels=5, layout="NHWC", num_classes=2, mean=0, standard_deviation=0.5)
    seen = {tuple(image.flatten().tolist()): int(label) for batch in batches(data, 2)
            for image, label in zip(*batch, strict=True)}
    assert seen == {tuple(image.transpose(2, 0, 1).flatten().tolist()): number % 2
                    for number, image in enumerate(array)}
    assert data._dataset.images.dtype == torch.uint8 and data.class_names == ("0", "1")


def test_several_files_and_labels_in_one_of_their_own(tmp_path):
    one, other = write_latents(tmp_path), write_latents(tmp_path, count=4, name="more.npy")
    numpy.save(tmp_path / "z_labels.npy", numpy.arange(12) % 3)
    data = latents_of(tmp_path, num_classes=3, label_array=str(tmp_path / "z_labels.npy"))
    torch.testing.assert_close(data._dataset.images.numpy(), numpy.concatenate([one, other]))
    assert data._dataset.labels.tolist() == [0, 1, 2] * 4
    assert latents_of(tmp_path / "more.npy", subset_size=3).num_images == 3


@pytest.mark.parametrize(("array", "more", "words"), [
    (numpy.ones((4, 4, 8, 8), "f4"), {}, r"4 x 8 x 8 .* type data.channels=4 data.image_size=8"),
    (numpy.ones((4, 3, 16, 8), "f4"), {}, r"type data.channels=3 data.image_size=\[16,8\]"),
    (numpy.ones((4, 16, 16, 4), "f4"), {}, "type data.layout=NHWC"),
    (numpy.ones((4, 4, 16, 16), "f4"), {}, "channel 0 is the same number everywhere, .*data.standard_deviation=1"),
    (numpy.full((4, 4, 16, 16), numpy.nan, "f4"), {}, "numbers that are not finite: encode the images again"),
    (numpy.ones((4, 16, 16), "f4"), {}, r"latents are \[N, C, H, W\] of whole numbers or floats"),
    (numpy.ones((4, 4, 16, 16), "f4"), {"standard_deviation": 1.0, "num_classes": 2}, "no labels called arr_1"),
], ids=["smaller", "oblong", "layout", "constant", "nan", "dimensions", "labels"])
def test_files_that_do_not_fit_are_refused_with_what_to_type(tmp_path, array, more, words):
    numpy.save(tmp_path / "l.npy", array)
    with pytest.raises(RequestError, match=words):
        latents_of(tmp_path / "l.npy", **more)


@pytest.mark.parametrize(("more", "words"), [
    ({"mean": [1.0, 2.0]}, r"data.mean=\[1.0, 2.0\] must be one number, or 4"),
    ({"standard_deviation": 0.0}, "data.standard_deviation=0.0 must be above 0"),
    ({"standard_deviation": [1.0, 1.0, -1.0, 1.0]}, "must be above 0"),
])
def test_settings_that_mean_nothing_are_refused(more, words):
    with pytest.raises(ValueError, match=words):
        StoredLatents("stored_latents", None, **SQUARES | more)


def test_an_archive_of_several_arrays_needs_a_name(tmp_path):
    array = write_latents(tmp_path)
    numpy.savez(tmp_path / "two.npz", a=array, b=array)
    with pytest.raises(RequestError, match="does not say which array has the latents .*type data.array=NAME"):
        latents_of(tmp_path / "two.npz")
    assert latents_of(tmp_path / "two.npz", array="b").num_images == 8


def test_a_generator_that_ends_in_tanh_is_refused_with_the_setting(tmp_path):
    write_latents(tmp_path)
    made = typed(tmp_path, "model=dcgan_small")
    [problem] = problems_of(made)
    assert problem.reason.startswith("model.generator.output_activation=tanh makes numbers in [-1, 1]")
    assert changes_that_work(made) == {"model.generator.output_activation": "none"}
    assert problems_of(settings("model=dcgan_small")) == []
    assert any("has tanh" in sentence for sentence in warnings_of(typed(tmp_path, "model=lecture_dcgan")))
    assert not warnings_of(typed(tmp_path, "model=r3gan"))


@pytest.mark.parametrize(("policy", "refused"), [("ada", True), ("diffaugment", False)])
def test_colours_of_four_channels_are_not_augmented(tmp_path, policy, refused):
    reasons = [problem.reason for problem in problems_of(typed(tmp_path, "model=r3gan", "trick=augment",
                                                              f"tricks/augment/policy={policy}"))]
    assert bool(reasons) == refused and all("images of 1 or 3 channels" in reason for reason in reasons)


@pytest.mark.parametrize("model", MODELS)
def test_models_of_every_kind_train_and_draw(tmp_path, model, capsys):
    write_latents(tmp_path / "data", count=16)
    run = train(typed(tmp_path / "data", f"model={model}", *MODELS[model], *SMALL[2:], "callbacks=default", TRICKS,
                      "tricks/augment/policy=diffaugment", "budget.images=16", "callbacks.image_grid.count=4"),
                tmp_path / "run")
    said = capsys.readouterr()
    assert "callbacks.sample_quality measures nothing: extractor=random looks at images" in said.err
    assert "pictures: the first three channels as red, green and blue" in said.out
    assert (run / "samples" / "images_0000000016.png").exists()
    generator = load_generator(run)
    assert generator.sample(2).shape == (2, 4, 16, 16)
    assert generator.standardisation.as_json() == checkpoint.load(run / "checkpoints" / "last.ckpt")["data"][
        "standardisation"]


def test_a_conditional_model_trains_on_latents_with_classes(tmp_path):
    array = write_latents(tmp_path / "data", count=16, side=32)
    numpy.savez(tmp_path / "data" / "both.npz", latents=array, arr_1=numpy.arange(16) % 2)
    run = train(settings("data=stored_latents", f"data.root={tmp_path}/data/both.npz", "data.num_classes=2", *SMALL,
                         "model=biggan", "model.latents.size=8", NO_TANH, "model.generator.width=2",
                         "model.discriminator.width=2"), tmp_path / "run")
    assert load_generator(run).sample(2, labels=1).shape == (2, 4, 32, 32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored_latents")
    write_latents(folder, count=16)
    return train(typed(folder, "model=r3gan", *WIDTHS, *SMALL[:1], *SMALL[2:]), folder / "run")


def drawn(run, *overrides):
    config, _ = composed(f"run='{run}'", *overrides, config="sample")
    return drawing.draw(checked_settings(OmegaConf.create(config), OF_COMMANDS["sample"]))


def test_what_is_drawn_is_in_the_numbers_of_the_files(run):
    picture, array = drawn(run, "count=3")
    generator = load_generator(run)
    by_hand = generator.sample(3).numpy() * 2 * numpy.array(generator.standardisation.standard_deviations)[
        :, None, None] + numpy.array(generator.standardisation.means)[:, None, None]
    numpy.testing.assert_allclose(numpy.load(array), by_hand, rtol=1e-4, atol=1e-4)
    [archive] = drawn(run, "count=3", "format=npz")
    with numpy.load(archive) as content:
        numpy.testing.assert_allclose(content["arr_0"], by_hand, rtol=1e-4, atol=1e-4)
        assert json.loads(str(content["saddlepoint"]))["quantisation"] == "none"
    assert picture.suffix == ".png" and abs(by_hand.mean((0, 2, 3)) - [0, 10, 20, 30]).max() < 10


def test_an_archive_of_pictures_and_metrics_refuse_latents(run):
    with pytest.raises(RequestError, match="This run makes latents, and format=zip .* type format=npz"):
        drawn(run, "count=3", "format=zip")
    config, _ = composed(f"run='{run}'", config="evaluate")
    with pytest.raises(RequestError, match="has latents, and metrics look at images: .*evaluate.py real=FOLDER"):
        evaluation.evaluate(checked_settings(config))


def test_a_metric_that_was_typed_is_refused(tmp_path):
    write_latents(tmp_path / "data")
    with pytest.raises(RequestError, match="has latents, and metrics look at images"):
        train(typed(tmp_path / "data", "model=r3gan", *WIDTHS, "callbacks.sample_quality.metric=[fid]",
                    "callbacks.health.every_images=null", "logger=none", "trainer=cpu"), tmp_path / "run")


def test_what_is_exported_says_how_to_come_back_to_the_numbers(tmp_path):
    write_latents(tmp_path / "data", count=16)
    run = untrained_run(tmp_path / "run", typed(tmp_path / "data", "model=r3gan", *WIDTHS))
    what = exporting.exporting.exportable(run / "checkpoints" / "last.ckpt", "generator")
    assert what.output == "images"  # an untrained run of the tests has no data
    trained = train(typed(tmp_path / "data", "model=r3gan", *WIDTHS, *SMALL[:1], *SMALL[2:]), tmp_path / "trained")
    what = exporting.exporting.exportable(trained / "checkpoints" / "last.ckpt", "generator")
    assert what.output == "stored_latents" and "image_range" not in what.facts
    assert what.facts["standardisation"] == load_generator(trained).standardisation.as_json()


def test_a_run_that_goes_on_with_other_latents_is_warned(tmp_path):
    write_latents(tmp_path)
    before = latents_of(tmp_path / "latents.npy").identity()
    now = latents_of(tmp_path / "latents.npy", mean=0.0).identity()
    assert data_identity.changes(before, now) == "another mean or standard deviation"
    assert data_identity.digest(before) != data_identity.digest(now) and data_identity.changes(before, before) == ""


def test_pictures_show_the_first_three_channels():
    images = torch.arange(2 * 5 * 4).view(2, 5, 2, 2)
    assert torch.equal(pictures.as_colours(images), images[:, :3])
    assert torch.equal(pictures.as_colours(images[:, :2]), images[:, :1])
    for channels in (1, 3):
        assert torch.equal(pictures.as_colours(images[:, :channels]), images[:, :channels])
