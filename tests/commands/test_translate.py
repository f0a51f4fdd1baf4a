"""saddlepoint-translate without a process of its own: settings in, files and sentences out."""

from pathlib import Path

import numpy
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from saddlepoint.commands import drawing, translating
from saddlepoint.config.check import checked_settings
from saddlepoint.environment import program
from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.sampling.translation import load_translator
from saddlepoint.upscaling import weights
from tests.composing import composed, settings
from tests.data.formats import photo
from tests.translation_runs import translation_run, untrained_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {model: translation_run(folder / model, model) for model in ("pix2pix", "cyclegan")}


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def translate(*overrides: str) -> None:
    config, _ = composed(*overrides, config="translate")
    translating.translate(checked_settings(OmegaConf.create(config)))


def by_the_network(run: Path, image: Image.Image, direction: str = "forward") -> numpy.ndarray:
    """Returns the translation [h, w, 3] of a picture whose sides the network takes."""
    network, _ = load_translator(run, direction)
    pixels = torch.from_numpy(numpy.array(image.convert("RGB"))).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        translated = network.eval()(pixels / 127.5 - 1, torch.zeros(1, dtype=torch.long))
    return ((translated[0] + 1) * 127.5).round().permute(1, 2, 0).numpy()


def test_a_folder_becomes_a_folder_of_pictures_in_the_size_of_training(runs, capsys):
    Path("photos/below").mkdir(parents=True)
    photo(30, 20).save("photos/a.png")
    photo(16, 16).save("photos/b.jpg")
    photo(8, 8).save("photos/below/c.png")
    translate("input=photos", f"run={runs['pix2pix']}")
    results = {path.name: Image.open(path) for path in Path("photos_translated").iterdir()}
    assert {name: (image.format, image.size) for name, image in results.items()} == {
        "a.png": ("PNG", (16, 16)), "b.jpg": ("JPEG", (16, 16))}
    stretched = photo(30, 20).resize((16, 16), Image.Resampling.BICUBIC)
    difference = numpy.asarray(results["a.png"]) - by_the_network(runs["pix2pix"], stretched)
    assert numpy.abs(difference).max() <= 1
    printed = capsys.readouterr().out
    assert "photos/a.png -> photos_translated/a.png: 16 x 16 (from 30 x 20)" in printed
    assert "left out: 1 files in folders below" in printed and "2 images translated" in printed


def test_the_size_of_training_need_not_be_square(tmp_path):
    run = translation_run(tmp_path / "run", "pix2pix", "data.image_size=[16,32]")
    photo(30, 20).save("a.png")
    translate("input=a.png", f"run={run}")
    stretched = photo(30, 20).resize((32, 16), Image.Resampling.BICUBIC)
    assert numpy.abs(numpy.asarray(Image.open("a_translated.png")) - by_the_network(run, stretched)).max() <= 1


def test_a_picture_keeps_its_size_if_asked_to_and_goes_back_by_cyclegan(runs):
    photo(24, 20).save("a.png")
    translate("input=a.png", f"run={runs['cyclegan']}", "size=own", "direction=back")
    done = numpy.asarray(Image.open("a_translated.png"))
    assert numpy.abs(done - by_the_network(runs["cyclegan"], photo(24, 20), "back")).max() <= 1
    assert numpy.abs(done - by_the_network(runs["cyclegan"], photo(24, 20))).max() > 1


def test_dropout_is_drawn_from_the_seed(runs):
    photo(16, 16).save("a.png")
    for seed, name in ((0, "one"), (0, "same"), (1, "other")):
        translate("input=a.png", f"run={runs['pix2pix']}", "dropout=true", f"seed={seed}", f"output={name}.png")
    one, same, other = (numpy.asarray(Image.open(f"{name}.png")) for name in ("one", "same", "other"))
    assert numpy.array_equal(one, same) and not numpy.array_equal(one, other)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(runs, capsys):
    Path("photos").mkdir()
    photo(16, 16).save("photos/a.png")
    Path("photos/b.png").write_bytes(b"no picture")
    with pytest.raises(EndOfRun, match="1 of 2 images could not be translated: photos/b.png") as end:
        translate("input=photos", f"run={runs['pix2pix']}", "output=done")
    assert end.value.exit_code == 1 and Path("done/a.png").is_file()


def test_want_of_memory_for_one_picture_says_what_to_type_and_does_not_stop_the_others(runs, monkeypatch, capsys):
    def greedy(network, source, *arguments):
        if source.shape[-1] > 16:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(network, source, *arguments)

    real = translating.translations
    monkeypatch.setattr(translating, "translations", greedy)
    Path("photos").mkdir()
    photo(16, 16).save("photos/a.png")
    photo(32, 32).save("photos/b.png")
    with pytest.raises(EndOfRun, match="1 of 2 images could not be translated: photos/b.png"):
        translate("input=photos", f"run={runs['pix2pix']}", "size=own", "output=done")
    assert "photos/b.png was left out: not enough memory: type size=training\n" in capsys.readouterr().err
    assert Path("done/a.png").is_file()


def test_results_that_exist_stay_and_a_folder_without_a_name_has_its_results_within(runs, capsys):
    photo(16, 16).save("a.png")
    translate("input=.", f"run={runs['pix2pix']}")
    assert Path("translated/a.png").is_file()
    with pytest.raises(RequestError, match=r"translated.a\.png exists.* overwrite=true"):
        translate("input=.", f"run={runs['pix2pix']}")


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("input=a.png",), "run is not set"), (("run=somewhere",), "input is not set"),
    (("input=nowhere.png", "run=somewhere"), "input=nowhere.png does not exist"),
    (("input=a.png", "run=somewhere"), "run=.*somewhere does not exist"),
    (("input=a.png", "run=somewhere", "direction=sideways"), "direction=sideways must be one of forward, back"),
])
def test_what_is_missing_is_refused_in_a_sentence(overrides, sentence):
    photo(16, 16).save("a.png")
    with pytest.raises(RequestError, match=sentence):
        translate(*overrides)


def test_a_run_that_makes_images_from_noise_is_refused_with_what_draws_them(tmp_path):
    photo(16, 16).save("a.png")
    run = untrained_run(tmp_path / "dcgan", settings("model=dcgan_small", "model.generator.width=4"))
    with pytest.raises(RequestError) as refusal:
        translate("input=a.png", f"run={run}")
    assert (f"run={run} is of a model that makes images from noise, and translates none: type "
            f"{' '.join(program('sample'))} run={run}") in str(refusal.value)


def test_a_model_of_frames_is_refused(tmp_path):
    photo(16, 16).save("a.png")
    run = translation_run(tmp_path / "frames", "pix2pix", source_channels=4)
    with pytest.raises(RequestError, match="its generator takes images of 4 channels, e.g. several frames"):
        translate("input=a.png", f"run={run}")


def test_the_other_commands_name_this_one_for_such_a_run(runs):
    config, _ = composed(f"run='{runs['pix2pix']}'", config="sample")
    line = f"{' '.join(program('translate'))} run={runs['pix2pix']} input=IMAGES"
    with pytest.raises(RequestError) as refusal:
        drawing.draw(OmegaConf.to_container(config))
    assert f"translates images and draws none from noise: type {line}" in str(refusal.value)
    with pytest.raises(RequestError) as refusal:
        weights.load(str(runs["cyclegan"]))
    assert f"type {line.replace('pix2pix', 'cyclegan')}" in str(refusal.value)


def test_the_command_is_called_by_module_in_a_checkout():
    assert program("translate") == ["python", "-m", "saddlepoint.commands.translate"]
