"""Concept vectors as numbers, as files and as pictures."""

import math

import numpy
import pytest
import torch
from torch import Tensor

from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.extractor import Embedding
from saddlepoint.sampling import concepts
from saddlepoint.sampling.concepts import Concept
from tests.painting import Studio, painting_generator

RIGHT = math.sqrt(2 / math.pi)  # the mean of the positive half of N(0, 1)


def by_first_latent(images: Tensor) -> Embedding:
    """Two classes: the sign of the first latent, which stands in the second pixel. Sure where it is far from 0."""
    value = pixels.to_unit_range(images).flatten(1)[:, 1] * 8
    return Embedding(value[:, None], torch.stack([-value, value], 1))


def test_the_vector_is_the_difference_of_the_means_of_both_halves():
    generator = painting_generator(0)
    positive, negative = concepts.sorted_latents(generator, by_first_latent, [1, 0], 2000, seed=0, confidence=0)
    vector = concepts.difference_of_means(positive, negative)
    chance = concepts.length_by_chance(len(positive), len(negative), 1.0, 3)
    assert chance == pytest.approx(math.sqrt(3 * (1 / len(positive) + 1 / len(negative))))
    torch.testing.assert_close(vector, torch.tensor([2 * RIGHT, 0, 0]), atol=3 * chance, rtol=0)
    assert len(positive) + len(negative) == 2000 and len(positive) == pytest.approx(1000, abs=100)


def test_only_images_of_which_the_classifier_is_sure_count_and_others_are_all_that_are_not_the_first():
    generator = painting_generator(0)
    [sure] = concepts.sorted_latents(generator, by_first_latent, [1], 500, seed=0, confidence=0.9)
    assert sure[:, 0].min() == pytest.approx(math.log(9) / 2, abs=0.1)  # where the probability is 0.9
    [_, others] = concepts.sorted_latents(generator, by_first_latent, [1, None], 500, seed=0, confidence=0)
    [_, zero] = concepts.sorted_latents(generator, by_first_latent, [1, 0], 500, seed=0, confidence=0)
    assert torch.equal(others, zero)


def test_the_share_of_a_class_along_its_vector_is_that_of_a_shifted_normal_variable():
    """Lengths are held to those of the images, which changes no sign."""
    vector = torch.tensor([2 * RIGHT, 0, 0])
    shares = concepts.share_of_class(painting_generator(0), by_first_latent, 1, vector, [-1, 0, 0.5, 2], 3, 1000)
    expected = [0.5 * (1 + math.erf(2 * RIGHT * each / math.sqrt(2))) for each in (-1, 0, 0.5, 2)]
    assert shares == pytest.approx(expected, abs=0.05)


def test_moved_latents_keep_lengths_of_training():
    generator, base = painting_generator(0), torch.tensor([[3.0, 0, 4.0]])
    moved = concepts.moved(base, torch.tensor([0.0, 10.0, 0]), torch.tensor([0.0, 1.0]), generator)
    torch.testing.assert_close(moved[0], base[0])
    torch.testing.assert_close(moved[1], torch.tensor([3.0, 10.0, 4.0]) * 5 / math.sqrt(125))


@pytest.fixture
def studio(tmp_path, monkeypatch):
    return Studio(tmp_path, monkeypatch)


def test_a_file_is_drawn_as_a_row_for_each_image(studio, tmp_path, capsys):
    generator, file = painting_generator(0), tmp_path / "up and right.npz"
    concepts.write(file, Concept(torch.tensor([0.5, 0, 0]), {"run": "a", "positive": "1"}))
    assert concepts.read(file).record == {"run": "a", "positive": "1"}
    studio.draw(generator, f"concept='{file}'", "concept_strength=[-1,0,1]", "seed=2", "count=2")
    [picture] = (studio.run / "drawn").glob("last_concept_up and right_??????_strength-1_0_1_seed2_count2.png")
    cells = studio.cells(picture.stem)
    z = generator.latents.of_images(2, 0, 2)
    points = concepts.moved(z, torch.tensor([0.5, 0, 0]), torch.tensor([-1.0, 0, 1]), generator)
    assert torch.equal(cells.flatten(0, 1)[:, 1:], pixels.to_bytes(points / 8).int())
    assert torch.equal(cells[:, 1, 1:], pixels.to_bytes(z / 8).int())  # strength 0: the images themselves
    assert "columns from the left: -1, 0, 1 times the concept" in capsys.readouterr().out


def test_files_that_are_no_concepts_of_this_generator_are_refused(studio, tmp_path):
    concepts.write(tmp_path / "other.npz", Concept(torch.ones(7), {"run": "dcgan"}))
    numpy.savez(tmp_path / "nan.npz", vector=numpy.array([numpy.nan] * 3), record=numpy.array("{}"))
    numpy.savez(tmp_path / "pickled.npz", vector=numpy.array([None]), record=numpy.array("{}"))
    (tmp_path / "text.npz").write_text("vector")
    for name, sentence in {"other": "of latents of 7 numbers, and this run's have 3: draw from the run .*, dcgan",
                           "nan": "must hold a vector of finite numbers", "pickled": "is no concept",
                           "text": "is no concept", "none": "does not exist: make one"}.items():
        with pytest.raises(RequestError, match=sentence):
            studio.draw(painting_generator(0), f"concept='{tmp_path / name}.npz'")
