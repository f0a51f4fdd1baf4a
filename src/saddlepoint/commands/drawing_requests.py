"""Refuses requests for pictures that sample.py cannot meet, and says where a picture is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.commands import filming
from saddlepoint.config.spelling import of_class, word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.sampling.generator import EVERY_CLASS, SamplingGenerator
from saddlepoint.sampling.loading import checkpoint_of, home_of, stem_of

Settings = Mapping[str, Any]
KINDS = ("interpolate", "interpolate_class", "arithmetic", "codes", "concept", "directions", "training")  # of pictures
PARTNERS = {"code_range": ("codes", [-2, 2]), "concept_strength": ("concept", [0, 1, 2, 3]),
            "direction_range": ("directions", [-3, 3])}  # the setting whose columns they fill, and their defaults
IN_NAMES = {"truncation": None, "columns": None, "fps": None, "threshold": 0.5}  # of files, unless left at the default


def refuse_contradictions(settings: Settings) -> None:
    """Refuses settings that exclude each other, before the run is read."""
    if not settings["run"]:
        raise RequestError("run is not set: name a run directory, e.g. run=runs/dcgan_small_mnist5k/...")
    filming.refuse_contradictions(settings)
    kinds = [name for name in KINDS if settings[name]]
    if len(kinds) > 1:
        raise RequestError(f"{kinds[0]}= and {kinds[1]}= are two pictures: type one of them")
    if settings["weights"] and settings["training"]:
        raise RequestError(f"weights={settings['weights']} chooses what draws, and training= shows pictures that were "
                           "drawn in training: leave weights= out")
    if len(settings["interpolate"]) == 1:
        raise RequestError(f"interpolate={settings['interpolate']} is one seed, and a walk needs two: e.g. [3,8]")
    if len(settings["interpolate_class"]) == 1:
        raise RequestError(f"{typed_classes('interpolate_class', settings)} is one class, and a walk needs two: "
                           "e.g. [3,8]")
    codes = settings["codes"] if isinstance(settings["codes"], list) else [settings["codes"]]
    if len(codes) > 2 or len({*codes}) < len(codes):
        raise RequestError(f"codes={settings['codes']} must be one code, or two different ones: the first changes from "
                           "column to column, the second from row to row, e.g. [1,2]")
    if codes and settings["columns"] and not filming.is_film(settings):
        raise RequestError(f"columns={settings['columns']}: with codes= each column is a value of a code. Leave "
                           "columns= out, or type steps=N for N values of a continuous code")
    for name, column in (("concept", "strength"), ("directions", "step")):
        if settings[name] and settings["columns"]:
            raise RequestError(f"columns={settings['columns']}: with {name}= each column is a {column}. Leave columns= "
                               "out")
    for name, (partner, default) in PARTNERS.items():
        if settings[name] != default and not settings[partner]:
            raise RequestError(f"{name}={settings[name]} says what {partner}= draws: type {partner}= as well, or leave "
                               f"{name}= out")
    for name in ("interpolate", "interpolate_class", "arithmetic"):
        if settings[name] and settings["columns"] and not filming.is_film(settings):
            raise RequestError(f"columns={settings['columns']}: the picture of {name}= has its own columns. Leave "
                               "columns= out")
    if settings["count"] and (settings["arithmetic"] or settings["interpolate"] and not filming.is_film(settings)):
        name = "arithmetic" if settings["arithmetic"] else "interpolate"
        raise RequestError(f"count={settings['count']}: {name}= says which images are drawn. Leave count= out")
    if settings["steps"] and not any(settings[name] for name in ("interpolate", "interpolate_class", "codes",
                                                                 "directions")):
        raise RequestError(f"steps={settings['steps']} is of walks: type interpolate=, interpolate_class=, codes= or "
                           "directions= as well, or count=N for N images")
    if settings["class"] is not None and settings["interpolate_class"]:
        raise RequestError(f"{typed_classes('class', settings)} and interpolate_class= both choose classes: leave "
                           "class= out")
    every_class = settings["class"] == EVERY_CLASS
    if every_class and kinds:
        raise RequestError(f"class=all draws a grid, and {kinds[0]}= is of one class: choose it, e.g. class=0")
    if every_class and settings["columns"]:
        raise RequestError(f"columns={settings['columns']}: with class=all each row is a class. Type "
                           f"count={settings['columns']} for that many of each, or layout=columns to turn the grid")
    if settings["layout"] != "rows" and not every_class:
        raise RequestError(f"layout={settings['layout']} is how class=all is laid out: add class=all, or type "
                           "columns=N for a grid of N columns")


def typed_classes(setting: str, settings: Settings) -> str:
    """Returns a setting of classes with its value, quoted as it may be typed."""
    typed = settings[setting]
    if not isinstance(typed, list):
        return word(f"{setting}={typed}")
    return of_class(setting, list(map(str, typed))) or f"{setting}={typed}"


def output_path(settings: Settings) -> Path | None:
    """Returns the path of output=, None if it is not typed; refuses files that exist and other endings than the
    format's."""
    if not settings["output"]:
        return None
    output = expanded(settings["output"], "output")
    kind = filming.format_of(settings)
    if output.suffix.lower() != f".{kind}":
        name = output.with_suffix(f".{kind}") if output.suffix[1:].lower() in filming.FORMATS else f"{output}.{kind}"
        a_kind = f"{'an' if kind in ('mp4', 'npz') else 'a'} {kind.upper()}"
        raise RequestError(f"output={output} must be {a_kind} file: type {word(f'output={name}')}")
    if is_taken(output) and not settings["overwrite"]:
        raise RequestError(f"output={output} exists: choose another file or add overwrite=true")
    return output


def refuse_places(output: Path, settings: Settings) -> None:
    """Refuses places that cannot be written to and a typed folder with pictures in it, before anything is drawn."""
    typed = f"output={settings['output'] or output.parent}"
    require_writable(output, typed)
    if settings["files"]:
        folder = output.with_suffix("")
        require_writable(folder / "000000.png", f"{typed} files=true")
        if settings["output"] and not settings["overwrite"] and any(folder.glob("*.png")):
            raise RequestError(f"{typed} files=true: {folder} holds pictures already: choose another file, whose "
                               "folder is called like it, or add overwrite=true")


def refuse_files_beside(output: Path | None, generator: SamplingGenerator, settings: Settings) -> None:
    """Refuses a typed output beside which there are files already that would be replaced: numbers, and meshes."""
    if output is None or settings["overwrite"]:
        return
    has_numbers = generator.edge or generator.dimensions or (
        generator.standardisation and not filming.is_film(settings))
    beside = [output.with_suffix(".npy")] if has_numbers else []
    if generator.edge and settings["mesh"]:
        beside += sorted(output.with_suffix("").glob(f"*.{settings['mesh']}"))
    if taken := [each for each in beside if is_taken(each)]:
        raise RequestError(f"output={output}: {taken[0]}, which belongs to it, exists: choose another file or add "
                           "overwrite=true")


def default_output(settings: Settings, name: str) -> Path:
    """Returns a path in the run's folder `drawn`, named after checkpoint and picture: the same picture replaces it."""
    run, kind = expanded(settings["run"], "run"), filming.format_of(settings)
    how = "".join(f"_{setting}{settings[setting]:g}" for setting, default in IN_NAMES.items()
                  if settings[setting] != default)
    if settings["training"]:
        return filming.directory_of(run) / "drawn" / f"{name}{how}.{kind}"
    checkpoint = checkpoint_of(run)
    return home_of(checkpoint) / "drawn" / f"{stem_of(checkpoint, settings['weights'])}_{name}{how}.{kind}"
