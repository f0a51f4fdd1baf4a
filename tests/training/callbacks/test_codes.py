"""What is said of codes: the accuracy of guesses after the best matching, and grids in which one code changes."""

import itertools
import json
from importlib import resources

import jsonschema
import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.game.infogan import InfoGANModule
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.training.callbacks.codes import Codes, matched_accuracy
from tests.game.playing import sgd
from tests.painting import cells_of

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
LATENTS = StructuredLatents(4, categorical=[2], continuous=1)  # one number of noise, two of code 1, one of code 2


def best_by_trying(values: list[int], classes: list[int], size: int) -> float:
    return max(sum(matching[value] == each for value, each in zip(values, classes, strict=True))
               for matching in itertools.permutations(range(size))) / len(values)


def test_the_matching_is_the_best_of_all_there_are():
    generator = torch.Generator().manual_seed(0)
    for size in (2, 3, 5):
        for _ in range(5):
            values, classes = torch.randint(size, (2, 40), generator=generator)
            values[:size] = torch.arange(size)
            assert matched_accuracy(values, classes) == best_by_trying(values.tolist(), classes.tolist(), size)


def test_values_may_be_more_or_fewer_than_classes():
    assert matched_accuracy(torch.tensor([5, 5, 1, 0]), torch.tensor([0, 0, 1, 1])) == 3 / 4  # one value for a class
    assert matched_accuracy(torch.tensor([0, 0, 0, 0]), torch.tensor([0, 1, 2, 2])) == 2 / 4


class Painter(nn.Module):
    """Images of 2 x 2 pixels: the four latents / 8."""

    latent_dim = 4

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1 / 8))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (latents * self.scale).view(-1, 1, 2, 2)


class Oracle(nn.Module):
    """Guesses code 1 from the brightness of the first pixel."""

    def __init__(self):
        super().__init__()
        self.logit = nn.Linear(4, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.logit(images.flatten(1)).squeeze(1)

    def codes(self, images: Tensor, labels: Tensor) -> Tensor:
        bright = images[:, 0, 0, 0]
        return torch.stack([bright, -bright, torch.zeros_like(bright)], 1)


class Digits(MNIST5k):
    """Eight images of 2 x 2 pixels, of class 1 where the first is white, but for the last."""

    splits = ("train",)

    def read(self, split: str):
        whole = super().read(split)
        classes = torch.tensor([0, 1, 0, 1, 1, 1, 0, 0])
        images = torch.zeros(8, 1, 2, 2, dtype=torch.uint8)
        images[:, 0, 0, 0] = 255 * classes
        classes[-1] = 1
        return whole._replace(images=images, labels=classes, class_names=("0", "1"))


class Trainer:
    is_global_zero, loggers = True, ()

    def __init__(self, directory):
        self.default_root_dir = directory


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    directory = tmp_path_factory.mktemp("codes")
    data = Digits(name="digits", channels=1, image_size=2, batch_size=2, num_classes=2)
    module = InfoGANModule(latents=LATENTS, generator=Painter(), discriminator=Oracle(), loss=NonSaturating(), seed=5,
                           tricks={}, turns=Turns(), optimizers=Optimizers(sgd, sgd, 1.0))
    module.images_seen = module.budget_images = 8
    callback = Codes(data, every_images=None, moments=[], num_images=100, rows=3, reach=4.0, seed=2)
    callback.on_train_start(Trainer(directory), module)
    callback.on_train_end(Trainer(directory), module)
    return directory


def test_the_accuracy_is_of_real_images_and_stands_beside_the_largest_class(looked):
    content = json.loads((looked / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    [entry] = content["representation"]
    assert (entry["name"], entry["value"], entry["baseline"]) == ("code_accuracy", 7 / 8, 5 / 8)
    assert entry["protocol"]["split"] == "train" and entry["protocol"]["num_images"] == 8


def test_each_code_has_a_grid_in_which_it_alone_changes(looked):
    base = LATENTS.of_images(2, 0, 3)
    for code, values in ((1, [[1, 0], [0, 1]]), (2, torch.linspace(-4, 4, 10).view(10, 1).tolist())):
        grid = Image.open(looked / "samples" / f"code{code}_0000000008.png")
        cells = cells_of(torch.from_numpy(numpy.array(grid)).int())
        expected = base[:, None].repeat(1, len(values), 1)
        expected[..., 1:3] = torch.tensor(values, dtype=torch.float32) if code == 1 else expected[..., 1:3]
        expected[..., 3:] = torch.tensor(values) if code == 2 else expected[..., 3:]
        assert (cells - (expected / 8 + 1).mul(127.5).round().int()).abs().max() <= 1
