"""Directories become runs; what cannot is named and counted, never an exception."""

import json
import os
import subprocess
import sys

import pytest

from saddlepoint.runs import reading
from saddlepoint.runs.gathering import gather
from tests.runs.made_runs import here, make_run, score


def kinds(gathered) -> dict[str, int]:
    return gathered.counted()


def test_a_run_is_what_its_files_say(tmp_path):
    path = make_run(tmp_path / "sweep" / "0", score("fid_digits", 12.5), score("is_digits", None), seed=3,
                    best=score(value=11.0, images=24000), choices={"loss": "hinge"})
    [run] = gather([tmp_path]).runs
    assert (run.path, run.name, run.state, run.seed, run.images_seen) == (path, "0", "completed", 3, 48000)
    assert run.settings["model"]["generator"]["width"] == 32 and run.choices["loss"] == "hinge"
    assert "choices" not in run.settings
    assert [(each.name, each.value) for each in run.metrics] == [("fid_digits", 12.5), ("is_digits", None)]
    assert run.best.images_seen == 24000 and run.metrics[0].protocol["num_fake"] == 2000
    assert run.cost.seconds == 100 and run.cost.parameters == {"generator": 1000, "discriminator": 500}
    assert run.versions["torch"] == "2.14.1" and run.host == "elsewhere" and run.threads == 1


def test_directories_globs_and_single_runs_may_be_mixed_and_each_run_is_there_once(tmp_path):
    for seed, name in enumerate(("multirun/a/0", "multirun/a/1", "runs/x", "runs/y")):
        make_run(tmp_path / name, seed=seed)
    asked = [tmp_path / "multirun", f"{tmp_path}/runs/*", tmp_path / "runs" / "x"]
    gathered = gather(asked)
    assert [run.name for run in gathered.runs] == ["multirun/a/0", "multirun/a/1", "runs/x", "runs/y"]
    assert gathered.problems == ()


def test_jobs_are_in_the_order_of_their_numbers(tmp_path):
    for seed in (10, 2, 0, 11, 1):
        make_run(tmp_path / str(seed), seed=seed)
    assert [run.seed for run in gather([tmp_path]).runs] == [0, 1, 2, 10, 11]


def test_what_lies_inside_a_run_is_no_run(tmp_path):
    inner = make_run(tmp_path / "run") / "samples"
    inner.mkdir()
    (inner / "status.json").write_text("{}")
    assert len(gather([tmp_path]).runs) == 1


def test_gathering_reads_no_curve(tmp_path, monkeypatch):
    for seed in range(20):
        make_run(tmp_path / str(seed), seed=seed, curve=[{"images_seen": 100, "quality/fid_digits": 50.0}])
    opened = []
    read = reading.Path.read_text
    monkeypatch.setattr(reading.Path, "read_text",
                        lambda path, **encoding: opened.append(path.name) or read(path, **encoding))
    runs = gather([tmp_path]).runs
    assert sorted({*opened}) == ["config.yaml", "environment.json", "metrics.json", "status.json"]
    assert len(opened) == 4 * len(runs) == 80
    assert runs[0].curve_points() == {"quality/fid_digits": [(100, 50.0)]}
    assert opened.count("metrics.csv") == 1 and runs[0].curve_points() and opened.count("metrics.csv") == 1


