"""The command from yaml files to pages: what is made, what counts, and what is kept."""

import json
import os
import sys
from pathlib import Path

import filelock
import pytest
import yaml

from saddlepoint.claims import commitments, measuring, running
from saddlepoint.claims.results import Result, read_results, write_results
from saddlepoint.commands import claiming
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.errors import EndOfRun, RequestError, Stopped
from saddlepoint.sweeps import runner
from tests.claims.registries import COMMON, RATIO, WORDS, commit, git, made_run, registry
from tests.composing import composed, settings

OTHER = RATIO.replace("number: 1", "number: 2").replace('R1: ["trick=[r1]"]', 'EMA: ["trick=[ema]"]')  # shares `none`


@pytest.fixture
def claims(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "TRAIN", (sys.executable, "-S", str(Path(__file__).with_name("stand_in.py"))))
    for name, value in (("READ_SECONDS", 0.05), ("POLL_SECONDS", 0.005)):
        monkeypatch.setattr(runner, name, value)
    folder = registry(tmp_path / "checkout", r1=RATIO)
    monkeypatch.setenv("REVISION", git(folder, "rev-parse", "HEAD"))
    # of the code that would run
    monkeypatch.setattr(commitments.environment, "revision", lambda: os.environ["REVISION"])
    monkeypatch.setattr(commitments.environment, "changes", list)
    return folder


def called(claims: Path, *typed: str) -> str:
    """Calls the command, and returns its page."""
    places = {"claims": claims, "reproductions": claims, "runs": claims.parent / "runs",
              "results": claims / "results.jsonl", "pages": claims.parent / "docs"}
    places["reproductions"] = claims.parent / "none"
    places["reproductions"].mkdir(exist_ok=True)
    words = [f"{name}={place}" for name, place in places.items()]
    claiming.decide_and_repeat(checked_settings(composed(*words, *typed, config="claims")[0], OF_COMMANDS["claims"]))
    return (claims.parent / "docs" / "claims.md").read_text()


def jobs(claims: Path) -> list[dict]:
    return json.loads((claims.parent / "runs" / "summary.json").read_text())["jobs"]


def test_what_is_missing_is_made_once_and_the_claim_is_decided(claims, capsys):
    page = called(claims)
    assert len(jobs(claims)) == 6 and {job["starts"] for job in jobs(claims)} == {1}
    assert "r1: holds" in capsys.readouterr().out
    assert "| 1 | R1 helps. | R1 5.05; none 10.1 | 0.5 \\[0.5, 0.5\\] | ratio ≤ 0.9 | holds |" in page
    assert ("Of 1 claims: 1 holds. Of those that hold, 1 of 1 pass 2.5 % after Holm's correction. "
            "6 runs took 6 minutes, added up, each on one core: made;") in page
    assert "    python train.py threads=1 budget.images=100 loss=hinge 'trick=[r1]' seed=0\n" in page
    assert called(claims) == page and {job["starts"] for job in jobs(claims)} == {1}


def test_runs_that_claims_share_are_made_once(claims, monkeypatch):
    (claims / "ema.yaml").write_text(OTHER)
    monkeypatch.setenv("REVISION", commit(claims))
    called(claims, "only=[ema]")
    assert sorted(" ".join(job["overrides"]) for job in jobs(claims)) == sorted(
        f"threads=1 budget.images=100 loss=hinge{trick} seed={seed}" for trick in ("", " trick=[ema]")
        for seed in range(3))


def test_the_page_is_written_from_the_results_alone_and_is_the_same(claims, tmp_path):
    page = called(claims)
    git(tmp_path, "clone", "-q", str(claims.parent), "fresh")
    fresh = tmp_path / "fresh" / "claims"
    (fresh / "results.jsonl").write_text((claims / "results.jsonl").read_text())
    assert called(fresh, "train=false") == page
    assert (fresh / "results.jsonl").read_text() == (claims / "results.jsonl").read_text()
    assert not (tmp_path / "fresh" / "runs").exists()


def test_a_sweep_that_was_stopped_goes_on(claims, capsys, monkeypatch):
    (claims / "common.yaml").write_text(COMMON.replace("threads=1", "stops=1"))
    monkeypatch.setenv("REVISION", commit(claims))
    with pytest.raises(EndOfRun, match=r"To run what is missing:\n.*claims.*runs=") as end:
        called(claims)
    assert end.value.exit_code == 1 and "hydra" not in str(end.value)
    assert "r1: not run yet, 6 runs missing" in capsys.readouterr().out
    # the revision that the runs record is the one before common.yaml was changed
    refused = "claims/r1.yaml was another at its revision"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVISION", git(claims, "rev-parse", "HEAD"))
        assert "| holds |" in called(claims)
    assert {job["starts"] for job in jobs(claims)} == {2} and refused not in capsys.readouterr().out


