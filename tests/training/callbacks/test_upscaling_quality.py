"""Whole images measured through training: values with their limits, the best checkpoint, pictures, and no trace."""

import csv
import hashlib
import json
import math
from importlib import resources

import jsonschema
import numpy
import pytest
import torch
from PIL import Image
from skimage.data import coffee
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn import functional

from saddlepoint.data.bicubic import resize
from saddlepoint.networks.srresnet import SRResNet
from saddlepoint.networks.srvgg import SRVGGNetCompact
from saddlepoint.runs import checkpoint
from saddlepoint.training.callbacks.best import keep_greatest
from saddlepoint.training.callbacks.upscaling_quality import GAP, UpscalingQuality
from saddlepoint.training.train import train
from tests.composing import settings
from tests.data.pair_data import pair_folder, write_noise

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
SIZES = {"a": (64, 48), "b": (52, 40)}  # width, height
NAMES = ["psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"]


def write_photographs(root):
    root.mkdir()
    for number, (name, (width, height)) in enumerate(SIZES.items()):
        Image.fromarray(coffee()[100:100 + height, 200 * number:200 * number + width]).save(root / f"{name}.png")


class Whole(nn.Module):
    """Must see an image whole."""

    scale, multiple, channels, receptive_field = 4, 1, 3, 1000

    def __init__(self):
        super().__init__()
        self.register_buffer("place", torch.zeros(()))


class Bicubic(Whole):
    """What it is compared with."""

    def forward(self, low):
        return resize(low.double(), *(4 * side for side in low.shape[-2:])).float()


class Perfect(Whole):
    """Knows the originals by the size of their low-resolution images."""

    def __init__(self, pairs):
        super().__init__()
        self.known = {tuple(pair.low.shape): pair.high for pair in pairs}

    def forward(self, low):
        return self.known[tuple(low.shape[1:])][None] / 255


class Even(Whole):
    """Takes even sides only, and writes which."""

    multiple = 2

    def __init__(self):
        super().__init__()
        self.sides = []

    def forward(self, low):
        self.sides.append(tuple(low.shape[-2:]))
        return functional.interpolate(low, scale_factor=4, mode="nearest")


class Trainer:
    is_global_zero, loggers = True, ()

    def __init__(self, directory):
        self.default_root_dir = directory


class Module:
    """Of which the callback sees this much."""

    device, images_seen, budget_images, has_average = torch.device("cpu"), 0, 100, False

    def __init__(self, generator):
        self.generator = self.sampling_generator = generator


@pytest.fixture
def measuring(tmp_path, monkeypatch):
    """-> a callback on two photographs, and a function that measures a generator: (metrics.json, what was printed)"""
    write_photographs(tmp_path / "photos")
    data = pair_folder(tmp_path / "photos", validation_root=str(tmp_path / "photos"))
    callback = UpscalingQuality(data, every_images=None, moments=[0], most_images=10, pictures=1, picture_size=50)
    saved = []
    monkeypatch.setattr("saddlepoint.training.callbacks.best.state", lambda module: {})
    monkeypatch.setattr(checkpoint, "save", lambda path, content: saved.append(content["best"]))

    def measured(generator):
        callback.on_train_start(Trainer(tmp_path), Module(generator))
        return json.loads((tmp_path / "metrics.json").read_text())["image_quality"]

    return callback, measured, saved


def test_a_generator_that_is_bicubic_has_bicubics_values(measuring):
    _, measured, _ = measuring
    for each in measured(Bicubic()):
        assert each["value"] == pytest.approx(each["bicubic"], rel=1e-6)
    assert [each["name"] for each in measured(Bicubic())] == NAMES


def test_a_perfect_generator_has_ssim_1_and_no_finite_psnr(measuring, capsys):
    callback, measured, saved = measuring
    values = {each["name"]: each["value"] for each in measured(Perfect(callback.pairs))}
    assert values == {"psnr_y": None, "ssim_y": 1, "psnr_rgb": None, "ssim_rgb": 1}
    assert "psnr_y inf (bicubic 2" in capsys.readouterr().err
    assert saved == []


