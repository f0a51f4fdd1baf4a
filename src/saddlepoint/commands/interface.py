"""The commands as functions, for notebooks and programs.

Each takes settings as the command line does, and by name as Python values. A request that cannot be met is raised as
saddlepoint.errors.RequestError, with the text that the command would print and lines of Python to type instead.
"""

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saddlepoint.commands import command_line
from saddlepoint.config.check import refuse_without_effect
from saddlepoint.config.composing import settings_of
from saddlepoint.config.python_values import as_overrides
from saddlepoint.config.rules import as_typed
from saddlepoint.config.spelling import line
from saddlepoint.environment import called_from_python, program
from saddlepoint.errors import RequestError
from saddlepoint.progress.bars import without_a_red_wall
from saddlepoint.runs.choices import with_choices_of_the_run
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Run

if TYPE_CHECKING:
    import pandas as pd

Extensions = Sequence[str | Path]


def train(*settings: str, extensions: Extensions = (), **values: object) -> Path:
    """Trains one GAN to the end of its budget and returns its run directory: train(model="dcgan", loss="hinge",
    budget={"images": 96_000}), or the same as typed: train("model=dcgan", "loss=hinge", "budget.images=96000").

    settings: as on the command line, one text each.
    values: settings as Python values. A dict sets what stands below a name; names with dots are handed over as
        **{"optimizer.generator.lr": 1e-4}.
    extensions: folders of packages of your own, as extensions=[...] on the command line.
    """
    with _request("train", settings, extensions, values) as request:
        refuse_without_effect(request.settings, request.typed)
        _refuse_what_a_terminal_does(request)
        from saddlepoint.commands import recipe_refusals
        from saddlepoint.runs import resuming
        from saddlepoint.training import train as training
        going_on = resuming.continuation(request.settings, request.typed, None)
        if going_on is None:  # also of resume="auto" where there is nothing to go on with
            refuse_without_effect({**request.settings, "resume": None}, request.typed)
        request_of_run = going_on.settings if going_on else request.settings
        with resuming.closed_where_it_ends(going_on) as keep_open:
            recipe_refusals.refuse(request_of_run, "train", request.typed)
            keep_open()
        with _torch_as_before():
            return training.train(request_of_run, None, going_on)


def sample(*settings: str, extensions: Extensions = (), **values: object) -> list[Path]:
    """Draws from a trained run into files, and returns their paths, the picture or film first: sample(run=run,
    interpolate=[3, 8, 5], format="gif"). `load_generator` draws tensors."""
    with _request("sample", settings, extensions, values) as request, _torch_as_before():
        from saddlepoint.commands import drawing
        return drawing.draw(request.settings)


def evaluate(*settings: str, extensions: Extensions = (), **values: object) -> dict[str, float | None]:
    """Measures a run, or a folder of images, and returns metric -> value (None: there is none, for the reason printed):
    evaluate(run=run, metric=["fid", "kid"]). The values with their intervals and protocol are written as evaluate.py
    does."""
    with _request("evaluate", settings, extensions, values) as request, _torch_as_before():
        from saddlepoint.commands import evaluation
        return {value.name: value.value for value in evaluation.evaluate(request.settings)}


def translate(*settings: str, extensions: Extensions = (), **values: object) -> list[Path]:
    """Translates image files by a run of model=pix2pix or cyclegan, and returns the path of each file's result:
    translate(run=run, input="photos"). Results that existed already are left as they are and listed too."""
    with _request("translate", settings, extensions, values) as request, _torch_as_before():
        from saddlepoint.commands import translating
        return translating.translate(request.settings)


def invert(*settings: str, extensions: Extensions = (), **values: object) -> Path:
    """Finds the latents from which a run's generator makes given images, and returns the folder with pictures,
    latents.npz, errors.csv and inversion.json: invert(run=run, images="photos"). saddlepoint.sampling.invert works on
    tensors."""
    with _request("invert", settings, extensions, values) as request, _torch_as_before():
        from saddlepoint.commands import inverting
        return inverting.invert(request.settings)


def augment(*settings: str, extensions: Extensions = (), **values: object) -> Path:
    """Draws images of a rare class into a folder with a manifest, and returns the folder: augment(run=run,
    **{"class": 3}, count=350)."""
    with _request("augment", settings, extensions, values) as request, _torch_as_before():
        from saddlepoint.commands import augmenting
        return augmenting.augment(request.settings)


def upscale(*settings: str, extensions: Extensions = (), **values: object) -> list[Path]:
    """Enlarges image files, and returns the path of each file's result: upscale(input="photo.png", scale=2). Results
    that existed already are left as they are and listed too."""
    with _request("upscale", settings, extensions, values) as request, _torch_as_before():
        from saddlepoint.upscaling import batch, headers
        headers.refuse_unreadable_input(request.settings["input"], headers.limits_of(request.settings))
        return batch.upscale(request.settings)


