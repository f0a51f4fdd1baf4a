"""Searches as a person types them: slips are answered before anything is written; two tiny trials really train."""

import json
import shlex
import subprocess
import sys
from inspect import signature

import pytest
from omegaconf import OmegaConf

from saddlepoint.errors import RequestError
from saddlepoint.sweeps.search import checks
from tests import warm
from tests.commands.test_commands import MEASURED, ROOT, assert_refused
from tests.composing import CONF, read_yaml

SEARCH = "train.py -m hydra/sweeper=search"


@pytest.mark.parametrize(("line", "words"), [
    (SEARCH, "A search needs settings to vary"),
    (f"{SEARCH} seed=0,1 hydra.sweeper.trials=0 hydra.sweeper.sampler=cmaes hydra.sweeper.pruner=medium",
     "hydra.sweeper.trials=0 must be a whole number of at least 1\n"
     "hydra.sweeper.sampler=cmaes must be one of tpe, random\n"
     "hydra.sweeper.pruner=medium must be one of none, median, percentile, hyperband: did you mean median?"),
    (f"{SEARCH} seed=0,1 resume=auto", "resume= goes on with one run"),
    (f"{SEARCH} seed=0,1 hydra/launcher=basic", "hydra/launcher=basic cannot end a trial early"),
    (f"{SEARCH} loss=hinge,minimx", "loss=minimx does not exist: did you mean minimax?"),
    (f"{SEARCH} 'optimizer.generatr.lr=interval(0.1, 1)'", "optimizer.generatr.lr is not a setting: did you mean"),
    (f"{SEARCH} 'optimizer.generator.lr=interval(-1, 1)'", "optimizer.generator.lr=-1.0 must be a number above 0"),
    (f"{SEARCH} 'hydra.launcher.again=[diverged]' seed=0,1", "hydra.launcher.again=diverged has no meaning"),
    (f"{SEARCH} experiment=report_mlp,wgan_gp_cifar10", "which decide what a score means"),
    (f"{SEARCH} data.subset_size=100,200", "data.subset_size= cannot be searched"),
    ("train.py -m 'optimizer.generator.lr=interval(0.1, 1)'", "add hydra/sweeper=search"),
    ("train.py hydra/sweeper=search seed=0,1", "add -m"),
])
def test_a_slip_is_refused_once_before_anything_is_written(line, words, tmp_path):
    assert_refused(warm.typed(line, tmp_path), words)
    assert not any(tmp_path.iterdir())


def test_without_optuna_the_package_is_named(monkeypatch):
    config = OmegaConf.create({"hydra": {"sweeper": read_yaml(CONF / "hydra" / "sweeper" / "search.yaml"),
                                         "runtime": {"choices": {"hydra/launcher": "processes"}}}})
    checks.refuse(config)
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install 'saddlepoint\[search\]'"):
        checks.refuse(config)


def test_the_sweepers_file_holds_its_arguments():
    from hydra_plugins.saddlepoint_search import SearchSweeper
    written = read_yaml(CONF / "hydra" / "sweeper" / "search.yaml")
    assert written.keys() - {"_target_"} == signature(SearchSweeper).parameters.keys()


def test_optuna_is_imported_by_searches_only():
    looked = ("import sys, hydra_plugins.saddlepoint_search, saddlepoint.sweeps.search.checks, "
              "saddlepoint.sweeps.sweep; "
              "sys.exit('optuna' in sys.modules or 'torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", looked], cwd=ROOT, check=False).returncode == 0


def test_two_trials_are_trained_scored_and_compared(tmp_path):
    """Typed again, the line trains none: what was tried stands."""
    line = (f"{SEARCH} {MEASURED} callbacks.sample_quality.metric=fid callbacks.sample_quality.num_fake=80 "
            "'optimizer.generator.lr=tag(log, interval(1e-5, 1e-3))' hydra.sweep.dir=found hydra.sweeper.trials=")
    done = warm.typed(f"{line}2", tmp_path, starts=2)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "found" / "summary.json").read_text())
    runs = [tmp_path / job["directory"] for job in content["jobs"]]
    scores = [json.loads((run / "metrics.json").read_text())["metrics"][0]["value"] for run in runs]
    assert [trial["value"] for trial in content["search"]["trials"]] == scores
    best = content["jobs"][scores.index(min(scores))]
    assert shlex.split(done.stdout.splitlines()[-1]) == ["python", str(ROOT / "train.py"), *best["overrides"]]
    again = warm.typed(f"{line}2", tmp_path)
    assert again.returncode == 0 and "2 of 2 trials have ended in found before" in again.stderr
    assert [job["starts"] for job in json.loads((tmp_path / "found" / "summary.json").read_text())["jobs"]] == [1, 1]
    compared = warm.typed("compare.py runs=found", tmp_path)
    assert compared.returncode == 0 and f"{min(scores):.4g}"[:4] in compared.stdout, compared.stdout