def test_gathering_needs_no_torch(tmp_path):
    make_run(tmp_path / "run")
    code = ("import sys; sys.modules['torch'] = None; from saddlepoint.commands import comparing\n"
            "from saddlepoint.runs import gathering; print(len(gathering.gather(sys.argv[1:]).runs))")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(("file", "content", "kind", "words"), [
    ("config.yaml", None, "unreadable", "config.yaml is missing"),
    ("config.yaml", "a: [1, 2", "unreadable", "config.yaml is cut off or corrupt"),
    ("config.yaml", "", "unreadable", "config.yaml is empty"),
    ("config.yaml", "!!python/object/apply:os.abort []", "unreadable", "corrupt"),
    ("status.json", None, "incomplete", "status.json is missing"),
    ("status.json", '{"state": "comp', "incomplete", "status.json is cut off"),
    ("status.json", '["completed"]', "incomplete", "something else than names"),
    ("environment.json", "\0\0\0", "incomplete", "environment.json is cut off or corrupt"),
    ("metrics.json", None, "incomplete", "metrics.json is missing"),
    ("metrics.json", '{"metrics": [{"name": "fid_digits", "va', "incomplete", "metrics.json is cut off"),
    ("metrics.json", '{"metrics": []}', "without a score", "no score was measured"),
    ("metrics.json", '{"metrics": [3, {"name": 4}, {"name": "x", "value": "y"}], "cost": 7, "best": 1}', None, ""),
])
def test_a_bad_file_is_named_and_the_other_runs_stay(tmp_path, file, content, kind, words):
    make_run(tmp_path / "good", seed=1)
    bad = make_run(tmp_path / "bad")
    (bad / file).unlink()
    if content is not None:
        (bad / file).write_text(content)
    gathered = gather([tmp_path])
    assert "good" in [run.name for run in gathered.runs]
    assert len(gathered.runs) == (1 if kind == "unreadable" else 2)
    named = [problem for problem in gathered.problems if problem.kind == kind]
    assert len(named) == (kind is not None)
    assert all(words in problem.text and problem.paths == (bad,) and "bad" in problem.text for problem in named)


def test_a_directory_that_is_not_there_a_file_and_an_empty_one_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    gathered = gather([tmp_path / "empty", tmp_path / "file", tmp_path / "nowhere", f"{tmp_path}/no*thing"])
    assert gathered.runs == () and kinds(gathered) == {"empty": 1, "missing": 3}


def test_jobs_of_a_sweep_that_left_no_run_are_named_as_its_summary_says(tmp_path):
    make_run(tmp_path / "0_seed=0")
    (tmp_path / "1").mkdir()
    (tmp_path / "2.log").write_text("no")
    jobs = [{"number": 0, "state": "completed", "directory": "before/it/was/moved/0_seed=0"},
            {"number": 1, "state": "refused", "reason": "It cannot train.", "differs": ["loss=wasserstein"]},
            {"number": 2, "state": "waiting", "overrides": ["seed=1"]}, 7, {"differs": 7}]
    (tmp_path / "summary.json").write_text(json.dumps({"jobs": jobs}))
    gathered = gather([tmp_path])
    assert len(gathered.runs) == 1 and kinds(gathered) == {"refused": 1, "waiting": 1, "unknown": 1}
    said = f"job 1 of {tmp_path} (loss=wasserstein) left no run: refused, It cannot train"
    assert gathered.problems[0].text == said
    (tmp_path / "summary.json").write_text("[]")
    assert kinds(gather([tmp_path])) == {"empty": 1}


