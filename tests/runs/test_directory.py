"""One directory per run, one run per directory."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import filelock
import pytest

from saddlepoint.environment import changes, changes_of, processor, revision, versions
from saddlepoint.errors import RequestError, RunDirectoryInUse
from saddlepoint.runs import directory
from saddlepoint.runs.directory import RunDirectory, new_path
from saddlepoint.sweeps.sweep import locking
from saddlepoint.training import train
from tests.claims.registries import commit, git
from tests.composing import SMALL, settings
from tests.warm import alone


def in_another_process(code: str, run: Path) -> subprocess.CompletedProcess:
    script = Path("another.py")
    script.write_text("import sys; from pathlib import Path; from saddlepoint.runs.directory import RunDirectory\n"
                      f"{code}")
    return alone([sys.executable, script.resolve(), run], Path.cwd())


def test_a_directory_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(RequestError, match=r"run.dir=.* is not empty"):
        RunDirectory.create(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_process_is_kept_out_and_told_by_whom(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.describe("seed: 0\n", seed=0, threads=1)
    other = in_another_process("RunDirectory(Path(sys.argv[1])).acquire()", run.path)
    own = json.loads((run.path / "environment.json").read_text())["process"]
    assert f"is in use by another process (process {own} on" in other.stderr
    assert RunDirectoryInUse.exit_code == 4
    run.close()
    assert in_another_process("RunDirectory(Path(sys.argv[1])).acquire()", run.path).returncode == 0


def test_a_run_under_way_is_told_from_one_that_is_over(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.describe("seed: 0\n", seed=0, threads=1)
    def second():
        return in_another_process("RunDirectory.create(Path(sys.argv[1]))", run.path).stderr
    assert "RunDirectoryInUse" in second() and (run.path / ".lock").exists()
    run.close()
    assert "is not empty" in second() and not (run.path / ".lock").exists()


def test_a_lock_file_is_gone_before_the_lock_is(tmp_path, monkeypatch):
    """Between the two another process could lock the file that is about to go, and a third one a new file."""
    held, remove = [], Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        held.append(filelock.FileLock(path, is_singleton=False, timeout=0))
        with pytest.raises(filelock.Timeout):
            held[-1].acquire()
        remove(path, missing_ok)
    monkeypatch.setattr(Path, "unlink", unlink)
    RunDirectory.create(tmp_path / "run").close()
    with locking(tmp_path / "sweep"):
        pass
    assert [Path(lock.lock_file).parent.name for lock in held] == ["run", "sweep"]
    assert not (tmp_path / "run" / ".lock").exists() and not (tmp_path / "sweep" / ".lock").exists()


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(RequestError, match="File name too long"):
        RunDirectory.create(tmp_path / ("a" * 300))


def test_runs_of_the_same_second_get_directories_of_their_own(tmp_path):
    assert len({new_path(tmp_path, "dcgan_mnist5k") for _ in range(100)}) > 95  # 4 hex digits: 65,536 names a second


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"run.dir=.* cannot be made"):
        RunDirectory.create(tmp_path / "file" / "run")


def test_the_environment_says_what_ran_where(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.describe("seed: 3\n", seed=3, threads=2)
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["seed"] == 3 and environment["threads"] == 2
    assert environment["versions"] == versions() and {"torch", "pytorch-lightning"} <= set(versions())
    assert environment["revision"] == revision() and environment["changes"] == changes()
    assert bool(changes()) == revision().endswith("+changes")
    assert environment["processor"] == processor() != ""
    assert (run.path / "config.yaml").read_text() == "seed: 3\n"


def test_a_resumed_run_keeps_what_it_was_begun_with(tmp_path, monkeypatch):
    run = RunDirectory.create(tmp_path / "run")
    for typed, code in (("a", "1"), ("a", "1"), ("b", "2"), ("a", "1"), ("b", "2")):
        monkeypatch.setattr(directory, "command", lambda typed=typed: f"train.py {typed}")
        monkeypatch.setattr(directory, "revision", lambda code=code: code)
        run.describe("seed: 3\n", seed=3, threads=2)
        environment = json.loads((run.path / "environment.json").read_text())
        earlier = [(each["command"], each["revision"]) for each in environment["earlier_starts"]]
        assert (environment["command"], environment["revision"]) == (f"train.py {typed}", code)
        if code == "1" and not earlier:
            continue
        assert earlier[0] == ("train.py a", "1") and len(earlier) == len({*earlier})
    assert earlier == [("train.py a", "1"), ("train.py b", "2")]


def test_changes_beside_a_revision_are_named_one_by_one(tmp_path):
    assert changes_of(tmp_path) == []  # no repository
    git(tmp_path, "init", "-q")
    for name in ("a b.txt", "kept", "gone", ".gitignore"):
        (tmp_path / name).write_text("ignored\n")
    commit(tmp_path)
    assert changes_of(tmp_path) == []
    (tmp_path / "a b.txt").write_text("other")
    (tmp_path / "gone").unlink()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "ä").write_text("")
    (tmp_path / "ignored").write_text("")
    assert changes_of(tmp_path / "new") == ["a b.txt", "gone", "new/ä"]


def test_code_that_is_not_installed_runs_and_says_so(monkeypatch):
    def lookup(name: str) -> str:
        if name == "saddlepoint":
            raise metadata.PackageNotFoundError(name)
        return "1.0"
    monkeypatch.setattr(metadata, "version", lookup)
    found = versions.__wrapped__()  # not what was found before
    assert found.pop("saddlepoint") == "not installed" and set(found.values()) == {"1.0"}


def test_the_status_says_how_the_run_stands(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.write_status("running")
    running = json.loads((run.path / "status.json").read_text())
    assert running["state"] == "running" and running["ended"] is None
    run.write_status("completed", images_seen=100)
    ended = json.loads((run.path / "status.json").read_text())
    assert ended["state"] == "completed" and ended["images_seen"] == 100
    assert ended["started"] == running["started"] <= ended["ended"]


@pytest.mark.parametrize("place", ["taken/run", "taken", "/proc/run"])
def test_a_place_that_cannot_be_written_is_refused_before_data_are_read(place, monkeypatch):
    monkeypatch.setattr(train, "prepare", None)
    Path("taken").write_text("a file")
    with pytest.raises(RequestError, match=f"^run.dir={place} cannot be written: "):
        train.train(settings(*SMALL, f"run.dir={place}"))
    assert [path.name for path in Path().iterdir()] == ["taken"]
