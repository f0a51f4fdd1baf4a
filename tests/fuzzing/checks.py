"""What must hold for any value of a setting and for any file name; AssertionError or a bug's own error otherwise."""

import io
import os
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from PIL import Image

from saddlepoint.config.check import checked_settings, chosen
from saddlepoint.config.hydra_errors import explain
from saddlepoint.config.overrides import prepare
from saddlepoint.config.paths import leaves
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.data.listing import image_files
from saddlepoint.errors import EndOfRun
from saddlepoint.upscaling.planning import find_sources
from tests.composing import CONF
from tests.fuzzing import later

COMMANDS = ("train", "evaluate", "sample", "upscale", "compare", "train_classifier")


@cache
def settings_of(command: str) -> tuple[str, ...]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return tuple(leaves(OmegaConf.to_container(compose(command), resolve=False)))


def value_is_taken_or_refused_in_words(command: str, setting: str, value: str) -> None:
    arguments = [f"{setting}={value}"]
    try:
        with (tempfile.TemporaryDirectory() as place, chdir(place), patch.dict(os.environ, {"HOME": place}),
              redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO())):
            settings = checked(command, arguments)
            if command in later.COMMANDS and "/" not in value:  # nothing is written outside that place
                later.COMMANDS[command](settings, arguments)
    except EndOfRun as refusal:
        assert str(refusal).strip() and refusal.exit_code in (1, 2)
    except (HydraException, OmegaConfBaseException) as refusal:
        assert explain(refusal, arguments, command).strip()


def checked(command: str, arguments: list[str]) -> dict[str, Any]:
    """As the command's script has them"""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(command, prepare(arguments, None), return_hydra_config=True)
    choices = chosen(config.hydra.runtime.choices, config)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    settings = checked_settings(config, OF_COMMANDS["upscale"]) if command == "upscale" else checked_settings(config)
    return settings | {"choices": choices}


def file_is_found(name: str) -> None:
    """In a folder of images, in a folder to upscale, and as the one input."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / name
        Image.new("RGB", (4, 4)).save(Path(place) / "plain.png")
        (Path(place) / "plain.png").rename(file)
        assert [found.path for found in image_files(Path(place), ["png"])] == [file]
        for typed in (place, str(file)):
            chosen = find_sources(typed, recursive=False)
            assert [found.path for found in chosen.files] == [file]
