"""Going on with a run whose data have moved or changed: places may change, classes may not, the rest is said."""

import json
import shutil
from pathlib import Path

import pytest

from saddlepoint.commands import evaluation
from saddlepoint.config.check import checked_settings
from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint, resuming
from saddlepoint.runs.choices import with_choices_of_the_run
from saddlepoint.runs.data_identity import digest
from saddlepoint.training import train
from tests import warm
from tests.commands.test_commands import assert_refused
from tests.composing import composed, settings
from tests.data.folder_data import write_grey_levels
from tests.data.pair_data import write_noise

TINY = ("trainer=cpu", "logger=none", "callbacks=none", "data.batch_size=4", "budget.images=8", "data.image_size=16",
        "data.num_workers=0")
CLASSES = ("data=image_folder", "model=cgan", "data.num_classes=2", "data.channels=1")
PAIRS = ("model=srgan", "perceptual=none", "data=sr_folder", "model.generator.width=4", "model.discriminator.width=4",
         "model.generator.num_blocks=1")

TRANSLATED = ("model=pix2pix", "model.generator.width=4", "model.discriminator.width=4",
              "model.discriminator.halvings=1", "data.load_size=18")


def line(*typed: str) -> list[str]:
    """The overrides of train.py for what is typed, with the choices of the run that it goes on with"""
    return with_choices_of_the_run(typed)


def go_on(*typed: str) -> Path:
    overrides = line(*typed)
    going_on = resuming.continuation(settings(*overrides), overrides, None)
    return train.train(going_on.settings, None, going_on)


def identity(run: Path) -> dict:
    return json.loads((run / "environment.json").read_text())["data"]


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """`data` with the classes cat and dog, and `run`, trained on it"""
    home = tmp_path_factory.mktemp("begun")
    write_grey_levels(home / "data" / "cat", range(4))
    write_grey_levels(home / "data" / "dog", range(100, 106))
    train.train(settings(*TINY, *CLASSES, f"data.root={home / 'data'}"), home / "run")
    return home


@pytest.fixture
def home(begun, tmp_path) -> Path:
    """A copy; the run's own data lie elsewhere then"""
    shutil.copytree(begun, tmp_path / "home")
    return tmp_path / "home"


def test_a_run_keeps_what_it_was_trained_on_in_its_directory_and_its_checkpoint(begun):
    data = identity(begun / "run")
    assert (data["images"], data["classes"]) == (10, {"cat": 4, "dog": 6}) and str(begun) not in json.dumps(data)
    assert checkpoint.newest_good(begun / "run" / "checkpoints")["data"] == data


def test_moved_data_and_other_workers_are_gone_on_with(home, capsys):
    """The line names nothing of the run but what changes: data= is the run's own."""
    before = identity(home / "run")
    (home / "data").rename(home / "moved (1)")
    run = go_on(f"resume={home / 'run'}", f"data.root='{home / 'moved (1)'}'", "data.num_workers=1", "budget.images=16",
                f"data.cache={home / 'cache'}")
    said = capsys.readouterr()
    assert "data.num_workers=1 (was 0)" in said.err and "is not what this run was trained on" not in said.err
    assert identity(run) == before and "10 images" in said.out and any((home / "cache").iterdir())


@pytest.mark.parametrize("repeated", [["data=image_folder"], ["model=cgan", "data.num_classes=2"]])
def test_choices_that_are_typed_as_they_are_change_nothing(repeated, home):
    (home / "data").rename(home / "moved")
    go_on(*repeated, f"resume={home / 'run'}", f"data.root={home / 'moved'}", "budget.images=12")


@pytest.mark.parametrize("change", ["renamed", "added", "removed"])
def test_other_classes_are_refused_before_anything_is_written(change, home):
    cat = home / "data" / "cat"
    if change == "added":
        write_grey_levels(home / "data" / "eel", range(3))
    else:
        cat.rename(home / "data" / "kitten") if change == "renamed" else shutil.rmtree(cat)
    files = {path: path.stat().st_mtime_ns for path in (home / "run").rglob("*")}
    with pytest.raises(RequestError, match="trained on other classes than data.root=") as refusal:
        go_on(f"resume={home / 'run'}", f"data.root={home / 'data'}", "budget.images=16")
    assert refusal.value.exit_code == 2 and "type data.num_classes" not in str(refusal.value)
    assert {path: path.stat().st_mtime_ns for path in (home / "run").rglob("*")} == files


