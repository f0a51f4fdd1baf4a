"""Measures a run or a folder of fakes against real images with one extractor, for evaluate.py."""

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saddlepoint import build
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.downloads import cache_folder
from saddlepoint.environment import command
from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.game.modes import device_named
from saddlepoint.metrics import standing_statistics as batchnorm
from saddlepoint.metrics.evaluator import Evaluator, without
from saddlepoint.metrics.images import EvaluationBlocks, GeneratedImages, Images, images_at
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.neighbours import closest_training_images
from saddlepoint.metrics.provenance import Value, format_table, protocol, values
from saddlepoint.metrics.sides import real_and_fake_images, real_images_like_data
from saddlepoint.parallel.collectives import join_processes
from saddlepoint.parallel.first import only_the_first_speaks
from saddlepoint.parallel.launching import share_results
from saddlepoint.runs import saved_settings
from saddlepoint.runs.data_identity import changes, classes_of
from saddlepoint.runs.directory import write_json
from saddlepoint.sampling import pictures
from saddlepoint.sampling.loading import checkpoint_of, load_synthesis

Settings = Mapping[str, Any]
NEIGHBOURS = 16  # pairs in the picture of the fakes nearest to training images
WITHOUT_EFFECT = ("output", "overwrite", "threads", "device", "num_workers", "remember", "run")  # on the values
MOST_FEATURES = 512  # for which intervals are measured unless resamples= says otherwise
MOST_FAKES = 10_000  # of a run, unless num_fake= says otherwise


@dataclass(frozen=True)
class Fakes:
    """Generated images, drawn from a run or read from files, and what the protocol says of them."""

    images: Images
    name: str  # in the file name of the output
    home: Path  # folder of the output where output= is not typed
    ema: bool | None = None
    batchnorm: str = "none"
    quantisation: str = "8 bits, rounded"
    framing: str | None = None  # None: the same as that of the real images
    images_seen: int | None = None
    class_names: tuple[str, ...] = ()  # empty where fakes have no classes


def evaluate(settings: Settings) -> list[Value]:
    """Measures the metrics of the settings, prints and writes the values, and returns them; in other processes than the
    first, returns an empty list."""
    refuse_contradictions(settings)
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    prepared: list[tuple[EvaluationImages, Fakes, Evaluator, Path]] = []
    with join_processes() as is_first, only_the_first_speaks():
        share_results(lambda: prepared.append(prepare(settings)))
        real, fakes, evaluator, output = prepared[0]
        reference, sample = evaluator.look_at_real(real, settings["num_workers"]), evaluator.look_at_fakes(fakes.images)
        evaluator.refuse_too_few(reference, sample, fakes.class_names)
        return conclude(settings, evaluator, real, reference, fakes, sample, output) if is_first else []


def prepare(settings: Settings) -> tuple[EvaluationImages, Fakes, Evaluator, Path]:
    """Returns real images, fakes, evaluator and path of the output; refuses what cannot be measured or written."""
    real, fakes, extractor_settings = prepare_run(settings) if settings["run"] else prepare_folders(settings)
    extractor = build.extractor({"extractor": settings.get("extractor") or extractor_settings})
    extractor.check(real.channels, real.image_size)
    output = output_for(settings, fakes, extractor.name)
    for path in (output, picture_of(output)):
        require_writable(path, f"output={settings['output'] or output.parent}")
    evaluator = make_evaluator(settings, extractor, real, fakes)
    extractor.to(device_named(settings["device"]))
    return real, fakes, evaluator, output


def refuse_contradictions(settings: Settings) -> None:
    """Refuses settings that exclude each other, before anything is read."""
    if not settings["run"] and not settings["fake"]:
        raise RequestError("Nothing to evaluate: type run=RUN for a trained run, or real=FOLDER fake=FOLDER")
    if settings["run"] and settings["fake"]:
        raise RequestError(f"run={settings['run']} and fake={settings['fake']} are two sources of fakes: name one")
    if not settings["run"] and not settings["real"]:
        raise RequestError(f"fake={settings['fake']} needs real images to be compared with: type real=FOLDER")
    if not settings["run"] and not settings.get("extractor"):
        raise RequestError("extractor is not set, and folders have none of their own: type extractor=random, "
                           "extractor=inception, extractor=digits or extractor=classifier")
    if settings["real"] and settings["split"] != "train":
        raise RequestError(f"split={settings['split']} is a part of a run's data, and real={settings['real']} takes "
                           "the place of these: leave one of them out")
    for name, default in (("weights", None), ("batchnorm", "running")):
        if settings["fake"] and settings[name] != default:
            raise RequestError(f"{name}={settings[name]} is about a run's generator, and fake={settings['fake']} are "
                               f"files: leave {name} out")
    if settings["run"] and not settings["real"] and settings["resize"]:
        raise RequestError(f"resize={settings['resize']} frames the images of real=FOLDER, and the run's own data are "
                           "framed as they were in training: leave it out, or type real=FOLDER as well")


