"""evaluate.py and folders: framed as the run's data were, or alike on both sides; what is left out is counted."""

import json
import re
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import numpy
import pytest
import torch
from PIL import Image

from saddlepoint import build
from saddlepoint.commands import evaluation
from saddlepoint.config.check import checked_settings
from saddlepoint.config.image_sizes import Sides
from saddlepoint.data.memory import resized
from saddlepoint.data.pixels import to_bytes
from saddlepoint.errors import RequestError
from saddlepoint.metrics.fitting import Fit
from saddlepoint.metrics.sides import images_alone, real_and_fake_images
from saddlepoint.metrics.sources import list_images
from saddlepoint.runs import checkpoint
from saddlepoint.sampling import pictures
from saddlepoint.sampling.loading import load_generator
from saddlepoint.training.train import train
from tests.composing import composed, settings
from tests.processes import ROOT
from tests.translation_runs import untrained_run
from tests.warm import shared

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
TINY = ("data.batch_size=8", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4", "logger=none",
        "budget.images=16", "extractor=random", "callbacks=none")
COUNT = 140  # a FID of 128 features takes 129


def photographs(root: Path, count: int = COUNT, width: int = 24, height: int = 16) -> Path:
    """Brighter to the right, with noise: what is squeezed looks otherwise than what is cropped."""
    draws = numpy.random.default_rng(0)
    root.mkdir(parents=True)
    for index in range(count):
        slope = numpy.linspace(0, 200, width)[None, :, None]
        noise = draws.integers(0, 56, (height, width, 3))
        Image.fromarray((slope + noise).astype(numpy.uint8)).save(root / f"{index:03}.png")
    return root


def squares(photos: Path, root: Path, size: int, squeezed: bool = False) -> Path:
    """What a model trained on `photos` makes at best, by Pillow alone."""
    root.mkdir()
    for path in photos.iterdir():
        image = Image.open(path)
        spare = 0 if squeezed else (image.width - image.height) // 2
        box = (spare, 0, image.width - spare, image.height)
        image.crop(box).resize((size, size), Image.Resampling.BICUBIC).save(root / path.name)
    return root


def evaluated(output: Path, *overrides: str) -> dict:
    """-> what was written, by the metric's name"""
    config, _ = composed("device=cpu", "resamples=0", "remember=false", f"output={output}", *overrides,
                         config="evaluate")
    evaluation.evaluate(checked_settings(config))
    content = json.loads(output.read_text())
    jsonschema.validate(content, SCHEMA)
    return {value["name"]: value for value in content["metrics"]}


def fid(output: Path, *overrides: str) -> dict:
    return evaluated(output, "metric=[fid]", *overrides)["fid_random"]


