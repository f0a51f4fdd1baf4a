"""Draws films from a trained run for sample.py: walks, codes, and training's pictures of the same latents."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor

from saddlepoint.commands import sample_archives
from saddlepoint.config.spelling import word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import pixels
from saddlepoint.data.describing import listed
from saddlepoint.errors import RequestError
from saddlepoint.runs import reading
from saddlepoint.sampling import films, pictures
from saddlepoint.sampling.films import Film
from saddlepoint.sampling.loading import home_of
from saddlepoint.upscaling.in_memory import ImageUpscaler

Settings = Mapping[str, Any]
FILMS = ("gif", "mp4")
FORMATS = ("png", *FILMS, *sample_archives.FORMATS)
WALK_FPS, TRAINING_FPS = 24, 4  # frames a second, unless fps= says otherwise
MOST_FPS = 50  # of a GIF: players take a shorter time between two frames for a mistake, and are slow
MOVING = ("interpolate", "interpolate_class", "codes", "training")  # settings of which a film can be made
OF_DRAWING = {"class": None, "count": None, "columns": None, "upscale": None, "truncation": None}  # and their defaults


def format_of(settings: Settings) -> str:
    """Returns the format of the file: format=, else what the ending of output= says, else png."""
    ending = Path(settings["output"] or "").suffix.lower().removeprefix(".")
    return settings["format"] or (ending if ending in FORMATS else "png")


def is_film(settings: Settings) -> bool:
    return format_of(settings) in FILMS


def refuse_contradictions(settings: Settings) -> None:
    """Refuses settings of films and archives that exclude each other, before the run is read."""
    kind, training = format_of(settings), settings["training"]
    if kind in sample_archives.FORMATS:
        sample_archives.refuse_contradictions(settings, kind)
        return
    if settings["device"] != "auto":
        raise RequestError(f"device={settings['device']} is of format=npz and format=zip, and the CPU draws pictures "
                           "and films: leave device= out")
    if kind == "png":
        if training:
            raise RequestError(f"training={training} is a film of the pictures in the run's folder samples/: add "
                               "format=gif or format=mp4")
        if settings["fps"]:
            raise RequestError(f"fps={settings['fps']:g} is the speed of a film, and this is a picture: add format=gif "
                               "or format=mp4, or leave fps= out")
        return
    typed = f"format={kind}" if settings["format"] else f"output={settings['output']}"
    if not any(settings[name] for name in MOVING):
        raise RequestError(f"{typed} is a film, and this is one picture: say what moves with interpolate=[3,8], "
                           "interpolate_class=[0,1], codes=1 or training=images, or type format=png")
    if isinstance(settings["codes"], list) and len(settings["codes"]) > 1:
        raise RequestError(f"{typed} with codes={settings['codes']}: in a film one code changes. Type "
                           f"codes={settings['codes'][0]}")
    if settings["files"]:
        raise RequestError(f"{typed} is one file, and files=true writes single images: leave one of them out")
    if kind == "gif" and settings["fps"] and settings["fps"] > MOST_FPS:
        raise RequestError(f"fps={settings['fps']:g}: a GIF has at most {MOST_FPS} frames a second. Type a smaller "
                           "fps=, or format=mp4")
    if training:
        without = [f"{name}=" for name, default in OF_DRAWING.items() if settings[name] != default]
        if without:
            raise RequestError(f"training={training} shows the pictures as training drew them: leave "
                               f"{listed(without)} out")
    if kind == "mp4":
        films.require_encoder(typed)


def write(film: Film, upscaler: ImageUpscaler | None, output: Path, settings: Settings) -> list[Path]:
    """Writes a film of a generator, prints where it is, and returns its path."""
    columns = settings["columns"]

    def frames() -> Iterator[Tensor]:
        for images in map(pixels.to_bytes, map(pictures.as_colours, film.frames)):
            yield pictures.grid(upscaler(images) if upscaler else images, columns)

    larger = f", upscaled by {upscaler.name} (from {upscaler.source})" if upscaler else ""
    fps = settings["fps"] or WALK_FPS
    count = films.write_film(output, frames(), fps)
    print(f"{count} frames{film.description}{larger}, {count / fps:.3g} seconds: {output}")
    return [output]


def write_training(output: Path, settings: Settings) -> list[Path]:
    """Writes a film of the pictures that training drew, prints where it is, and returns its path."""
    files = training_pictures(settings)
    fps = settings["fps"] or TRAINING_FPS
    count = films.write_film(output, read(files), fps)
    first, last = files[0][0], files[-1][0]
    print(f"{count} frames from {first:,} to {last:,} images seen, {count / fps:.3g} seconds: {output}")
    return [output]


def training_pictures(settings: Settings) -> list[tuple[int, Path]]:
    """Returns (images seen, file) of the pictures that training= names; raises a RequestError if there are none."""
    run = directory_of(expanded(settings["run"], "run"))
    found = reading.pictures(run / "samples")
    name = settings["training"]
    if name not in found:
        instead = f"type one of {', '.join(word(f'training={each}') for each in sorted(found))}" if found else (
            "it drew none; callbacks.image_grid.every_images=N draws them during training")
        raise RequestError(f"training={name}: {run} has no pictures samples/{name}_*.png: {instead}")
    return found[name]


def read(files: Sequence[tuple[int, Path]]) -> Iterator[Tensor]:
    """Yields the pictures as uint8 [C, H, W] of one size and one C; smaller ones get black edges."""
    sizes, modes = set(), set()
    for _, path in files:
        with still(path) as picture:
            sizes.add(picture.size)
            modes.add(picture.mode)
    width, height = map(max, zip(*sizes, strict=True))
    for _, path in files:
        with still(path) as picture:
            values = numpy.atleast_3d(numpy.asarray(picture.convert("L" if modes == {"L"} else "RGB")))
        canvas = torch.zeros(values.shape[2], height, width, dtype=torch.uint8)
        canvas[:, :values.shape[0], :values.shape[1]] = torch.from_numpy(values.copy()).permute(2, 0, 1)
        yield canvas


@contextmanager
def still(path: Path) -> Iterator[Image.Image]:
    """Opens a picture of a run; raises a RequestError if it cannot be read."""
    try:
        with Image.open(path) as picture:
            picture.load()
            yield picture
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror or 'it is no whole picture'}): delete it, and the "
                           "film is made of the others") from error


def directory_of(run: Path) -> Path:
    """Returns the run directory of what run= names: itself, or the one in which a checkpoint is."""
    return run if run.is_dir() else home_of(run)
