"""Commands as a person types them: each a process of its own, so only what needs one is here. `typed` starts a fresh
Python; `warm.typed` is for where a run does something, and how it starts is no part of the claim."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import warm
from tests.data.formats import write_cifar10, write_photo_folder
from tests.processes import ROOT, ended, started, wait_until

MEASURED = ("budget.images=16 data.batch_size=8 model.generator.width=4 model.discriminator.width=4 trainer=cpu "
            "threads=1")
TINY = f"{MEASURED} callbacks.sample_quality.metric=[]"


def typed(line: str, directory: Path, **environment: str) -> subprocess.CompletedProcess:
    script, *arguments = shlex.split(line)
    command = [sys.executable, str(ROOT / script), *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and "HYDRA_FULL_ERROR" not in done.stderr
    for word in words:
        assert word in done.stderr


def state(run: Path) -> str:
    return json.loads((run / "status.json").read_text())["state"]


def test_train_then_sample(tmp_path):
    done = warm.typed(f"train.py {MEASURED}", tmp_path)
    assert done.returncode == 0, done.stderr
    [run] = (tmp_path / "runs" / "dcgan_small_mnist5k").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6}_[0-9a-f]{4}", run.name) and state(run) == "completed"
    for place in ("samples", "metrics.csv", "last.ckpt"):
        assert place in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]
    sampled = warm.typed(f"sample.py run={run} count=4 seed=7", tmp_path)
    assert sampled.returncode == 0, sampled.stderr
    assert (run / "drawn" / "last_seed7_count4.png").is_file()


def test_a_bare_m_on_cifar10_sweeps_three_seeds(tmp_path):
    """python train.py model=dcgan data=cifar10 -m, on files in CIFAR-10's genuine format"""
    write_cifar10(tmp_path / "data" / "cifar10")
    done = warm.typed(f"train.py model=dcgan data=cifar10 -m {TINY}", tmp_path, starts=3)
    assert done.returncode == 0, done.stderr
    [sweep] = (tmp_path / "multirun").iterdir()
    runs = sorted(path for path in sweep.iterdir() if path.is_dir())
    assert [run.name for run in runs] == ["0_seed=0", "1_seed=1", "2_seed=2"]
    assert [state(run) for run in runs] == ["completed"] * 3
    assert [json.loads((run / "environment.json").read_text())["seed"] for run in runs] == [0, 1, 2]


def test_a_run_that_diverges_exits_3_and_says_where_the_diagnosis_is(tmp_path):
    done = warm.typed(f"train.py {MEASURED} optimizer.generator.lr=1e30 optimizer.discriminator.lr=1e30 "
                      "budget.images=400 callbacks=none run.dir=run", tmp_path)
    assert done.returncode == 3 and "Traceback" not in done.stderr, done.stderr
    assert re.search(r"Diverged: .* not finite in update \d+ of the (dis|gen).*run/diagnosis.json has", done.stderr)
    assert state(tmp_path / "run") == "diverged" and (tmp_path / "run" / "diagnosis.json").is_file()


def test_a_sweep_goes_on_past_a_job_that_cannot_train(tmp_path):
    done = warm.typed(f"train.py loss=wasserstein,hinge -m {TINY}", tmp_path, starts=2)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "job 0 (loss=wasserstein) refused: This recipe cannot train: - loss=wasserstein needs" in done.stdout
    [sweep] = (tmp_path / "multirun").iterdir()
    assert [path.name for path in sweep.iterdir() if path.is_dir()] == ["1_loss=hinge"]
    assert state(sweep / "1_loss=hinge") == "completed"


def test_an_impossible_recipe_exits_2_with_a_line_to_type_and_leaves_nothing(tmp_path):
    done = warm.typed("train.py model=dcgan loss=wasserstein", tmp_path)
    assert_refused(done, "loss=wasserstein needs a Lipschitz critic",
                   f"python {ROOT}/train.py model=dcgan loss=wasserstein 'trick=[wgan_gp]' "
                   "model.discriminator.normalization=layer")
    assert not any(tmp_path.iterdir())


