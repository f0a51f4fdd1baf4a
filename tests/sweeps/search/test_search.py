"""Whole searches: what is tried, what ends early, and what the study learns."""

import json
import shlex
import statistics
from itertools import pairwise
from pathlib import Path

import pytest

from saddlepoint.errors import RequestError
from saddlepoint.sweeps.search.objective import Objective
from tests.sweeps.search.searching import X, objective, searched, study, summary, trials, x_of
from tests.sweeps.search.stand_in import MEASURED, fid


def test_the_best_of_what_was_tried_is_said_with_the_line_that_trains_it(capsys):
    jobs, end = searched(trials=12)
    assert end is None and len(jobs) == 12 and summary()["exit_code"] == 0
    best = min(jobs, key=lambda job: fid(x_of(job), 80))
    said = capsys.readouterr().out
    assert shlex.split(said.splitlines()[-1]) == ["python", "stand_in.py", *best.overrides]
    assert f"job {best.number}, has fid_x {fid(x_of(best), 80):.4g} at its end" in said
    rows = [line.split() for line in said.splitlines() if "completed" in line and "x=" in line]
    assert [int(row[0]) for row in rows] == [job.number for job in sorted(jobs, key=lambda j: fid(x_of(j), 80))]
    assert [value for _, _, value in trials()] == [fid(x_of(job), 80) for job in jobs]
    assert [trial.value for trial in study().trials] == [fid(x_of(job), 80) for job in jobs]


def test_a_search_is_a_function_of_its_seed():
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        searched(X, "kind=fine,diverging", trials=7, seed=seed, pruner="median", directory=Path(name))
    assert trials(Path("a")) == trials(Path("b")) != trials(Path("c"))


def test_median_ends_who_is_behind_half_of_the_completed_ones():
    """Optuna's rule, computed here from the curves: the best so far against the median of the completed ones there."""
    searched(X, trials=12, pruner="median", sampler="random")
    complete, seen = [], []
    for trial in study().trials:
        curve = {images: fid(x, images) for images in MEASURED for x in [trial.params["x"]]}
        ends = [images for images in MEASURED[:-1] if len(complete) >= 2 and
                min(curve[each] for each in MEASURED if each <= images) > statistics.median(
                    other[images] for other in complete)]
        seen.append("pruned" if ends else "completed")
        if ends:
            assert list(trial.intermediate_values) == [each for each in MEASURED if each <= ends[0]]
            assert "the median of" in trial.user_attrs["reason"]
        else:
            complete.append(curve)
    assert [state for _, state, _ in trials()] == seen and set(seen) == {"pruned", "completed"}


def test_a_hopeless_trial_is_asked_to_end_and_its_run_says_why():
    """Those at x=1 go no further than 20 images unless they are asked to end; with this seed x=0.3 comes first"""
    jobs, end = searched("x=0.3,1", "y=range(3)", "kind=choice(slow)", trials=12, pruner="median", seed=2,
                         pruner_startup_trials=1, sampler="random")
    pruned = [job for job in jobs if job.state == "pruned"]
    assert end is None and pruned
    for job in pruned:
        status = json.loads((Path(job.directory) / "status.json").read_text())
        assert (status["state"], status["reason"], status["images_seen"]) == ("stopped", f"pruned: {job.reason}", 20)
        assert job.reason.startswith(f"fid_x {fid(1, 20):.4g} at 20 images, the median of ") and job.exit_code == 143


def test_the_same_scores_are_behind_none():
    jobs, _ = searched("x=choice(0.3)", "y=range(3)", trials=9, pruner="median")
    assert {job.state for job in jobs} == {"completed"}


def test_warming_up_and_later_rungs_end_nobody_before():
    searched(trials=10, pruner="percentile", percentile=30, pruner_warmup_images=60, sampler="random")
    assert {max(trial.intermediate_values) for trial in study().trials} == {60, 80}
    searched(trials=14, pruner="hyperband", sampler="random", directory=Path("b"))
    reasons = [trial.user_attrs["reason"] for trial in study(Path("b")).trials if trial.state.name == "PRUNED"]
    assert reasons and all("(hyperband)" in reason for reason in reasons)


