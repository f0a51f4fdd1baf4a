"""When codes and encoders are looked at, on which images, and that one value's entry leaves another's alone."""

import json
from types import SimpleNamespace

import pytest
import torch

from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.training.callbacks.representation import Measured, Representation, split_to_look_at


class Clock(Representation):
    """Measures how many images were seen."""

    uses_average = False

    def measure(self, module):
        return {"reconstruction_error": Measured(float(module.images_seen), 1.0)}

    def draw(self, module):
        return {"clock": torch.zeros(1, 2, 2, dtype=torch.uint8)}


class Trainer:
    is_global_zero, loggers = True, ()

    def __init__(self, directory):
        self.default_root_dir = directory


def digits(held_out: int = 0) -> MNIST5k:
    return MNIST5k(name="mnist5k", channels=1, image_size=28, batch_size=8, held_out=held_out)


def watch(directory, budget: int, callback: Clock, begin: int = 0) -> list[int]:
    """Plays batches of 8 images; returns the images seen at each look."""
    trainer, module = Trainer(directory), SimpleNamespace(images_seen=begin, budget_images=budget, has_average=False,
                                                            settle=lambda: None, device=torch.device("cpu"))
    callback.on_train_start(trainer, module)
    while module.images_seen < budget:
        module.images_before, module.images_seen = module.images_seen, module.images_seen + 8
        callback.on_train_batch_end(trainer, module, None, None, 0)
    callback.on_train_end(trainer, module)
    return [int(path.stem.removeprefix("clock_")) for path in sorted((directory / "samples").iterdir())]


@pytest.mark.parametrize(("every", "moments", "expected"), [
    (None, [], [40]), (16, [], [16, 32, 40]), (None, [0, 20], [0, 24, 40]), (8, [40], [8, 16, 24, 32, 40])])
def test_looks_come_at_their_moments_and_once_at_the_end(tmp_path, every, moments, expected):
    assert watch(tmp_path, 40, Clock(digits(), every, moments, num_images=5)) == expected


def test_a_run_that_goes_on_does_not_look_at_its_start_again(tmp_path):
    assert watch(tmp_path, 40, Clock(digits(), None, [0], num_images=5), begin=16) == [40]


def test_images_are_held_out_ones_if_there_are_any_and_always_the_same(tmp_path):
    assert (split_to_look_at(digits()), split_to_look_at(digits(held_out=20))) == ("train", "test")
    looks = []
    for number in range(2):
        callback = Clock(digits(held_out=20), None, [], num_images=12)
        watch(tmp_path / str(number), 8, callback)
        looks.append(callback.images)
    assert torch.equal(*looks) and looks[0].dtype == torch.uint8 and len(looks[0]) == 12
    held_out = digits(held_out=20).evaluation_images("test").images
    assert all((held_out == image).flatten(1).all(1).any() for image in looks[0])


def test_the_newest_value_replaces_its_own_entry_only(tmp_path):
    other = {"name": "code_accuracy", "value": 0.5, "protocol": {}}
    (tmp_path / "metrics.json").write_text(json.dumps({"metrics": [], "representation": [other]}))
    watch(tmp_path, 16, Clock(digits(), 8, [], num_images=5))
    entries = json.loads((tmp_path / "metrics.json").read_text())["representation"]
    assert entries[0] == other and [each["value"] for each in entries[1:]] == [16.0]
