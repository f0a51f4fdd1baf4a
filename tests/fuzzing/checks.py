"""What must hold for any value of a setting and for any file name; AssertionError or a bug's own error otherwise."""

import tempfile
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from PIL import Image

from saddlepoint.config_check import checked_settings, leaves
from saddlepoint.data.listing import image_files
from saddlepoint.errors import RequestError
from saddlepoint.hydra_refusals import explain
from saddlepoint.overrides import prepare
from saddlepoint.upscaling.files import sources
from tests.composing import CONF

COMMANDS = ("train", "evaluate", "sample", "upscale", "compare", "train_classifier")


@cache
def settings_of(command: str) -> tuple[str, ...]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return tuple(leaves(OmegaConf.to_container(compose(command), resolve=False)))


def value_is_taken_or_refused_in_words(command: str, setting: str, value: str) -> None:
    arguments = [f"{setting}={value}"]
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            checked_settings(compose(command, prepare(arguments, None)))
    except RequestError as refusal:
        assert str(refusal).strip()
    except (HydraException, OmegaConfBaseException) as refusal:
        assert explain(refusal, arguments, CONF, command).strip()


def file_is_found(name: str) -> None:
    """In a folder of images, in a folder to upscale, and as the one input."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / name
        Image.new("RGB", (4, 4)).save(Path(place) / "plain.png")
        (Path(place) / "plain.png").rename(file)
        assert [found.path for found in image_files(Path(place), ["png"])] == [file]
        for typed in (place, str(file)):
            chosen = sources(typed, recursive=False)
            assert [found.path for found in chosen.files] == [file]