def test_what_diverges_is_learnt_from_what_is_refused_is_replaced_and_neither_fails_the_search(capsys):
    jobs, end = searched(X, "kind=fine,diverging,impossible", trials=9, sampler="random")
    states = [state for _, state, _ in trials()]
    assert end is None and {*states} == {"completed", "diverged", "refused"}
    assert len(states) - states.count("refused") == 9
    found = {"completed": "COMPLETE", "diverged": "PRUNED", "refused": "FAIL"}
    assert [trial.state.name for trial in study().trials] == [found[state] for state in states]
    said = capsys.readouterr().out.splitlines()
    assert sum("diverged: it was diverging" in line for line in said) == 1, "for all of whom it is true"
    assert sum("refused: This recipe cannot train" in line for line in said) == 1


def test_a_space_of_refusals_alone_comes_to_an_end():
    jobs, end = searched(X, "kind=choice(impossible)", trials=4)
    assert [job.state for job in jobs] == ["refused"] * 4 and end.exit_code == 1
    assert "No trial was completed" in str(end) and "To go on" not in str(end)


def test_a_killed_trial_goes_on_once_as_in_a_sweep():
    jobs, end = searched(X, "kind=choice(killed)", trials=2)
    assert end is None and [(job.state, job.starts) for job in jobs] == [("completed", 2)] * 2


def test_the_same_settings_are_run_once_and_counted_each_time():
    jobs, end = searched("x=0.1,0.9", "kind=fine,diverging,killed", trials=20, at_once=3)
    assert end is None and len(jobs) <= 6 and len(trials()) == 20
    assert len({tuple(job.overrides) for job in jobs}) == len(jobs)
    by_settings = {}
    for trial in study().trials:
        by_settings.setdefault(str(trial.params), []).append((trial.state, trial.value, trial.intermediate_values))
    assert all(one == other for ends in by_settings.values() for one, other in pairwise(ends))


def test_several_at_once_are_all_tried_once():
    jobs, end = searched(trials=9, at_once=3)
    assert end is None and len({x_of(job) for job in jobs}) == 9 and [job.starts for job in jobs] == [1] * 9


def test_the_best_of_a_curve_and_more_instead_of_less():
    of = objective(metric="fid_infinity", value="best", direction="maximize")
    searched(trials=2, of=of)
    assert [value for _, _, value in trials()] == [-20.0] * 2, "which the stand-in has at its first measurement"


def test_no_best_one_is_named_among_unlike_protocols(capsys):
    jobs, end = searched("x=range(0, 1, 0.25)", "reference=a,b", trials=6, sampler="random")
    references = {job.number: job.differs[1] for job in jobs}
    assert len({*references.values()}) == 2 and end.exit_code == 1 and "The best, job" not in str(end)
    others = [number for number, reference in references.items() if reference != references[jobs[0].number]]
    listed = ", ".join(map(str, others))
    assert f"jobs {listed} were measured otherwise than job {jobs[0].number} (real images)" in str(end)


def test_averaged_weights_are_a_part_of_what_is_searched():
    _, end = searched("x=0.1,0.9", "reference=choice(a)", trials=4, sampler="random")
    assert end is None


def test_a_score_that_no_trial_measures_ends_the_search_at_the_first_one():
    for _ in range(2):  # also where it is continued
        with pytest.raises(RequestError, match=r"metric=kid is not measured by .* job 0 .* \(measured: fid\)"):
            searched(X, "reference=choice(a)", trials=4, of=objective(metric="kid"))
        assert [job["reason"] for job in summary()["jobs"]] == ["completed without a finite kid in its metrics.csv"]


@pytest.mark.parametrize(("metric", "finite"), [("fid", ()), ("kid", ("0",))])
def test_trials_without_a_finite_score_fail_and_the_search_goes_on(metric, finite, monkeypatch):
    """The score is measured by all trials and finite in none, or measured by the first trial alone."""
    def points(self, run):
        return f"{metric}_x", [(80, 1.0)] if Path(run).name.partition("_")[0] in finite else []
    monkeypatch.setattr(Objective, "points", points)
    jobs, end = searched(X, "reference=choice(a)", trials=3, of=objective(metric=metric))
    assert [job.state for job in jobs] == ["completed"] * len(finite) + ["failed"] * (3 - len(finite))
    assert end.exit_code == 1 and jobs[-1].reason == f"completed without a finite {metric}_x in its metrics.csv"