def test_after_a_signal_nothing_more_is_measured_and_the_pages_are_written(claims, monkeypatch):
    monkeypatch.setattr(claiming, "make", lambda *given: Stopped("Stopped by SIGINT", 130))
    monkeypatch.setattr(claiming, "measure", lambda runs: pytest.fail("it goes on"))
    with pytest.raises(Stopped):
        called(claims)
    assert "not run yet" in (claims.parent / "docs" / "claims.md").read_text()


def test_a_page_that_somebody_else_wrote_is_not_replaced(claims):
    called(claims, "train=false")
    called(claims, "train=false")
    (claims.parent / "docs" / "claims.md").write_text("# My own claims")
    with pytest.raises(RequestError, match="page=claims is .*docs/claims.md, which this command has not written"):
        called(claims)
    assert (claims.parent / "docs" / "claims.md").read_text() == "# My own claims" and not (claims / "runs").exists()


@pytest.mark.parametrize("typed", ["claims", "."])
def test_other_claims_have_results_runs_and_pages_beside_themselves(typed, claims, monkeypatch):
    monkeypatch.chdir(claims.parent if typed == "claims" else claims)
    words = [f"claims={typed}", "train=false"]
    claiming.decide_and_repeat(checked_settings(composed(*words, config="claims")[0], OF_COMMANDS["claims"]))
    assert (claims / "results.jsonl").read_text() == ""
    assert (claims.parent / "docs" / "claims.md").is_file() and not (claims / "docs").exists()


def test_values_that_a_command_measures_are_made_after_the_runs(claims, monkeypatch):
    """Both arms are the same runs, and the command is called once for each."""
    monkeypatch.setattr(measuring, "CALL", (sys.executable, "-S", str(Path(__file__).with_name("stand_in_probe.py"))))
    (claims / "r1.yaml").write_text(RATIO.replace('{R1: ["trick=[r1]"], none: []}', "{D: [], pixels: []}").replace(
        "metric: fid_digits", "measured_by: {command: probe, settings: [labels=20], of: {D: error/discriminator, "
        "pixels: error/pixels}}"))
    commit(claims)
    monkeypatch.setenv("REVISION", git(claims, "rev-parse", "HEAD"))
    page = called(claims)
    assert len(jobs(claims)) == 3 and "D 0.1; pixels 0.2 | 0.5 \\[0.5, 0.5\\] | ratio ≤ 0.9 | holds |" in page
    assert "    python -m saddlepoint.commands.probe run=RUN labels=20\n" in page
    assert called(claims, "train=false") == page


def test_older_runs_are_refused_with_the_reason_and_made_again(claims, capsys):
    revision = git(claims, "rev-parse", "HEAD")
    (claims / "r1.yaml").write_text(RATIO.replace("0.9", "0.95"))
    for name, words in WORDS.items():
        for seed in range(3):
            made_run(claims.parent / "runs" / f"{name}{seed}", words, seed, {"R1": 1.0, "none": 10.0}[name], revision)
    commit(claims)
    page = called(claims, "train=false")
    assert "not run yet" in page and (claims / "results.jsonl").read_text() == ""
    said = capsys.readouterr().out
    assert said.count("was another at its revision") == 6 and "the threshold" in said
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVISION", git(claims, "rev-parse", "HEAD"))
        assert "R1 5.05; none 10.1" in called(claims)
    assert len(jobs(claims)) == 6


def test_runs_whose_recipe_has_changed_are_refused_with_the_setting_and_made_again_beside_them(claims, capsys):
    """As if conf/tricks had changed after the first sweep, whose folder is the second one's too."""
    called(claims)
    for job in jobs(claims):
        if "trick=[r1]" in job["overrides"]:
            recipe = settings(*job["overrides"])
            recipe["tricks"]["r1"]["gamma"] = 0.125
            directory = Path(job["directory"])
            (directory / "config.yaml").write_text(yaml.safe_dump(recipe))
            status = json.loads((directory / "status.json").read_text())
            (directory / "status.json").write_text(json.dumps(status | {"started": "2099-01-01T00:00:00+01:00"}))
    (claims / "results.jsonl").unlink()
    capsys.readouterr()
    page = called(claims)
    said = capsys.readouterr().out
    assert said.count("trick=[r1], seed") == said.count("tricks.r1.gamma was 0.125 and is 10.0") == 3
    assert len(jobs(claims)) == 9 and {job["state"] for job in jobs(claims)} == {"completed"}
    assert {job["starts"] for job in jobs(claims)} == {1} and "R1 5.05; none 10.1" in page
    assert called(claims) == page and len(jobs(claims)) == 9