def test_other_files_are_said_and_stay_in_the_identity(home, capsys):
    before = identity(home / "run")
    write_grey_levels(home / "data" / "dog", [200])
    run = go_on(f"resume={home / 'run'}", f"data.root={home / 'data'}", "budget.images=16")
    assert "11 images instead of 10; 7 of dog instead of 6" in capsys.readouterr().err
    after = identity(run)
    assert after["earlier"] == [before] and digest(after) != digest({**after, "earlier": []})
    go_on(f"resume={home / 'run'}", f"data.root={home / 'data'}", "budget.images=20")
    assert "is not what this run" not in capsys.readouterr().err and identity(run) == after


def test_a_run_without_an_identity_goes_on_as_before_with_a_note_and_knows_its_classes(home, capsys):
    last = home / "run" / "checkpoints" / "last.ckpt"
    content = checkpoint.load(last)
    del content["data"]
    checkpoint.save(last, content)
    write_grey_levels(home / "data" / "dog", [200])
    typed = (f"resume={home / 'run'}", f"data.root={home / 'data'}")
    go_on(*typed, "budget.images=16")
    said = capsys.readouterr().err
    assert "note: what this run was trained on is not recorded" in said and "is not what this run" not in said
    go_on(*typed, "budget.images=20")
    assert "not recorded" not in capsys.readouterr().err and identity(home / "run")["assumed"]
    del (content := checkpoint.load(last))["data"]
    checkpoint.save(last, content)
    (home / "data" / "dog").rename(home / "data" / "dogs")
    with pytest.raises(RequestError, match="other classes than .*: dog there, dogs here"):
        go_on(*typed, "budget.images=24")


