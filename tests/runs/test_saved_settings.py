"""Checkpoints from whose settings somebody took a part."""

import copy

import pytest

from saddlepoint import load_generator
from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint, resuming
from saddlepoint.training.train import train
from tests.composing import SMALL, settings

TYPED = (*SMALL, "model=cgan")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    run = train(settings(*TYPED), tmp_path_factory.mktemp("saved") / "run")
    return checkpoint.load(run / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize(("part", "is_drawn"), [
    ("loss", False), ("model.latents", False), ("model.generator._target_", False), ("optimizer.schedule", False),
    ("data.num_classes", False), ("trick", False), ("budget", True), ("callbacks", True), ("data.batch_size", True),
    ("choices.model", True),
])
def test_a_part_that_was_taken_out_is_named(saved, tmp_path, part, is_drawn):
    """`is_drawn`: drawing does not need it, and goes on without."""
    spoilt = copy.deepcopy(saved)
    *parents, last = part.split(".")
    holder = spoilt["settings"]
    for name in parents:
        holder = holder[name]
    del holder[last]
    checkpoint.save(tmp_path / "checkpoints" / "last.ckpt", spoilt)
    if is_drawn:
        assert load_generator(tmp_path).sample(1).shape == (1, 1, 32, 32)
    else:
        with pytest.raises(RequestError, match=part.replace("._target_", " has no _target_")):
            load_generator(tmp_path)
    if last != "_target_":
        with pytest.raises(RequestError, match=f"last.ckpt lacks settings.*: {part}. Somebody"):
            resuming.continuation(settings(*TYPED, f"resume={tmp_path}"), [], None)


def test_a_setting_that_a_constructor_misses_is_named(saved, tmp_path):
    spoilt = copy.deepcopy(saved)
    del spoilt["settings"]["model"]["latents"]["size"]
    checkpoint.save(tmp_path / "a.ckpt", spoilt)
    with pytest.raises(RequestError, match="a.ckpt holds settings that cannot be: model.latents lacks size, which"):
        load_generator(tmp_path / "a.ckpt")


def test_null_where_something_must_be_is_named(saved, tmp_path):
    spoilt = copy.deepcopy(saved)
    spoilt["settings"]["model"]["latents"]["low"] = spoilt["settings"]["optimizer"]["schedule"] = None
    checkpoint.save(tmp_path / "a.ckpt", spoilt)
    with pytest.raises(RequestError, match="lacks settings.*: optimizer.schedule, model.latents.low|"
                                           "lacks settings.*: model.latents.low, optimizer.schedule"):
        load_generator(tmp_path / "a.ckpt")
