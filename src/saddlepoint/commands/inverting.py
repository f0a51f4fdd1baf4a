"""Inverts images by a run's generator, for saddlepoint-invert. N images of C channels and H x W pixels."""

import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from saddlepoint import build, making
from saddlepoint.commands.drawing import one_class
from saddlepoint.config.rules import nearest
from saddlepoint.config.spelling import readable
from saddlepoint.config.typed_paths import expanded, with_whole_paths
from saddlepoint.data import pixels
from saddlepoint.data.describing import counted
from saddlepoint.environment import command, revision
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.files.json_files import write_json
from saddlepoint.files.names import to_nfc
from saddlepoint.files.outputs import OF_THE_CALL, digest_of, refusing_unwritable, require_writable
from saddlepoint.game.modes import device_named, device_of
from saddlepoint.metrics.fitting import loader_like
from saddlepoint.metrics.provenance import finite_or_none
from saddlepoint.metrics.sources import limits, open_source
from saddlepoint.sampling import inversion_features, pictures
from saddlepoint.sampling.anomalies import auroc
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.inversion import Features, Inversion, Search, psnr
from saddlepoint.sampling.inversion import invert as latents_of
from saddlepoint.sampling.loading import (
    checkpoint_of,
    draw_from,
    home_of,
    load_synthesis,
    sampling_generator,
    stem_of,
    weights_of,
)

Settings = Mapping[str, Any]
BLOCK = 256  # images that are read at once
PAIRS_IN_A_ROW = 8
SUMMARY, WALK = "inversion.json", "walk.png"


@dataclass(frozen=True)
class Pictures:
    """Images that were read, with their names in their folder."""

    side: str  # images or anomalies
    images: Tensor  # [N, C, H, W] in [-1, 1]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Inverter:
    """What inverts images: a generator, and perhaps an encoder, with a way to search."""

    generator: SamplingGenerator
    encoder: nn.Module | None  # None: the search begins at drawn latents
    label: int | None  # the class of all images; None: it is not known
    search: Search
    features: Features | None

    @torch.no_grad()
    def codes(self, images: Tensor) -> Tensor | None:
        """Returns the encoder's latents [N, 1, Z] of images [N, C, H, W]; None without an encoder."""
        if self.encoder is None:
            return None
        labels, device = torch.full((len(images),), self.label or 0), device_of(self.encoder)
        return torch.cat([self.encoder(*(each.to(device) for each in block)).cpu() for block in
                          zip(images.split(BLOCK), labels.split(BLOCK), strict=True)])[:, None]

    def __call__(self, images: Tensor) -> Inversion:
        labels = None if self.label is None else torch.full((len(images),), self.label)
        return latents_of(self.generator, images, labels, self.codes(images), self.search, self.features)


