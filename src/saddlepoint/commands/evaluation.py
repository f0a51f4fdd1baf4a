"""Measures a run or a folder of fakes against real images with one extractor, for evaluate.py."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from saddlepoint import build
from saddlepoint.commands import compared_images
from saddlepoint.commands.compared_images import Fakes, RealImages
from saddlepoint.config.typed_paths import expanded, with_whole_paths
from saddlepoint.downloads import cache_folder
from saddlepoint.environment import command
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import digest_of, is_taken, refusing_unwritable, require_writable
from saddlepoint.game.modes import device_named
from saddlepoint.metrics import statistics_files
from saddlepoint.metrics.evaluator import Evaluator, without
from saddlepoint.metrics.images import EvaluationBlocks, GeneratedImages, images_at
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.neighbours import closest_training_images
from saddlepoint.metrics.path_length import latent_spaces
from saddlepoint.metrics.provenance import Value, format_table, of_average, protocol, values
from saddlepoint.metrics.published_protocol import published_protocol
from saddlepoint.metrics.stored_reference import StoredReference
from saddlepoint.parallel.collectives import join_processes
from saddlepoint.parallel.first import only_the_first_speaks
from saddlepoint.parallel.launching import share_results
from saddlepoint.runs.directory import write_json
from saddlepoint.sampling import pictures

Settings = Mapping[str, Any]
NEIGHBOURS = 16  # pairs in the picture of the fakes nearest to training images
# without an effect on the values
WITHOUT_EFFECT = ("output", "overwrite", "threads", "device", "num_workers", "remember", "run", "statistics",
                  "protocol")
MOST_FEATURES = 512  # for which intervals are measured unless resamples= says otherwise


def evaluate(settings: Settings) -> list[Value]:
    """Measures the metrics of the settings, prints and writes the values, and returns them; in other processes than the
    first, returns an empty list. With statistics= the real images' statistics are written as well, or alone."""
    refuse_contradictions(settings)
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    prepared: list[tuple[RealImages, Fakes | None, Evaluator, Path]] = []
    with join_processes() as is_first, only_the_first_speaks():
        share_results(lambda: prepared.append(prepare(settings)))
        real, fakes, evaluator, output = prepared[0]
        reference = look_at_real(real, evaluator, settings["num_workers"], bool(settings["statistics"]))
        if settings["statistics"] and is_first:
            write_statistics(settings, evaluator, real, reference)
        if fakes is None:
            return []
        sample = evaluator.look_at_fakes(fakes.images)
        evaluator.refuse_too_few(reference, sample, fakes.class_names)
        return conclude(settings, evaluator, real, reference, fakes, sample, output) if is_first else []


def prepare(settings: Settings) -> tuple[RealImages, Fakes | None, Evaluator, Path]:
    """Returns real images, fakes (None if there are none), evaluator and path of the output; refuses what cannot be
    measured or written."""
    images = compared_images.of_run if settings["run"] else compared_images.of_files
    real, fakes, extractor_settings = images(settings)
    extractor = build.extractor({"extractor": chosen_extractor(settings.get("extractor"), extractor_settings)})
    extractor.check_set(real)
    if isinstance(real, StoredReference):
        real.check(extractor)
        if settings["statistics"]:
            raise RequestError(f"statistics={settings['statistics']}: real={settings['real']} holds statistics "
                               "already. Leave statistics= out")
    output = output_of_statistics(settings) if fakes is None else output_for(settings, fakes, extractor.name)
    for path in {output, picture_of(output), output_of_statistics(settings)} if settings["statistics"] else {
            output, picture_of(output)}:
        require_writable(path, f"output={settings['output'] or output.parent}")
    evaluator = make_evaluator(settings, extractor, real, fakes)
    extractor.to(device_named(settings["device"]))
    return real, fakes, evaluator, output


def chosen_extractor(typed: Settings | None, of_run: Settings | None) -> Settings:
    """Returns the settings of the extractor: those typed, or the run's. A mixture is part of a run's data, so where
    none was typed it is that of the run's extractor."""
    if not typed:
        return of_run
    lacks_mixture = "mixture" in typed and not typed["mixture"] and of_run
    return {**typed, "mixture": of_run.get("mixture")} if lacks_mixture else typed