SLIPS = [
    ("train.py model=dcgn", ["model=dcgn does not exist: did you mean dcgan?", "mlp"]),
    ("train.py modle=dcgan", ["modle is not a setting: did you mean model?"]),
    ("train.py tricks.r1.gamma.start=2", ["tricks.r1.gamma=10.0 is a plain value; a schedule is typed in its place"]),
    ("train.py tricks.r1.gamma=2 trick=[ema]", ["tricks.r1.gamma=2 has no effect", "type 'trick=[ema,r1]', or leave"]),
    ("train.py budget.image=10", ["budget.image is not a setting: did you mean budget.images?"]),
    ("train.py lr=1e-4", ["lr is not a setting: did you mean optimizer.generator.lr or optimizer.discriminator.lr?"]),
    ("train.py model=dcgn lossy=hinge", ["model=dcgn does not exist", "lossy is not a setting: did you mean loss?"]),
    ("train.py budget.images=many", ["budget.images=many must be a whole number of at least 1"]),
    ("train.py 'trick=[r1'", ["trick=[r1 cannot be read"]),
    ("train.py 'trick=[emma]'", ["trick=emma does not exist: did you mean ema?"]),
    ("train.py -m model=dcgan,mpl", ["model=mpl does not exist: did you mean mlp?"]),
    ("train.py callbacks=[default,histogram]", ["callbacks=histogram does not exist: did you mean histograms?"]),
    ("train.py callbacks=histograms", ["callbacks= lacks what every run has", "type callbacks=[default,histograms]"]),
    ("sample.py run=nowhere counts=3", ["counts is not a setting: did you mean count?"]),
    ("compare.py runs=nowhere", ["runs=nowhere holds no run", "nowhere does not exist"]),
]
HELP = ["train.py --help", "train.py --cfg job", "sample.py --help"]
# Answers one line after the other, each in a copy of a process that has imported our commands, and not torch
ANSWERING = """
import gc, os, runpy, shlex, sys
from pathlib import Path
import hydra.core.plugins, pytest
import saddlepoint.commands.compare, saddlepoint.commands.sample, saddlepoint.commands.train
from saddlepoint.config.composing import composed
from tests.hydra_once import compose_once

hydra.core.plugins.Plugins.instance()
compose_once(pytest.MonkeyPatch())
composed((), "train")
gc.freeze()
root, *lines = sys.argv[1:]
for number, line in enumerate(lines):
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    os.chdir(str(number))
    for stream, name in enumerate(("out", "errors"), 1):
        os.dup2(os.open(f"../{name}{number}", os.O_WRONLY | os.O_CREAT), stream)
    script, *arguments = shlex.split(line)
    sys.argv = [os.path.join(root, script), *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, tuple[subprocess.CompletedProcess, Path]]:
    """The answer to each slip and each request for help, and the folder where it was typed. Whoever imports torch there
    gets a traceback."""
    folder, bomb = tmp_path_factory.mktemp("slips"), tmp_path_factory.mktemp("bomb")
    (bomb / "torch.py").write_text("raise SystemError('torch was imported')")
    lines = [*(line for line, _ in SLIPS), *HELP]
    for number in range(len(lines)):
        (folder / str(number)).mkdir()
    done = subprocess.run([sys.executable, "-c", ANSWERING, str(ROOT), *lines], cwd=folder, capture_output=True,
                          text=True, check=True, env={**os.environ, "PYTHONPATH": f"{bomb}{os.pathsep}{ROOT}"})
    return {line: (subprocess.CompletedProcess(line, int(code), *((folder / f"{name}{number}").read_text()
                                                                  for name in ("out", "errors"))),
                   folder / str(number))
            for number, (line, code) in enumerate(zip(lines, done.stdout.split(), strict=True))}


@pytest.mark.parametrize(("line", "words"), SLIPS)
def test_a_slip_is_answered_in_a_sentence_before_torch_is_imported(line, words, answers):
    done, folder = answers[line]
    assert_refused(done, *words)
    assert not any(path.name != "multirun" for path in folder.iterdir())


def test_sample_without_a_run_is_refused(tmp_path):
    assert_refused(warm.typed("sample.py", tmp_path), "run is not set")


@pytest.mark.parametrize("line", HELP)
def test_help_needs_no_torch(line, answers):
    done, folder = answers[line]
    assert done.returncode == 0, done.stderr
    assert "budget" in done.stdout or "run:" in done.stdout
    assert not any(folder.iterdir())


def test_a_place_that_cannot_run_is_refused_before_there_is_a_directory(tmp_path):
    if torch.cuda.is_available():
        assert warm.typed(f"train.py {TINY} trainer=gpu run.dir=run", tmp_path).returncode == 0
        return
    done = warm.typed("train.py trainer=gpu run.dir=run", tmp_path)
    assert_refused(done, "trainer.accelerator=gpu: torch finds no GPU here")
    assert not any(tmp_path.iterdir())


def test_auto_that_begins_anew_refuses_settings_without_effect(tmp_path):
    done = warm.typed(f"train.py {TINY} resume=auto run.dir=run tricks.ema.half_life_images=5", tmp_path)
    assert_refused(done, "tricks.ema.half_life_images=5 has no effect, as trick=[] does not play ema")
    assert not (tmp_path / "run").exists()


def test_a_signal_reaches_the_workers_too_and_the_run_ends_with_a_checkpoint(tmp_path):
    """As a terminal sends it to all processes, and a scheduler others, for which workers have the same handler"""
    write_photo_folder(tmp_path / "photos")
    command = [sys.executable, str(ROOT / "train.py"), *shlex.split(TINY), "data=image_folder", "data.root=photos",
               "data.image_size=16", "data.num_workers=2", "budget.images=100000000", "run.dir=run",
               "callbacks.scalars.every_images=8"]
    with warm.warm(command, tmp_path) as process:
        wait_until((tmp_path / "run" / "metrics.csv").exists, process)
        os.killpg(process.pid, signal.SIGINT)
        done = ended(process)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr and (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


def test_paths_may_hold_anything(tmp_path):
    place = tmp_path / "a (b), {c}=d"
    done = warm.typed(f"train.py {MEASURED} callbacks=none logger=none {shlex.quote(f'run.dir={place}')}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert state(place) == "completed"
    again = warm.typed(f"train.py {TINY} {shlex.quote(f'run.dir={place}')}", tmp_path)
    assert_refused(again, "is not empty")


@pytest.mark.parametrize(("start", "number", "exit_code"), [
    (started, signal.SIGUSR1, 143), (warm.warm, signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_a_checkpoint(start, number, exit_code, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, str(ROOT / "train.py"), *shlex.split(TINY), "budget.images=100000000", f"run.dir={run}",
               "callbacks.scalars.every_images=8"]
    with start(command, tmp_path) as process:
        wait_until((run / "metrics.csv").exists, process)
        process.send_signal(number)
        done = ended(process)
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr and f"Stopped by {number.name}" in done.stderr
    assert state(run) == "stopped" and (run / "checkpoints" / "last.ckpt").is_file()