@pytest.mark.parametrize(("revision", "changes", "why"), [
    ("HEAD+changes", ["src/a.py", "notes"], "its code differed from its revision in src/a.py. Commit, or"),
    ("", [], "it has not recorded the git revision of its code. Commit, or"),
    ("0" * 40, [], "its revision 00000000 is not in this repository"),
])
def test_runs_that_would_not_count_are_not_made(revision, changes, why, claims, monkeypatch):
    """Otherwise the command would make them again whenever it is called."""
    called(claims)
    (claims / "results.jsonl").unlink()
    for file in (claims.parent / "runs").glob("*/environment.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"changes": ["src/a.py"]}))
    monkeypatch.setattr(commitments.environment, "revision", lambda: revision.replace("HEAD", os.environ["REVISION"]))
    monkeypatch.setattr(commitments.environment, "changes", lambda: changes)
    with pytest.raises(RequestError, match=f"A run for claims/r1.yaml that began now would not count: {why}"):
        called(claims)
    assert len(jobs(claims)) == 6 and "not run yet" in called(claims, "train=false")


def test_of_several_runs_of_a_seed_the_first_counts(claims):
    revision = git(claims, "rev-parse", "HEAD")
    for number, started in enumerate(("2099-01-03T00:00:00+00:00", "2099-01-02T00:00:00+00:00")):
        for name, words in WORDS.items():
            made_run(claims.parent / "runs" / f"{name}{number}", words, 0, 1.0 + number, revision, started)
    called(claims, "train=false")
    assert [each.values["fid_digits"] for each in read_results(claims / "results.jsonl")] == [2.0, 2.0]


def test_a_diverged_run_is_named_and_not_made_again(claims, capsys):
    revision = git(claims, "rev-parse", "HEAD")
    made_run(claims.parent / "runs" / "nan", WORDS["R1"], 1, 1.0, revision, state="diverged", reason="a loss is nan")
    page = called(claims)
    assert len(jobs(claims)) == 5
    assert "| undecided (1 of 6 runs without a value, see below) |" in page
    assert "Without a value: R1, seed 1: diverged: a loss is nan." in page and "| 1 | diverged | 10.1 | – |" in page


@pytest.mark.parametrize("typed, words", [
    (["only=[r11]"], r"only=r11 is neither a claim nor a reproduction: did you mean r1\? \(there are r1\)"),
    (["claims=nowhere"], "claims=nowhere is no folder"),
    (["reproductions=nowhere"], "reproductions=nowhere is no folder: name that of a checkout, or leave"),
])
def test_names_and_places_that_there_are_not_are_refused(claims, typed, words, monkeypatch):
    monkeypatch.chdir(claims)
    with pytest.raises(RequestError, match=words):
        called(claims, *typed)


def test_a_line_of_the_results_that_cannot_be_read_is_named(claims):
    for line in ("[]", '{"words": ["a=1"], "seed": 0}', '{"words": ["a=1"], "seed": "0", "state": "completed"}',
                 '{"words": "a=1", "seed": 0, "state": "completed"}', '{"words": ["a=1"], "seed": 0, "state": 1}',
                 '{"words": ["a=1"], "seed": 0, "state": "completed", "values": [1]}',
                 '{"words": ["a=1"], "seed": 0, "state": "completed", "weights": [1]}',
                 '{"words": ["a=1"], "seed": 0, "state": "x", "odd": 1}', "{"):
        (claims / "results.jsonl").write_text(f"{line}\n")
        with pytest.raises(RequestError, match="results.jsonl: line 1 cannot be used"):
            called(claims, "train=false")


def test_results_of_files_that_are_not_read_this_time_are_kept(claims, capsys):
    others = [Result(("loss=wasserstein",), 0, "completed", values={"fid_digits": 3.0}, changes=()),
              Result(tuple(WORDS["none"].split()), 3, "completed", changes=())]  # another has four seeds of an arm
    write_results(claims / "results.jsonl", others)
    made_run(claims.parent / "runs" / "mine", "loss=wasserstein", 1, 5.0, git(claims, "rev-parse", "HEAD"))
    called(claims)
    kept = read_results(claims / "results.jsonl")
    assert len(kept) == 8 and all(other in kept for other in others)
    assert "kept: 2 results of which no claim and no table here asks anything" in capsys.readouterr().out


def test_what_another_command_has_written_meanwhile_is_not_lost(claims, monkeypatch):
    """It has found a run elsewhere while this one made its own."""
    make = claiming.make
    def slowly(*given):
        run = Result(("loss=wasserstein",), 0, "completed", changes=())
        write_results(claims / "results.jsonl", [run])
        return make(*given)
    monkeypatch.setattr(claiming, "make", slowly)
    called(claims)
    assert len(read_results(claims / "results.jsonl")) == 7


def test_results_are_written_by_one_command_at_a_time(claims, monkeypatch):
    written = []
    def write(path, results):
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(path.with_name(".results.jsonl.lock"), is_singleton=False).acquire(timeout=0)
        written.append(path)
    remove = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: (  # it is locked to the end
        write(claims / "results.jsonl", []) if path.suffix == ".lock" else None, remove(path, missing_ok)))
    monkeypatch.setattr(claiming, "write_results", write)
    called(claims, "train=false")
    assert written == [claims / "results.jsonl"] * 2 and not (claims / ".results.jsonl.lock").exists()


