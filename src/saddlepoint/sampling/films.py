"""Composes films, whose frames are grids of images that change together, and writes them as GIF or MP4 files.

M images of C channels and H x W pixels stand side by side in each of T frames."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy
import torch
from torch import Tensor

from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.sampling import pictures
from saddlepoint.sampling.compositions import (
    class_prefix,
    describe_class,
    describe_classes,
    describe_code,
    fractions,
    vary_codes,
)
from saddlepoint.sampling.generator import SamplingGenerator

GIF_CLOCK = 100  # a second of a GIF; its frames last a whole number of these


@dataclass(frozen=True)
class Film:
    """Frames of images that are drawn as one grid each."""

    name: str                   # of its file, without ending; says how the images were drawn
    frames: Iterable[Tensor]    # T tensors [M, C, H, W] in [-1, 1], drawn when they are asked for
    description: str            # printed after the number of frames


def film_walk(generator: SamplingGenerator, seeds: Sequence[int], steps: int, count: int, label: int | None) -> Film:
    """Composes a film in which images 0 .. count - 1 of each seed turn into those of the next, in `steps` frames. They
    are of the class `label`; if it is None, each goes from the class of the one image to that of the other."""
    latents = [generator.latents.of_images(seed, 0, count) for seed in seeds]
    labels = [generator.labels_of_images(seed, 0, count) if label is None else torch.full((count,), label)
              for seed in seeds]
    name = f"{class_prefix(label)}walk{'-'.join(map(str, seeds))}_count{count}_steps{steps}"
    description = describe_class(generator, label)
    if generator.num_classes and label is None and count == 1:
        description = describe_classes(generator, [int(each) for each in labels])
    return Film(name, walk_frames(generator, latents, labels, steps), description)


def film_class_walk(generator: SamplingGenerator, labels: Sequence[int], seed: int, count: int, steps: int) -> Film:
    """Composes a film in which `count` images go from each class to the next in `steps` frames, with the same latents
    all along."""
    latents = [generator.latents.of_images(seed, 0, count)] * len(labels)
    name = f"classwalk{'-'.join(map(str, labels))}_seed{seed}_count{count}_steps{steps}"
    classes = [torch.full((count,), label) for label in labels]
    return Film(name, walk_frames(generator, latents, classes, steps), describe_classes(generator, labels))


def film_code(generator: SamplingGenerator, code: int, seed: int, count: int, steps: int, limits: tuple[float, float],
              label: int | None) -> Film:
    """Composes a film in which one code of images 0 .. count - 1 of a seed takes one value after the other."""
    latents, values = vary_codes(generator.latents, [code], generator.latents.of_images(seed, 0, count), steps, limits)
    labels = generator.labels_of_images(seed, 0, count) if label is None else torch.full((count,), label)
    images = generator.of_latents(latents, labels.repeat_interleave(values))
    name = f"{class_prefix(label)}codes{code}_seed{seed}_count{count}"
    if not generator.latents.num_values(code):
        name += f"_steps{steps}_from{limits[0]:g}to{limits[1]:g}"
    description = f"{describe_class(generator, label)}, {describe_code(generator.latents, code, limits)}"
    return Film(name, images.view(count, values, *images.shape[1:]).transpose(0, 1), description)


def walk_frames(generator: SamplingGenerator, latents: Sequence[Tensor], labels: Sequence[Tensor], steps: int,
                ) -> Iterator[Tensor]:
    """Yields frames from each of the latents [M, size] and their labels [M] to the next. A frame at which one part of
    the way ends and the next begins comes once."""
    for number, ((start, end), classes) in enumerate(zip(pairwise(latents), pairwise(labels), strict=True)):
        ways = [generator.latents.between(*ends, steps) for ends in zip(start, end, strict=True)]
        between = torch.stack(ways, 1)  # [steps, M, size]
        frames = between.flatten(0, 1), *(each.repeat(steps) for each in classes)
        images = generator.between_classes(*frames, fractions(steps).repeat_interleave(len(start)))
        yield from images.view(steps, len(start), *images.shape[1:])[1 if number else 0:]


def write_film(path: Path, frames: Iterable[Tensor], frames_per_second: float) -> int:
    """Writes frames, uint8 [C, H, W], as the film that the path's ending names, .gif or .mp4; returns their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write = write_gif if path.suffix.lower() == ".gif" else write_mp4
    count: list[int] = []
    write_atomically(path, lambda temporary: count.append(write(temporary, frames, frames_per_second)), durably=False)
    return count[0]


def write_gif(path: Path, frames: Iterable[Tensor], frames_per_second: float) -> int:
    """Writes a GIF that begins anew when it has ended. Colours are reduced to 256 in each frame; greys are kept."""
    stills = [pictures.as_pillow(frame) for frame in frames]
    # A GIF's clock is coarse: of 24 frames a second each lasts 4 or 5 hundredths, so that the whole length is right.
    ends = [round((number + 1) * GIF_CLOCK / frames_per_second) for number in range(len(stills))]
    durations = [1000 // GIF_CLOCK * (end - begin) for begin, end in pairwise([0, *ends])]
    stills[0].save(path, format="GIF", save_all=True, append_images=stills[1:], duration=durations, loop=0)
    return len(stills)


def write_mp4(path: Path, frames: Iterable[Tensor], frames_per_second: float) -> int:
    """Writes an MP4 with H.264 in the form that every player and browser takes: colours at half the resolution
    (yuv420p), hence even sizes: an odd one gets its last row or column twice."""
    import av

    rate, count = Fraction(frames_per_second).limit_denominator(1000), 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", rate=rate, options={"crf": "18"})  # hardly any loss to the eye
        stream.pix_fmt = "yuv420p"
        for count, frame in enumerate(frames, 1):  # noqa: B007  count is the number of frames in the end
            still = in_even_colours(frame)
            if count == 1:
                stream.height, stream.width = still.shape[:2]
            film.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))
        film.mux(stream.encode())
    return count


def require_encoder(typed: str) -> None:
    """Raises a RequestError if no MP4 can be written here. `typed`: the setting that asks for one."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise RequestError(f"{typed} needs the package av: type pip install 'saddlepoint[video]', or format=gif"
                           ) from error


def in_even_colours(frame: Tensor) -> numpy.ndarray:
    """Returns a frame, uint8 [C, H, W], as [H', W', 3] with the next even sizes."""
    _, height, width = frame.shape
    colours = frame.expand(3, height, width).permute(1, 2, 0).numpy()
    return numpy.ascontiguousarray(numpy.pad(colours, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))