# The images.


def prepare_run(settings: Settings) -> tuple[EvaluationImages, Fakes, Mapping[str, Any] | None]:
    """Returns real images, the fakes of a run, and the settings of the extractor it was trained with."""
    path = checkpoint_of(expanded(settings["run"], "run"))
    module, saved = load_synthesis(path)
    trained = saved_settings.require_parts(saved, path, saved_settings.OF_DATA)
    device = device_named(settings["device"])
    generator, ema = weights_of(module, settings["weights"])
    generator = generator.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)
    classes = module.class_distribution if module.draws_labels else None
    kind = settings["batchnorm"]
    if kind == "standing":
        batchnorm.use_standing_statistics(generator, module.latents, classes, settings["seed"],
                                          settings["standing_batches"])
    elif kind == "batch":
        batchnorm.use_batch_statistics(generator)
    data = build.data(trained | {"data": data_here(trained["data"], settings["data"])})
    data.expected_classes = classes_of(saved)
    data.prepare_data()
    data.setup("fit")
    for name, value in (("channels", data.channels), ("image_size", data.sides)):
        typed = settings[name] if name == "channels" or settings[name] is None else sides_of(settings[name])
        if typed not in (None, value):
            raise RequestError(f"{name}={typed}, but the run makes images of {name}={value}: leave {name} out")
    if differences := changes(saved.get("data"), data.identity()):
        print(f"warning: {data.place} is not what this run was trained on: {differences}", file=sys.stderr)
    if settings["real"]:
        real, framing = real_images_like_data(settings, data)
    else:
        real, framing = data.evaluation_images(settings["split"]).limited(settings["num_real"]), None
    home = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    fakes = Fakes(
        GeneratedImages(generator, module.latents, classes, settings["seed"], settings["num_fake"] or MOST_FAKES),
        name=path.stem, home=home / "evaluations", ema=ema, images_seen=saved["images_seen"],
        batchnorm=batchnorm.kind_of_batchnorm(generator, kind, settings["standing_batches"]), framing=framing,
        class_names=data.class_names if module.draws_labels else ())
    return real, fakes, trained.get("extractor")


def data_here(trained: Settings, typed: Settings) -> dict[str, Any]:
    """Returns the settings of the run's data with the places typed here; without a cache that no longer exists."""
    cache = expanded(trained.get("cache") or ".", "data.cache")
    no_cache = {} if not trained.get("cache") or cache.is_dir() and os.access(cache, os.W_OK) else {"cache": None}
    return {**trained, **no_cache, **{name: place for name, place in typed.items() if place}}


def weights_of(module: Any, typed: str | None) -> tuple[torch.nn.Module, bool]:
    """Returns the generator that weights= chooses, and whether its weights are an average."""
    has_average = module.has_average
    if typed == "ema" and not has_average:
        raise RequestError("weights=ema: this run kept no average of its weights (trick=[ema] does): type weights=raw")
    average = has_average and typed != "raw"
    return (module.sampling_generator if average else module.networks["generator"]), average


def prepare_folders(settings: Settings) -> tuple[EvaluationImages, Fakes, None]:
    """Returns the images of real= and fake=; folders have no extractor of their own, hence None."""
    real, fake = real_and_fake_images(settings)
    fakes = Fakes(EvaluationBlocks(fake, settings["num_workers"]), name=fake.name, home=Path("evaluations"),
                  quantisation="files", framing=fake.framing)
    return real, fakes, None


# Measuring and writing.


def make_evaluator(settings: Settings, extractor: Any, real: EvaluationImages, fakes: Fakes) -> Evaluator:
    """Returns an evaluator for the metrics of metric=, all of which must be possible, or for all that are possible."""
    everything = build.metrics(settings)
    typed = settings["metric"]
    metrics = everything if typed is None else {name: everything[name] for name in typed}
    cache = cache_folder() if settings["remember"] else None
    evaluator = Evaluator(extractor, metrics, settings["seed"], resamples_for(settings, extractor), cache, aloud=True)
    problems = evaluator.problems(evaluator.setup(real, fakes.images.count, fakes.class_names))
    if typed is not None and problems or len(problems) == len(metrics):
        raise RequestError("\n".join(problems.values()) or "metric=[] measures nothing: name some, e.g. metric=[fid]")
    for sentence in problems.values():
        print(f"left out: {sentence}", file=sys.stderr)
    evaluator.metrics = without(metrics, problems)
    return evaluator


