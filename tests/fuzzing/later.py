"""What each command makes of settings that are each good by itself, up to where it would compute for long."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from saddlepoint.commands import comparing as comparison
from saddlepoint.commands import description, drawing, evaluation, recipe_refusals
from saddlepoint.errors import RequestError
from saddlepoint.runs import resuming
from saddlepoint.upscaling import batch, headers, weights
from tests.upscaling.networks import Nearest

Settings = Mapping[str, Any]


def train(settings: Settings, arguments: list[str]) -> None:
    assert resuming.continuation(settings, arguments, None) is None
    recipe_refusals.refuse(settings, "train.py", arguments)
    description.describe(settings)


def upscale(settings: Settings, arguments: list[str]) -> None:
    Image.new("RGB", (4, 4)).save("photo.png")
    settings = {**settings, "input": settings["input"] or "photo.png"}
    headers.refuse_unreadable_input(settings["input"], headers.limits_of(settings))
    with patch.object(weights, "load", lambda _: (Nearest(), "nearest", "a test")):
        batch.upscale(settings)


def sample(settings: Settings, arguments: list[str]) -> None:
    with patch.object(drawing, "load_generator", _nothing_to_draw):
        drawing.draw({**settings, "run": settings["run"] or "run"})


def _nothing_to_draw(run: str) -> None:
    raise RequestError(f"run={run} is good so far")


def evaluate(settings: Settings, arguments: list[str]) -> None:
    for name in ("real", "fake"):
        Path(name).mkdir()
        for level in (50, 100):
            Image.new("RGB", (16, 16), (level,) * 3).save(f"{name}/{level}.png")
    settings = {**settings, "fake": settings["fake"] or (None if settings["run"] else "fake"),
                "real": settings["real"] or "real"}
    evaluation.refuse_contradictions(settings)
    evaluation.prepare(settings)


def compare(settings: Settings, arguments: list[str]) -> None:
    comparison.compare({**settings, "runs": settings["runs"] or "."})


COMMANDS: dict[str, Callable[[Settings, list[str]], None]] = {
    "train": train, "upscale": upscale, "sample": sample, "evaluate": evaluate, "compare": compare}