def test_a_run_whose_process_is_gone_was_killed_and_one_that_lives_or_is_elsewhere_runs(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    make_run(tmp_path / "dead", seed=0, state="running", environment=here() | {"process": gone.pid})
    make_run(tmp_path / "alive", seed=1, state="running", environment=here() | {"process": os.getpid()})
    make_run(tmp_path / "elsewhere", seed=2, state="running", environment={"process": gone.pid})
    gathered = gather([tmp_path])
    states = {run.name: run.state for run in gathered.runs}
    assert states == {"dead": "killed", "alive": "running", "elsewhere": "running"}
    [problem] = gathered.problems
    assert problem.kind == "incomplete" and "dead" in problem.text and "its process is gone" in problem.text


def test_a_seed_that_ran_twice_counts_once_and_the_completed_run_stays(tmp_path):
    make_run(tmp_path / "first", state="stopped", images=20000)
    make_run(tmp_path / "second", threads=2, callbacks={}, trainer={"devices": 2}, data__root="/elsewhere")
    make_run(tmp_path / "third", seed=1)
    gathered = gather([tmp_path])
    assert [run.name for run in gathered.runs] == ["second", "third"]
    assert [run.name for run in gathered.duplicates] == ["first"]
    [problem] = gathered.problems
    assert problem.kind == "duplicate" and "second: first" in problem.text and kinds(gathered) == {"duplicate": 1}


def test_versions_that_differ_are_named_with_their_runs(tmp_path):
    for seed, torch, revision in ((0, "2.14.1", "0" * 40), (1, "2.10.0", "0" * 40), (2, "2.14.1", "f" * 40)):
        make_run(tmp_path / f"run{seed}", seed=seed, environment={"versions": {"torch": torch}, "revision": revision})
    libraries, code = gather([tmp_path]).problems
    assert "torch: 2.14.1 (2 runs), 2.10.0 (run1)" in libraries.text and libraries.paths == (tmp_path / "run1",)
    assert "00000000 (2 runs), ffffffff (run2)" in code.text and libraries.kind == code.kind == "of another version"


def test_code_of_an_extension_that_differs_is_named_and_runs_without_the_extension_are_not(tmp_path):
    for seed, code in enumerate(("a" * 16, "a" * 16, "b" * 16, "", None)):
        recorded = {} if code is None else {"extensions": [{"name": "mylab", "version": "0.3", "code": code}]}
        make_run(tmp_path / f"run{seed}", seed=seed, environment=recorded)
    [problem] = gather([tmp_path]).problems
    assert "the extension mylab: code aaaaaaa (2 runs), code bbbbbbb (run2)" in problem.text
    assert problem.kind == "of another version" and problem.paths == (tmp_path / "run2",)


def test_a_curve_that_was_cut_off_keeps_its_whole_lines(tmp_path):
    path = make_run(tmp_path / "run")
    (path / "metrics.csv").write_text("images_seen,a,b\n200,1.5,\n100,2,nan\n300,x,0.25\n400,0.1")
    [run] = gather([tmp_path]).runs
    assert run.curve_points() == {"a": [(100, 2.0), (200, 1.5)], "b": [(300, 0.25)]}


def test_pictures_are_listed_by_name_and_images_seen(tmp_path):
    samples = make_run(tmp_path / "run") / "samples"
    samples.mkdir()
    for name in ("images_0000000200.png", "images_0000000000.png", "by_class_0000000200.png", "thumbs.db"):
        (samples / name).write_bytes(b"")
    [run] = gather([tmp_path]).runs
    assert {name: [images for images, _ in drawn] for name, drawn in run.pictures().items()} == {
        "images": [0, 200], "by_class": [200]}
    assert run.pictures()["images"][0][1] == samples / "images_0000000000.png"


def test_evaluations_are_read_and_bad_ones_left_out(tmp_path):
    folder = make_run(tmp_path / "run") / "evaluations"
    folder.mkdir()
    (folder / "a.json").write_text('{"metrics": [{"name": "kid_digits", "value": 0.5, "protocol": {"num_fake": 9}}]}')
    (folder / "b.json").write_text('{"metrics": [{"na')
    [run] = gather([tmp_path]).runs
    [kid] = run.evaluations()
    assert (kid.name, kid.value, kid.protocol) == ("kid_digits", 0.5, {"num_fake": 9})


@pytest.mark.parametrize(("device", "cost", "expected"), [
    ({"devices": ["NVIDIA H100 80GB HBM3"] * 2}, {"peak_host_memory_bytes": 3, "peak_device_memory_bytes": 5},
     (("NVIDIA H100 80GB HBM3",) * 2, 3, 5)),
    ({"devices": ["CPU", 7]}, {"peak_host_memory_bytes": 3, "peak_device_memory_bytes": None}, (("CPU",), 3, None)),
    ({"devices": 7}, {"peak_memory_bytes": 4}, ((), 4, None)),  # of an earlier version, whose name did not say whose
    (None, {}, ((), None, None))])
def test_what_a_run_computed_on_and_its_peaks_of_memory_are_read(device, cost, expected, tmp_path):
    path = make_run(tmp_path / "run", seed=0, environment={"device": device})
    content = json.loads((path / "metrics.json").read_text())
    (path / "metrics.json").write_text(json.dumps(content | {"cost": cost}))
    [run] = gather([path]).runs
    assert (run.devices, run.cost.peak_host_memory_bytes, run.cost.peak_device_memory_bytes) == expected
