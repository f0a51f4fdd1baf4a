"""Configurations as train.py composes them, and runs small enough for tests."""

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra.core.default_element import InputDefault
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigSource
from omegaconf import DictConfig

from saddlepoint.config import composing, extensions
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.runs.reading import LOADER

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
            remembered[source.path, config_path] = pickle.dumps(read(repository, config_path))
        return pickle.loads(remembered[source.path, config_path])  # a copy, as Hydra merges into what it read

    patch.setattr(ConfigRepository, "load_config", load_config)
    leave_out_unused_choices(patch)


def leave_out_unused_choices(patch: pytest.MonkeyPatch) -> None:
    """Hydra lists what was chosen so far anew for each of fifty defaults, a fifth of the time of a composition, and
    looks at the list only where a default is written in terms of others, as `${model}_x`."""
    of_hydra = defaults_list._create_interpolation_map

    def choices(overrides: Overrides, defaults: list[InputDefault], self_added: bool) -> DictConfig:
        refers = any(each.is_interpolation() for each in defaults)
        return of_hydra(overrides, defaults, self_added) if refers else DictConfig({})

    patch.setattr(defaults_list, "_create_interpolation_map", choices)


def composed(*overrides: str, config: str = "train") -> tuple[DictConfig, dict[str, str | None]]:
    """-> the configuration, and what was chosen from each group; a copy of its own for each test that asks"""
    return pickle.loads(composed_once(config, overrides, tuple(each.folder for each in extensions.in_use())))


@cache
def composed_once(config: str, overrides: tuple[str, ...], folders: tuple[Path, ...]) -> bytes:
    """Composes, which takes a tenth of a second, once for each request and each set of extensions. Returns a pickle,
    of which a copy is made six times as fast as by deepcopy."""
    return pickle.dumps(composing.composed(overrides, config))


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
    return yaml.load(path.read_text(), LOADER)
