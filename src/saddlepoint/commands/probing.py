"""Probes what a run's discriminator or encoder knows of classes, for saddlepoint-probe."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saddlepoint import build
from saddlepoint.commands.compared_images import data_here
from saddlepoint.comparison.statistics import Summary, summarise
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.spelling import command as line_of
from saddlepoint.config.typed_paths import expanded, with_whole_paths
from saddlepoint.data.array_labels import label_file
from saddlepoint.data.images import ImageDataModule
from saddlepoint.environment import command, revision, versions
from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import write_json
from saddlepoint.files.outputs import OF_THE_CALL, digest_of, is_taken, refusing_unwritable, require_writable
from saddlepoint.game.devices import name_of
from saddlepoint.game.modes import device_named
from saddlepoint.probing import linear
from saddlepoint.probing.representations import BLOCK, LayerOutputs, Representation, of_pixels
from saddlepoint.runs import saved_settings
from saddlepoint.runs.data_identity import changes, classes_of
from saddlepoint.sampling.loading import checkpoint_of, home_of, load_synthesis, only_networks
from saddlepoint.training.classifier import Examples, split

Settings = Mapping[str, Any]
FEW = 2  # labelled images of a class that cross-validation needs


@dataclass(frozen=True)
class Row:
    """The errors of one representation: shares of held-out images from 0 to 1, one for each labelling."""

    name: str
    errors: list[float]
    features: int  # numbers of an image
    probes: list[linear.Probe]

    @property
    def summary(self) -> Summary:
        return summarise(self.errors)

    def as_json(self) -> dict[str, Any]:
        return {"name": f"error/{self.name}", "value": self.summary.mean, "interval": self.summary.interval,
                "each": self.errors, "features": self.features,
                "chosen": [{"strength": probe.strength, "scaling": probe.scaling} for probe in self.probes]}


def probe(settings: Settings) -> dict[str, float]:
    """Measures the errors of linear classifiers on the network's layers and on pixels, prints and writes them, and
    returns name -> mean error: error/discriminator, error/pixels and so on."""
    if not settings["run"]:
        raise RequestError("run is not set: name a run directory, e.g. run=runs/dcgan_small_mnist5k/...")
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    checkpoint = checkpoint_of(expanded(settings["run"], "run"))
    module, saved = load_synthesis(checkpoint)
    trained = saved_settings.require_parts(saved, checkpoint, saved_settings.OF_DATA)
    name = network_named(settings["network"], module.networks)
    output = output_path(settings, checkpoint, name)
    require_writable(output, f"output={settings['output'] or output.parent}")
    data = open_data(settings, trained, saved)
    labelled_pool, held_out, held_out_name = split(data, settings["seed"])
    representations = represent(settings, module.networks[name], trained, name)
    for each in representations.values():
        if isinstance(each, LayerOutputs):
            each.check(labelled_pool.images)
    rows = measure(representations, labelled_pool, held_out, settings)
    record = {
        "metrics": [row.as_json() for row in rows],
        "protocol": {
            "network": name, "weights": "raw", "layers": settings["layers"] or "all", "labels": settings["labels"],
            "repeats": settings["repeats"], "classifier": settings["classifier"], "seed": settings["seed"],
            "data": data.identity(), "labelled_from": len(labelled_pool.labels), "held_out": held_out_name,
            "held_out_images": len(held_out.labels), "run": home_of(checkpoint).resolve().name,
            "images_seen": saved["images_seen"], "device": name_of(device_named(settings["device"])),
            "versions": versions(), "revision": revision()},
        "command": command()}
    with refusing_unwritable(f"output={output}"):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_json(output, record)
    print(f"{settings['labels']} labelled images, {settings['repeats']} times; errors on {len(held_out.labels):,} "
          f"images ({held_out_name})\n{table(rows)}\n{output}")
    return {f"error/{row.name}": row.summary.mean for row in rows}


def network_named(typed: str | None, networks: Mapping[str, nn.Module]) -> str:
    """Returns the name of the network to be probed; raises a RequestError if the run has none of that name, or if its
    discriminator does not judge images alone."""
    has_encoder = "encoder" in networks
    if typed == "encoder" and not has_encoder:
        raise RequestError("network=encoder: this run has no encoder. Type network=discriminator, or probe one of "
                           f"{line_of('train', 'model=bigan')}")
    if typed == "discriminator" and has_encoder:
        raise RequestError("network=discriminator: this run's discriminator judges latents, alone or beside images: "
                           "type network=encoder")
    return "encoder" if has_encoder else "discriminator"


def open_data(settings: Settings, trained: Settings, saved: Mapping[str, Any]) -> ImageDataModule:
    """Returns the data of data=, or those of the run, read; raises a RequestError if they have no classes, or images of
    another shape than the run's."""
    if "channels" not in trained["data"]:
        raise RequestError("run= is of points or shapes, and a probe looks at images: name a run of images")
    is_other = "_target_" in settings["data"]
    if is_other:
        without_root = {name: value for name, value in settings["data"].items() if (name, value) != ("root", None)}
        data = build.data({"data": without_root})
    else:
        data = build.data({"data": data_here(trained["data"], settings["data"])})
        data.expected_classes = classes_of(saved)
    if data.dimensions is not None or not data.bounded:
        things = "points" if data.bounded else "latents"
        raise RequestError(f"data={data.name} has {things}, and a probe looks at images: type data of images")
    shape, wanted = (data.channels, data.sides), (trained["data"]["channels"], sides_of(trained["data"]["image_size"]))
    if shape != wanted:
        raise RequestError(f"data={data.name} has images of {data.channels} x {data.sides}, and the run's are of "
                           f"{wanted[0]} x {wanted[1]} (channels x size): type data.image_size={wanted[1]}, and data "
                           f"with {wanted[0]} channels")
    if not data.num_classes:
        raise RequestError(f"data={data.name} is used without classes (data.num_classes=0), and a probe needs some: "
                           "type data with classes, e.g. data=image_folder data.root=... data.num_classes=K")
    data.prepare_data()
    data.setup("fit")
    if not is_other and (differences := changes(saved.get("data"), data.identity())):
        print(f"warning: {data.place} is not what this run was trained on: {differences}", file=sys.stderr)
    return data


