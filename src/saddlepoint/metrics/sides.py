"""Brings the images of real= and fake= to the same channels and size, or those of real= to a run's."""

import sys
from collections.abc import Mapping

from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.errors import RequestError
from saddlepoint.metrics.fitting import Fit, loader_like
from saddlepoint.metrics.sources import Settings, Source, limits, open_source

OTHER_FRAMING = "; type resize=short_side or resize=stretch to frame real= otherwise than the run's data"
RESIZE = "short_side"  # for two sources without resize=, as data=image_folder does by default


def real_images_like_data(settings: Settings, data: ImageDataModule) -> tuple[EvaluationFiles, str]:
    """Returns the images of real=, framed as the run's data are, and the framing of the run's own images. Prints a note
    if the two differ."""
    source, run_framing = open_source(settings, "real"), data.evaluation_images("train").framing
    load = loader_like(data, settings["resize"], limits(settings))
    real = source.images(load, OTHER_FRAMING).limited(settings["num_real"])
    if isinstance(load.framing, Fit):
        real.framing = "none" if load.framing.resize == "pad" and source.is_of(data.image_size) else load.framing.resize
    if real.framing != run_framing:
        print(f"note: images of real={source.typed} {source.describe_framing(data.image_size, load.framing.resize)} "
              f"(framing: {real.framing}); for those the run learned from it was another (framing: {run_framing})",
              file=sys.stderr)
    if data.channels == 1 and any(channels == 3 for _, _, channels in source.files.values()):
        print(f"note: images of real={source.typed} in colours are read as grey, as the run's are", file=sys.stderr)
    return real, run_framing


def real_and_fake_images(settings: Settings) -> tuple[EvaluationFiles, EvaluationFiles]:
    """Returns the images of real= and of fake=, in the channels and the size that the user typed or that all files
    have. Raises a RequestError if the files differ and nothing was typed."""
    sides = {side: open_source(settings, side) for side in ("real", "fake")}
    channels, size = settings["channels"] or channels_of(sides), settings["image_size"] or size_of(sides)
    resize = settings["resize"] or RESIZE
    load = ImageLoader(channels, ResizeAndCrop(size, resize, "center"), limits(settings), None)
    images = {side: source.images(load).limited(settings[f"num_{side}"]) for side, source in sides.items()}
    for side, source in sides.items():
        if source.is_of(size):
            images[side].framing = "none"
    warn_of_unlike_framing(sides, size, resize)
    return images["real"], images["fake"]


def channels_of(sides: Mapping[str, Source]) -> int:
    """Returns 3 if any image has colours, else 1. Raises a RequestError if only one side has coloured images."""
    real, fake = (max(shape[2] for shape in source.files.values()) for source in sides.values())
    if real != fake:
        kinds = {1: "grey", 3: "colour"}
        raise RequestError(f"real={sides['real'].typed} has {kinds[real]} images and fake={sides['fake'].typed} "
                           f"{kinds[fake]} ones: type channels=3 or channels=1 to see both alike")
    return real


def size_of(sides: Mapping[str, Source]) -> int:
    """Returns the side length in pixels of all images. Raises a RequestError if they are not squares of one size."""
    sizes = {shape[:2]: path for source in sides.values() for path, shape in source.files.items()}
    if len(sizes) == 1 and all(source.all_square for source in sides.values()):
        return next(iter(sizes))[0]
    examples = "; ".join(f"{path} is {width} x {height}" for (width, height), path in list(sizes.items())[:3])
    typed = f"image_size={min(min(size) for size in sizes)}"
    remedy = f"Type {typed} to bring all to one size"
    if not all(source.all_square for source in sides.values()):
        remedy = (f"Type {typed} to take the middle square of each, as data=image_folder does in training, or {typed} "
                  "resize=stretch where a model learned from whole pictures squeezed into squares")
    raise RequestError(f"The images of real={sides['real'].typed} and fake={sides['fake'].typed} must be squares of "
                       f"one size: {examples}. {remedy}")


def warn_of_unlike_framing(sides: Mapping[str, Source], size: int, resize: str) -> None:
    """Prints a note if real images and fakes are brought to their size in different ways, as that moves metrics."""
    real, fake = (source.describe_framing(size, resize) for source in sides.values())
    if real == fake:
        return
    cropped = not all(source.all_square for source in sides.values())
    other = "whole pictures squeezed into squares, type resize=stretch" if resize == "short_side" else (
        "the middle squares of pictures, type resize=short_side")
    print(f"note: images of real={sides['real'].typed} {real}, and those of fake={sides['fake'].typed} {fake}. "
          + (f"If the squares are {other}" if cropped else "Resizing one side alone moves metrics"), file=sys.stderr)