def invert(settings: Settings) -> Path:
    """Inverts the images of the settings, writes what was found into a folder, prints its errors, and returns the
    folder."""
    refuse_contradictions(settings)
    path = checkpoint_of(expanded(settings["run"], "run"))
    folder = output_folder(path, settings)
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    module, saved = load_synthesis(path)
    draw_from(module, settings["weights"])
    generator = sampling_generator(module, saved)
    generator.require_colours(f"run={settings['run']} is to give latents of images")
    sides = [read(saved["settings"], settings, side) for side in ("images", "anomalies") if settings[side]]
    ends = chosen(sides[0], settings["walk"])
    inverter = inverter_of(module, generator, sides[0].images.shape[1:], settings)
    found = [inverter(side.images) for side in sides]
    with refusing_unwritable(f"output={folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        summary = summary_of(sides, found, settings, path, saved) | {"weights": weights_of(module)}
        write_errors(folder / "errors.csv", sides, found, generator)
        write_latents(folder / "latents.npz", sides, found)
        for stale in ("anomalies.png", WALK):  # of a request before this one, with overwrite=true
            (folder / stale).unlink(missing_ok=True)
        for side, inversion in zip(sides, found, strict=True):
            write_pairs(folder / f"{side.side}.png", side.images, inversion.images, settings["shown"])
        if ends:
            write_walk(folder / WALK, generator, found[0], ends, settings["walk_steps"])
        write_json(folder / SUMMARY, summary)
    print(*sentences(summary, folder), sep="\n")
    return folder


def refuse_contradictions(settings: Settings) -> None:
    """Refuses settings that say too little or exclude each other, before the run is read."""
    if not settings["run"]:
        raise RequestError("run is not set: name a run directory, e.g. run=runs/dcgan_small_mnist5k/...")
    if not settings["images"]:
        raise RequestError("images is not set: name a folder of images, e.g. images=photos")
    if settings["start"] == "latents" and not settings["steps"]:
        raise RequestError("steps=0 with start=latents leaves drawn latents as they are: type steps=300, or "
                           "start=encoder steps=0 for what the run's encoder gives")
    if (settings["features"] == "perceptual") != bool(settings.get("perceptual")):
        raise RequestError("features=perceptual and perceptual= go together, the one to compare features and the other "
                           "to choose the network: type features=perceptual perceptual=random, say, or neither")
    if len(settings["walk"]) == 1:
        raise RequestError(f"walk={settings['walk']} is one image, and a walk needs two: e.g. walk=[3.png,8.png]")


def output_folder(path: Path, settings: Settings) -> Path:
    """Returns the folder of the results: that of output=, else one in the run's folder `inverted`, named after what is
    inverted and, as a digest, after all that decides the results. Refuses one that was typed and holds some already."""
    sides = {side: str(expanded(settings[side], side).resolve()) for side in ("images", "anomalies") if settings[side]}
    decides = with_whole_paths(settings | sides, "perceptual.weights")
    name = f"{Path(sides['images']).stem}_{digest_of(decides, OF_THE_CALL)}"
    folder = home_of(path) / "inverted" / f"{stem_of(path, settings['weights'])}_{name}"
    if settings["output"]:
        folder = expanded(settings["output"], "output")
        if (folder / SUMMARY).exists() and not settings["overwrite"]:
            raise RequestError(f"output={folder} holds results already: choose another folder or add overwrite=true")
    require_writable(folder / SUMMARY, f"output={folder}")
    return folder


def inverter_of(module: Any, generator: SamplingGenerator, image_shape: torch.Size, settings: Settings) -> Inverter:
    """Returns what inverts images [C, H, W], as the settings choose it."""
    device, encoder = device_named(settings["device"]), module.sampling_networks.get("encoder")
    if settings["start"] == "encoder" and encoder is None:
        raise RequestError(f"start=encoder: run={settings['run']} has no encoder. Leave start= out, or name a run of "
                           "model=bigan or model=adversarial_autoencoder")
    features = None
    if settings["features"] == "discriminator":
        features = inversion_features.of_discriminator(module, image_shape)
        module.networks["discriminator"].to(device)
    elif settings["features"] == "perceptual":
        perceptual = making.make(settings["perceptual"], nn.Module, "perceptual")
        features = inversion_features.of_network(perceptual.to(device))
    search = Search(**{name: settings[name] for name in ("method", "steps", "lr", "restarts", "prior_weight",
                                                         "feature_weight", "seed")})
    begins_at_codes = settings["start"] == "encoder"
    return Inverter(generator.to(device), encoder.eval().to(device) if begins_at_codes else None,
                    one_class(generator, settings["class"]), search, features)


def read(trained: Settings, settings: Settings, side: str) -> Pictures:
    """Reads the images of a side, framed as those that the run was trained on."""
    data = build.data({"data": trained["data"]})
    source = open_source(settings, side)
    images = source.images(loader_like(data, settings["resize"], limits(settings)),
                           f"; type resize=short_side or resize=stretch to frame {side}= otherwise than the run's data"
                           ).limited(settings["count"])
    blocks = [images.block(range(first, min(first + BLOCK, len(images)))) for first in range(0, len(images), BLOCK)]
    unreadable = {name: why for block in blocks for name, why in block.unreadable.items()}
    if len(unreadable) == len(images):
        name, why = next(iter(unreadable.items()))
        raise RequestError(f"{side}={settings[side]}: no image can be read ({name}: {why}): name a folder of others")
    if unreadable:
        name, why = next(iter(unreadable.items()))
        print(f"warning: {counted(len(unreadable), 'file')} of {side}= left out, as unreadable, e.g. {name}: {why}",
              file=sys.stderr)
    root = expanded(settings[side], side)
    names = [str(file) for file in images.files if str(file) not in unreadable]
    names = [name.removeprefix(f"{root}/") for name in names]
    return Pictures(side, pixels.to_unit_range(torch.cat([block.images for block in blocks])), tuple(names))


def chosen(pictures_read: Pictures, names: list[str]) -> list[int]:
    """Returns the numbers of the images of walk=; refuses names that are none of images=."""
    places = {to_nfc(name): place for place, name in enumerate(pictures_read.names)}  # as an accent may be typed
    places |= {name: place for place, name in enumerate(pictures_read.names)}
    for name in names:
        if to_nfc(name) not in places:
            near = nearest(name, pictures_read.names) or "."
            raise RequestError(f"walk={name} is not among the images{near} Type the names of two or more in images=, "
                               f"e.g. walk=[{','.join(pictures_read.names[:2])}]")
    return [places.get(name, places[to_nfc(name)]) for name in names]


def write_errors(path: Path, sides: list[Pictures], found: list[Inversion], generator: SamplingGenerator) -> None:
    """Writes a line for each image: its error (mean square, pixels in [-1, 1]), PSNR in dB, score and class."""
    rows = [("side", "file", "error", "psnr", "score", "class")]
    for side, inversion in zip(sides, found, strict=True):
        labels = [generator.class_names[label] if generator.num_classes else "" for label in inversion.labels]
        columns = [inversion.errors.tolist(), psnr(inversion.errors).tolist(), inversion.scores.tolist()]
        rows += zip([side.side] * len(side.names), map(readable, side.names), *columns, labels, strict=True)

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    write_atomically(path, write, durably=False)


def write_latents(path: Path, sides: list[Pictures], found: list[Inversion]) -> None:
    """Writes an .npz file with the arrays of each side: images_latents [N, Z], images_labels [N], images_files [N]."""
    arrays = {}
    for side, inversion in zip(sides, found, strict=True):
        arrays |= {f"{side.side}_latents": inversion.latents.numpy(), f"{side.side}_labels": inversion.labels.numpy(),
                   f"{side.side}_files": numpy.array(side.names)}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # by its name numpy would add an ending
            numpy.savez(file, **arrays)
    write_atomically(path, write, durably=False)


def write_pairs(path: Path, originals: Tensor, results: Tensor, shown: int) -> None:
    """Writes a picture of pairs, an original on the left of what was found."""
    both = torch.stack([pictures.visible(originals[:shown]), pictures.visible(results[:shown])], 1).flatten(0, 1)
    pictures.write_png(path, pictures.grid(pixels.to_bytes(both), 2 * PAIRS_IN_A_ROW))


def write_walk(path: Path, generator: SamplingGenerator, found: Inversion, ends: list[int], steps: int) -> None:
    """Writes a picture with a row from each chosen image to the next, as sample.py draws walks."""
    images = generator.walk(found.latents[ends], steps, found.labels[ends])
    pictures.write_png(path, pictures.grid(pixels.to_bytes(pictures.visible(images)), steps))


def summary_of(sides: list[Pictures], found: list[Inversion], settings: Settings, path: Path,
               saved: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the summary that is written: means of each side, the AUROC of two, and how they were made."""
    results = {side.side: {"count": len(side.names), "mean_error": inversion.errors.mean().item(),
                           "psnr_of_mean_error": finite_or_none(psnr(inversion.errors.mean()).item()),
                           "mean_score": inversion.scores.mean().item()}
               for side, inversion in zip(sides, found, strict=True)}
    if len(found) == 2:
        results["auroc"] = auroc(*(inversion.scores for inversion in found))
    kept = {name: value for name, value in settings.items() if name not in ("choices", "overwrite", "extensions")}
    return results | {"checkpoint": str(path), "images_seen": saved["images_seen"], "settings": kept,
                      "command": command(), "revision": revision()}


def sentences(summary: Mapping[str, Any], folder: Path) -> list[str]:
    """Returns what is printed."""
    lines = [f"{counted(summary[side]['count'], 'image')} of {side}=: mean squared error "
             f"{summary[side]['mean_error']:.4g} of pixels in [-1, 1]"
             for side in ("images", "anomalies") if side in summary]
    if "auroc" in summary:
        lines.append(f"AUROC {summary['auroc']:.3f}: the share of pairs in which the anomaly scores higher")
    return [*lines, f"{folder}: pictures, latents.npz, errors.csv, {SUMMARY}"]
