"""Fills a rare class with images of a run, for saddlepoint-augment. K classes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saddlepoint.config import spelling
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import pixels
from saddlepoint.environment import command, revision, versions
from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import read_json, write_json
from saddlepoint.files.names import folder_of_class
from saddlepoint.files.outputs import refusing_unwritable, require_writable
from saddlepoint.metrics.extractors.classifier import Classifier, Digits, LoadedClassifier
from saddlepoint.sampling import pictures
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.loading import (
    checkpoint_of,
    draw_from,
    home_of,
    load_synthesis,
    sampling_generator,
    weights_of,
)

Settings = Mapping[str, Any]
MANIFEST = "manifest.json"
MADE_BY = "saddlepoint-augment"
BLOCK = 64  # images that are drawn at once
MOST_DRAWN = 200  # times the images that are wanted, before a classifier counts as finding none


@dataclass(frozen=True)
class Source:
    """What images of a class are taken from.

    generator: draws them
    label: the class that is asked for; None: the generator knows none
    classifier: takes an image if it gives the class `least_probability`; None: all are taken
    place: of the class among the classifier's
    """

    generator: SamplingGenerator
    label: int | None
    classifier: LoadedClassifier | None = None
    place: int = 0
    least_probability: float = 0.0

    def drawn(self, seed: int) -> Iterator[tuple[int, Tensor | None]]:
        """Yields the number of each image of a seed and the image, uint8 [C, H, W], or None if it is not taken; without
        end."""
        first = 0
        while True:
            images = pixels.to_bytes(self.generator.sample(BLOCK, seed, first, self.label))
            for number, taken in enumerate(self.takes(images).tolist()):
                yield first + number, images[number] if taken else None
            first += BLOCK

    def takes(self, images: Tensor) -> Tensor:
        """Returns which images, uint8 [N, C, H, W], are taken, [N]."""
        if self.classifier is None:
            return torch.ones(len(images), dtype=torch.bool)
        probabilities = self.classifier(images).logits.softmax(1)
        return (probabilities.argmax(1) == self.place) & (probabilities[:, self.place] >= self.least_probability)


def augment(settings: Settings) -> Path:
    """Draws images of a class into a folder, adds them to its manifest, prints where they are, and returns the
    folder."""
    refuse_missing(settings)
    path = checkpoint_of(expanded(settings["run"], "run"))
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    module, saved = load_synthesis(path)
    draw_from(module, settings["weights"])
    generator = sampling_generator(module, saved)
    generator.require_colours(f"run={settings['run']}: classes are filled with images")
    source, name = source_of(generator, saved, settings)
    count = settings["count"] or missing(saved, name, settings)
    folder = expanded(settings["output"], "output") if settings["output"] else home_of(path) / "augmented"
    before = entries(folder, name, settings)
    require_writable(folder / MANIFEST, f"output={folder}")
    numbers, drawn, images = take(source, count, settings)
    entry = {
        "class": name, "count": count, "run": str(home_of(path)), "checkpoint": path.name,
        "images_seen": saved["images_seen"], "seed": settings["seed"], "drawn": drawn, "numbers": numbers,
        "weights": weights_of(module),
        "classifier": None if source.classifier is None else {
            "name": source.classifier.name, "digest": source.classifier.digest,
            "least_probability": source.least_probability},
        "command": command(), "revision": revision(), "versions": versions()}
    with refusing_unwritable(f"output={folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        # until the images of this class are all there
        write_json(folder / MANIFEST, {"made_by": MADE_BY, "images": before})
        for image in (folder / folder_of_class(name)).glob("*.png"):  # of a run with overwrite=true, or one cut short
            if image.stem.isdigit():
                image.unlink()
        for number, image in zip(numbers, images, strict=True):
            pictures.write_png(folder / folder_of_class(name) / f"{number:06d}.png", image)
        write_json(folder / MANIFEST, {"made_by": MADE_BY, "images": [*before, entry]})
    picked = f", of {drawn:,} drawn, by {source.classifier.name}" if source.classifier else ""
    print(f"{count:,} images of class {name}{picked}: {folder / folder_of_class(name)}\n"
          f"{folder}: type {spelling.command('train_classifier', 'data=...', f'extra={folder}')}")
    return folder


def refuse_missing(settings: Settings) -> None:
    """Refuses a request that does not say what is to be filled, before the run is read."""
    if not settings["run"]:
        raise RequestError("run is not set: name a run directory, e.g. run=runs/cgan_mnist/...")
    if settings["class"] is None:
        raise RequestError("class is not set: name the class to fill, e.g. class=3")


def source_of(generator: SamplingGenerator, saved: Mapping[str, Any], settings: Settings) -> tuple[Source, str]:
    """Returns what the images are taken from, and the name of the class. Refuses a run and a classifier that know no
    classes, and a class that they do not know or of which training had no image."""
    typed, label = settings["class"], None
    if generator.num_classes:
        label = generator.label_of(typed)
        if label not in generator.classes_learnt:
            raise RequestError(f"class={typed}: this run's data had no image of {generator.title_of(label)}, so what "
                               "it draws of it means nothing. A rare class needs at least one image")
        name = generator.class_names[label]
    if settings["classifier"] is None:
        if label is None:
            raise RequestError(f"run={settings['run']} takes no classes, so something must pick the images of class "
                               f"{typed}: type classifier=FILE, made by "
                               f"{spelling.command('train_classifier', 'data=...')}, or name a run of a conditional "
                               "model, e.g. model=cgan")
        return Source(generator, label), name
    classifier = Digits() if settings["classifier"] == "digits" else Classifier(settings["classifier"])
    classifier.check(saved["settings"]["data"]["channels"], saved["settings"]["data"]["image_size"])
    wanted = str(typed if label is None else name)
    if wanted not in classifier.class_names:
        raise RequestError(f"class={typed} is no class of classifier={settings['classifier']}: it knows "
                           f"{', '.join(classifier.class_names)}")
    place = classifier.class_names.index(wanted)
    return Source(generator, label, classifier, place, settings["least_probability"]), wanted


def missing(saved: Mapping[str, Any], name: str, settings: Settings) -> int:
    """Returns how many images the class has fewer than the largest one in the data of the run."""
    counts = (saved.get("data") or {}).get("classes") or {}
    if name not in counts:
        raise RequestError(f"count is not set, and run={settings['run']} does not tell how many images of class {name} "
                           "its data had: type count=350, say")
    if max(counts.values()) == counts[name]:
        raise RequestError(f"class={settings['class']} has {counts[name]} images in the run's data, and none has more: "
                           "type count=N for N images all the same")
    return max(counts.values()) - counts[name]


def entries(folder: Path, name: str, settings: Settings) -> list[dict[str, Any]]:
    """Returns what the folder's manifest says of other classes. Refuses a folder that holds this class, unless it may
    be replaced, and one that was not made by this command."""
    manifest = read_json(folder / MANIFEST)
    if not is_ours(manifest) and folder.exists() and any(folder.iterdir()):
        raise RequestError(f"output={folder} holds files, and no {MANIFEST} of ours: choose another folder")
    listed = manifest["images"] if manifest else []
    place = folder_of_class(name)
    if place in ("", ".", ".."):
        raise RequestError(f"class={settings['class']} is called {name!r}, which no folder can be called: rename the "
                           "class in the data")
    if twins := [each["class"] for each in listed
                 if each["class"] != name and folder_of_class(each["class"]).casefold() == place.casefold()]:
        raise RequestError(f"output={folder} has images of class {twins[0]} in {place}/, which would be that of class "
                           f"{name} too: choose another folder with output=")
    if any(each["class"] == name for each in listed) and not settings["overwrite"]:
        raise RequestError(f"output={folder} has images of class {name} already: choose another folder with output=, "
                           "or add overwrite=true to replace them")
    return [each for each in listed if each["class"] != name]


def is_ours(manifest: Mapping[str, Any] | None) -> bool:
    """Returns whether the content of a manifest.json is of this command: other programs call files so too. Manifests of
    earlier versions do not say who made them, and are known by what they tell of a class."""
    images = (manifest or {}).get("images")
    told = isinstance(images, list) and all(isinstance(each, Mapping) and {"class", "numbers"} <= {*each}
                                            for each in images)
    return told and (bool(images) or manifest.get("made_by") == MADE_BY)


def take(source: Source, count: int, settings: Settings) -> tuple[list[int], int, list[Tensor]]:
    """Returns the numbers of `count` images of a seed, how many were drawn for them, and the images, uint8 [C, H, W].
    Refuses a classifier that hardly ever takes one."""
    numbers, images = [], []
    for number, image in source.drawn(settings["seed"]):
        if image is not None:
            numbers.append(number)
            images.append(image)
        if len(images) == count:
            return numbers, number + 1, images
        if number + 1 >= MOST_DRAWN * count:
            raise RequestError(f"class={settings['class']}: classifier={settings['classifier']} took {len(images)} of "
                               f"{number + 1:,} images, and {count} are wanted. Type a lower least_probability= or "
                               "count=, or draw from a run that has learnt this class")
    raise AssertionError("images of a seed have no end")
