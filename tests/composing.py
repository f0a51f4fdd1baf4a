"""Configurations as train.py composes them, and runs small enough for tests."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from saddlepoint.config import composing

CONF = Path(__file__).parent.parent / "conf"
SMALL = ("budget.images=16", "data.batch_size=8", "callbacks=none", "logger=none", "data.subset_size=16", "trainer=cpu")


def composed(*overrides: str, config: str = "train") -> tuple[DictConfig, dict[str, str | None]]:
    """-> the configuration, and what was chosen from each group"""
    return composing.composed(overrides, config)


def settings(*overrides: str) -> dict[str, Any]:
    """What train.py hands on for these overrides, checked."""
    return composing.settings_of(overrides)


@cache
def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
