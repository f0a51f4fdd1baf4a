"""Brings the images of real= and fake= to the same channels and size, or those of real= to a run's."""

import sys
from collections.abc import Mapping

from saddlepoint.config.image_sizes import Sides, sides_of
from saddlepoint.config.rules import ImageSize
from saddlepoint.config.spelling import word
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


def images_alone(settings: Settings, side: str) -> EvaluationFiles:
    """Returns the images of one side, in the channels and the size that the user typed or that all files have. Raises a
    RequestError if these are not of one size and nothing was typed."""
    source = open_source(settings, side)
    size = settings["image_size"] or size_of({side: source})
    channels = settings["channels"] or max(shape[2] for shape in source.files.values())
    framing = ResizeAndCrop(size, settings["resize"] or RESIZE, "center")
    images = source.images(ImageLoader(channels, framing, limits(settings), None)).limited(settings[f"num_{side}"])
    if source.is_of(size):
        images.framing = "none"
    return images


def channels_of(sides: Mapping[str, Source]) -> int:
    """Returns 3 if any image has colours, else 1. Raises a RequestError if only one side has coloured images."""
    real, fake = (max(shape[2] for shape in source.files.values()) for source in sides.values())
    if real != fake:
        kinds = {1: "grey", 3: "colour"}
        raise RequestError(f"real={sides['real'].typed} has {kinds[real]} images and fake={sides['fake'].typed} "
                           f"{kinds[fake]} ones: type channels=3 or channels=1 to see both alike")
    return real


def size_of(sides: Mapping[str, Source]) -> int | Sides:
    """Returns the size that all images have. Raises a RequestError if they have several."""
    sizes = {shape[:2]: path for source in sides.values() for path, shape in source.files.items()}
    if len(sizes) == 1:
        width, height = next(iter(sizes))
        return Sides(height, width).image_size
    examples = "; ".join(f"{path} is {width} x {height}" for (width, height), path in list(sizes.items())[:3])
    size = _smallest(sides)
    typed = word(f"image_size={size}")
    remedy = f"Type {typed} to bring all to one size"
    if not all(source.has_shape_of(size) for source in sides.values()):
        remedy = (f"Type {typed} to take the middle of each, as data=image_folder does in training, or {typed} "
                  "resize=stretch where a model learned from whole pictures squeezed into that shape")
    of = " and ".join(f"{side}={source.typed}" for side, source in sides.items())
    raise RequestError(f"The images of {of} must be of one size: {examples}. {remedy}")


def _smallest(sides: Mapping[str, Source]) -> int | Sides:
    """Returns the size to bring all images to: that which all images of a side have, the smaller where both sides have
    one; else the shortest side of all as a square."""
    agreed = [Sides(height, width) for source in sides.values() if len(source.sizes) == 1
              for width, height in source.sizes]
    if agreed:
        return min(agreed, key=lambda size: size.area).image_size
    return min(min(size) for source in sides.values() for size in source.sizes)


def warn_of_unlike_framing(sides: Mapping[str, Source], size: ImageSize, resize: str) -> None:
    """Prints a note if real images and fakes are brought to their size in different ways, as that moves metrics."""
    real, fake = (source.describe_framing(size, resize) for source in sides.values())
    if real == fake:
        return
    cropped = not all(source.has_shape_of(size) for source in sides.values())
    squares, middles = ("squares", "middle squares") if (shape := sides_of(size)).is_square else (
        f"images of {shape.words}", "middles")
    other = "whole pictures that were squeezed, type resize=stretch" if resize == "short_side" else (
        f"the {middles} of pictures, type resize=short_side")
    print(f"note: images of real={sides['real'].typed} {real}, and those of fake={sides['fake'].typed} {fake}. "
          + (f"If the {squares} are {other}" if cropped else "Resizing one side alone moves metrics"), file=sys.stderr)