def look_at_real(real: RealImages, evaluator: Evaluator, num_workers: int, spatial: bool) -> Sample:
    """Returns the sample of real images, computed, remembered or read from a file of statistics; with moments of
    spatial features if these are to be written."""
    if isinstance(real, StoredReference):
        return real.sample(evaluator, num_workers)
    return evaluator.look_at_real(real, num_workers, spatial)


def refuse_contradictions(settings: Settings) -> None:
    """Refuses settings that exclude each other, before anything is read."""
    only_statistics = settings["real"] and settings["statistics"]
    if not settings["run"] and not settings["fake"] and not only_statistics:
        raise RequestError("Nothing to evaluate: type run=RUN for a trained run, or real=FOLDER fake=FOLDER")
    if settings["run"] and settings["fake"]:
        raise RequestError(f"run={settings['run']} and fake={settings['fake']} are two sources of fakes: name one")
    if not settings["run"] and not settings["real"]:
        raise RequestError(f"fake={settings['fake']} needs real images to be compared with: type real=FOLDER")
    if not settings["run"] and not settings.get("extractor"):
        raise RequestError("extractor is not set, and folders have none of their own: type extractor=random, "
                           "extractor=inception, extractor=digits or extractor=classifier")
    published = published_protocol(settings)
    fixed = published.fixes if published else {}
    if settings["real"] and settings["split"] not in ("train", fixed.get("split")):
        raise RequestError(f"split={settings['split']} is a part of a run's data, and real={settings['real']} takes "
                           "the place of these: leave one of them out")
    for name, default in (("weights", None), ("batchnorm", "running"), ("quantisation", "rounded"),
                          ("truncation", None)):
        if settings["fake"] and settings[name] not in (default, fixed.get(name)):
            raise RequestError(f"{name}={settings[name]} is about a run's generator, and fake={settings['fake']} are "
                               f"files: leave {name} out")
    if settings["run"] and not settings["real"] and settings["resize"]:
        raise RequestError(f"resize={settings['resize']} frames the images of real=FOLDER, and the run's own data are "
                           "framed as they were in training: leave it out, or type real=FOLDER as well")


# Measuring and writing.


def make_evaluator(settings: Settings, extractor: Any, real: RealImages, fakes: Fakes | None) -> Evaluator:
    """Returns an evaluator for the metrics of metric=, all of which must be possible, or for all that are possible; for
    none where there are no fakes."""
    everything = build.metrics(settings)
    typed = settings["metric"] if fakes else []
    metrics = everything if typed is None else {name: everything[name] for name in typed}
    cache = cache_folder() if settings["remember"] else None
    resamples = resamples_for(settings, extractor) if fakes else 0
    evaluator = Evaluator(extractor, metrics, settings["seed"], resamples, cache, aloud=True)
    if fakes is None:
        return evaluator
    spaces = latent_spaces(fakes.images.generator) if isinstance(fakes.images, GeneratedImages) else ()
    problems = evaluator.problems(evaluator.setup(real, fakes.images.count, fakes.class_names, spaces))
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
    decides = with_whole_paths(settings, "real", "fake", "extractor.weights", "data.root")
    return fakes.home / f"{fakes.name}_{protocol_name}{options}_{digest_of(decides, WITHOUT_EFFECT)}.json"


def picture_of(output: Path) -> Path:
    return output.with_suffix(".neighbours.png")


def output_of_statistics(settings: Settings) -> Path:
    """Returns the path of statistics=; refuses files that exist and other endings than .npz."""
    path = expanded(settings["statistics"], "statistics")
    if path.suffix != ".npz":
        raise RequestError(f"statistics={path} must be an .npz file: type statistics={path}.npz")
    if is_taken(path) and not settings["overwrite"]:
        raise RequestError(f"statistics={path} exists: choose another file, or add overwrite=true")
    return path


