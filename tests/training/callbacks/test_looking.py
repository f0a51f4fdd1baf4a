"""What is said of the time that looking takes, on a clock of the test's own."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl

from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.looking import LookingTime, Looks
from saddlepoint.training.train import train
from tests.composing import settings


class Looker(Looks, pl.Callback):
    def __init__(self, name: str, every_images: int | None):
        self.setting, self.moments = f"callbacks.{name}", Every(every_images)


def said(capsys, looks: list[tuple[float, dict[str, float]]], is_first: bool = True,
         **callbacks: int | None) -> list[str]:
    """looks: seconds at which somebody has looked, and for how many seconds each -> the lines that were printed"""
    now = [100.0]
    lookers = {name: Looker(name, every) for name, every in callbacks.items()}
    for each in lookers.values():
        each.seconds_of_looking = 50.0  # before a run that is resumed
    time = LookingTime([*lookers.values(), pl.Callback()], clock=lambda: now[0])
    time.on_train_start(SimpleNamespace(is_global_zero=is_first), None)
    for moment, seconds in looks:
        now[0] = 100.0 + moment
        for name, each in seconds.items():
            lookers[name].seconds_of_looking += each
        time.on_train_batch_end(None, None, None, None, 0)
    return capsys.readouterr().err.splitlines()


def test_it_is_said_once_with_the_setting_to_raise(capsys):
    [line] = said(capsys, [(20, {"grid": 10}), (40, {"grid": 2, "quality": 4}), (80, {"quality": 40})],
                  grid=1000, quality=4000)
    assert line == ("note: looking has taken 40% of the time so far (callbacks.grid 30%, callbacks.quality 10%): to "
                    "look less often, type callbacks.grid.every_images=4000")  # 30 % to the 7.5 % left: 4 times


@pytest.mark.parametrize("looks", [
    [(20, {"grid": 19})], [(40, {"grid": 5.9}), (400, {"grid": 50})], [(400, {"grid": 60})], []])
def test_nothing_is_said_of_little_or_of_short_runs(looks, capsys):
    assert said(capsys, looks, grid=1000) == []


def test_other_processes_and_what_has_no_interval_say_nothing(capsys):
    assert said(capsys, [(40, {"grid": 20})], is_first=False, grid=1000) == []
    assert said(capsys, [(40, {"grid": 20})], grid=None) == []


def test_time_is_counted_in_all_that_looks(tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr("saddlepoint.training.train.LookingTime",
                        lambda callbacks: built.extend(callbacks) or pl.Callback())
    train(settings("data.batch_size=8", "data.subset_size=256", "trainer=cpu", "model.generator.width=4",
                   "model.discriminator.width=4", "budget.images=32", "extractor=random", "logger=none",
                   "callbacks.image_grid.every_images=16", "callbacks.health.every_images=16",
                   "callbacks.sample_quality.every_images=16", "callbacks.sample_quality.num_fake=192"), tmp_path)
    seconds = {each.setting: each.seconds_of_looking for each in built if isinstance(each, Looks)}
    assert {"callbacks.image_grid", "callbacks.health", "callbacks.sample_quality"} <= {
        name for name, each in seconds.items() if each > 0}