def represent(settings: Settings, network: nn.Module, trained: Settings, name: str) -> dict[str, Representation]:
    """Returns name -> representation of images: the network's layers, pixels, and with untrained=true the layers of the
    network as the run's seed started it."""
    device = device_named(settings["device"])
    representations: dict[str, Representation] = {name: LayerOutputs(network.to(device), settings["layers"], name),
                                                  "pixels": of_pixels}
    if settings["untrained"]:
        first = build.module(only_networks(trained)).networks[name].to(device)
        representations["untrained"] = LayerOutputs(first, settings["layers"], name)
    return representations


def measure(representations: Mapping[str, Representation], labelled_pool: Examples, held_out: Examples,
            settings: Settings) -> list[Row]:
    """Returns the errors of each representation: all have the same labelled images and the same held-out ones."""
    labels, pool = settings["labels"], labelled_pool.labels
    num_classes = len(pool.unique())
    if labels < FEW * num_classes:
        raise RequestError(f"labels={labels}: cross-validation needs {FEW} labelled images of each of the "
                           f"{num_classes} classes: type labels={FEW * num_classes} or more")
    try:
        labellings = [linear.balanced(pool, labels, settings["seed"], repeat) for repeat in range(settings["repeats"])]
    except ValueError as error:
        raise RequestError(f"labels={labels}: {error}. Type fewer labels") from error
    rows = []
    for name, represented in representations.items():
        probes = [linear.fit(represented(labelled_pool.images[chosen]), pool[chosen], settings["classifier"],
                             settings["seed"]) for chosen in labellings]
        errors = linear.errors(probes, represented_blocks(represented, held_out))
        rows.append(Row(name, errors, probes[0].weights.shape[1], probes))
    return rows


def represented_blocks(represented: Representation, examples: Examples) -> Iterator[tuple[Tensor, Tensor]]:
    for images, labels in zip(examples.images.split(BLOCK), examples.labels.split(BLOCK), strict=True):
        yield represented(images), labels


def table(rows: list[Row]) -> str:
    """Returns a table for a terminal: mean error, its interval over labellings, and how many numbers an image is."""
    lines = [("", "error", "95 % interval", "numbers")]
    for row in rows:
        interval = row.summary.interval
        lines.append((row.name, f"{row.summary.mean:.2%}",
                      f"{interval[0]:.2%} to {interval[1]:.2%}" if interval else "", f"{row.features:,}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)


def output_path(settings: Settings, checkpoint: Path, network: str) -> Path:
    """Returns the path of output=, or one in the run's folder `probes`, named after the settings that decide the
    errors: the same probe replaces its file, and any other does not."""
    if settings["output"]:
        output = expanded(settings["output"], "output")
        if output.suffix != ".json":
            raise RequestError(f"output={output} must be a JSON file: type output={output}.json")
        if is_taken(output) and not settings["overwrite"]:
            raise RequestError(f"output={output} exists: choose another file or add overwrite=true")
        return output
    data = settings["data"].get("name")
    of_data, decides = f"_{data}" if data else "", with_whole_paths(
        settings, "data.root", *(["data.label_array"] if label_file(settings["data"].get("label_array")) else []))
    return home_of(checkpoint) / "probes" / (f"{checkpoint.stem}_{network}{of_data}_labels{settings['labels']}"
                                             f"_seed{settings['seed']}_{digest_of(decides, OF_THE_CALL)}.json")