def test_values_are_means_over_images_of_what_is_computed_of_each(measuring):
    callback, measured, _ = measuring
    with torch.no_grad():
        errors = [(functional.interpolate(pair.low[None].float(), scale_factor=4, mode="nearest")[0] - pair.high)
                  [:, 4:-4, 4:-4].square().mean().item() for pair in callback.pairs]
    by_hand = sum(10 * math.log10(255**2 / error) for error in errors) / 2
    [psnr_rgb] = [each["value"] for each in measured(Even()) if each["name"] == "psnr_rgb"]
    assert psnr_rgb == pytest.approx(by_hand, rel=1e-6)


def test_sides_a_network_does_not_take_are_filled_up_and_cut_again(measuring):
    _, measured, _ = measuring
    generator = Even()
    measured(generator)
    assert generator.sides == [(12, 16), (10, 14)]  # b is 13 x 10


def test_the_protocol_says_what_was_measured(measuring):
    callback, measured, _ = measuring
    pixels = hashlib.sha256()
    for image in (image for pair in callback.pairs for image in (pair.high, pair.low)):
        pixels.update(repr(tuple(image.shape)).encode() + bytes(image.flatten().tolist()))
    assert measured(Bicubic())[0]["protocol"] == {
        "reference_digest": pixels.hexdigest(),
        "images": ["a", "b"], "scale": 4, "border": 4, "ema": False, "quantisation": "uint8", "low": "bicubic (MATLAB)",
        "low_in_training": "bicubic (MATLAB)", "range_y": "16 to 235 (BT.601)"}


def test_the_best_is_the_highest_psnr_on_y_of_those_that_are_numbers(measuring):
    callback, measured, saved = measuring
    (callback.data.root / "checkpoints").mkdir()
    (callback.data.root / "checkpoints" / "best.ckpt").touch()

    def keep(value: float, measured_on: str = "these") -> None:
        keep_greatest(callback, Trainer(callback.data.root), Module(Bicubic()), "psnr_y", value, measured_on)
    for value in (20.0, math.nan, 19.0, math.inf, 21.0):
        keep(value)
    assert [best["value"] for best in saved] == [20.0, 21.0]
    keep(11.0, "other images")  # does not compare
    keep(12.0, "other images")
    keep(11.0, "other images")
    assert [best["value"] for best in saved] == [20.0, 21.0, 11.0, 12.0]
    (callback.data.root / "checkpoints" / "best.ckpt").unlink()  # of a step that a resumed run has not made
    keep(5.0, "other images")
    assert saved[-1]["value"] == callback.best == 5.0


def test_pictures_show_bicubic_ours_and_the_truth_side_by_side_cut_to_their_middle(measuring, tmp_path):
    callback, measured, _ = measuring
    measured(Perfect(callback.pairs))
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["a_0000000000.png"]
    picture = numpy.array(Image.open(tmp_path / "samples" / "a_0000000000.png"))
    assert picture.shape == (48, 3 * 50 + 2 * GAP, 3)  # 64 x 48, of which 50 x 50 at most are shown
    truth = callback.pairs[0].high.permute(1, 2, 0).numpy()[:, 7:57]
    bicubic, ours, original = (picture[:, start:start + 50] for start in (0, 50 + GAP, 2 * (50 + GAP)))
    numpy.testing.assert_array_equal(original, truth)
    numpy.testing.assert_array_equal(ours, truth)
    assert 0 < numpy.abs(bicubic.astype(int) - truth).mean() < 20
    assert (picture[:, 50:50 + GAP] == 255).all()


