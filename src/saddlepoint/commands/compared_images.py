"""The images that evaluate.py compares: real ones, or a file of their statistics, and a run's or files as fakes."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saddlepoint import build
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.spelling import command
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.describing import counted
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import device_named, finished
from saddlepoint.metrics import standing_statistics as batchnorm
from saddlepoint.metrics.images import EvaluationBlocks, GeneratedImages, Images
from saddlepoint.metrics.quantisation import QUANTISATIONS
from saddlepoint.metrics.sides import images_alone, real_and_fake_images, real_images_like_data
from saddlepoint.metrics.sources import holds_images
from saddlepoint.metrics.stored_reference import StoredReference, is_stored, stored_reference
from saddlepoint.runs import saved_settings
from saddlepoint.runs.data_identity import changes, classes_of
from saddlepoint.sampling.loading import checkpoint_of, draw_from, home_of, load_synthesis
from saddlepoint.sampling.truncation import truncate

Settings = Mapping[str, Any]
RealImages = EvaluationImages | StoredReference
MOST_FAKES = 10_000  # of a run, unless num_fake= says otherwise


@dataclass(frozen=True)
class Fakes:
    """Generated images, drawn from a run or read from files, and what the protocol says of them."""

    images: Images
    name: str  # in the file name of the output
    home: Path  # folder of the output where output= is not typed
    ema: bool | None = None
    average: str | None = None  # the name of a further one (tricks.ema.also)
    batchnorm: str = "none"
    quantisation: str = "8 bits, rounded"
    truncation: str | None = None  # of latents or styles; None: none
    framing: str | None = None  # None: the same as that of the real images
    images_seen: int | None = None
    class_names: tuple[str, ...] = ()  # empty where fakes have no classes


def of_run(settings: Settings) -> tuple[RealImages, Fakes, Mapping[str, Any] | None]:
    """Returns real images, the fakes of a run, and the settings of the extractor it was trained with."""
    path = checkpoint_of(expanded(settings["run"], "run"))
    module, saved = load_synthesis(path)
    trained = saved_settings.require_parts(saved, path, saved_settings.OF_DATA)
    refuse_voxels(path, trained["data"])
    device = device_named(settings["device"])
    draw_from(module, settings["weights"])
    ema = module.has_average  # asked now, as it sets the generator evaluating
    generator = finished(module.sampling_generator).to(device, memory_format=torch.channels_last)
    latents, truncation = module.sampling_latents, None
    if settings["truncation"] is not None:
        generator, latents, truncation, explanation = truncate(generator, latents, settings["truncation"])
        print(f"truncation={settings['truncation']:g}: {explanation}", file=sys.stderr)
    classes = module.class_distribution if module.draws_labels else None
    kind, quantisation = settings["batchnorm"], QUANTISATIONS[settings["quantisation"]]
    if kind == "standing":
        batchnorm.use_standing_statistics(generator, latents, classes, settings["seed"],
                                          settings["standing_batches"])
    elif kind == "batch":
        batchnorm.use_batch_statistics(generator)
    data = build.data(trained | {"data": data_here(trained["data"], settings["data"])})
    data.expected_classes = classes_of(saved)
    data.prepare_data()
    data.setup("fit")
    if data.dimensions is not None:
        refuse_settings_of_images(settings, data.dimensions)
    for name, value in (("channels", data.channels), ("image_size", data.sides)):
        typed = settings[name] if name == "channels" or settings[name] is None else sides_of(settings[name])
        if typed not in (None, value):
            raise RequestError(f"{name}={typed}, but the run makes images of {name}={value}: leave {name} out")
    if differences := changes(saved.get("data"), data.identity()):
        print(f"warning: {data.place} is not what this run was trained on: {differences}", file=sys.stderr)
    if is_stored(settings):
        images = real_images_like_data(settings, data)[0] if holds_images(expanded(settings["real"], "real")) else None
        real = stored_reference(settings, data.channels, data.image_size, images)
        framing = data.evaluation_images("train").framing
    elif settings["real"]:
        real, framing = real_images_like_data(settings, data)
    else:
        real, framing = data.images_to_compare_with(settings["split"]).limited(settings["num_real"]), None
    home = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    fakes = Fakes(
        GeneratedImages(generator, latents, classes, settings["seed"], settings["num_fake"] or MOST_FAKES,
                        quantisation.to_bytes),
        quantisation=quantisation.title, truncation=truncation, name=path.stem, home=home / "evaluations", ema=ema,
        images_seen=saved["images_seen"],
        batchnorm=batchnorm.kind_of_batchnorm(generator, kind, settings["standing_batches"]), framing=framing,
        class_names=data.class_names if module.draws_labels else (),
        average=settings["weights"] if settings["weights"] in module.tricks.averages() else None)
    return real, fakes, trained.get("extractor")


def refuse_voxels(path: Path, data: Settings) -> None:
    """Refuses a run that makes shapes of voxels."""
    if "edge" in data:
        raise RequestError(f"{path} is of a model that makes shapes of voxels, and metrics look at images or points. "
                           f"Look at the shapes: {command('sample', f'run={home_of(path)}')}")


def refuse_settings_of_images(settings: Settings, dimensions: int) -> None:
    """Refuses settings that are about images, where a run makes points of so many coordinates."""
    of_images = {"real": None, "channels": None, "image_size": None, "resize": None, "quantisation": "rounded"}
    if typed := [name for name, default in of_images.items() if settings[name] != default]:
        raise RequestError(f"{typed[0]}={settings[typed[0]]} is about images, and this run makes points of "
                           f"{counted(dimensions, 'coordinate')}: leave {typed[0]}= out")


def data_here(trained: Settings, typed: Settings) -> dict[str, Any]:
    """Returns the settings of the run's data with the places typed here; without a cache that no longer exists."""
    cache = expanded(trained.get("cache") or ".", "data.cache")
    no_cache = {} if not trained.get("cache") or cache.is_dir() and os.access(cache, os.W_OK) else {"cache": None}
    return {**trained, **no_cache, **{name: place for name, place in typed.items() if place}}


def of_files(settings: Settings) -> tuple[RealImages, Fakes | None, None]:
    """Returns what real= and fake= name, None where there are no fakes. Files have no extractor of their own, hence the
    last None."""
    if not settings["fake"]:
        return images_alone(settings, "real"), None, None
    if is_stored(settings):
        fake = images_alone(settings, "fake")
        images = images_alone(settings, "real") if holds_images(expanded(settings["real"], "real")) else None
        real = stored_reference(settings, fake.channels, fake.image_size, images)
    else:
        real, fake = real_and_fake_images(settings)
    fakes = Fakes(EvaluationBlocks(fake, settings["num_workers"]), name=fake.name, home=Path("evaluations"),
                  quantisation="files", framing=fake.framing)
    return real, fakes, None
