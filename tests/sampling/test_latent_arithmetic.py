"""Sums of mean latents, as numbers and as the picture of them."""

import pytest
import torch

from saddlepoint.config.overrides import prepare
from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.sampling.latent_arithmetic import (
    NEARBY,
    compose_arithmetic,
    limit_to_trained,
    nearby_noise,
    parse_terms,
)
from tests.painting import LEVEL, Studio, painting_generator


@pytest.fixture
def studio(tmp_path, monkeypatch):
    return Studio(tmp_path, monkeypatch)


@pytest.mark.parametrize("text", ["1,2,3-4,5+7", "[1,2,3]-[4,5]+[7]", "+1 2 3 - 4 5 + 7", " [1, 2, 3] - 4,5 + [7]"])
def test_a_sum_is_read_however_its_groups_are_written(text):
    assert parse_terms(text) == [(1, [1, 2, 3]), (-1, [4, 5]), (1, [7])]


@pytest.mark.parametrize("text", ["", "1,2-", "1,,x", "cat-dog", "1--2", "[1,2", "[1,2-3]", "[1][2]", "1.5-2"])
def test_a_sum_that_cannot_be_read_is_refused_with_one_that_can(studio, text):
    with pytest.raises(RequestError, match="must be groups of image numbers .* e.g. 1,2,3-4,5,6.7,8,9"):
        studio.draw(painting_generator(0), f"arithmetic='{text}'")


def test_a_sum_may_be_typed_without_quotes():
    """Hydra would read its commas as a sweep, and its brackets not at all."""
    assert prepare(["arithmetic=1,2-3", "arithmetic=[1,2]-[3]"], None) == ["arithmetic='1,2-3'",
                                                                          "arithmetic='[1,2]-[3]'"]


def test_the_picture_shows_what_is_added_the_means_and_the_result(studio, capsys):
    generator = painting_generator(0, distribution="uniform")
    studio.draw(generator, "arithmetic='1,2,3-4,5+7'", "seed=6", "files=true")
    cells = studio.cells("last_seed6_arithmetic1_2_3-4_5+7")
    assert cells.shape == (4, 7, 4)  # three images and a mean; three terms, a gap and a square of three
    z = generator.latents.of_images(6, 0, 8)

    def painted(latents):
        return pixels.to_bytes(latents / 8).int()
    for column, (first, numbers) in enumerate(((0, [1, 2, 3]), (1, [4, 5]), (2, [7]))):
        assert torch.equal(cells[first:3, column, 1:], painted(z[numbers]))
        assert (cells[:first, column] == 0).all()  # nothing there
        assert torch.equal(cells[3, column, 1:], painted(z[numbers].mean(0)))
    result = (z[[1, 2, 3]].mean(0) - z[[4, 5]].mean(0) + z[7]).clamp(-1, 1)
    assert (cells[2, 5, 1:] - painted(result)).abs().max() <= 1
    assert (cells[:, 3] == 0).all() and (cells[0, 4:] == 0).all()
    folder = studio.run / "drawn" / "last_seed6_arithmetic1_2_3-4_5+7"
    assert len(list(folder.iterdir())) == 6 + 3 + 9
    assert torch.equal(studio.cells(f"{folder.name}/result")[0, 0], cells[2, 5])
    assert torch.equal(studio.cells(f"{folder.name}/term2_image000004")[0, 0], cells[1, 1])
    assert torch.equal(studio.cells(f"{folder.name}/term3_mean")[0, 0], cells[3, 2])
    assert torch.equal(studio.cells(f"{folder.name}/near8")[0, 0], cells[3, 6])
    assert capsys.readouterr().out.startswith("18 images: ")


def test_the_neighbours_of_the_result_are_a_quarter_of_fresh_latents_away():
    uniform, normal = nearby_noise(Latents(2000, "uniform"), 0), nearby_noise(Latents(2000), 0)
    assert NEARBY == 0.25 and uniform.abs().max() <= 0.25 and uniform.abs().max() > 0.249
    shifted = nearby_noise(Latents(2000, "uniform", low=0.0, high=1.0), 0)
    torch.testing.assert_close(shifted, uniform / 2)  # half as wide, and around 0 as well
    torch.testing.assert_close(normal.std(1)[[0, 8]], torch.full((2,), 0.25), atol=0.02, rtol=0)
    assert (uniform[4] == 0).all() and (normal[4] == 0).all()  # the result itself
    assert len(uniform.unique(dim=0)) == 9
    first = Latents(2000).of_images(0, 0, 9)
    assert (torch.nn.functional.cosine_similarity(normal[:4], first[:4]).abs() < 0.1).all()  # no image of the seed


def test_an_image_added_and_taken_away_leaves_the_other():
    for distribution in ("normal", "uniform"):
        generator = painting_generator(0, distribution)
        picture = compose_arithmetic(generator, "3+5-5", seed=1, label=None)
        other = generator.sample(1, seed=1, first=3)[0]
        torch.testing.assert_close(picture.images[picture.files.index("result")], other)
        alone = compose_arithmetic(generator, "3", seed=1, label=None)
        torch.testing.assert_close(alone.images[alone.files.index("term1_mean")], other)


def test_a_sum_within_a_class_stays_in_it(studio):
    studio.draw(painting_generator(), "class=eel", "arithmetic='0,1-2'")
    cells = studio.cells("last_class2_seed0_arithmetic0_1-2")
    assert cells.shape == (3, 6, 4)
    there = cells.sum(2) > 0
    assert (cells[..., 0][there] == 2 * LEVEL).all() and there.sum() == 3 + 2 + 9


def test_normal_latents_are_brought_to_the_lengths_of_those_chosen():
    chosen = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    points = torch.tensor([[0.3, 0.4], [1.8, 2.4], [6.0, 8.0], [0.0, 0.0]])  # of length 0.5, 3, 10 and 0
    expected = torch.tensor([[1.2, 1.6], [1.8, 2.4], [2.4, 3.2], [0.0, 0.0]])  # 2, 3, 4; zero has no direction
    torch.testing.assert_close(limit_to_trained(points, chosen, Latents(2)), expected)


def test_uniform_latents_are_brought_into_their_cube():
    points = torch.tensor([[0.2, 0.9], [-0.5, 1.5]])
    cube = Latents(2, "uniform", low=0.0, high=1.0)
    torch.testing.assert_close(limit_to_trained(points, points, cube), torch.tensor([[0.2, 0.9], [0.0, 1.0]]))
