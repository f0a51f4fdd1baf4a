"""Configurations as train.py composes them, and runs small enough for tests."""

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from saddlepoint.config import composing, extensions
from saddlepoint.config.check import checked_settings
from saddlepoint.runs.reading import LOADER

CONF = Path(__file__).parent.parent / "conf"
SMALL = ("budget.images=16", "data.batch_size=8", "callbacks=none", "logger=none", "data.subset_size=16", "trainer=cpu")


def composed(*overrides: str, config: str = "train") -> tuple[DictConfig, dict[str, str | None]]:
    """-> the configuration, and what was chosen from each group; a copy of its own for each test that asks"""
    return pickle.loads(composed_once(config, overrides, tuple(each.folder for each in extensions.in_use())))


@cache
def composed_once(config: str, overrides: tuple[str, ...], folders: tuple[Path, ...]) -> bytes:
    """Composes, which takes a tenth of a second, once for each request and each set of extensions. Returns a pickle,
    of which a copy is made six times as fast as by deepcopy."""
    return pickle.dumps(composing.composed(overrides, config))


def settings(*overrides: str) -> dict[str, Any]:
    """What train.py hands on for these overrides, checked; a copy of its own for each test that asks"""
    return pickle.loads(checked_once(overrides, tuple(each.folder for each in extensions.in_use())))


@cache
def checked_once(overrides: tuple[str, ...], folders: tuple[Path, ...]) -> bytes:
    config, choices = pickle.loads(composed_once("train", overrides, folders))
    return pickle.dumps(checked_settings(config) | {"choices": choices})


@cache
def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(), LOADER)
