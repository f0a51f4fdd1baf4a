"""What is said of an encoder: the error of G(E(x)), pictures of it, and maps of codes of two numbers."""

import json
from importlib import resources

import jsonschema
import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from saddlepoint.build import players
from saddlepoint.data.sampling import fixed_subset
from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.game.encoding import AdversarialAutoencoderModule
from saddlepoint.game.latents import Latents
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.structured_latents import RingOfGaussians
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.training.callbacks.reconstructions import SIDE, Reconstructions, map_of, reach_of
from tests.game.playing import sgd
from tests.painting import cells_of

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
LEVELS = torch.tensor([0, 51, 102, 255, 0, 51, 102, 255, 0, 51, 102, 255])  # of the first pixel of each image


class Corner(nn.Module):
    """The first pixel and its negative are the code."""

    latent_dim = 2

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def distribution(self, images: Tensor, labels: Tensor) -> tuple[Tensor, None]:
        first = images[:, 0, 0, :1] * self.factor
        return torch.cat([first, -first], 1), None

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.distribution(images, labels)[0]

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        return images.flatten(1)


class HalfAsBright(nn.Module):
    """Four pixels: half of the first latent, a quarter of the second, and black."""

    latent_dim = 2

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        black = torch.full_like(latents, -1)
        return torch.cat([latents * self.factor * torch.tensor([0.5, 0.25]), black], 1).view(-1, 1, 2, 2)


class Spots(MNIST5k):
    """Twelve images of 2 x 2 pixels, black but for the first pixel."""

    splits = ("train",)

    def read(self, split: str):
        images = torch.zeros(12, 1, 2, 2, dtype=torch.uint8)
        images[:, 0, 0, 0] = LEVELS
        return super().read(split)._replace(images=images, labels=torch.arange(12) % 2, class_names=("a", "b"))


class Trainer:
    is_global_zero, loggers = True, ()

    def __init__(self, directory):
        self.default_root_dir = directory


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    directory = tmp_path_factory.mktemp("codes")
    networks = {"generator": HalfAsBright(), "encoder": Corner(), "discriminator": nn.Linear(2, 1)}
    module = AdversarialAutoencoderModule(
        latents=Latents(2, "uniform", -2.0, 2.0), loss=NonSaturating(), tricks={}, turns=Turns(), seed=5,
        optimizers=Optimizers(sgd, sgd, 1.0), **players(networks, AdversarialAutoencoderModule.further_networks))
    module.images_seen = module.budget_images = 8
    data = Spots(name="spots", channels=1, image_size=2, batch_size=2, num_classes=2)
    callback = Reconstructions(data, every_images=None, moments=[], num_images=100, shown=11, plane=3)
    callback.on_train_start(Trainer(directory), module)
    callback.on_train_end(Trainer(directory), module)
    return directory


def picture(directory, name: str) -> Tensor:
    return torch.from_numpy(numpy.array(Image.open(directory / "samples" / f"{name}_0000000008.png"))).int()


def test_the_error_is_the_mean_square_from_0_to_1_beside_that_of_the_mean_image(looked):
    content = json.loads((looked / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    [entry] = content["representation"]
    x = LEVELS / 255
    made = torch.stack([(2 * x - 1) / 2, -(2 * x - 1) / 4], 1) / 2 + 0.5
    error = ((x - made[:, 0]) ** 2 + (0 - made[:, 1]) ** 2).mean() / 4  # the other two pixels are black in both
    assert entry["value"] == pytest.approx(error.item(), rel=1e-5)
    assert entry["baseline"] == pytest.approx(((x - x.mean()) ** 2).mean().item() / 4, rel=1e-5)
    assert entry["protocol"]["ema"] is False


def test_each_image_stands_above_its_reconstruction(looked):
    cells = cells_of(picture(looked, "reconstructions"))
    shown = LEVELS[fixed_subset(12, 12)]  # mixed, as files come class by class
    assert cells.shape == (4, 10, 4)
    assert torch.equal(cells[0, :, 0], shown[:10].int()) and not cells[0, :, 1:].any()
    first = 2 * shown / 255 - 1
    made = torch.stack([first / 2, -first / 4], 1).add(1).mul(127.5).round().int()
    assert torch.equal(cells[1, :, :2], made[:10])
    assert cells[2, 0, 0] == shown[10] and torch.equal(cells[3, 0, :2], made[10])
    assert not cells[2:, 1:].any()  # eleven are shown; the rest of the row is black


def test_the_plane_has_the_first_latent_from_left_to_right_and_the_second_upwards(looked):
    cells = cells_of(picture(looked, "plane"))
    expected = torch.tensor([[[x / 2, y / 4, -1, -1] for x in (-2, 0, 2)] for y in (2, 0, -2)])
    assert torch.equal(cells, expected.add(1).mul(127.5).round().int())


def test_the_map_has_a_point_for_each_code_in_the_colour_of_its_class(looked):
    drawn = map_of(torch.tensor([[0.5, 0.5], [-1.0, 1.0], [9.0, 0.0]]), torch.tensor([0, 1, 0]), (), reach=2.0)
    assert drawn.shape == (3, SIDE, SIDE)
    red, other = drawn[:, SIDE * 3 // 8, SIDE * 5 // 8].tolist(), drawn[:, SIDE // 4, SIDE // 4].tolist()
    assert red != other and red[1:] == [0, 0] and other[0] == 0
    coloured = (drawn.amax(0).int() - drawn.amin(0) > 50)[:SIDE - 20].sum()
    assert coloured == 2 * 5 * 5  # the third lies outside
    assert picture(looked, "map").shape == (SIDE, SIDE, 3)


def test_a_map_reaches_as_far_as_the_prior():
    assert reach_of(Latents(2)) == 3
    assert reach_of(Latents(2, "uniform", -1.0, 0.5)) == 1
    assert reach_of(RingOfGaussians(2, radius=2.0, standard_deviation=0.5)) == 3.5
