"""Walks as sample.py draws them, by generators that paint their label and their latents."""

import pytest
import torch

from saddlepoint.data import pixels
from tests.painting import LEVEL, Studio, painting_generator


@pytest.fixture
def studio(tmp_path, monkeypatch):
    return Studio(tmp_path, monkeypatch)


def test_a_walk_within_a_class_leaves_it_nowhere(studio, capsys):
    generator = painting_generator(distribution="uniform")
    studio.draw(generator, "class=dog", "interpolate=[1,2,5]", "steps=5")
    cells = studio.cells("last_class1_walk1-2-5_steps5")
    assert cells.shape == (2, 5, 4) and (cells[..., 0] == LEVEL).all()
    assert "10 images of class 1 (dog): " in capsys.readouterr().out
    first, second, _ = (generator.latents.of_images(seed, 0, 1) for seed in (1, 2, 5))
    middle = pixels.to_bytes((first + second) / 2 / 8)[0].int()
    assert (cells[0, 2, 1:] - middle).abs().max() <= 1
    for seed, (row, column) in {1: (0, 0), 2: (0, 4), 5: (1, 4)}.items():
        assert torch.equal(cells[row, column], pixels.to_bytes(generator.sample(1, seed, labels=1)).flatten().int())


def test_a_walk_between_images_of_two_classes_changes_the_class_evenly(studio, capsys):
    generator = painting_generator()
    classes = [int(generator.labels_of_images(seed, 0, 1)) for seed in range(30)]
    cat, fox = classes.index(0), classes.index(3)
    studio.draw(generator, f"interpolate=[{cat},{fox}]", "steps=5")
    cells = studio.cells(f"last_walk{cat}-{fox}_steps5")
    assert cells[0, :, 0].tolist() == [0, 30, 60, 90, 120]  # 3 classes of 40 in 4 steps
    assert "5 images from class 0 (cat) to class 3 (fox): " in capsys.readouterr().out
    ends = torch.cat([generator.sample(1, seed) for seed in (cat, fox)])
    assert torch.equal(cells[0, [0, 4]], pixels.to_bytes(ends).flatten(1).int())


def test_a_walk_between_classes_changes_the_class_and_nothing_else(studio, capsys):
    generator = painting_generator()
    studio.draw(generator, "interpolate_class=[eel,0,1]", "steps=3", "count=7", "seed=4", "files=true")
    name = "last_classwalk2-0-1_seed4_count7_steps3"
    cells = studio.cells(name)
    assert cells.shape == (14, 3, 4)  # seven rows for each leg
    assert cells[:7, :, 0].unique(dim=0).tolist() == [[80, 40, 0]]
    assert cells[7:, :, 0].unique(dim=0).tolist() == [[0, 20, 40]]
    latents = pixels.to_bytes(generator.latents.of_images(4, 0, 7) / 8).int()
    assert torch.equal(cells[..., 1:], latents.view(7, 1, 3).expand(7, 3, 3).repeat(2, 1, 1))
    assert "42 images from class 2 (eel) to class 0 (cat) to class 1 (dog): " in capsys.readouterr().out
    assert torch.equal(studio.cells(f"{name}/000041")[0, 0], cells[13, 2])


def test_a_walk_between_classes_has_ten_rows_unless_count_says_otherwise(studio):
    studio.draw(painting_generator(), "interpolate_class=[0,3]")
    assert studio.cells("last_classwalk0-3_seed0_count10_steps8").shape == (10, 8, 4)


def test_without_classes_a_walk_is_the_latents_between(studio):
    generator = painting_generator(0, distribution="uniform")
    studio.draw(generator, "interpolate=[3,8]", "steps=4")
    start, end = (generator.latents.of_images(seed, 0, 1) for seed in (3, 8))
    expected = torch.cat([start + step / 3 * (end - start) for step in range(4)])
    cells = studio.cells("last_walk3-8_steps4")[0]
    assert (cells[:, 1:] - pixels.to_bytes(expected / 8).int()).abs().max() <= 1
    assert (cells[:, 0] == 0).all()


def test_drawing_without_classes_is_named_as_before(studio, capsys):
    studio.draw(painting_generator(0))
    assert studio.cells("last_seed0_count64").shape == (8, 8, 4)
    path = studio.run / "drawn" / "last_seed0_count64.png"
    assert capsys.readouterr().out == f"64 images: {path}\n"
