"""A visit of Lightning's loop takes as many steps as nobody wants to look in between."""

import math
from itertools import count, repeat
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl

from saddlepoint import build
from saddlepoint.game import visits
from saddlepoint.game.callback_group import CallbackGroup
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.visits import MOST_STEPS, Visit, all_say_when
from saddlepoint.training import train
from saddlepoint.training.callbacks.every import Every
from tests.composing import SMALL, settings


class Played:
    """A game whose steps have 8 images and take some time of a clock"""

    def __init__(self, seconds: float = 0.0, ends_after: float = math.inf):
        self.images_seen, self.now, self.seconds, self.ends_after = 0, 0.0, seconds, ends_after

    @property
    def trainer(self):
        return SimpleNamespace(should_stop=self.images_seen >= self.ends_after)

    def training_step(self, batch, index):
        self.images_seen += 8
        self.now += self.seconds


class At:
    def __init__(self, *moments: float):
        self.moments = moments

    def next_due(self, images_seen):
        return min((each for each in self.moments if each > images_seen), default=math.inf)


def lengths(game: Played, visits: int, *callbacks: At, steps: int | None = None) -> list[int]:
    batches = iter([None] * 100)  # so that a visit without an end is noticed
    visit = Visit(batches, lambda batch: batch, callbacks, steps, clock=lambda: game.now)
    ends = [game.images_seen]
    for _ in range(visits):
        visit.play(game, 0)
        ends.append(game.images_seen)
    return [(after - before) // 8 for before, after in zip(ends, ends[1:], strict=False)]


def test_a_visit_ends_where_the_first_callback_is_due():
    """At 20 and 40 images, and at 64: after the third, the fifth and the eighth step"""
    assert lengths(Played(), 3, At(20, 64), At(40, 64)) == [3, 2, 3]


def test_a_visit_ends_when_its_time_is_up():
    assert lengths(Played(seconds=0.02), 2, At(10_000)) == [3, 3]  # 0.04 s are not 0.05 s
    assert lengths(Played(seconds=2.0), 2) == [1, 1]


def test_a_visit_of_a_typed_length_does_not_ask_the_clock():
    assert lengths(Played(seconds=2.0), 3, At(72), steps=7) == [7, 2, 7]


def test_a_visit_ends_when_training_is_to_end():
    assert lengths(Played(ends_after=24), 1) == [3]


@pytest.mark.parametrize(("every", "at", "seen", "due"), [
    (16, (), 0, 16), (16, (), 15, 16), (16, (), 16, 32), (16, (20, 40), 16, 20), (None, (20, 40), 20, 40),
    (None, (20,), 20, math.inf), (None, (0,), 0, math.inf)])
def test_the_next_moment_of_every(every, at, seen, due):
    moments = Every(every, at)
    assert moments.next_due(seen) == due
    if due < math.inf:
        assert moments.is_between(seen, due)
        assert not moments.is_between(seen, due - 1)


def test_several_processes_agree_on_the_smallest_number(monkeypatch):
    """One wants 5 steps and another 2 after each visit; the number named in one visit is known in the next."""
    monkeypatch.setattr(visits, "is_alone", lambda: False)
    visit, named = Visit(repeat(None), lambda batch: batch, [], clock=lambda: 0.0), []

    def name(number):
        named.append(max(number, MOST_STEPS + 1 - 2))
        return named[-2] if len(named) > 1 else 0

    visit.agreement = SimpleNamespace(name=name)
    visit.wanted = 5
    assert [visit.length() for _ in range(3)] == [1, 2, 2]


class Silent(pl.Callback):
    """Does not say when it is due."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
        assert batch.real.shape == (8, 1, 32, 32)
        self.seen.append(module.images_seen)


class Speaking(Silent):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
        self.seen.append(module.images_seen)

    def next_due(self, images_seen):
        return 24 if images_seen < 24 else math.inf


class Deaf(pl.Callback):
    """Is not called around a batch, so it need not say when."""


def trained_with(callback: pl.Callback, folder, monkeypatch, *more: str) -> list[int]:
    configured = build.callbacks
    monkeypatch.setattr(build, "callbacks", lambda *given: [*configured(*given), callback])
    train.train(settings(*SMALL, "model=mlp", "budget.images=40", f"run.dir={folder}", "trainer.steps_a_visit=1000",
                         "callbacks.scalars.every_images=null", *more))
    return callback.seen


def test_a_callback_that_does_not_say_when_is_called_after_each_step(tmp_path, monkeypatch):
    assert trained_with(Silent(), tmp_path / "run", monkeypatch) == [8, 16, 24, 32, 40]


def test_one_that_says_when_is_called_then_and_where_others_are_due(tmp_path, monkeypatch):
    assert trained_with(Speaking(), tmp_path / "run", monkeypatch) == [24, 40]


def test_a_game_that_is_called_around_a_batch_is_called_around_each_step(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(SynthesisModule, "on_train_batch_end",
                        lambda module, outputs, batch, index: seen.append(len(batch.real)), raising=False)
    assert trained_with(Speaking(), tmp_path / "run", monkeypatch) == [8, 16, 24, 32, 40]
    assert seen == [8] * 5


def test_only_callbacks_around_a_batch_have_to_say_when():
    assert all_say_when([CallbackGroup([Deaf(), Speaking()])])
    assert not all_say_when([CallbackGroup([Deaf(), Silent()])])


def test_batches_of_a_visit_are_those_of_the_stream():
    taken = []
    visit = Visit(count(), lambda batch: batch * 10, [], steps=3)
    game = SimpleNamespace(training_step=lambda batch, index: taken.append(batch), images_seen=0,
                           trainer=SimpleNamespace(should_stop=False))
    visit.play(game, 0)
    visit.play(game, 1)
    assert taken == [0, 10, 20, 30, 40, 50]
