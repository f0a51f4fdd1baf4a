"""What sample.py does: a grid, single files, or walks between seeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saddlepoint import pictures
from saddlepoint.errors import RequestError
from saddlepoint.sampling import SamplingGenerator, checkpoint_of, load_generator


def draw(settings: Mapping[str, Any]) -> None:
    if not settings["run"]:
        raise RequestError("run is not set: name a run directory, e.g. run=runs/dcgan_small_mnist5k/...")
    if len(settings["interpolate"]) == 1:
        raise RequestError(f"interpolate={settings['interpolate']} is one seed, and a walk needs two: e.g. [3,8]")
    output = Path(settings["output"]).expanduser() if settings["output"] else default_output(settings)
    if output.suffix.lower() != ".png":
        raise RequestError(f"output={output} must be a PNG file: type output={output}.png")
    if settings["output"] and output.exists() and not settings["overwrite"]:
        raise RequestError(f"output={output} exists: choose another file or add overwrite=true")
    generator = load_generator(settings["run"])
    if settings["interpolate"]:
        images, columns = walk(generator, settings["interpolate"], settings["steps"]), settings["steps"]
    else:
        images, columns = generator.sample(settings["count"], settings["seed"]), settings["columns"]
    images = pictures.to_bytes(images)
    try:
        pictures.write_png(output, pictures.grid(images, columns))
        if settings["files"]:
            for index, image in enumerate(images):
                pictures.write_png(output.with_suffix("") / f"{index:06d}.png", image)
    except OSError as error:
        raise RequestError(f"output={output} cannot be written: {error.strerror or error}. "
                           "Choose a place you may write to") from error
    singly = f", one by one in {output.with_suffix('')}" if settings["files"] else ""
    print(f"{len(images)} images: {output}{singly}")


def default_output(settings: Mapping[str, Any]) -> Path:
    """Beside the run's checkpoints, named after what makes the picture what it is; drawing it again replaces it."""
    checkpoint = checkpoint_of(Path(settings["run"]).expanduser())
    home = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    walking = "-".join(map(str, settings["interpolate"]))
    name = f"walk{walking}_steps{settings['steps']}" if walking else f"seed{settings['seed']}_count{settings['count']}"
    return home / "drawn" / f"{checkpoint.stem}_{name}.png"


def walk(generator: SamplingGenerator, seeds: list[int], steps: int) -> Tensor:
    """A row of `steps` images from the first of each seed to that of the next -> [(seeds - 1) * steps, C, H, W]"""
    ends = [generator.latents.of_images(seed, 0, 1)[0] for seed in seeds]
    rows = [generator.latents.between(start, end, steps) for start, end in zip(ends, ends[1:], strict=False)]
    return generator.of_latents(torch.cat(rows))
