"""Run directories as train.py leaves them, without training."""

import csv
import json
import platform
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from saddlepoint.config.paths import at

PROTOCOL = {
    "extractor": "digits", "digest": "ab" * 32, "resize": "to 32 x 32", "reference": "mnist5k",
    "reference_digest": "cd" * 32, "split": "train", "framing": "none", "num_real": 5000, "num_fake": 2000,
    "image_size": 28, "seed": 0, "ema": False, "batchnorm": "running", "quantisation": "8 bits, rounded",
    "splits": None, "settings": {}, "versions": {"torch": "2.14.1"}, "revision": "",
}
SETTINGS = {
    "trick": [], "seed": 0, "budget": {"images": 48000}, "threads": 1, "run": {"dir": None},
    "data": {"_target_": "MNIST5k", "name": "mnist5k", "root": None, "batch_size": 64, "seed": 0},
    "model": {"generator": {"_target_": "G", "width": 32}, "discriminator": {"_target_": "D", "normalization": "none"}},
    "loss": {"_target_": "NonSaturating", "reduction": "sum"},
    "optimizer": {"generator": {"lr": 0.0002}, "discriminator": {"lr": 0.0002}},
    "tricks": {"r1": {"gamma": 10.0}, "ema": {"half_life_images": 10000}},
    "callbacks": {"sample_quality": {"every_images": 12000}}, "logger": {"name": ""}, "trainer": {"devices": 1},
}
CHOICES = {"experiment": None, "model": "dcgan_small", "data": "mnist5k", "loss": "nonsaturating", "optimizer": "adam",
           "trainer": "auto", "logger": "tensorboard"}
ENVIRONMENT = {"command": "train.py", "threads": 1, "python": "3.11.7", "host": "elsewhere", "process": 1,
               "versions": {"saddlepoint": "0.1.0", "torch": "2.14.1"}, "revision": "1234567890abcdef"}


def score(name: str = "fid_digits", value: float | None = 10.0, images: int = 48000, **protocol: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "interval": None, "images_seen": images, "details": {},
            "protocol": PROTOCOL | protocol}


def changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """changes: dotted path -> value"""
    result = deepcopy(dict(settings))
    for path, value in changes.items():
        parent, _, name = path.rpartition(".")
        (at(result, parent) if parent else result)[name] = value
    return result


def make_run(path: Path, *scores: Mapping[str, Any], seed: int = 0, state: str = "completed", reason: str = "",
             images: int = 48000, curve: Sequence[Mapping[str, float]] = (), best: Mapping[str, Any] | None = None,
             choices: Mapping[str, str] | None = None, environment: Mapping[str, Any] | None = None,
             seconds: float = 100.0, **changes: Any) -> Path:
    """changes: settings, with __ for the dots of their paths: model__generator__width=8. Nothing is said of scores: one
    of fid_digits."""
    path.mkdir(parents=True)
    settings = changed(SETTINGS, {"seed": seed, "data.seed": seed, "run.dir": str(path)} | {
        name.replace("__", "."): value for name, value in changes.items()})
    write = {
        "status.json": {"state": state, "reason": reason, "images_seen": images, "started": "", "ended": None},
        "environment.json": ENVIRONMENT | {"seed": seed} | dict(environment or {}),
        "metrics.json": {"metrics": [*(scores or (score(),))], "best": best, "cost": {
            "seconds": seconds, "images_per_second": images / seconds, "peak_memory_bytes": 10**9,
            "parameters": {"generator": 1000, "discriminator": 500}}},
    }
    (path / "config.yaml").write_text(yaml.safe_dump(settings | {"choices": CHOICES | dict(choices or {})}))
    for name, content in write.items():
        (path / name).write_text(json.dumps(content))
    if curve:
        with (path / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [*dict.fromkeys(name for row in curve for name in row)])
            writer.writeheader()
            writer.writerows(curve)
    return path


def here() -> dict[str, str]:
    """An environment's host, where a process can be looked for."""
    return {"host": platform.node()}