def test_a_command_waits_for_another_that_is_writing_and_says_so(claims, monkeypatch, capsys):
    waited, acquire = [], filelock.FileLock.acquire
    def held(lock, timeout=None, **more):
        if Path(lock.lock_file).name == ".results.jsonl.lock":
            waited.append(timeout)
            if timeout == 0:
                raise filelock.Timeout(lock.lock_file)
        return acquire(lock, timeout=timeout, **more)
    monkeypatch.setattr(filelock.FileLock, "acquire", held)
    called(claims, "train=false")
    assert waited == [0, None] and "another command is writing" in capsys.readouterr().err


@pytest.fixture
def rings(claims):
    (claims.parent / "none").mkdir()
    (claims.parent / "none" / "rings.yaml").write_text(
        "number: 1\ntitle: Rings\nmetrics: [fid_digits]\nsettings: [loss=hinge]\nlengths:\n  short: {title: Short, "
        "steps: 4, rows: {GAN: {words: [budget.images=100], seeds: 1}}}\n")


def test_a_run_of_a_table_whose_code_differed_from_its_revision_is_refused_and_made_again(rings, claims, capsys):
    made_run(claims.parent / "runs" / "odd", "budget.images=100 loss=hinge", 0, 7.0, git(claims, "rev-parse", "HEAD"),
             "2098-01-01T00:00:00+00:00", changes=["conf/a.yaml"])
    called(claims, "only=[rings]")
    assert "refused: Short, GAN, seed 0 of 2098" in (said := capsys.readouterr().out) and "conf/a.yaml" in said
    assert len(jobs(claims)) == 1
    assert [each.values["fid_digits"] for each in read_results(claims / "results.jsonl")] != [7.0]
    assert "| 10 | 1 |" in (claims.parent / "docs" / "reproductions.md").read_text()


def test_no_run_of_a_table_is_made_by_code_that_differs_from_its_revision(rings, claims, monkeypatch):
    monkeypatch.setattr(commitments.environment, "changes", lambda: ["conf/a.yaml"])
    with pytest.raises(RequestError, match="A run of Short that began now would not count: its code differed from its "
                                           "revision in conf/a.yaml. Commit, or call this command in a clean checkout"):
        called(claims, "only=[rings]")
    assert not (claims.parent / "runs").exists()


def test_a_run_whose_recipe_has_lost_its_line_is_named(claims):
    write_results(claims / "results.jsonl", [Result(("a=1",), 0, "completed", recipe={"loss": "hinge"})])
    recipe, run = (claims / "results.jsonl").read_text().splitlines()
    (claims / "results.jsonl").write_text(run)
    with pytest.raises(RequestError, match=r"line 1 cannot be used \(no line before it has its recipe, "
                                           f"{json.loads(recipe)['recipe']}; if one was deleted, take it back"):
        called(claims, "train=false")
