"""Runs that earlier versions began (tests/old_runs) go on, are drawn from, measured and compared; and whoever moves a
class or adds a setting says in former.py what that means for them."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saddlepoint import load_generator, making
from saddlepoint.commands import description, drawing, evaluation
from saddlepoint.comparison.rows import group_by_recipe
from saddlepoint.config import former
from saddlepoint.config.check import checked_settings
from saddlepoint.config.paths import leaves
from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint, reading, resuming
from saddlepoint.runs.choices import with_choices_of_the_run
from saddlepoint.runs.gathering import gather
from saddlepoint.training.train import train
from saddlepoint.upscaling import weights
from tests.composing import CONF, composed, settings
from tests.in_conf import classes
from tests.old_runs.photos import paint
from tests.old_runs.settings import existing

OLD_RUNS = Path(__file__).parent / "old_runs"
WITHOUT_IDENTITY, NEWEST = COMMITS = ("8ede00e", "3c677c2")  # the first did not record what a run was trained on
NAMES = ("mlp", "conditional", "critic", "folder", "enlarging")
RUNS = [f"{commit}/{name}" for commit in COMMITS for name in NAMES]
OF_NOISE = [run for run in RUNS if "enlarging" not in run]
# Classes that no yaml file names, and settings may.
RAMP = ["start", "end", "images", "begin_at"]
FURTHER = {"saddlepoint.game.schedule.Constant": ["value"], "saddlepoint.game.schedule.Cosine": RAMP,
           "saddlepoint.game.schedule.Exponential": RAMP}
# Groups whose members are gone through one by one: an earlier run does without those that came later.
OPEN = ("tricks", "metrics", "callbacks", "logger", "model.content")


def copied(run: str, folder: Path) -> Path:
    """A copy of an old run, in the working directory with what it was trained on."""
    paint(folder)
    return Path(shutil.copytree(OLD_RUNS / run, folder / "run"))


def continuation(run: Path, *typed: str) -> resuming.Continuation:
    line = [f"resume={run}", *typed]
    return resuming.continuation(settings(*with_choices_of_the_run(line)), line, None)


def images_seen(table: str) -> list[int]:
    return [int(row["images_seen"]) for row in csv.DictReader(table.splitlines())]


@pytest.mark.parametrize("run", RUNS)
def test_it_goes_on(run, tmp_path, capsys):
    path = copied(run, tmp_path)
    before = images_seen((path / "metrics.csv").read_text())
    going_on = continuation(path, "budget.images=64")
    train(going_on.settings, None, going_on)
    said = capsys.readouterr().err
    assert not re.search("warning(?!.* is a schedule over the 48 images of the old budget)", said)
    assert ("is not recorded" in said) == run.startswith(WITHOUT_IDENTITY)
    status = json.loads((path / "status.json").read_text())
    assert (status["state"], status["images_seen"]) == ("completed", 64)
    assert checkpoint.load(path / "checkpoints" / "last.ckpt")["images_seen"] == 64
    after = images_seen((path / "metrics.csv").read_text())
    assert after[:len(before)] == before and after[-1] == 64


def test_its_curves_have_todays_names_and_go_on_under_them(tmp_path):
    run = copied(f"{NEWEST}/critic", tmp_path)
    before = next(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert gather([run]).runs[0].curve_points()["logits/real"][0] == (16, float(before["score/real"]))
    resuming.delete_later_results(SimpleNamespace(path=run, checkpoints=run, samples=run), images_seen=16)
    after, *_ = csv.DictReader((run / "metrics.csv").read_text().splitlines())
    assert after["logits/accuracy"] == before["score/accuracy"] and "stability/diversity" in after
    assert not any(name.startswith(("score/", "health/")) for name in after)


@pytest.mark.parametrize("run", RUNS)
def test_it_describes_itself(run, tmp_path, capsys):
    going_on = continuation(copied(run, tmp_path), "describe=true")
    description.describe(going_on.settings)
    going_on.run.close()
    networks = checkpoint.load(tmp_path / "run" / "checkpoints" / "last.ckpt")["optimizers"]
    assert capsys.readouterr().out.count("trainable weights") == len(networks) == 2


@pytest.mark.parametrize("run", OF_NOISE)
def test_it_is_drawn_from_and_measured(run, tmp_path):
    path = copied(run, tmp_path)
    drawing.draw(checked_settings(composed(f"run='{path}'", "count=4", config="sample")[0]))
    assert [file.name for file in (path / "drawn").iterdir()] == ["last_seed0_count4.png"]
    evaluation.evaluate(checked_settings(composed(
        f"run='{path}'", "extractor=random", "extractor.image_size=8", "metric=[fid]", "num_fake=144", "num_real=144",
        "resamples=0", "device=cpu", config="evaluate")[0]))
    [measured] = reading.json_files(path / "evaluations")
    training = json.loads((path / "metrics.json").read_text())
    assert measured["metrics"][0]["value"] == pytest.approx(training["metrics"][0]["value"], rel=1e-3)


@pytest.mark.parametrize("commit", COMMITS)
def test_it_enlarges(commit, tmp_path):
    network = weights.load_from_run(copied(f"{commit}/enlarging", tmp_path)).network
    assert network.scale == 4


@pytest.fixture(scope="module")
def runs_of_today(tmp_path_factory):
    """Runs of the lines that the old ones were begun with, but for the seed and who looks."""
    home = tmp_path_factory.mktemp("today")
    paint(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for name in NAMES:
            command = json.loads((OLD_RUNS / NEWEST / name / "environment.json").read_text())["command"]
            typed = [word for word in shlex.split(command)[1:] if not word.startswith(("callbacks.", "run.dir="))]
            train(settings(*typed, "callbacks=none", "logger=none", "seed=4", f"run.dir={name}"))
    return home


@pytest.mark.parametrize("run", RUNS)
def test_it_is_one_row_with_a_run_of_today(run, runs_of_today):
    gathered = gather([OLD_RUNS / run, runs_of_today / Path(run).name])
    [row] = group_by_recipe(gathered.runs)
    assert [each.seed for each in row] == [3, 4]
    assert not [problem for problem in gathered.problems if problem.kind in ("unreadable", "incomplete")]


def with_former_names(value: Any) -> Any:
    """Settings of a version in which every class of ours was in another package"""
    if isinstance(value, dict):
        return {name: with_former_names(each) for name, each in value.items()}
    return value.replace("saddlepoint.", "saddlepoint.attic.") if isinstance(value, str) else value


def test_a_run_whose_classes_have_all_moved_goes_on(tmp_path, monkeypatch):
    path = copied(f"{NEWEST}/mlp", tmp_path)
    file = path / "checkpoints" / "last.ckpt"
    saved = checkpoint.load(file)
    health = saved["processes"][0]["callbacks"].pop("Health")
    saved["processes"][0]["callbacks"]["Doctor"] = health
    checkpoint.save(file, saved | {"settings": with_former_names(saved["settings"])})
    with pytest.raises(RequestError, match=r"saddlepoint\.attic\.\S+ does not exist"):
        load_generator(path)
    monkeypatch.setitem(former.CLASSES, "saddlepoint.attic", "saddlepoint")
    monkeypatch.setitem(former.CALLBACKS, "Doctor", "Health")
    assert load_generator(path).sample(1).shape == (1, 1, 8, 8)
    going_on = continuation(path, "budget.images=64")
    train(going_on.settings, None, going_on)
    again = checkpoint.load(file)
    assert again["images_seen"] == 64 and "Doctor" not in again["processes"][0]["callbacks"]
    assert former.in_todays_words(again["settings"]) == again["settings"]
    assert "attic" not in (path / "config.yaml").read_text()


def test_the_longest_entry_counts(monkeypatch):
    monkeypatch.setattr(former, "CLASSES", {"old": "new", "old.shop": "new.store", "old.shop.Bread": "new.bakery.Loaf"})
    assert [former.todays_class(path) for path in ("old.A", "old.shop.A", "old.shop.Bread", "older.A", "x.old.A")] == [
        "new.A", "new.store.A", "new.bakery.Loaf", "older.A", "x.old.A"]


def test_settings_are_renamed_dropped_and_added(monkeypatch):
    monkeypatch.setattr(former, "CLASSES", {"old": "new"})
    monkeypatch.setattr(former, "RENAMED", {"new.A.small": "tiny", "speed": "trainer.speed"})
    monkeypatch.setattr(former, "DROPPED", frozenset({"new.A.nothing", "trainer.nothing"}))
    monkeypatch.setattr(former, "ADDED", {"new.A.more": [1], "trainer.devices": 1, "absent.devices": 1, "pace": None})
    of_before = {"speed": 3, "trainer": {"nothing": 0}, "parts": [{"_target_": "old.A", "small": 1, "nothing": 2}],
                 "other": {"_target_": "old.B", "small": 1, "nothing": 2}}
    today = {"trainer": {"speed": 3, "devices": 1}, "parts": [{"_target_": "new.A", "tiny": 1, "more": [1]}],
             "other": {"_target_": "new.B", "small": 1, "nothing": 2}, "pace": None}
    assert former.in_todays_words(of_before) == former.in_todays_words(today) == today
    assert of_before["trainer"] == {"nothing": 0}, "what was handed in stays as it was"
    given = {"trainer": {"speed": 5, "devices": 4}, "pace": 2}
    assert former.in_todays_words(given) == given


@pytest.mark.parametrize("content", [None, [], {}, {"settings": None, "processes": [None, {"callbacks": 3}]}])
def test_what_is_none_of_ours_stays_as_it_is(content):
    assert former.checkpoint_in_todays_words(content) == content


# The table is complete. Settings of a commit: old_runs/settings.py lists them.


def of_commit(commit: str) -> dict[str, Any]:
    return json.loads((OLD_RUNS / commit / "settings.json").read_text())


def in_todays_words(target: str, names: Iterable[str]) -> tuple[str, set[str]]:
    """A former class with its settings -> today's"""
    part = former.in_todays_words({"part": {"_target_": target, **dict.fromkeys(names)}})["part"]
    return part.pop("_target_"), set(part)


