"""Sets for translation that need no files: photographs with their edges, coloured digits, moving digits."""

import math
from fractions import Fraction

import pytest
import torch

from saddlepoint.data.pair_making import Edges, NextFrame
from saddlepoint.data.sources import photographs
from saddlepoint.data.sources.coloured_digits import BACKGROUND, INK_ABOVE, INK_BELOW, PARTS, ColouredDigits, coloured
from saddlepoint.data.sources.mnist5k import in_turn, read_all
from saddlepoint.data.sources.moving_digits import Films, MovingDigits
from saddlepoint.data.sources.photographs import PhotoEdges, photograph
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import UnpairedBatch
from tests.data.translation_data import at_positions, batches, made, stream

PHOTOS = {"channels": 3, "source_channels": 1, "image_size": 64, "batch_size": 8, "seed": 0}
DIGITS = {"channels": 3, "image_size": 32, "batch_size": 8, "seed": 0}
FILMS = {"channels": 1, "source_channels": 4, "image_size": 32, "batch_size": 8, "seed": 0, "num_films": 30}


def photos(**changes) -> PhotoEdges:
    return made(PhotoEdges, **PHOTOS | {"pair": Edges()} | changes)


def films(**changes) -> MovingDigits:
    return made(MovingDigits, **FILMS | {"pair": NextFrame(4)} | changes)


# Photographs.

def test_photographs_are_there_in_colour_and_grey():
    assert [photograph(name, 3).shape for name in photographs.PHOTOGRAPHS] == [(3, 427, 640)] * 2
    assert photograph("china.jpg", 1).shape == (1, 427, 640)


def test_no_column_of_the_strip_for_validation_is_trained_on(monkeypatch):
    columns = torch.arange(200, dtype=torch.uint8).expand(3, 100, 200)  # each pixel tells its column
    monkeypatch.setattr(photographs, "photograph", lambda name, channels: columns)
    data = photos(reduction=1, stride=1, image_size=40)
    trained = {*data.images("train").flatten().tolist()}
    held_out = {*data.evaluation_images("test").images.flatten().tolist()}
    assert held_out == {*range(70, 140)}  # 40 columns from 0.35 and from 0.5 of 200 on, of two photographs
    of_first, of_second = {*range(70, 110)}, {*range(100, 140)}
    assert trained == {*range(200)} - (of_first & of_second)
    for crop in data.images("train"):
        seen = {*crop[0, 0].tolist()}
        assert not seen & of_first or not seen & of_second
        assert len(seen) == 40


def test_validation_pairs_are_edges_of_held_out_crops():
    data = photos()
    source, target = data.validation_pairs(8)
    exact, _ = Edges()(target / 127.5 - 1, [])
    assert (source.float() - (exact + 1) * 127.5).abs().max() <= 0.51
    trained = {crop.numpy().tobytes() for crop in data.images("train")}
    assert not trained & {crop.contiguous().numpy().tobytes() for crop in target}
    assert data.num_images == len(data.images()) == 2584


def test_crops_that_are_too_large_are_refused():
    with pytest.raises(RequestError, match="data.image_size=128 is too much .* type data.image_size=64"):
        photos(image_size=128)


# Coloured digits.

def test_the_rule_of_the_colours():
    grey = torch.tensor([-1.0, 1.0, 0.0]).view(1, 1, 1, 3).expand(1, 1, 5, 3)
    found = (coloured(grey)[0] + 1) / 2  # [3, 5, 3]
    for row in range(5):
        for channel in range(3):
            background, above, below = (Fraction(str(colour[channel])) for colour in (BACKGROUND, INK_ABOVE, INK_BELOW))
            ink = (above * (4 - row) + below * row) / 4
            expected = [background, ink, (background + ink) / 2]
            assert found[channel, row].tolist() == pytest.approx([*map(float, expected)], abs=1e-6)


def test_no_digit_is_in_two_domains_and_each_has_equal_shares():
    everything = read_all()
    order = in_turn(everything.labels)
    parts = [{*order[part].tolist()} for part in PARTS.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 5000
    for part in PARTS.values():
        counts = everything.labels[order[part]].bincount()
        assert counts.max() == counts.min()


def test_sources_are_grey_targets_coloured_and_they_do_not_belong_together():
    data = made(ColouredDigits, **DIGITS)
    sources, targets = stream(data, 20)
    assert ColouredDigits.yields is UnpairedBatch and isinstance(batches(data, 1)[0], UnpairedBatch)
    assert torch.equal(sources[:, 0], sources[:, 1]) and torch.equal(sources[:, 0], sources[:, 2])
    background = torch.tensor([round(255 * share) for share in BACKGROUND])
    assert (targets[:, :, 0, 0].int() - background).abs().max() <= 1
    assert (targets[:, :, 0, 0].float().std(dim=0) == 0).all()
    true = ((coloured(sources[:, :1] / 127.5 - 1) + 1) * 127.5).round()
    assert ((true - targets).abs().flatten(1).amax(1) > 50).all()  # of no source the translation


def test_the_stream_of_digits_goes_on_where_it_stopped_and_is_shared():
    data = made(ColouredDigits, **DIGITS | {"subset_size": 20})
    whole = stream(data, 8)
    for one, later in zip(whole, stream(data, 3, start=40), strict=True):
        assert torch.equal(one[40:], later)
    halves = [at_positions(data, range(first, first + 4)) for first in (16, 20)]
    for part, one in zip(("source", "real"), whole, strict=True):
        joined = torch.cat([getattr(half, part) for half in halves])
        assert torch.equal(((joined + 1) * 127.5).round().byte(), one[16:24])
    assert len(whole[0][:20].unique(dim=0)) == len(whole[1][:20].unique(dim=0)) == 20


def test_the_truth_of_validation_is_known():
    data = made(ColouredDigits, **DIGITS)
    source, target, truth = data.validation_images(50)
    assert target is None and source.dtype == truth.dtype == torch.uint8
    exact = (coloured(source[:, :1] / 127.5 - 1) + 1) * 127.5
    assert (truth - exact).abs().max() <= 0.51
    assert len(data.validation_images(5000)[0]) == 1000


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"channels": 1}, "data.channels=1 and data.source_channels=3 must both be 3"),
    ({"source_channels": 1}, "data.channels=3 and data.source_channels=1 must both be 3"),
    ({"image_size": 16}, "data.image_size=16 must be at least the 28"),
    ({"subset_size": 2001}, "data.subset_size=2001 is more than the 2000"),
])
def test_slips_with_coloured_digits_are_answered(changes, sentence):
    with pytest.raises((ValueError, RequestError), match=sentence):
        made(ColouredDigits, **DIGITS | changes)