# A run, against a folder in place of its data.


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return photographs(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def of_photos(photos, tmp_path_factory) -> Path:
    return train(settings(*TINY, "data=image_folder", f"data.root={photos}", "data.image_size=32",
                          "data.num_workers=0"), tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def of_digits(tmp_path_factory) -> Path:
    return train(settings(*TINY, "data.subset_size=140"), tmp_path_factory.mktemp("run") / "run")


def test_the_runs_own_photographs_as_a_folder_are_framed_as_in_training(of_photos, photos, tmp_path, capsys):
    own = fid(tmp_path / "own.json", f"run='{of_photos}'", "num_fake=150")
    folder = fid(tmp_path / "folder.json", f"run='{of_photos}'", f"real='{photos}'", "num_fake=150")
    assert folder["value"] == own["value"]
    assert folder["protocol"]["framing"] == own["protocol"]["framing"] == "short_side, center"
    assert folder["protocol"]["fake_framing"] is None and "note:" not in capsys.readouterr().err


def test_another_framing_that_is_typed_is_said_and_stands_in_the_protocol(of_photos, photos, tmp_path, capsys):
    own = fid(tmp_path / "own.json", f"run='{of_photos}'", "num_fake=150")
    squeezed = fid(tmp_path / "squeezed.json", f"run='{of_photos}'", f"real='{photos}'", "resize=stretch",
                   "num_fake=150")
    assert squeezed["value"] != pytest.approx(own["value"], rel=1e-3)
    assert squeezed["protocol"]["framing"] == "stretch, center"
    assert squeezed["protocol"]["fake_framing"] == "short_side, center"
    assert "are squeezed into squares" in capsys.readouterr().err


def test_a_run_of_images_that_are_not_square_is_measured_as_its_files_are(photos, tmp_path, capsys):
    run = untrained_run(tmp_path / "run", settings(*TINY, "data=image_folder", f"data.root={photos}",
                                                   "data.image_size=[16,24]", "data.num_workers=0"))
    own = fid(tmp_path / "own.json", f"run='{run}'", f"num_fake={COUNT}", "image_size=[16,24]")
    for index, image in enumerate(load_generator(run).sample(COUNT)):
        pictures.write_png(tmp_path / "fakes" / f"{index:03}.png", to_bytes(image))
    folders = fid(tmp_path / "folders.json", f"real='{photos}'", f"fake='{tmp_path / 'fakes'}'", "extractor=random")
    assert folders["value"] == pytest.approx(own["value"], rel=1e-6)
    for protocol in (own["protocol"], folders["protocol"]):
        assert protocol["image_size"] == [16, 24] and protocol["resize"].endswith("to 32 x 32 (of 16 x 24)")
    assert folders["protocol"]["framing"] == "none" and "note:" not in capsys.readouterr().err
    with pytest.raises(RequestError, match=r"image_size=\[24,16\], but the run makes images of image_size=\[16,24\]"):
        fid(tmp_path / "other.json", f"run='{run}'", "image_size=[24,16]")
    with pytest.raises(RequestError, match=r"must be of one size: .*Type 'image_size=\[16,24\]' to take the middle"):
        fid(tmp_path / "other.json", f"real='{photographs(tmp_path / 'square', 1, 40, 40)}'",
            f"fake='{tmp_path / 'fakes'}'", "extractor=random")


def digits(run: Path) -> torch.Tensor:
    """[N, 1, 28, 28], before they are padded"""
    return build.data(checkpoint.load(run / "checkpoints" / "last.ckpt")["settings"]).images()


def test_the_runs_own_digits_as_a_folder_are_padded_as_in_training(of_digits, tmp_path, capsys):
    for index, image in enumerate(digits(of_digits)):
        pictures.write_png(tmp_path / "digits" / f"{index:03}.png", image)
    own = fid(tmp_path / "own.json", f"run='{of_digits}'", "num_fake=150")
    folder = fid(tmp_path / "folder.json", f"run='{of_digits}'", f"real='{tmp_path / 'digits'}'", "num_fake=150")
    assert folder["value"] == own["value"]
    assert folder["protocol"]["framing"] == own["protocol"]["framing"] == "pad"
    assert "note:" not in capsys.readouterr().err


def test_images_too_large_to_be_padded_are_refused_with_a_line_that_works(of_digits, tmp_path, capsys):
    large = photographs(tmp_path / "large", width=40, height=40)
    with pytest.raises(RequestError, match="40 x 40 pixels are more than the 32 x 32 .* type resize=short_side"):
        fid(tmp_path / "out.json", f"run='{of_digits}'", f"real='{large}'")
    found = fid(tmp_path / "out.json", f"run='{of_digits}'", f"real='{large}'", "resize=short_side", "num_fake=150")
    assert found["protocol"]["fake_framing"] == "pad"
    assert "in colours are read as grey, as the run's are" in capsys.readouterr().err


def test_photographs_for_a_run_that_took_images_as_they_are_are_refused_with_a_line_that_works(photos, tmp_path):
    same = photographs(tmp_path / "same", 16, 32, 32)
    run = train(settings(*TINY, "data=image_folder", f"data.root={same}", "data.image_size=32", "data.num_workers=0",
                         "data.resize=none", "data.crop=none"), tmp_path / "run")
    with pytest.raises(RequestError, match="24 x 16 pixels are less than data.image_size=32.*; type resize=short_side"):
        fid(tmp_path / "out.json", f"run='{run}'", f"real='{photos}'")
    found = fid(tmp_path / "out.json", f"run='{run}'", f"real='{photos}'", "resize=short_side", "num_fake=150")
    assert found["protocol"]["framing"] == "short_side, center" and found["protocol"]["fake_framing"] == "none, none"


@pytest.mark.parametrize("channels", [1, 3])
def test_fitting_a_file_is_fitting_an_image_of_a_set_in_memory(channels):
    """data.fit=resize, to the bit"""
    image = torch.randint(0, 256, (channels, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    file = Image.fromarray(image.permute(1, 2, 0).numpy().squeeze())
    fitted = torch.from_numpy(numpy.atleast_3d(numpy.asarray(Fit(16, "resize").scaled(file))).copy()).permute(2, 0, 1)
    assert torch.equal(fitted, resized(image[None], 16)[0])


@pytest.mark.parametrize(("typed", "words"), [
    (("channels=3",), "channels=3, but the run makes images of channels=1"),
    (("image_size=64",), "image_size=64, but the run makes images of image_size=32"),
    (("resize=stretch",), "resize=stretch frames the images of real=FOLDER"),
])
def test_settings_of_folders_that_a_run_does_not_follow_are_refused(of_digits, tmp_path, typed, words):
    with pytest.raises(RequestError, match=words):
        fid(tmp_path / "out.json", f"run='{of_digits}'", *typed)


# Two folders.


STORED = {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_270}  # EXIF's orientation -> how an upright image is turned to be stored


def written_turned(file: Path, upright: Image.Image, orientation: int) -> None:
    """Stores an image as a camera that was held on its side does."""
    stored = upright.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[274] = orientation
    file.parent.mkdir(exist_ok=True)
    stored.save(file, exif=exif, quality=100)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_images_that_are_stored_turned_have_the_sides_that_they_have_upright(ending, orientation, tmp_path, capsys):
    upright = Image.linear_gradient("L").resize((16, 24))
    for index in range(3):
        written_turned(tmp_path / "turned" / f"{index}.{ending}", upright, orientation)
        pictures.write_png(tmp_path / "upright" / f"{index}.png", torch.from_numpy(numpy.array(upright))[None])
    typed = f"real='{tmp_path / 'turned'}'", f"fake='{tmp_path / 'upright'}'"
    real, fake = real_and_fake_images(checked_settings(composed(*typed, config="evaluate")[0]))
    assert real.image_size == fake.image_size == Sides(24, 16) and real.framing == fake.framing == "none"
    assert (real.block(range(3)).images.int() - fake.block(range(3)).images.int()).abs().max() <= 2 * (ending == "jpg")
    assert "note:" not in capsys.readouterr().err


def test_images_of_the_same_stored_sides_are_not_of_one_size_if_only_some_are_turned(tmp_path):
    written_turned(tmp_path / "set" / "a.jpg", Image.new("L", (16, 24)), 6)
    Image.new("L", (24, 16)).save(tmp_path / "set" / "b.jpg")
    with pytest.raises(RequestError, match=r"one size: .*a\.jpg is 16 x 24; .*b\.jpg is 24 x 16\. Type image_size=16"):
        images_alone(checked_settings(composed(f"real='{tmp_path / 'set'}'", config="evaluate")[0]), "real")


def advice(photos: Path, fakes: Path, where: Path) -> list[list[str]]:
    """The settings that the refusal says to type, one list for each way"""
    with pytest.raises(RequestError, match="must be of one size") as refusal:
        fid(where, f"real='{photos}'", f"fake='{fakes}'", "extractor=random")
    found = re.findall(r"(image_size=\d+)( resize=\w+)?", str(refusal.value).split("Type ")[1])
    return [[part.strip() for part in each if part] for each in found]


@pytest.mark.parametrize("squeezed", [False, True])
def test_the_advised_command_finds_no_distance_between_photographs_and_a_perfect_model_of_them(
        squeezed, photos, tmp_path, capsys):
    fakes = squares(photos, tmp_path / "fakes", 16, squeezed)
    middle, whole = advice(photos, fakes, tmp_path / "out.json")
    assert middle == ["image_size=16"] and whole == ["image_size=16", "resize=stretch"]
    sides = (f"real='{photos}'", f"fake='{fakes}'", "extractor=random")
    right, wrong = (fid(tmp_path / f"{number}.json", *sides, *typed)
                    for number, typed in enumerate((whole, middle) if squeezed else (middle, whole)))
    assert right["value"] < 1e-6 < 1e-3 < wrong["value"]
    assert right["protocol"]["fake_framing"] == "none" != right["protocol"]["framing"]
    said = capsys.readouterr().err
    assert f"those of fake={fakes} are 16 x 16 already" in said and "type resize=stretch" in said


def test_one_side_that_is_resized_is_said(tmp_path, capsys):
    large, small = photographs(tmp_path / "large", 130, 20, 20), photographs(tmp_path / "small", 130, 16, 16)
    assert advice(large, small, tmp_path / "out.json") == [["image_size=16"]]
    fid(tmp_path / "out.json", f"real='{large}'", f"fake='{small}'", "extractor=random", "image_size=16")
    assert f"real={large} are resized to 16 x 16" in capsys.readouterr().err
    same = fid(tmp_path / "same.json", f"real='{small}'", f"fake='{small}'", "extractor=random")
    assert same["protocol"]["framing"] == "none" and same["protocol"]["fake_framing"] is None
    assert "note:" not in capsys.readouterr().err


def test_parts_that_are_measured_as_one_are_said(tmp_path, capsys):
    for part in ("train", "test"):
        photographs(tmp_path / "set" / part, 1, 16, 16)
    list_images({"real": f"{tmp_path}/set", "image_extensions": None}, "real")
    said = capsys.readouterr().err
    assert f"has the parts test, train, and images of all of them are measured; those of one: real={tmp_path}/" in said


def test_files_of_other_endings_are_counted(tmp_path, capsys):
    folder = photographs(tmp_path / "folder", 130, 16, 16)
    for index in range(3):
        (folder / f"{index}.PSP").write_bytes(b"")
    (folder / "notes").write_text("")
    (folder / ".hidden.psp").write_text("")
    fid(tmp_path / "out.json", f"real='{folder}'", f"fake='{folder}'", "extractor=random")
    said = capsys.readouterr().err
    others = "4 files whose ending is not in image_extensions (.psp 3, without ending 1); 1 hidden file"
    assert f"left out of real={folder}: {others}" in said
    with pytest.raises(RequestError, match=r"ends in tiff \(there are 134 files whose ending is not in image_"
                                           r"extensions \(.png 130, .psp 3, without ending 1\); 1 hidden file\)"):
        fid(tmp_path / "out.json", f"real='{folder}'", f"fake='{folder}'", "extractor=random",
            "image_extensions=[tiff]")


# Values and files that are lost.


def cut(folder: Path, *names: str) -> None:
    """Their headers are good, their pixels are not."""
    for name in names:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:len(content) // 2])


def test_a_metric_without_a_value_costs_the_others_nothing(photos, tmp_path, capsys):
    """Each real image is there twice: there is no distance between them to compare with."""
    once, twice = squares(photos, tmp_path / "once", 16), squares(photos, tmp_path / "twice", 16)
    for path in list(twice.iterdir()):
        (twice / f"again_{path.name}").write_bytes(path.read_bytes())
    found = evaluated(tmp_path / "out.json", f"real='{twice}'", f"fake='{once}'", "extractor=random", "resamples=10",
                      "metrics.kid.subset_size=50", "metrics.kid.subsets=4", "metrics.fid_infinity.smallest_share=0.95")
    lost = found.pop("neighbour_distance_random")
    assert lost["value"] is None and lost["interval"] is None and "exact copy" in lost["reason"]
    assert found["fid_random"]["interval"] and all(each["value"] is not None for each in found.values())
    said = capsys.readouterr().out
    assert re.search(r"neighbour_distance_random +none +none", said)
    assert "neighbour_distance_random has no value: half of the real images or more" in said


def test_a_metric_for_which_too_few_can_be_read_costs_the_others_nothing(tmp_path):
    folder = photographs(tmp_path / "folder", 129, 32, 32)
    cut(folder, "005.png")
    sides = (f"real='{folder}'", f"fake='{folder}'", "extractor=random")
    found = evaluated(tmp_path / "out.json", *sides, "metric=[fid,precision]")
    assert found["fid_random"]["value"] is None and "128 real and 128 fake ones" in found["fid_random"]["reason"]
    assert found["precision_random"]["value"] == 1
    with pytest.raises(RequestError, match="128 real"):
        fid(tmp_path / "none.json", *sides)
    assert not (tmp_path / "none.json").exists()


def test_files_that_cannot_be_read_are_named_when_they_are_remembered_as_well(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SADDLEPOINT_CACHE", str(tmp_path / "cache"))
    folder = photographs(tmp_path / "folder", 132, 32, 32)
    cut(folder, "005.png")
    whole = photographs(tmp_path / "whole", 132, 32, 32)
    for number in range(2):
        caplog.clear()
        found = fid(tmp_path / f"{number}.json", f"real='{folder}'", f"fake='{whole}'", "extractor=random",
                    "remember=true")
        assert found["protocol"]["num_real"] == 131
        assert "1 image file cannot be read" in caplog.text and "005.png" in caplog.text


def test_two_processes_measure_folders_with_unreadable_files_as_one_does(tmp_path):
    folder, whole = photographs(tmp_path / "folder", 132, 32, 32), photographs(tmp_path / "whole", 132, 32, 32)
    cut(folder, "000.png", "100.png")  # in the blocks of different processes
    (whole / "note.txt").write_text("")
    sides = (f"real={folder}", f"fake={whole}", "extractor=random", "metric=[fid,precision]")
    one = evaluated(tmp_path / "one.json", *sides)
    plain = ("device=cpu", "resamples=0", "remember=false", "threads=1", f"output={tmp_path / 'two.json'}")
    both = shared([sys.executable, ROOT / "evaluate.py", *sides, *plain], tmp_path, 2)
    said = "".join(done.stderr for done in both)
    assert [done.returncode for done in both] == [0, 0], said
    two = {each["name"]: each for each in json.loads((tmp_path / "two.json").read_text())["metrics"]}
    for name, each in one.items():
        assert two[name]["value"] == pytest.approx(each["value"], rel=1e-6), name
        assert two[name]["protocol"]["num_real"] == 130
    assert said.count("2 image files cannot be read") == 1 and said.count("000.png") == 1
    assert said.count("1 file whose ending is not in image_extensions (.txt 1)") == 1
