"""Composes settings from Python as the commands do, for tests and notebooks. Imports no torch."""

from collections.abc import Iterable
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from saddlepoint.config.check import checked_settings, chosen
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.overrides import quote_path
from saddlepoint.config.setting_rules import OF_COMMANDS


def composed(overrides: Iterable[str], command: str = "train") -> tuple[DictConfig, dict[str, str | None]]:
    """Returns the configuration of a command for settings as they are typed, and what was chosen from each group."""
    GlobalHydra.instance().clear()  # a notebook may have composed something of its own
    with initialize_config_dir(str(settings_folder()), version_base="1.3"):
        whole = compose(command, overrides=[*map(quote_path, overrides)], return_hydra_config=True)
    choices = chosen(whole.hydra.runtime.choices, whole)
    OmegaConf.set_struct(whole, False)
    del whole["hydra"]
    return whole, choices


def settings_of(overrides: Iterable[str], command: str = "train") -> dict[str, Any]:
    """Returns the checked settings of a command; raises RequestError with every complaint."""
    config, choices = composed(overrides, command)
    return checked_settings(config, OF_COMMANDS.get(command)) | {"choices": choices}
