"""Makes concept vectors of a run's generator, for saddlepoint-concept: of generated images that a classifier sorts, or
of two folders of images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saddlepoint import build
from saddlepoint.config.spelling import command as line_of
from saddlepoint.config.typed_paths import expanded, is_there, with_whole_paths
from saddlepoint.data.describing import listed
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.environment import command, revision, versions
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import OF_THE_CALL, digest_of, is_taken, refusing_unwritable, require_writable
from saddlepoint.game.devices import name_of
from saddlepoint.game.modes import device_named
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.fitting import loader_like
from saddlepoint.metrics.sources import limits, open_source
from saddlepoint.runs import saved_settings
from saddlepoint.sampling import concepts
from saddlepoint.sampling.concepts import Concept
from saddlepoint.sampling.directions import deviation, require_plain
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.loading import (
    checkpoint_of,
    draw_from,
    home_of,
    load_synthesis,
    sampling_generator,
    stem_of,
    weights_of,
)
from saddlepoint.training.classifier import examples

Settings = Mapping[str, Any]
FEW = 10  # latents whose mean says something
OTHERS = 200  # images that are moved along the concept, to see what it does
OF_CLASSES = {"confidence": 0.9, "strengths": [0, 1, 2, 3]}  # settings for generated images, and their defaults
READING = {"image_extensions": None, "max_pixels": 50_000_000, "white": None}  # of folders, as evaluate.py has them


def concept(settings: Settings) -> Path:
    """Makes the concept of the settings, writes it, prints what it does, and returns the path of its file."""
    for name, example in (("run", "a run directory, e.g. run=runs/dcgan_small_mnist5k/..."),
                          ("positive", "a class or a folder of images, e.g. positive=7")):
        if settings[name] is None:
            raise RequestError(f"{name} is not set: name {example}")
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    checkpoint = checkpoint_of(expanded(settings["run"], "run"))
    module, saved = load_synthesis(checkpoint)
    draw_from(module, settings["weights"])
    trained = saved_settings.require_parts(saved, checkpoint, saved_settings.OF_DATA)
    generator = sampling_generator(module, saved)
    refuse_generator(generator, settings)
    generator.to(device_named(settings["device"]))
    output = output_path(settings, checkpoint)
    require_writable(output, f"output={settings['output'] or output.parent}")
    extractor = classifier(settings, trained)
    label = None if extractor is None else class_of(extractor, settings["positive"])
    vector, record, words = (of_folders(settings, generator, trained) if label is None else
                             of_classes(settings, generator, extractor, label))
    record |= {"run": home_of(checkpoint).resolve().name, "images_seen": saved["images_seen"],
               "weights": weights_of(module), "command": command(), "device": name_of(device_named(settings["device"])),
               "versions": versions(), "revision": revision()}
    with refusing_unwritable(f"output={output}"):
        concepts.write(output, Concept(vector, record))
    chosen = [f"weights={settings['weights']}"] if settings["weights"] else []
    then = line_of("sample", f"run={checkpoint}", *chosen, f"concept={output}")
    print(words, f"{output}: type {then}", sep="\n")
    return output


def refuse_generator(generator: SamplingGenerator, settings: Settings) -> None:
    """Refuses generators of points, of classes and of latents with codes."""
    typed = f"positive={settings['positive']}"
    generator.require_colours(f"{typed}: a concept is of images")
    if generator.num_classes:
        raise RequestError(f"{typed}: this run's generator is told the class, so its latents have none of it: draw a "
                           f"class with {line_of('sample', 'run=RUN', 'class=0')}")
    require_plain(generator.latents, typed)


def classifier(settings: Settings, trained: Settings) -> Extractor | None:
    """Returns the extractor of extractor=, or that of the run; None if neither knows classes."""
    chosen = settings.get("extractor") or trained.get("extractor")
    extractor = build.extractor({"extractor": chosen}) if chosen else None
    if extractor is None or not extractor.num_classes:
        return None
    extractor.check(trained["data"]["channels"], trained["data"]["image_size"])
    return extractor.to(device_named(settings["device"]))


def class_of(extractor: Extractor, typed: str | int) -> int | None:
    """Returns the number of the class that is typed, by name or number; None if the extractor knows none of it."""
    names = [*map(str, extractor.class_names)] or [*map(str, range(extractor.num_classes))]
    if str(typed) in names:
        return names.index(str(typed))
    return int(typed) if str(typed).isdecimal() and int(typed) < extractor.num_classes else None


def of_classes(settings: Settings, generator: SamplingGenerator, extractor: Extractor,
               label: int) -> tuple[Tensor, dict[str, Any], str]:
    """Returns the vector of generated images that the extractor sorts, how it was found, and a sentence on it."""
    typed, count, seed = settings["negative"], settings["count"], settings["seed"]
    other = None if typed is None else class_of(extractor, typed)
    if typed is not None and other is None:
        raise RequestError(f"negative={typed} is not a class of extractor={extractor.name}, as positive="
                           f"{settings['positive']} is: type one of its classes, or leave negative= out")
    if other == label:
        raise RequestError(f"negative={typed} is the class of positive=: type another, or leave negative= out")
    groups = concepts.sorted_latents(generator, extractor, [label, other], count, seed, settings["confidence"])
    for name, latents in zip(("positive", "negative"), groups, strict=True):
        if len(latents) < FEW:
            raise RequestError(f"{name}={settings[name]}: of {count} generated images {len(latents)} are of that kind "
                               f"with a probability of at least {settings['confidence']:g}, and {FEW} are needed: type "
                               "a larger count= or a smaller confidence=")
    vector = concepts.difference_of_means(*groups)
    sizes = [*map(len, groups)]
    chance = concepts.length_by_chance(*sizes, deviation(generator.latents), generator.latents.size)
    shares = concepts.share_of_class(generator, extractor, label, vector, settings["strengths"], seed + 1, OTHERS)
    effect = dict(zip(map(str, settings["strengths"]), shares, strict=True))
    record = {"positive": str(settings["positive"]), "negative": None if typed is None else str(typed),
              "images": sizes, "sorted_by": extractor.name, "extractor_digest": extractor.digest,
              "confidence": settings["confidence"], "count": count, "seed": seed, "length": vector.norm().item(),
              "length_by_chance": chance, "share_of_positive": effect}
    against = "all other classes" if typed is None else str(typed)
    of_others = ", ".join(f"{share:.0%} at {strength}" for strength, share in effect.items())
    words = (f"{sizes[0]:,} images of {settings['positive']} minus {sizes[1]:,} of {against}, of {count:,}: a vector "
             f"of length {vector.norm():.2f} (chance alone: {chance:.2f}). Of {OTHERS} other images "
             f"{extractor.name} calls {settings['positive']}, by strength: {of_others}")
    return vector, record, words


def of_folders(settings: Settings, generator: SamplingGenerator,
               trained: Settings) -> tuple[Tensor, dict[str, Any], str]:
    """Returns the vector of two folders of images, whose latents are found by inverting the generator, how it was
    found, and a sentence on it."""
    if not is_there(str(settings["positive"])):
        raise RequestError(f"positive={settings['positive']} is neither a class that the extractor of this run knows "
                           "nor a folder: type one of them, or extractor=classifier extractor.weights=FILE for one "
                           "that knows it")
    chosen = ["extractor="] if settings.get("extractor") else []
    chosen += [f"{name}=" for name, default in OF_CLASSES.items() if settings[name] != default]
    if chosen:
        raise RequestError(f"positive={settings['positive']} is a folder, and {listed(chosen)} would sort generated "
                           f"images into classes: leave {listed(chosen)} out, or type a class that the extractor knows")
    if settings["negative"] is None:
        raise RequestError(f"positive={settings['positive']} is a folder, and needs another to be compared with: type "
                           "negative=FOLDER, images without the property")
    from saddlepoint.sampling.inversion import Search, invert  # the search for latents, which classes do not need

    groups, mistakes = [], []
    for name in ("positive", "negative"):
        inversion = invert(generator, read_folder(settings, name, trained),
                           search=Search(seed=settings["seed"]))
        groups.append(inversion.latents)
        mistakes.append(inversion.errors.mean().item())
    sizes = [*map(len, groups)]
    vector = concepts.difference_of_means(*groups)
    record = {"positive": str(settings["positive"]), "negative": str(settings["negative"]), "images": sizes,
              "sorted_by": "folders", "count": settings["count"], "seed": settings["seed"],
              "length": vector.norm().item(), "inversion_errors": mistakes}
    words = (f"{sizes[0]:,} images of {settings['positive']} minus {sizes[1]:,} of {settings['negative']}: a vector of "
             f"length {vector.norm():.2f}. Mean squared errors of the inversions, pixels from -1 to 1: "
             f"{mistakes[0]:.3g} and {mistakes[1]:.3g}")
    return vector, record, words


def read_folder(settings: Settings, side: str, trained: Settings) -> Tensor:
    """Returns at most count images [N, C, H, W] in [-1, 1] of the folder of positive= or negative=, framed as the run's
    own images."""
    source = open_source(READING | {side: str(settings[side])}, side)
    data = build.data({"data": trained["data"]})
    images = source.images(loader_like(data, None, limits(READING))).limited(settings["count"])
    return to_unit_range(examples(images).images)


def output_path(settings: Settings, checkpoint: Path) -> Path:
    """Returns the path of output=, or one in the run's folder `concepts`, named after what the concept is of and, as a
    digest, after all that decides it: the same concept replaces its file, and any other does not."""
    if settings["output"]:
        output = expanded(settings["output"], "output")
        if output.suffix != ".npz":
            raise RequestError(f"output={output} must be an .npz file: type output={output}.npz")
        if is_taken(output) and not settings["overwrite"]:
            raise RequestError(f"output={output} exists: choose another file or add overwrite=true")
        return output
    positive, negative = (Path(str(each)).name for each in (settings["positive"], settings["negative"] or "others"))
    stem = stem_of(checkpoint, settings["weights"])
    sides = {side: str(expanded(str(settings[side]), side).resolve()) for side in ("positive", "negative")
             if settings[side] is not None and is_there(str(settings[side]))}  # folders may be called alike
    name = (f"{stem}_{positive}_minus_{negative}_count{settings['count']}_seed{settings['seed']}"
            f"_{digest_of(with_whole_paths(settings | sides, 'extractor.weights'), OF_THE_CALL)}.npz")
    return home_of(checkpoint) / "concepts" / name
