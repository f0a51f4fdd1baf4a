"""Runs of two processes beside two busy ones: each leaves with the exit code that its end has, and leaves nobody."""

import random
import signal
from pathlib import Path

from tests.chaos.processes import Training
from tests.chaos.report import Report
from tests.comparing_runs import status
from tests.processes import beside_two_busy_processes

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "threads=1", "data.batch_size=8", "data.subset_size=40",
       "model=dcgan", "model.generator.width=4", "model.discriminator.width=4", "callbacks=none")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
DIVERGING = ("optimizer.generator.lr=1e30", "optimizer.discriminator.lr=1e30")
KINDS = {"launched": 0, "torchrun": 0, "stopped": 143, "diverged": 3}


def ends(count: int, place: Path, chance: random.Random, report: Report) -> None:
    for trial in range(count):
        kind = list(KINDS)[trial % len(KINDS)]
        with beside_two_busy_processes():
            problems = _problems(kind, place / f"end-{trial}", chance)
        report.trial("ends", f"{trial + 1} of {count}, {kind}", problems, [kind])


def _problems(kind: str, run: Path, chance: random.Random) -> list[str]:
    more = DIVERGING if kind == "diverged" else ()
    budget = 10**8 if kind == "stopped" else 8 * chance.randrange(1, 20)
    launcher = TORCHRUN if kind == "torchrun" else ()
    settings = (*TWO, *more, f"budget.images={budget}", "callbacks.scalars.every_images=8")
    training = Training(settings if launcher else (*settings, "trainer.devices=2"), run, launcher)
    if kind == "stopped":
        training.wait_for((run / "metrics.csv").exists)
        training.send(signal.SIGTERM)
    code, said = training.end(), training.said()
    problems = [] if code == KINDS[kind] else [f"exit code {code}, not {KINDS[kind]}: {training.last_line()}"]
    problems += ["it aborted"] if "terminate called" in said else []
    state = {"launched": "completed", "torchrun": "completed"}.get(kind, kind)
    return problems + ([] if status(run)["state"] == state else [f"status.json: {status(run)}"])
