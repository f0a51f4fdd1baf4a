"""Draws images from a trained run for sample.py: a grid, single files, walks between latents, arithmetic of latents.

What is refused is in drawing_requests.py; films are in filming.py, files of many images in sample_archives.py, runs of
points in point_samples.py, of voxels in voxel_samples.py."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy

from saddlepoint.commands import drawing_requests, filming, point_samples, sample_archives, voxel_samples
from saddlepoint.commands.drawing_requests import default_output
from saddlepoint.commands.truncating import truncated
from saddlepoint.config.spelling import command, of_class
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import pixels
from saddlepoint.data.describing import listed
from saddlepoint.data.standardisation import Standardisation
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.files.outputs import digest_of, refusing_unwritable
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.sampling import compositions, concepts, directions, films, latent_arithmetic, pictures
from saddlepoint.sampling.compositions import Picture
from saddlepoint.sampling.films import Film
from saddlepoint.sampling.generator import ANY_CLASS, EVERY_CLASS, SamplingGenerator
from saddlepoint.sampling.loading import load_generator
from saddlepoint.upscaling.in_memory import ImageUpscaler
from saddlepoint.upscaling.releases import OFFICIAL

Settings = Mapping[str, Any]
COUNT, COUNT_OF_EACH = 64, 10  # images, and images of each class or rows of each walk, unless count= says otherwise
STEPS, STEPS_OF_FILMS = 8, 48  # from one end of a walk to the other, unless steps= says otherwise
STEPS_OF_DIRECTIONS = 7  # an odd number has the image itself in the middle


def draw(settings: Settings) -> list[Path]:
    """Draws the picture or film of the settings, writes it, prints where it is, and returns its path and those of its
    images as single files."""
    drawing_requests.refuse_contradictions(settings)
    output = drawing_requests.output_path(settings)
    drawing_requests.refuse_places(output or default_output(settings, "picture"), settings)
    kind = filming.format_of(settings)
    if kind in sample_archives.FORMATS:
        samples = sample_archives.compose(settings, one_class)
        output = output or default_output(settings, samples.name)
        with refusing_unwritable(f"output={output}"):
            return sample_archives.write(samples, kind, output)
    settings = settings | {"steps": settings["steps"] or default_steps(settings)}
    if settings["training"]:
        output = output or default_output(settings, f"training_{settings['training']}")
        with refusing_unwritable(f"output={output}"):
            return filming.write_training(output, settings)
    generator = truncated(load_generator(settings["run"], weights=settings["weights"]), settings["truncation"])
    drawing_requests.refuse_files_beside(output, generator, settings)
    if generator.edge:
        shapes = voxel_samples.compose(generator, settings)
        output = output or default_output(settings, shapes.name)
        with refusing_unwritable(f"output={output}"):
            return voxel_samples.write(shapes, output, settings["mesh"])
    voxel_samples.refuse_settings_of_voxels(settings)
    if generator.dimensions:
        points = point_samples.compose(generator, settings)
        output = output or default_output(settings, points.name)
        with refusing_unwritable(f"output={output}"):
            return point_samples.write(points, output)
    upscaler = ImageUpscaler(settings["upscale"]) if settings["upscale"] else None
    film = filming.is_film(settings)
    drawn = compose_film(generator, settings) if film else compose_picture(generator, settings)
    output = output or default_output(settings, drawn.name + (name_of_upscaler(settings, upscaler) if upscaler else ""))
    with refusing_unwritable(f"output={output}"):
        if film:
            return filming.write(drawn, upscaler, output, settings)
        paths, standardisation = write(drawn, upscaler, output, settings), generator.standardisation
        return [*paths, write_numbers(drawn, standardisation, output)] if standardisation else paths


def name_of_upscaler(settings: Settings, upscaler: ImageUpscaler) -> str:
    """Returns the end of the name of a file of enlarged images. A digest tells apart weights that are called alike."""
    if settings["upscale"] in OFFICIAL:
        return f"_{upscaler.name}"
    return f"_{upscaler.name}_{digest_of({'upscale': str(Path(upscaler.source).resolve())}, ())}"


def default_steps(settings: Settings) -> int:
    if filming.is_film(settings):
        return STEPS_OF_FILMS
    return STEPS_OF_DIRECTIONS if settings["directions"] else STEPS


def write(picture: Picture, upscaler: ImageUpscaler | None, output: Path, settings: Settings) -> list[Path]:
    """Writes a picture, and its images as single files if files=true; returns their paths."""
    images = pixels.to_bytes(pictures.as_colours(picture.images))
    images = upscaler(images) if upscaler else images
    pictures.write_png(output, pictures.grid(images, picture.columns))
    single_files = []
    for name, image in zip(picture.files, images, strict=True) if settings["files"] else ():
        if name:
            single_files.append(output.with_suffix("") / f"{name}.png")
            pictures.write_png(single_files[-1], image)
    singly = f", one by one in {output.with_suffix('')}" if settings["files"] else ""
    count = sum(name is not None for name in picture.files)
    larger = f", upscaled by {upscaler.name} (from {upscaler.source})" if upscaler else ""
    print(f"{count} images{picture.description}{larger}: {output}{singly}", *filter(None, [picture.legend]), sep="\n")
    return [output, *single_files]


def write_numbers(picture: Picture, standardisation: Standardisation, output: Path) -> Path:
    """Writes latents as a NumPy array [N, C, H, W] float32 beside their picture, in the numbers of the data; prints and
    returns its path."""
    array = output.with_suffix(".npy")
    latents = standardisation.restored(picture.images).numpy()
    write_atomically(array, lambda temporary: _save(temporary, latents), durably=False)
    shown = "" if latents.shape[1] in (1, 3) else ", of which the picture shows the first "
    shown += "" if not shown else "three channels" if latents.shape[1] > 3 else "channel"
    print(f"as numbers, {' x '.join(map(str, latents.shape))}{shown}: {array}")
    return array


def _save(path: Path, numbers: numpy.ndarray) -> None:
    with path.open("wb") as stream:
        numpy.save(stream, numbers)


def compose_film(generator: SamplingGenerator, settings: Settings) -> Film:
    """Composes the film that the settings choose; warns of classes without training images."""
    seed, count, steps, which = (settings[name] for name in ("seed", "count", "steps", "class"))
    if settings["interpolate_class"]:
        labels = class_ends(generator, settings)
        return films.film_class_walk(generator, labels, seed, count or COUNT_OF_EACH, steps)
    label = one_class(generator, which)
    if settings["codes"]:
        [code] = require_codes(generator, settings["codes"])
        return films.film_code(generator, code, seed, count or COUNT_OF_EACH, steps, settings["code_range"], label)
    return films.film_walk(generator, settings["interpolate"], steps, count or 1, label)


def class_ends(generator: SamplingGenerator, settings: Settings) -> list[int]:
    """Returns the classes of interpolate_class=."""
    labels = [generator.label_of(each, "interpolate_class") for each in settings["interpolate_class"]]
    warn_of_classes_not_learnt(generator, labels, "what is drawn of it means nothing")
    return labels


def one_class(generator: SamplingGenerator, which: str | int | list | None) -> int | None:
    """Returns the class that class= chooses; None if it is not typed."""
    warn_of_words_that_are_names(generator, which)
    label = None if which is None else generator.label_of(which[0] if isinstance(which, list) else which)
    if label is not None:
        warn_of_classes_not_learnt(generator, [label], "what is drawn of it means nothing")
    return label


def compose_picture(generator: SamplingGenerator, settings: Settings) -> Picture:
    """Draws the images that the settings choose and lays them out; warns of classes without training images."""
    seed, count, steps, which = (settings[name] for name in ("seed", "count", "steps", "class"))
    if settings["interpolate_class"]:
        labels = class_ends(generator, settings)
        return compositions.compose_class_walk(generator, labels, seed, count or COUNT_OF_EACH, steps)
    if which == EVERY_CLASS:
        warn_of_words_that_are_names(generator, which)
        generator.require_classes("class=all")
        warn_of_classes_not_learnt(generator, range(generator.num_classes), "class=all leaves it out")
        return compositions.compose_classes(generator, seed, count or COUNT_OF_EACH, settings["layout"])
    label = one_class(generator, which)
    if settings["codes"]:
        codes = require_codes(generator, settings["codes"])
        images = count or (COUNT_OF_EACH if len(codes) == 1 else 1)
        return compositions.compose_codes(generator, codes, seed, images, steps, settings["code_range"], label)
    if settings["interpolate"]:
        return compositions.compose_walk(generator, settings["interpolate"], steps, label)
    if settings["concept"]:
        file = expanded(settings["concept"], "concept")
        return concepts.compose_concept(generator, concepts.read(file), file.stem, settings["concept_strength"], seed,
                                        count or COUNT_OF_EACH, label)
    if settings["directions"]:
        typed = settings["directions"]
        numbers = typed if isinstance(typed, list) else range(1, typed + 1)
        return directions.compose_directions(generator, numbers, seed, count or 1, steps, settings["direction_range"],
                                             label)
    if settings["arithmetic"]:
        if generator.num_classes and label is None:
            raise RequestError(f"arithmetic={settings['arithmetic']} needs one class, since it adds latents and those "
                               "know none: choose it, e.g. class=0 (without arithmetic= to see and number its images)")
        if isinstance(generator.latents, StructuredLatents):
            raise RequestError(f"arithmetic={settings['arithmetic']} adds latents, and a sum of this run's would have "
                               "codes that it was not trained with: vary them with codes=1")
        return latent_arithmetic.compose_arithmetic(generator, settings["arithmetic"], seed, label)
    return compositions.compose_seed(generator, seed, count or COUNT, settings["columns"], label)


def require_codes(generator: SamplingGenerator, codes: int | list[int]) -> list[int]:
    """Returns the numbers of codes= as a list; raises a RequestError if the generator has no such codes."""
    typed, latents = f"codes={codes}", generator.latents
    if not isinstance(latents, StructuredLatents):
        raise RequestError(f"{typed}: this run's latents are noise without codes. Leave codes= out, or draw from a run "
                           f"of a model that has them, e.g. one of {command('train', 'model=infogan')}")
    codes = codes if isinstance(codes, list) else [codes]
    if max(codes) > latents.num_codes:
        kinds = [f"code {code} has {latents.num_values(code)} values" if latents.num_values(code)
                 else f"code {code} is continuous" for code in range(1, latents.num_codes + 1)]
        raise RequestError(f"{typed}: this run's generator has the codes 1 to {latents.num_codes} ({', '.join(kinds)})")
    return codes


def warn_of_words_that_are_names(generator: SamplingGenerator, which: str | int | list | None) -> None:
    """Warns where class=all or class=null is typed for a run that has a class of that name."""
    typed = ANY_CLASS if which is None else which
    if typed in (ANY_CLASS, EVERY_CLASS) and typed in generator.class_names:
        means = "every class" if typed == EVERY_CLASS else "classes as they come in training"
        print(f"warning: class={typed} means {means}; for the class of that name type {of_class('class', [typed])}",
              file=sys.stderr)


def warn_of_classes_not_learnt(generator: SamplingGenerator, labels: Iterable[int], consequence: str) -> None:
    """Warns of classes of which training had no image; `consequence` completes the sentence."""
    learnt = set(generator.classes_learnt)
    missing = [generator.title_of(label) for label in labels if label not in learnt]
    if missing:
        print(f"warning: training had no image of {listed(missing)}, and {consequence}", file=sys.stderr)