def resamples_for(settings: Settings, extractor: Any) -> int:
    """Returns the number of resamples: resamples=, else 100, or 0 for large extractors, where each takes seconds."""
    if settings["resamples"] is not None:
        return settings["resamples"]
    if extractor.num_features <= MOST_FEATURES:
        return 100
    print(f"no intervals: {extractor.name} has {extractor.num_features:,} features, and each resample takes seconds; "
          "resamples=20 measures them", file=sys.stderr)
    return 0


def output_for(settings: Settings, fakes: Fakes, extractor: str) -> Path:
    """Returns the path of output=, or one named after the settings that decide the values, some of them as a digest.

    So the same measurement replaces its file, and any other does not. Refuses files that exist and names without .json.
    """
    if settings["output"]:
        output = expanded(settings["output"], "output")
        if output.suffix != ".json":
            raise RequestError(f"output={output} must be a JSON file: type output={output}.json")
        for path in (output, picture_of(output)):
            if is_taken(path) and not settings["overwrite"]:
                raise RequestError(f"{path} exists: choose another file with output=, or add overwrite=true")
        if is_taken(output) and output.is_dir():
            raise RequestError(f"output={output} is a folder: type output={output / 'evaluation.json'}")
        return output
    against = f"_{settings['split']}" if settings["run"] and not settings["real"] else ""
    protocol_name = f"{extractor}{against}_seed{settings['seed']}_fakes{fakes.images.count}"
    options = "".join(f"_{option}" for option in (settings["weights"], settings["batchnorm"])
                      if settings["run"] and option not in (None, "running"))
    rest = {name: value for name, value in settings.items() if name not in WITHOUT_EFFECT}
    digest = hashlib.sha256(repr(sorted(rest.items())).encode(errors="surrogateescape")).hexdigest()[:6]
    return fakes.home / f"{fakes.name}_{protocol_name}{options}_{digest}.json"


def picture_of(output: Path) -> Path:
    return output.with_suffix(".neighbours.png")


def conclude(settings: Settings, evaluator: Evaluator, real: EvaluationImages, reference: Sample, fakes: Fakes,
             sample: Sample, output: Path) -> list[Value]:
    """Measures, writes the values with their protocol and a picture, prints all of it, and returns the values."""
    how = protocol(evaluator.extractor, real, reference, sample.count, settings["seed"], fakes.ema, fakes.batchnorm,
                   fakes.quantisation, fakes.framing)
    measured = values(evaluator.measure(reference, sample, fakes.class_names), how, fakes.images_seen)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_json(output, {"metrics": [value.as_json() for value in measured],
                            "command": command()})
        pictured = picture(real, reference, fakes, sample, picture_of(output))
    except DiskFull:
        raise
    except OSError as error:
        raise RequestError(f"output={output} cannot be written: {error.strerror or error}. "
                           "Choose a place you may write to") from error
    weights = {True: "EMA weights", False: "raw weights", None: "files"}[fakes.ema]
    print(f"{sample.count:,} fakes ({weights}, BatchNorm {fakes.batchnorm}) against {reference.count:,} images of "
          f"{real.name} ({real.split}), extractor {evaluator.extractor.name}\n{format_table(measured)}\n"
          f"{output}{pictured}")
    return measured


def picture(real: EvaluationImages, reference: Sample, fakes: Fakes, sample: Sample, path: Path) -> str:
    """Writes a picture of fakes (left), each beside its nearest training image; returns a line to print, or nothing."""
    complete = reference.count == len(real) and sample.count == fakes.images.count  # else numbers are not places
    if reference.features is None or sample.features is None or not complete:
        return ""
    fake_numbers, real_numbers, _ = closest_training_images(reference, sample, NEIGHBOURS)
    left, right = images_at(fakes.images, fake_numbers), images_at(EvaluationBlocks(real), real_numbers)
    pairs = torch.stack([left, right], 1).flatten(0, 1)
    pictures.write_png(path, pictures.grid(pairs, columns=8))
    return f"\n{path}: the fakes nearest to real images, each beside its real image"
