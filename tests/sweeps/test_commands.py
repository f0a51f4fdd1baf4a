"""Sweeps as a person types them, whose jobs end before they import torch."""

import json
import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from saddlepoint.config.rules import as_typed
from saddlepoint.sweeps.jobs import ENDED
from tests import warm
from tests.commands.test_commands import assert_refused, typed
from tests.composing import CONF, read_yaml
from tests.processes import ROOT, ended, started, wait_until

SLIP = "optimizer.generator.lr=-2"  # which only the jobs can see
PHASES = ("raise SystemError('torch was imported')",  # the job fails
          "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
          "import time; print('here', flush=True); time.sleep(600)")


def bomb(place: Path, phase: int) -> dict[str, str]:
    """An environment where `import torch` does that"""
    place.mkdir()
    (place / "torch.py").write_text(PHASES[phase])
    return {"PYTHONPATH": str(place)}


def summary(sweep: Path) -> dict:
    return json.loads((sweep / "summary.json").read_text())


def test_jobs_run_with_their_own_settings_and_the_shared_ones_and_go_on_where_they_are_missing(tmp_path):
    """Failed jobs run again; those that were refused stand until they are asked for."""
    line = (f"train.py -m {SLIP},0.0001 data=mnist data.root='c, d' trainer=cpu hydra.launcher.jobs_at_once=2 "
            "hydra.sweep.dir='a (b)'")
    done = typed(line, tmp_path, **bomb(tmp_path / "bomb", 0))
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    jobs = summary(tmp_path / "a (b)")["jobs"]
    assert [(job["state"], job["starts"]) for job in jobs] == [("refused", 1), ("failed", 1)]
    assert jobs[0]["reason"] == "optimizer.generator.lr=-2 must be a number above 0"
    assert jobs[1]["reason"] == "SystemError: torch was imported" and jobs[1]["differs"] == [
        "optimizer.generator.lr=0.0001"]
    assert done.stdout.count("SystemError: torch was imported") == 1
    again = done.stderr.splitlines()[-1].strip().removeprefix(f"python {ROOT}/")
    assert shlex.split(again) == [*shlex.split(line.removesuffix("hydra.sweep.dir='a (b)'")), "hydra.sweep.dir=a (b)"]
    assert typed(again, tmp_path, **bomb(tmp_path / "other", 1)).returncode == 1
    jobs = summary(tmp_path / "a (b)")["jobs"]
    assert [(job["state"], job["starts"]) for job in jobs] == [("refused", 1), ("killed", 3)]


def test_ctrl_c_ends_the_jobs_and_the_line_to_go_on_with_is_said_last(tmp_path):
    log = tmp_path / "sweep" / "0_seed=0.log"
    with started([sys.executable, str(ROOT / "train.py"), "-m", "hydra.sweep.dir=sweep"], tmp_path,
                 **bomb(tmp_path / "bomb", 2)) as process:
        wait_until(lambda: log.exists() and "here" in log.read_text(), process)
        process.send_signal(signal.SIGINT)
        done = ended(process)
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert "Stopped by SIGINT" in done.stderr
    assert done.stderr.endswith(f"python {ROOT}/train.py -m hydra.sweep.dir=sweep\n")
    assert [job["state"] for job in summary(tmp_path / "sweep")["jobs"]] == ["stopped", "waiting", "waiting"]


@pytest.mark.parametrize(("line", "words"), [
    ("train.py -m budget.images=many", "budget.images=many must be a whole number of at least 1"),
    ("train.py -m hydra.launcher.jobs_at_once=0", "hydra.launcher.jobs_at_once=0 must be a whole number of at least 1"),
    ("train.py -m 'hydra.launcher.again=[refusd]'", "did you mean refused?"),
    ("train.py -m run.dir=here", "run.dir= names one run"),
    ("train.py -m hydra.sweep.dir=/proc/sweep", "hydra.sweep.dir=/proc/sweep cannot be written: "),
    ("train.py -m hydra/launcher=submitit_slurm",
     "hydra/launcher=submitit_slurm needs a package: pip install hydra-submitit-launcher"),
    ("train.py -m hydra/launcher=procesess", "hydra/launcher=procesess does not exist: did you mean processes?"),
])
def test_a_slip_of_the_whole_sweep_is_refused_once_before_any_job_starts(line, words, tmp_path):
    assert_refused(warm.typed(line, tmp_path), words)
    assert not any(tmp_path.rglob("summary.json"))


def test_the_launchers_file_holds_its_arguments_and_the_ends_it_may_name():
    from inspect import signature

    from hydra_plugins.saddlepoint_processes import ProcessesLauncher
    written = read_yaml(CONF / "hydra" / "launcher" / "processes.yaml")
    assert written.keys() - {"_target_"} == signature(ProcessesLauncher).parameters.keys()
    assert set(written["again"]) < set(ENDED) - {"completed"} and as_typed(written["jobs_at_once"]) == "null"
    assert re.search(r"ProcessesLauncher$", written["_target_"])
