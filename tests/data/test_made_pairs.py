"""Sets of pairs that are made batch by batch: the same stream for everyone, and settings that do not go together."""

import pytest
import torch

from saddlepoint import build
from saddlepoint.config.composing import composed, settings_of
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.pair_making import Edges, Grey, Holes, NextFrame, Noise, PairMaker
from saddlepoint.data.sources.mnist5k import PairsFromDigits
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import TranslationBatch
from tests.data.memory_data import Numbered
from tests.data.translation_data import at_positions, batches, made, stream

DIGITS = {"channels": 1, "image_size": 32, "batch_size": 8, "seed": 3, "subset_size": 40}


class Negative(PairMaker):
    words = "the target's negative"

    def source_channels(self, channels):
        return channels

    def source(self, images, generators):
        return -images


class NumberedPairs(MadePairs, Numbered):
    """What an author of an extension writes."""


def test_a_set_and_a_pair_maker_of_ones_own_make_pairs():
    data = made(NumberedPairs, pair=Negative(), source_channels=1, channels=1, image_size=6, batch_size=8, seed=5)
    [batch] = batches(data, 1)
    assert isinstance(batch, TranslationBatch) and NumberedPairs.yields is TranslationBatch
    assert torch.equal(batch.source, -batch.real) and batch.labels.tolist() == [0] * 8
    source, target = data.validation_pairs(5)
    assert source.dtype == target.dtype == torch.uint8 and torch.equal(source, 255 - target)
    assert data.describe()[-1] == "source of a pair: the target's negative"


@pytest.mark.parametrize("pair", [Noise(), Holes()], ids=["noise", "holes"])
def test_the_stream_is_the_same_from_every_start_and_for_every_number_of_processes_and_workers(pair):
    data = made(PairsFromDigits, pair=pair, source_channels=1, **DIGITS)
    whole = stream(data, 12)  # two epochs of 40 images and more
    for source_or_target, later in zip(whole, stream(data, 4, start=64), strict=True):
        assert torch.equal(source_or_target[64:], later)
    together, halves = at_positions(data, range(8, 16)), [at_positions(data, range(8 + k, 12 + k)) for k in (0, 4)]
    for part in ("source", "real"):
        assert torch.equal(getattr(together, part), torch.cat([getattr(half, part) for half in halves]))
    with_workers = made(PairsFromDigits, pair=pair, source_channels=1, num_workers=2, **DIGITS)
    for one, other in zip(whole, stream(with_workers, 12), strict=True):
        assert torch.equal(one, other)


def test_each_time_an_image_is_shown_its_source_is_another():
    data = made(PairsFromDigits, pair=Noise(), source_channels=1, **DIGITS | {"subset_size": 1})
    source, target = stream(data, 2)
    assert len(target.unique(dim=0)) == 1 and len(source.unique(dim=0)) == 16


def test_validation_pairs_are_held_out_and_the_same_for_every_seed():
    held_out = [made(PairsFromDigits, pair=Noise(), source_channels=1, held_out=50, **DIGITS | {
        "seed": seed, "subset_size": None}) for seed in (1, 2)]
    pairs = [data.validation_pairs(20) for data in held_out]
    assert all(torch.equal(*each) for each in zip(*pairs, strict=True))
    assert [tuple(each.shape) for each in pairs[0]] == [(20, 1, 32, 32)] * 2
    trained = {image.numpy().tobytes() for image in held_out[0].images()}
    unpadded = pairs[0][1][:, :, 2:-2, 2:-2]
    assert not trained & {image.contiguous().numpy().tobytes() for image in unpadded}
    assert len(held_out[0].validation_pairs(1000)[0]) == 50


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"pair": None}, "data.pair=null makes no pairs: type data.pair=edges"),
    ({"pair": Edges(), "source_channels": 3}, "data.source_channels=3, but the sources that data.pair makes of images "
                                              "with data.channels=1 have 1: type data.source_channels=1"),
    ({"pair": Noise(), "source_channels": None}, "type data.source_channels=1"),
    ({"pair": NextFrame(), "source_channels": 4}, "no consecutive images, .* type data=moving_digits"),
    ({"pair": Grey(), "source_channels": 1}, "type data.channels=3"),
])
def test_pairs_that_cannot_be_made_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(PairsFromDigits, **DIGITS | {"source_channels": 1} | changes)


@pytest.mark.parametrize("typed", ["data.pair=holes", "data/pair=holes"])
def test_a_pair_is_chosen_by_a_dot_or_a_slash_and_has_settings_of_its_own(typed):
    settings = settings_of(["data=photo_edges", typed, "data.pair.share=0.3"])
    assert settings["data"]["pair"] == {"_target_": "saddlepoint.data.pair_making.Holes", "share": 0.3}
    assert settings["data"]["source_channels"] == 3 and settings["choices"]["data/pair"] == "holes"


def test_only_what_names_an_option_is_a_choice():
    assert composed(["data=moving_digits", "data.pair.frames=2"])[0].data.source_channels == 2
    assert composed(["data=photo_edges", "data.pair=null"])[0].data.pair is None
    with pytest.raises(RequestError, match="data.pair=null makes no pairs"):
        build.data(settings_of(["data=photo_edges", "data.pair=null"]))
    with pytest.raises(RequestError, match="data.pair=hole.* must be null here: choose it with data.pair=edges"):
        settings_of(["data=photo_edges", "data.pair=hole"])