def export(*settings: str, extensions: Extensions = (), **values: object) -> Path:
    """Writes a network of a run as a file for other programs, and returns its path: export(run=run, format="onnx")."""
    with _request("export", settings, extensions, values) as request, _torch_as_before():
        from saddlepoint.commands import exporting
        return exporting.export(request.settings)


def prepare(*settings: str, extensions: Extensions = (), **values: object) -> Path:
    """Makes an archive of a folder of images for training, and returns its path: prepare(input="photos",
    output="photos.zip", image_size=64). Called again after an interruption, it goes on."""
    with _request("prepare", settings, extensions, values) as request:
        from saddlepoint.preparing import archiving
        return archiving.prepare(request.settings)


def audit(*settings: str, extensions: Extensions = (), **values: object) -> dict[str, Any]:
    """Looks for what is wrong with a folder of images, and returns what audit.json has: audit(input="photos",
    against="test_photos")."""
    with _request("audit", settings, extensions, values) as request:
        from saddlepoint.preparing import auditing
        return auditing.audit(request.settings)


def compare(*settings: str, **values: object) -> "pd.DataFrame":
    """Compares runs and returns a DataFrame with a line for each recipe: compare(runs="multirun", metric="fid").

    Its columns are the settings in which the recipes differ, seeds, and mean, deviation and interval of each score, as
    plain numbers; .attrs["notes"] has sentences on what to beware of. Nothing is printed; output= and page= write files
    as compare.py does.
    """
    with _request("compare", settings, (), values) as request:
        from saddlepoint.commands import comparing
        return comparing.compare_as_frame(request.settings)


def load_run(path: str | Path) -> Run:
    """Returns the content of a run directory: settings, state, last and best scores, curves and pictures."""
    gathered = gather([path])
    if len(gathered.runs) != 1 or gathered.runs[0].path.resolve() != Path(path).expanduser().resolve():
        problem = "".join(f": {problem.text}" for problem in gathered.problems[:1])
        raise RequestError(f"{path} is not the directory of one run{problem}. compare() takes several")
    return gathered.runs[0]


@dataclass(frozen=True)
class _Request:
    """A request of a program: checked settings, and those that it gave, as they would be typed."""

    settings: dict[str, Any]
    typed: list[str]


@contextmanager
def _request(command: str, settings: Sequence[str], extensions: Extensions,
             values: Mapping[str, object]) -> Iterator[_Request]:
    """Yields the request, in a block in which lines to type are lines of Python."""
    folders = [str(folder) for folder in extensions]
    typed = [*map(str, settings), *as_overrides({**values, **({"extensions": folders} if folders else {})})]
    with called_from_python(command, typed), without_a_red_wall():
        for setting in typed:
            if setting.startswith("-"):
                raise RequestError(f"{setting} is for the command line: type it in a terminal, "
                                   f"{line([*program(command), *typed])}")
        command_line.refuse_arguments(typed)
        command_line.take_extensions_into_use(typed)
        completed = with_choices_of_the_run(typed) if command == "train" else typed
        try:
            checked = settings_of(completed, command)
        except command_line.NOT_COMPOSED as refusal:
            raise RequestError(command_line.refusal_of(refusal, typed, command)) from refusal
        try:
            yield _Request(checked, typed)
        except OSError as error:
            end = command_line.end_of(error, typed)
            if end is None or end is error:
                raise
            raise end from error


def _refuse_what_a_terminal_does(request: _Request) -> None:
    """Refuses tables of layers, and a run of several processes, which would each run this whole program, unless a
    launcher started them."""
    from saddlepoint.parallel.launching import count_started
    trainer, in_a_terminal = request.settings["trainer"], line([*program("train"), *request.typed])
    if request.settings["describe"]:
        raise RequestError(f"describe=true prints networks and trains none: type it in a terminal, {in_a_terminal}")
    if (trainer["devices"], trainer["num_nodes"]) != (1, 1) and not count_started():
        raise RequestError(f"trainer.devices={as_typed(trainer['devices'])} starts processes, and each would run this "
                           f"whole program: type it in a terminal, {in_a_terminal}")


@contextmanager
def _torch_as_before() -> Iterator[None]:
    """Gives torch's number of threads, its random numbers and the filters of warnings back as they were before."""
    import torch
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    is_main = threading.current_thread() is threading.main_thread()
    try:
        with warnings.catch_warnings() if is_main else nullcontext():  # filters are those of all threads
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
        if on_gpus:
            torch.cuda.set_rng_state_all(on_gpus)
