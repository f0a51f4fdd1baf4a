"""Configurations as train.py composes them, and runs small enough for tests."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigSource
from omegaconf import DictConfig

from saddlepoint.config import composing, extensions
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder

CONF = Path(__file__).parent.parent / "conf"
SMALL = ("budget.images=16", "data.batch_size=8", "callbacks=none", "logger=none", "data.subset_size=16", "trainer=cpu")


def read_yaml_files_once(patch: pytest.MonkeyPatch) -> None:
    """Hydra reads each file of ours and of its own anew for each of hundreds of compositions, a good part of whose
    time that is. Files of extensions and of tests may change, and are read as ever."""
    read, remembered = ConfigRepository.load_config, {}

    def stays(source: ConfigSource | None) -> bool:
        return source is not None and f"{source.scheme()}://{source.path}" in (f"file://{settings_folder()}",
                                                                               "pkg://hydra.conf")

    def load_config(repository: ConfigRepository, config_path: str) -> Any:
        source = repository._find_object_source(config_path, ObjectType.CONFIG)
        if not stays(source):
            return read(repository, config_path)
        if (source.path, config_path) not in remembered:
            remembered[source.path, config_path] = read(repository, config_path)
        return deepcopy(remembered[source.path, config_path])  # Hydra merges into what it read

    patch.setattr(ConfigRepository, "load_config", load_config)


def composed(*overrides: str, config: str = "train") -> tuple[DictConfig, dict[str, str | None]]:
    """-> the configuration, and what was chosen from each group; a copy of its own for each test that asks"""
    return deepcopy(composed_once(config, overrides, tuple(each.folder for each in extensions.in_use())))


@cache
def composed_once(config: str, overrides: tuple[str, ...], folders: tuple[Path, ...]
                  ) -> tuple[DictConfig, dict[str, str | None]]:
    """Composes, which takes a fifth of a second, once for each request and each set of extensions."""
    return composing.composed(overrides, config)


def settings(*overrides: str) -> dict[str, Any]:
    """What train.py hands on for these overrides, checked."""
    config, choices = composed(*overrides)
    return checked_settings(config) | {"choices": choices}


@cache
def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
