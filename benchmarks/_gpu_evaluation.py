"""The checks of gpu.py about metrics, which compute where their extractor is."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from _gpu_cases import Case, Machine, Outcome
from torch import Tensor

from saddlepoint import build
from saddlepoint.commands.evaluation import evaluate as evaluate_run
from saddlepoint.config.check import checked_settings
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.sums import Moments
from saddlepoint.training import train
from tests.composing import composed, settings

ROOT = Path(__file__).parent.parent
METRICS_MAY_DIFFER = 1e-6  # relative, of the same features


def evaluate(machine: Machine) -> Iterator[Case]:
    """Measures the FID of one checkpoint by evaluate.py on the CPU and on the GPU, and how long each takes.

    An error means that evaluate.py does not run on a GPU. A relative difference beyond a thousandth or so means that
    scores of the two devices must not stand in one table.
    """
    yield "", partial(fid_of_both_devices, machine)


def fid_of_both_devices(machine: Machine) -> Outcome:
    run = machine.folder / "measured"
    images = 64 if machine.is_dry else 6400
    train.train(settings("model=dcgan_small", f"budget.images={images}", "data.batch_size=64", *machine.narrow,
                         *machine.quiet), run)
    values, measured = [], {}
    for device in ("cpu",) if machine.is_dry else ("cpu", "gpu"):
        started = time.perf_counter()
        values.append(fid(machine, run, device))
        seconds = round(time.perf_counter() - started, 1)
        measured |= {f"FID with device={device}": values[-1], f"seconds with device={device}": seconds}
    if len(values) == 2:
        measured["relative difference"] = abs(values[1] / values[0] - 1)
    return Outcome(measured)


def fid(machine: Machine, run: Path, device: str) -> float:
    output, counts = machine.folder / f"{device}.json", ("num_fake=10000",)
    if machine.is_dry:
        counts = "num_fake=256", "num_real=256", "extractor.image_size=8"
    config, _ = composed(f"run='{run}'", f"device={device}", *counts, "resamples=0", "extractor=random", "metric=[fid]",
                         "remember=false", f"output='{output}'", config="evaluate")
    evaluate_run(checked_settings(config))
    return json.loads(output.read_text())["metrics"][0]["value"]


def metrics(machine: Machine) -> Iterator[Case]:
    """Checks that metrics of the same features have the CPU's values on the GPU, and measures how long each takes.

    A failure means that a sum, a distance or a decomposition is less exact there, so that values depend on the device.
    """
    for name in ("fid", "kid", "cmmd", "precision", "coverage"):
        yield name, partial(measured_on_both, machine, name)


def measured_on_both(machine: Machine, name: str) -> Outcome:
    count, size = (300, 16) if machine.is_dry else (10_000, 2048)
    source = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(count, size, generator=source) + shift for shift in (0.0, 0.05))
    metric, values, outcome = build.metrics(settings())[name], [], {}
    for device in (torch.device("cpu"), machine.device):
        machine.synchronise()
        started = time.perf_counter()
        samples = (sample_of(features.to(device)) for features in (real, fake))
        values.append(metric.measure(*samples, seed=0, resamples=0).value)
        outcome[f"seconds on {device.type}"] = round(time.perf_counter() - started, 2)
    difference = abs(values[1] - values[0]) / max(abs(values[0]), 1e-12)
    return Outcome({"value": values[0], "relative difference": difference} | outcome,
                   passed=difference <= METRICS_MAY_DIFFER)


def sample_of(features: Tensor) -> Sample:
    return Sample(Moments.of(features), features=features, labels=torch.zeros(len(features), dtype=torch.long))


CHECKS = {"evaluate": evaluate, "metrics": metrics}
