"""What the grids of a conditional run show, by a generator that paints its label. (Unconditional: test_watching.py.)"""

import io

import numpy
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from saddlepoint.game.latents import class_labels
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.training.callbacks.image_grid import MOST_ROWS, ImageGrid
from tests.game.playing import batches, game
from tests.painting import LEVEL, Painter, cells_of, colours


def cells(png) -> torch.Tensor:
    return cells_of(torch.from_numpy(numpy.array(Image.open(png))).int())


def play(directory, generator, grid, batches_of_8=2, logger=False):
    module = game(generator=generator, num_classes=generator.num_classes, schedule=0.0)  # so that it goes on painting
    if generator.num_classes == 4:
        module.follow_classes(torch.tensor([1, 2, 3, 4]))
    pl.Trainer(max_epochs=1, accelerator="cpu", logger=logger, enable_checkpointing=False, enable_progress_bar=False,
               enable_model_summary=False, callbacks=[grid], default_root_dir=directory).fit(
        module, DataLoader(batches(batches_of_8), batch_size=None))
    return module


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("grids")
    grid = ImageGrid(every_images=8, moments=[0], count=9, seed=3, per_class=5)
    module = play(directory, Painter(4), grid, logger=TensorBoardLogger(directory, name="", version=""))
    return directory, module


def test_each_row_is_a_class_and_every_row_has_the_same_latents(watched):
    shown = cells(watched[0] / "samples" / "by_class_0000000008.png")
    assert shown.shape == (4, 5, 4)
    assert torch.equal(shown[..., 0], LEVEL * torch.arange(4).view(4, 1).expand(4, 5))
    assert torch.equal(shown[1:, :, 1:], shown[:1, :, 1:].expand(3, -1, -1))
    assert len(shown[0, :, 1:].unique(dim=0)) == 5


def test_both_grids_are_what_sample_draws_of_that_seed(watched):
    directory, module = watched
    generator = SamplingGenerator(module.generator, module.latents, module.class_distribution)
    rows = torch.stack([generator.sample(5, seed=3, labels=label) for label in range(4)])
    expected = (rows.flatten(2) + 1).mul(127.5).round().int()
    assert torch.equal(cells(directory / "samples" / "by_class_0000000016.png"), expected)
    fixed = cells(directory / "samples" / "images_0000000016.png").flatten(0, 1)
    assert fixed[:, 0].tolist() == colours(generator.sample(9, seed=3))
    assert fixed[:, 0].tolist() == (LEVEL * class_labels(module.class_distribution, 3, 0, 9)).tolist()
    assert len(fixed[:, 0].unique()) > 1


def test_grids_by_class_are_drawn_whenever_the_others_are(watched):
    directory, _ = watched
    assert sorted(path.name for path in (directory / "samples").iterdir()) == [
        f"{name}_{images_seen:010d}.png" for name in ("by_class", "images") for images_seen in (0, 8, 16)]
    events = EventAccumulator(str(directory), size_guidance={"images": 0})
    events.Reload()
    shown = events.Images("samples/by_class")
    assert [event.step for event in shown] == [0, 8, 16]
    assert torch.equal(cells(io.BytesIO(shown[1].encoded_image_string)),
                       cells(directory / "samples" / "by_class_0000000008.png"))
    assert [event.step for event in events.Images("samples/fixed")] == [0, 8, 16]


@pytest.mark.parametrize(("num_classes", "per_class"), [(0, 10), (4, 0)])
def test_without_classes_or_on_request_there_is_no_grid_of_them(tmp_path, num_classes, per_class):
    play(tmp_path, Painter(num_classes), ImageGrid(None, [0], count=4, seed=0, per_class=per_class))
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "images_0000000000.png", "images_0000000016.png"]
    assert (cells(tmp_path / "samples" / "images_0000000016.png")[..., 0].max() == 0) == (num_classes == 0)


def test_a_class_without_an_image_has_no_row(tmp_path):
    grid = ImageGrid(every_images=None, moments=[], count=1, seed=3, per_class=2)
    module = game(generator=Painter(4), num_classes=4)
    module.follow_classes(torch.tensor([3, 0, 0, 5]))
    grid.on_train_start(None, module)
    assert cells_of(grid.by_class(module.generator)[0])[:, 0, 0].tolist() == [0, 3 * LEVEL]


def test_of_very_many_classes_the_first_are_shown(tmp_path):
    play(tmp_path, Painter(MOST_ROWS + 1), ImageGrid(None, [], count=1, seed=0, per_class=2), batches_of_8=1)
    assert cells(tmp_path / "samples" / "by_class_0000000008.png").shape[:2] == (MOST_ROWS, 2)