def write_statistics(settings: Settings, evaluator: Evaluator, real: RealImages, reference: Sample) -> None:
    """Writes mean and covariance of the real images' features, with what they are statistics of, and prints where."""
    path, extractor = output_of_statistics(settings), evaluator.extractor
    how = asdict(protocol(extractor, real, reference, 0, settings["seed"], None, "none"))
    about = {name: how[name] for name in ("extractor", "digest", "resize", "reference", "reference_digest", "split",
                                          "framing", "image_size", "versions", "revision", "device")}
    with refusing_unwritable(f"statistics={path}"):
        statistics_files.write(path, reference.moments, reference.spatial,
                               about | {"num_images": reference.count, "channels": real.channels, "command": command()})
    print(f"mean and covariance of {extractor.name}'s {extractor.num_features:,} features of {reference.count:,} "
          f"images of {real.name} ({real.split}): {path}")


def own_fields(settings: Settings, evaluator: Evaluator, reference: Sample, num_fake: int) -> dict[str, dict[str, Any]]:
    """Returns metric -> fields of the protocol that are its own: the name of the published protocol, if the metric is
    one of its and the settings follow it; and the number of real images, if it looks at those of a file of statistics.

    Prints in what the settings depart from the protocol of protocol=.
    """
    fields: dict[str, dict[str, Any]] = {name: {} for name in evaluator.metrics}
    if published := published_protocol(settings):
        departures = published.departures(settings, num_fake, reference.count)
        if departures:
            print(f"note: {', '.join(departures)} is not as protocol={published.name} has it, so these values are not "
                  "of that protocol", file=sys.stderr)
        for name in evaluator.metrics if not departures else ():
            if name in published.metrics:
                fields[name]["name"] = published.name
    for name, metric in evaluator.metrics.items():
        if reference.is_stored and metric.needs_real_features:
            fields[name]["num_real"] = len(reference.labels)
    return fields


def conclude(settings: Settings, evaluator: Evaluator, real: RealImages, reference: Sample, fakes: Fakes,
             sample: Sample, output: Path) -> list[Value]:
    """Measures, writes the values with their protocol and a picture, prints all of it, and returns the values."""
    how = protocol(evaluator.extractor, real, reference, sample.count, settings["seed"], fakes.ema, fakes.batchnorm,
                   fakes.quantisation, fakes.framing, fakes.truncation)
    measured = values(evaluator.measure(reference, sample, fakes.class_names), how, fakes.images_seen,
                      own_fields(settings, evaluator, reference, sample.count))
    measured = of_average(fakes.average, measured) if fakes.average else measured
    with refusing_unwritable(f"output={output}"):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_json(output, {"metrics": [value.as_json() for value in measured],
                            "command": command()})
        pictured = picture(real, reference, fakes, sample, picture_of(output))
    weights = {True: "EMA weights", False: "raw weights", None: "files"}[fakes.ema]
    weights = f"average {fakes.average}" if fakes.average else weights
    against = f"{how.num_real:,} images" if how.num_real else "an unknown number of images"
    print(f"{sample.count:,} fakes ({weights}, BatchNorm {fakes.batchnorm}) against {against} of "
          f"{real.name} ({real.split}), extractor {evaluator.extractor.name}\n{format_table(measured)}\n"
          f"{output}{pictured}")
    return measured


def picture(real: RealImages, reference: Sample, fakes: Fakes, sample: Sample, path: Path) -> str:
    """Writes a picture of fakes (left), each beside its nearest training image; returns a line to print, or nothing,
    as for points."""
    if isinstance(real, StoredReference) or real.dimensions is not None:
        return ""
    complete = reference.count == len(real) and sample.count == fakes.images.count  # else numbers are not places
    if reference.features is None or sample.features is None or not complete:
        return ""
    fake_numbers, real_numbers, _ = closest_training_images(reference, sample, NEIGHBOURS)
    left, right = images_at(fakes.images, fake_numbers), images_at(EvaluationBlocks(real), real_numbers)
    pairs = pictures.as_colours(torch.stack([left, right], 1).flatten(0, 1))
    pictures.write_png(path, pictures.grid(pairs, columns=8))
    return f"\n{path}: the fakes nearest to real images, each beside its real image"