def test_pairs_may_move_and_may_not_come_from_elsewhere(tmp_path, capsys):
    for side, scale in (("high", 1), ("low", 4), ("judges", 1)):
        write_noise(tmp_path / side, width=80 // scale, height=64 // scale)
    roots = [f"data.root={tmp_path / 'high'}", f"data.low_root={tmp_path / 'low'}",
             f"data.validation_root={tmp_path / 'judges'}"]
    train.train(settings(*TINY, *PAIRS, *roots), tmp_path / "run")
    (tmp_path / "there").mkdir()
    for side in ("high", "low", "judges"):
        (tmp_path / side).rename(tmp_path / "there" / side)
    moved = [root.replace(str(tmp_path), str(tmp_path / "there")) for root in roots]
    go_on(f"resume={tmp_path / 'run'}", *moved, "budget.images=12", "data.memory_megabytes=50")
    assert "is not what this run" not in capsys.readouterr().err
    with pytest.raises(RequestError, match=r"data.low_root=null \(it is .*where the data lies"):
        go_on(f"resume={tmp_path / 'run'}", "data.low_root=null", "budget.images=16")


def test_both_folders_of_a_translation_may_move_and_its_pairs_stay_what_they_are(tmp_path, capsys):
    for side in ("T", "S"):
        write_noise(tmp_path / side, width=24, height=24)
    roots = [f"data.root={tmp_path / 'T'}", f"data.source_root={tmp_path / 'S'}"]
    train.train(settings(*TINY, *TRANSLATED, "data=paired_folders", *roots), tmp_path / "run")
    (tmp_path / "there").mkdir()
    for side in ("T", "S"):
        (tmp_path / side).rename(tmp_path / "there" / side)
    moved = [root.replace(str(tmp_path), str(tmp_path / "there")) for root in roots]
    go_on(f"resume={tmp_path / 'run'}", *moved, "budget.images=12")
    assert "is not what this run" not in capsys.readouterr().err
    write_noise(tmp_path / "there" / "S", ("b",), width=24, height=24)  # another picture of this name
    go_on(f"resume={tmp_path / 'run'}", *moved, "budget.images=16")
    assert "source images of the same names with other contents" in capsys.readouterr().err
    train.train(settings(*TINY, *TRANSLATED, "data=pairs_from_folder", "data.pair=holes", moved[0]), tmp_path / "made")
    assert "data/pair=holes" in line(f"resume={tmp_path / 'made'}")
    with pytest.raises(RequestError, match=r"data/pair=grey \(it is holes\)"):
        go_on(f"resume={tmp_path / 'made'}", "data/pair=grey", "budget.images=16")


@pytest.mark.parametrize("change", ["data.image_size=32", "data.subset_size=4", "data=mnist5k", "data.split_seed=3"])
def test_what_the_data_are_may_not_change(change, home):
    with pytest.raises(RequestError, match=f"{change} \\(it is "):
        go_on(f"resume={home / 'run'}", change)


def test_the_choices_of_a_run_stand_before_what_is_typed(home):
    run = home / "run"
    added = line(f"resume={run}", "budget.images=9")
    assert {"data=image_folder", "model=cgan", "callbacks=none", "logger=none", "trainer=cpu"} <= {*added}
    assert added[-2:] == [f"resume={run}", "budget.images=9"] and not any("experiment" in each for each in added[:-2])
    assert line("resume=auto", f"run.dir={run}")[-2:] == ["resume=auto", f"run.dir={run}"] != line("resume=auto")
    assert "data=image_folder" in (other := line(f"resume={run}", "logger=csv")) and "logger=none" not in other
    for nothing in (["seed=1"], ["resume=nowhere"], ["resume=auto", f"run.dir={home}"], ["resume="], ["resume=~x/y"],
                    [f"resume={run}", "seed=1,2", "-m"], [f"resume={run}", "data=mnist5k"], ["resume=" + "x" * 300]):
        assert line(*nothing) == nothing


@pytest.mark.parametrize("content", ["", "a: [1", "choices: 3", "choices: {data: gone, model: [1], loss: null}"])
def test_a_run_that_does_not_say_its_choices_adds_none(content, home):
    (home / "run" / "config.yaml").write_text(content)
    assert line(f"resume={home / 'run'}") == [f"resume={home / 'run'}"]


def test_train_py_takes_the_line_and_refuses_other_classes_with_2(home):
    (home / "data" / "cat").rename(home / "data" / "kitten")
    done = warm.typed("train.py resume=run data.root=data data.num_workers=1 budget.images=16", home)
    assert_refused(done, "trained on other classes than data.root=data has: cat there, kitten here")


# evaluate.py of a run whose data have moved, or changed.


def evaluated(home: Path, *typed: str) -> None:
    config, _ = composed("num_fake=64", "resamples=0", "metric=[neighbour_distance]", "device=cpu", "remember=false",
                         f"run={home / 'run'}", *typed, config="evaluate")
    evaluation.evaluate(checked_settings(config))


def test_a_run_is_measured_where_its_data_are_and_without_the_cache_that_is_gone(home, capsys):
    go_on(f"resume={home / 'run'}", f"data.root={home / 'data'}", "budget.images=16", f"data.cache={home / 'cache'}")
    shutil.rmtree(home / "cache")
    (home / "cache").write_text("in the way")
    (home / "data").rename(home / "moved")
    with pytest.raises(RequestError, match="data does not exist: type data.root=FOLDER"):
        evaluated(home)
    evaluated(home, f"data.root={home / 'moved'}", f"data.cache={home / 'another'}")
    assert "is not what this run was trained on" not in capsys.readouterr().err and any((home / "another").iterdir())
    write_grey_levels(home / "moved" / "dog", [200])
    evaluated(home, f"data.root={home / 'moved'}")
    assert "trained on: 11 images instead of 10" in capsys.readouterr().err
    (home / "moved" / "cat").rename(home / "moved" / "kitten")
    with pytest.raises(RequestError, match="other classes than data.root=.*: cat there, kitten here"):
        evaluated(home, f"data.root={home / 'moved'}")