# Moving digits.

def test_digits_move_straight_and_bounce_off_the_borders():
    room, speed, length = 10, 3.0, 30
    squares = Films(torch.full((1, 1, 6, 6), 255, dtype=torch.uint8), room + 6, length, speed, seed=0)
    start, angle = torch.rand(20, 2, 2) * room, torch.rand(20, 2) * 2 * math.pi
    corners = squares.corners(start, angle)
    assert corners.shape == (20, 2, length, 2) and corners.min() == 0 and corners.max() == room
    for number in range(20):  # step by step, turning where a border is passed
        place = start[number].double()
        step = speed * torch.stack([angle[number].sin(), angle[number].cos()], dim=-1).double()
        for frame in range(length):
            assert (corners[number, :, frame] - place).abs().max() <= 0.5 + 1e-4
            place = place + step
            step = torch.where((place < 0) | (place > room), -step, step)
            place = torch.where(place < 0, -place, torch.where(place > room, 2 * room - place, place))


def test_a_frame_shows_each_digit_at_its_corner():
    digit = torch.arange(1, 17, dtype=torch.uint8).view(1, 1, 4, 4)
    frames = Films(digit, 12, 5, 2.0, seed=0).frames(torch.arange(40))
    assert frames.shape == (40, 5, 12, 12)
    seen = 0
    for image in frames.flatten(0, 1):
        tops_and_lefts = (image == 16).nonzero() - 3  # the last pixel is the brightest
        expected = torch.zeros(12, 12, dtype=torch.uint8)
        for top, left in tops_and_lefts.tolist():
            expected[top:top + 4, left:left + 4] = torch.maximum(expected[top:top + 4, left:left + 4], digit[0, 0])
        if len(tops_and_lefts) == 2 or (image > 0).sum() == 16:
            assert torch.equal(image, expected)
            seen += 1
    assert seen > 150  # of 200; in the others one digit covers the other's last pixel


def test_a_film_depends_on_its_number_and_seed_alone():
    all_films = films().films("train")
    assert torch.equal(all_films.frames(torch.arange(10))[7], all_films.frames(torch.tensor([7]))[0])
    assert torch.equal(films(num_films=900).films("train").frames(torch.tensor([7])),
                       all_films.frames(torch.tensor([7])))
    assert not torch.equal(films(film_seed=1).films("train").frames(torch.tensor([7])),
                           all_films.frames(torch.tensor([7])))


def test_the_next_frame_follows_those_before_it_in_the_stream():
    data = films()
    sources, targets = stream(data, 8)
    assert (sources.shape, targets.shape) == ((64, 4, 32, 32), (64, 1, 32, 32))
    of_all = {film.numpy().tobytes() for film in data.films("train").frames(torch.arange(30))}
    shown = [film.contiguous().numpy().tobytes() for film in torch.cat([sources, targets], dim=1)]
    assert {*shown[:30]} == {*shown[30:60]} == of_all
    for one, later in zip((sources, targets), stream(films(), 3, start=40), strict=True):
        assert torch.equal(one[40:], later)


def test_films_of_validation_have_other_digits():
    data = films()
    source, target = data.validation_pairs(20)
    assert (source.shape, target.shape) == ((20, 4, 32, 32), (20, 1, 32, 32))
    trained, held_out = ({digit.numpy().tobytes() for digit in data.films(split).digits.contiguous()}
                         for split in ("train", "test"))
    assert len(trained) == 4000 and len(held_out) == 1000 and not trained & held_out
    assert [len(data.evaluation_images(split)) for split in ("train", "test")] == [30, 1000]
    assert all(torch.equal(*each) for each in zip(films(seed=9).validation_pairs(20), (source, target), strict=True))


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"channels": 3, "source_channels": 12}, "data.channels=3 must be 1"),
    ({"digit_size": 32}, "data.digit_size=32 must be less than data.image_size=32"),
    ({"subset_size": 31}, "data.subset_size=31 is more than data.num_films=30"),
    ({"source_channels": 3}, "have 4: type data.source_channels=4"),
])
def test_slips_with_films_are_answered(changes, sentence):
    with pytest.raises((ValueError, RequestError), match=sentence):
        films(**changes)