def todays_places(places: Iterable[str]) -> set[str]:
    """Of settings that belong to no class, and of parts; groups that hold them as well. What OPEN holds is left out."""
    whole: dict[str, Any] = {}
    for place in places:
        holder = whole
        for name in place.split("."):
            holder = holder.setdefault(name, {})
    found = leaves(former.in_todays_words(whole), inner=True)
    return {place for place in found if not place.startswith(tuple(f"{group}." for group in OPEN))}


@pytest.fixture(scope="module")
def todays():
    return existing(CONF)


@pytest.mark.parametrize("commit", COMMITS)
def test_whoever_adds_a_setting_says_what_it_means_for_earlier_runs(commit, todays):
    """A failure: enter it in former.ADDED with the value that means what runs did without it."""
    before = of_commit(commit)
    known = dict(in_todays_words(target, names) for target, names in before["classes"].items())
    lacking = {f"{target}.{name}" for target, names in todays["classes"].items() if target in known
               for name in set(names) - known[target]}
    networks = {f"model.{name}" for task in classes("model", "module").values() for name in task.further_networks}
    lacking |= todays_places(todays["places"]) - todays_places(before["places"]) - networks  # not every task has them
    of_some = {"data.pair", "data.digits", "data.mixture", "extractor.mixture", "model.colours"}  # sets and models
    lacking -= of_some
    assert not lacking


@pytest.mark.parametrize("commit", COMMITS)
def test_every_former_class_is_there_and_takes_its_settings(commit):
    """A failure: enter a class that moved in former.CLASSES, a setting in former.RENAMED or former.DROPPED."""
    for target, names in (of_commit(commit)["classes"] | FURTHER).items():
        today, settings_of_today = in_todays_words(target, names)
        found = making.target_class({"_target_": today}, target)
        assert settings_of_today <= making.arguments(found), f"{target}, today {today}"


@pytest.mark.parametrize("commit", COMMITS)
def test_no_setting_is_left_that_nobody_reads(commit, todays):
    assert not todays_places(of_commit(commit)["places"]) - todays_places(todays["places"])


def test_todays_names_are_no_former_ones():
    for name in former.CLASSES.values():
        assert former.todays_class(name) == name
    assert not set(former.CALLBACKS.values()) & set(former.CALLBACKS)
    assert not set(former.ADDED) & (set(former.RENAMED) | former.DROPPED)