def test_images_that_cannot_be_used_are_named_and_so_is_that_there_are_none(tmp_path, capsys):
    write_noise(tmp_path / "train")
    write_photographs(tmp_path / "photos")
    write_noise(tmp_path / "photos", ("small",), 16, 18)
    (tmp_path / "photos" / "text.png").write_text("no picture")
    data = pair_folder(tmp_path / "train", validation_root=str(tmp_path / "photos"))
    callback = UpscalingQuality(data, None, [], most_images=10, pictures=0, picture_size=50)
    assert [pair.name for pair in callback.pairs] == ["a", "b"]
    said = capsys.readouterr().err
    assert "2 validation images cannot be used" in said and "small.png" in said and "text.png" in said
    assert len(UpscalingQuality(data, None, [], most_images=1, pictures=0, picture_size=50).pairs) == 1
    without = UpscalingQuality(pair_folder(tmp_path / "train"), None, [], most_images=10, pictures=0, picture_size=50)
    assert "as there are no validation images: type data.validation_root=FOLDER" in capsys.readouterr().err
    without.begin(None, None)
    without.act(None, None)  # looks at nothing, and training goes on


def test_a_generator_that_makes_no_numbers_has_no_value_and_does_not_end_the_run(measuring, capsys):
    _, measured, saved = measuring
    broken = SRVGGNetCompact(width=2, num_convolutions=1)
    broken.body[0].bias.data.fill_(math.nan)
    assert {each["value"] for each in measured(broken)} == {None} and saved == []
    assert "psnr_y nan" in capsys.readouterr().err


def test_measuring_leaves_a_generator_as_it_is_trained(measuring):
    _, measured, _ = measuring
    network = SRResNet(width=4, num_blocks=1).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measured(network)
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


# In a run.

TINY = ("model=srgan", "data=sr_folder", "perceptual=random", "trainer=cpu", "data.batch_size=4", "data.image_size=16",
        "model.generator.width=4", "model.generator.num_blocks=1", "model.discriminator.width=4", "trick=[ema]",
        "budget.images=24", "model.turns.generator_warmup_images=8", "callbacks.scalars.every_images=8")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs") / "photos"
    write_photographs(root)
    return f"data.root={root}", f"data.validation_root={root}"


@pytest.fixture(scope="module")
def run(photographs, tmp_path_factory):
    measuring = ("callbacks.upscaling_quality.every_images=8", "callbacks.upscaling_quality.pictures=1")
    return train(settings(*TINY, *photographs, *measuring), tmp_path_factory.mktemp("quality") / "run")


def test_measuring_changes_no_bit_of_training(run, photographs, tmp_path):
    unmeasured = train(settings(*TINY, *photographs, "callbacks=none"), tmp_path / "run")
    one, other = (checkpoint.load(path / "checkpoints" / "last.ckpt")["module"] for path in (run, unmeasured))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name], name
    assert not (unmeasured / "checkpoints" / "best.ckpt").exists()


def curve(run):
    with (run / "metrics.csv").open(newline="") as file:
        return {int(row["images_seen"]): float(row["quality/psnr_y"]) for row in csv.DictReader(file)
                if row["quality/psnr_y"]}


def test_the_curve_has_the_start_every_moment_and_the_end_and_tensorboard_the_pictures(run):
    assert sorted(curve(run)) == [0, 8, 16, 24]
    events = EventAccumulator(str(run), size_guidance={"images": 0})
    events.Reload()
    assert {event.step: event.value for event in events.Scalars("quality/psnr_y")} == pytest.approx(curve(run))
    assert [event.step for event in events.Images("samples/bicubic_ours_truth/a")] == [0, 8, 16, 24]
    assert len(list((run / "samples").glob("a_*.png"))) == 4


def test_the_best_checkpoint_is_the_best_of_the_curve(run):
    best = max(curve(run), key=curve(run).get)
    saved = checkpoint.load(run / "checkpoints" / "best.ckpt")
    assert saved["images_seen"] == best
    assert saved["best"] == {"name": "psnr_y", "value": pytest.approx(curve(run)[best]), "images_seen": best}


def test_metrics_json_has_the_last_values_of_the_averaged_generator(run):
    content = json.loads((run / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    assert [each["name"] for each in content["image_quality"]] == NAMES
    assert all(each["images_seen"] == 24 and each["protocol"]["ema"] is True for each in content["image_quality"])
    assert content["image_quality"][0]["value"] == pytest.approx(curve(run)[24])
    assert 0 < content["cost"]["evaluation_seconds"] < content["cost"]["seconds"]
