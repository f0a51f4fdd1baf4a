"""The commands as functions, for notebooks and programs.

Each takes settings as the command line does, and raises saddlepoint.errors.RequestError with the text that the command
would print.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.errors import HydraException

from saddlepoint.config import extensions as extension_packages
from saddlepoint.config.check import refuse_without_effect
from saddlepoint.config.composing import settings_of
from saddlepoint.config.hydra_errors import explain
from saddlepoint.errors import RequestError
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Run

if TYPE_CHECKING:
    import pandas as pd


def train(*settings: str, extensions: Sequence[str] = ()) -> Path:
    """Trains one GAN to the end of its budget and returns its run directory: train("model=dcgan", "loss=hinge").

    `extensions`: folders of packages of your own, as extensions=[...] on the command line.
    """
    request = _settings("train", settings, extensions)
    refuse_without_effect(request, settings)
    from saddlepoint.commands import recipe_refusals
    from saddlepoint.runs import resuming
    from saddlepoint.training import train as training
    going_on = resuming.continuation(request, settings, None)
    request = going_on.settings if going_on else request
    recipe_refusals.refuse(request, "train", settings)
    return training.train(request, None, going_on)


def evaluate(*settings: str, extensions: Sequence[str] = ()) -> dict[str, float | None]:
    """Measures a run, or a folder of images, and returns metric -> value (None: there is none, for the reason printed):
    evaluate("run=runs/...", "metric=[fid,kid]"). The values with their protocol are written as evaluate.py does."""
    request = _settings("evaluate", settings, extensions)
    from saddlepoint.commands import evaluation
    return {value.name: value.value for value in evaluation.evaluate(request)}


def translate(*settings: str, extensions: Sequence[str] = ()) -> None:
    """Translates image files by a run of model=pix2pix or cyclegan: translate("run=runs/...", "input=photos"). Prints
    where the results are."""
    request = _settings("translate", settings, extensions)
    from saddlepoint.commands import translating
    translating.translate(request)


def upscale(*settings: str, extensions: Sequence[str] = ()) -> None:
    """Enlarges image files: upscale("input=photo.png", "scale=2"). Prints where the results are."""
    request = _settings("upscale", settings, extensions)
    from saddlepoint.upscaling import batch
    batch.upscale(request)


def compare(*settings: str) -> "pd.DataFrame":
    """Compares runs and returns the table, a line for each recipe with plain numbers: compare("runs=multirun",
    "metric=fid"). What to beware of is in attrs["notes"]; output= and page= write files as compare.py does."""
    from saddlepoint.commands import comparing
    return comparing.compare_as_frame(_settings("compare", settings, ()))


def load_run(path: str | Path) -> Run:
    """Returns the content of a run directory: settings, state, last and best scores, curves and pictures."""
    gathered = gather([path])
    if len(gathered.runs) != 1 or gathered.runs[0].path.resolve() != Path(path).expanduser().resolve():
        problem = "".join(f": {problem.text}" for problem in gathered.problems[:1])
        raise RequestError(f"{path} is not the directory of one run{problem}. compare() takes several")
    return gathered.runs[0]


def _settings(command: str, typed: Sequence[str], extensions: Sequence[str]) -> dict:
    extension_packages.use(extensions)
    if extensions:
        typed = [*typed, f"extensions=[{','.join(extensions)}]"]
    try:
        return settings_of(typed, command)
    except HydraException as refusal:
        raise RequestError(explain(refusal, list(typed), command)) from refusal
