"""Draws many images of a run into one file for sample.py: format=npz and format=zip."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saddlepoint.commands.truncating import truncated
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.describing import listed
from saddlepoint.data.pixels import to_bytes
from saddlepoint.environment import revision, versions
from saddlepoint.errors import RequestError
from saddlepoint.files.disk_space import in_megabytes
from saddlepoint.game.devices import name_of
from saddlepoint.game.modes import device_named
from saddlepoint.metrics.images import GeneratedImages
from saddlepoint.metrics.standing_statistics import kind_of_batchnorm
from saddlepoint.sampling import archives
from saddlepoint.sampling.compositions import class_prefix, describe_class
from saddlepoint.sampling.generator import EVERY_CLASS, SamplingGenerator
from saddlepoint.sampling.loading import (
    checkpoint_of,
    draw_from,
    home_of,
    load_synthesis,
    sampling_generator,
    weights_of,
)

Settings = Mapping[str, Any]
FORMATS = tuple(archives.WRITERS)
COUNT = 50_000  # images, unless count= says otherwise: as many as published tables measure
OF_PICTURES = {"layout": "rows", "columns": None, "files": False, "interpolate": [], "interpolate_class": [],
               "codes": [], "concept": None, "directions": [],
               "training": None, "steps": None, "arithmetic": None, "upscale": None, "fps": None,
               "mesh": None, "threshold": 0.5}


def refuse_contradictions(settings: Settings, kind: str) -> None:
    """Refuses settings of pictures and films beside an archive, before the run is read."""
    typed = [f"{name}=" for name, default in OF_PICTURES.items() if settings[name] != default]
    if typed:
        raise RequestError(f"format={kind} is the images of a seed one after the other, and {listed(typed)} "
                           f"{'is' if len(typed) == 1 else 'are'} of pictures and films: leave {listed(typed)} out")
    if settings["class"] == EVERY_CLASS:
        raise RequestError(f"class=all lays out a grid, and format={kind} has images of every class as they come in "
                           "training: leave class= out, or choose one, e.g. class=0")


@dataclass(frozen=True)
class Samples:
    """Images to be written into one file.

    name: of the file, unless output= says otherwise
    images: what is drawn when it is written
    labelled: whether the images are of classes
    record: how they were made
    description: of the classes, for a sentence
    things: what they are, images, points or latents
    """

    name: str
    images: GeneratedImages
    labelled: bool
    record: Mapping[str, Any]
    description: str
    things: str = "images"


def compose(settings: Settings, label_of: Callable[[SamplingGenerator, Any], int | None]) -> Samples:
    """Rebuilds the run's generator for the images that the settings choose, which are those that evaluate.py measures.

    label_of: returns the class that class= chooses of a generator; None if it is not typed
    """
    checkpoint = checkpoint_of(expanded(settings["run"], "run"))
    module, saved = load_synthesis(checkpoint)
    draw_from(module, settings["weights"])
    generator = truncated(sampling_generator(module, saved), settings["truncation"])
    if "edge" in saved["settings"]["data"]:
        raise RequestError("format=npz and format=zip are archives of images, and this run makes shapes of voxels: "
                           "leave format= out, and the shapes are written as a .npy file beside their picture")
    standardisation = generator.standardisation
    quantisation, things = (("none", "points") if generator.dimensions else ("none", "latents") if standardisation
                            else ("8 bits, rounded", "images"))
    seed, count, label = settings["seed"], settings["count"] or COUNT, label_of(generator, settings["class"])
    classes = generator.class_distribution if label is None else always(label, generator.num_classes)
    device = device_named(settings["device"])
    network = generator.generator.to(device, memory_format=torch.channels_last)
    record = {"made_by": "saddlepoint-sample", "run": home_of(checkpoint).resolve().name,
              "images_seen": saved["images_seen"], "seed": seed, "images": count,
              "truncation": settings["truncation"], "class": None if label is None else generator.class_names[label],
              "class_names": list(generator.class_names), "ema": module.has_average,
              "weights": weights_of(module),
              "batchnorm": kind_of_batchnorm(network), "quantisation": quantisation, "device": name_of(device),
              "versions": versions(), "revision": revision()}
    return Samples(f"{class_prefix(label)}seed{seed}_count{count}",
                   GeneratedImages(network, generator.latents, classes, seed, count,
                                   standardisation.restored if standardisation else to_bytes),
                   bool(generator.num_classes), record, describe_class(generator, label), things)


def always(label: int, num_classes: int) -> torch.Tensor:
    """Returns the cumulative distribution [K] of which every draw is this class."""
    return (torch.arange(num_classes) >= label).float()


def write(samples: Samples, kind: str, output: Path) -> list[Path]:
    """Draws the images into a file, prints where it is, and returns its path."""
    archives.WRITERS[kind](output, samples.images, samples.labelled, samples.record)
    size = in_megabytes(output.stat().st_size)
    print(f"{samples.images.count:,} {samples.things}{samples.description}: {output} ({size})")
    return [output]
