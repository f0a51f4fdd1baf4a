"""Grids of codes as sample.py draws them, by a generator that paints its latents."""

import pytest
import torch
from torch import nn

from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.sampling.generator import SamplingGenerator
from tests.painting import Studio, painting_generator

LATENTS = StructuredLatents(4, categorical=[2], continuous=1)  # one number of noise, two of code 1, one of code 2


class CodePainter(nn.Module):
    """Images of 2 x 2 pixels: the four latents / 8."""

    latent_dim = 4

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1 / 8))

    def forward(self, latents, labels):
        return (latents * self.scale).view(-1, 1, 2, 2)


@pytest.fixture
def studio(tmp_path, monkeypatch):
    return Studio(tmp_path, monkeypatch)


def painted(latents) -> torch.Tensor:
    return pixels.to_bytes(torch.as_tensor(latents, dtype=torch.float32) / 8).int()


@pytest.mark.parametrize("typed", ["codes=1", "codes=[1]"])
def test_a_column_is_one_value_of_the_code_and_a_row_the_rest_of_one_image(studio, capsys, typed):
    studio.draw(SamplingGenerator(CodePainter(), LATENTS), typed, "count=3", "seed=5")
    cells = studio.cells("last_codes1_seed5_count3")
    assert cells.shape == (3, 2, 4)
    rest = painted(LATENTS.of_images(5, 0, 3))
    for column, one_hot in enumerate(([1, 0], [0, 1])):
        assert torch.equal(cells[:, column, 1:3], painted(one_hot).expand(3, 2))
        assert torch.equal(cells[:, column, [0, 3]], rest[:, [0, 3]])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("6 images: ") and said[1] == "columns from the left: code 1, its 2 values"


def test_there_are_ten_rows_unless_count_says_otherwise(studio):
    studio.draw(SamplingGenerator(CodePainter(), LATENTS), "codes=1")
    assert studio.cells("last_codes1_seed0_count10").shape == (10, 2, 4)


def test_a_second_code_changes_from_row_to_row_and_noise_stays(studio, capsys):
    studio.draw(SamplingGenerator(CodePainter(), LATENTS), "codes=[1,2]", "steps=3", "code_range=[-4,4]", "seed=2")
    cells = studio.cells("last_codes1-2_seed2_count1_steps3_from-4to4")
    assert cells.shape == (3, 2, 4)
    noise = LATENTS.of_images(2, 0, 1)[0, 0].item()
    for row, value in enumerate((-4, 0, 4)):
        for column, one_hot in enumerate(([1, 0], [0, 1])):
            assert torch.equal(cells[row, column], painted([noise, *one_hot, value]))
    assert capsys.readouterr().out.splitlines()[1] == (
        "columns from the left: code 1, its 2 values; rows from the top: code 2, from -4 to 4")


def test_each_of_several_images_is_a_block_of_rows_of_its_own(studio):
    generator = SamplingGenerator(CodePainter(), LATENTS)
    studio.draw(generator, "codes=[2,1]", "steps=5", "count=2")
    cells = studio.cells("last_codes2-1_seed0_count2_steps5_from-2to2")
    assert cells.shape == (4, 5, 4)
    assert torch.equal(cells[:, 0, 0], painted(LATENTS.of_images(0, 0, 2))[[0, 0, 1, 1], 0])
    assert torch.equal(cells[:, :, 3], painted(torch.linspace(-2, 2, 5)).expand(4, 5))


@pytest.mark.parametrize(("typed", "sentence"), [
    ("codes=3", r"codes=3: this run's generator has the codes 1 to 2 \(code 1 has 2 values, code 2 is continuous\)"),
    ("codes=[1,1]", r"codes=\[1, 1\] must be one code, or two different ones"),
    ("codes=[1,2,1]", "must be one code, or two different ones: the first changes from column to column"),
    ("codes=0", "codes=0 must be a whole number of at least 1"),
    ("code_range=2", "code_range=2 must be a list of 2 values"),
])
def test_codes_that_are_none_are_refused(studio, typed, sentence):
    with pytest.raises(RequestError, match=sentence):
        studio.draw(SamplingGenerator(CodePainter(), LATENTS), *({"codes=1", typed} if "range" in typed else [typed]))


@pytest.mark.parametrize("other", ["interpolate=[1,2]", "arithmetic='1+2'", "class=all", "columns=4"])
def test_a_grid_of_codes_is_no_other_picture(studio, other):
    with pytest.raises(RequestError, match=f"{other[:5]}.* codes= |codes= .*{other[:5]}"):
        studio.draw(SamplingGenerator(CodePainter(), LATENTS), "codes=1", other)


def test_a_run_without_codes_says_so(studio):
    with pytest.raises(RequestError, match=r"codes=1: this run's latents are noise without codes.*model=infogan"):
        studio.draw(painting_generator(0), "codes=1")


def test_latents_with_codes_are_not_added(studio):
    with pytest.raises(RequestError, match="arithmetic=1.2 adds latents.*codes=1"):
        studio.draw(SamplingGenerator(CodePainter(), LATENTS), "arithmetic='1+2'")
