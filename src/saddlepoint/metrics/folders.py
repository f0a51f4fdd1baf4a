"""Opens the folders of image files that real= and fake= name, and brings both to the same channels and size."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saddlepoint.config.image_sizes import Sides, sides_of
from saddlepoint.config.rules import ImageSize
from saddlepoint.config.spelling import word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import class_folders, describing
from saddlepoint.data.decoding import Limits, Unreadable, header_of
from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.listing import ImageFile, listing
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.errors import RequestError
from saddlepoint.image_files.endings import ENDINGS
from saddlepoint.metrics.collecting import warn_of_unreadable
from saddlepoint.metrics.fitting import Fit, loader_like

OTHER_FRAMING = "; type resize=short_side or resize=stretch to frame real= otherwise than the run's data"
RESIZE = "short_side"  # for two folders without resize=, as data=image_folder does by default

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Folder:
    """A folder that real= or fake= names, with what the headers of its files say."""

    side: str  # real or fake
    typed: str  # the path as the user typed it
    files: dict[Path, tuple[int, int, int]]  # width, height and channels of each that can be read
    unreadable: dict[str, str]  # file -> reason

    @property
    def sizes(self) -> set[tuple[int, int]]:
        return {shape[:2] for shape in self.files.values()}

    def is_of(self, size: ImageSize) -> bool:
        sides = sides_of(size)
        return self.sizes == {(sides.width, sides.height)}

    def has_shape_of(self, size: ImageSize) -> bool:
        """Returns whether resizing alone brings all images to this size, without a crop and without distortion."""
        sides = sides_of(size)
        return all(width * sides.height == height * sides.width for width, height in self.sizes)

    def images(self, load: ImageLoader, remedy: str = "") -> EvaluationFiles:
        """Returns the images that can be brought to the size of `load`, and warns of the others. Raises a RequestError
        if there are none, which ends in `remedy`, what to type instead."""
        framed, unreadable = [], dict(self.unreadable)
        for path, (width, height, _) in self.files.items():
            try:
                load.framing.check_stored(width, height)
                framed.append(path)
            except Unreadable as error:
                unreadable[str(path)] = str(error)
        if not framed:
            raise no_usable_image(self, unreadable, remedy)
        warn_of_unreadable(unreadable)
        name = expanded(self.typed, self.side).resolve().name
        return EvaluationFiles(name, "all", framed, torch.zeros(len(framed), dtype=torch.long), load)

    def describe_framing(self, size: ImageSize, resize: str) -> str:
        """Returns what framing to a size does to these images, as the end of a sentence about them."""
        sides = sides_of(size)
        if self.is_of(size):
            return f"are {sides.words} already"
        if resize == "pad" or self.has_shape_of(size):
            return f"are {'padded' if resize == 'pad' else 'resized'} to {sides.words}"
        if resize == "stretch":
            return f"are squeezed into {'squares, of' if sides.is_square else 'images of'} {sides.words}"
        return f"lose what is beyond their middle{' square' if sides.is_square else ''}, of {sides.words}"


def open_folder(settings: Settings, side: str) -> Folder:
    """Returns the folder of a side with the sizes in its files' headers; prints a note if the files hold more than is
    read, e.g. 16 bits. Raises a RequestError if no file can be read."""
    files, unreadable, losses = {}, {}, Counter()
    for file in list_images(settings, side):
        try:
            header = header_of(file.path, limits(settings))
            files[file.path] = header[:3]
            losses.update(header.losses)
        except Unreadable as error:
            unreadable[str(file.path)] = str(error)
    folder = Folder(side, settings[side], files, unreadable)
    if not files:
        raise no_usable_image(folder, unreadable)
    if losses:
        print(f"{side}={folder.typed} is read otherwise than stored: {describing.losses(losses)}", file=sys.stderr)
    return folder


def list_images(settings: Settings, side: str) -> list[ImageFile]:
    """Returns the image files below the folder of a side, and prints notes on files that are no images and on parts
    such as train and test. Raises a RequestError if there are none."""
    root = expanded(settings[side], side)
    if not root.is_dir():
        raise RequestError(f"{side}={root} is not a folder: type {side}=FOLDER for a folder of image files")
    extensions = settings["image_extensions"] or ENDINGS
    listed = listing(root, extensions)
    others = "; ".join(describing.left_out(listed, "not in image_extensions"))
    if not listed.files:
        other_files = f" (there are {others})" if others else ""
        raise RequestError(f"{side}={root} has no file that ends in {', '.join(extensions)}{other_files}: type "
                           f"{side}=FOLDER for another folder, or name the ending in image_extensions")
    if others:
        print(f"left out of {side}={settings[side]}: {others}", file=sys.stderr)
    parts = class_folders.names([file.name for file in listed.files])
    if len(parts) > 1 and class_folders.are_parts(parts):
        first = word(f"{side}={root / class_folders.first_part(parts)}")
        print(f"note: {side}={settings[side]} has the parts {', '.join(parts)}, and images of all of them are "
              f"measured; those of one: {first}", file=sys.stderr)
    return listed.files


def limits(settings: Settings) -> Limits:
    return Limits(settings["max_pixels"], settings["white"], prefix="")


def no_usable_image(folder: Folder, unreadable: Mapping[str, str], remedy: str = "") -> RequestError:
    """Returns the error for a folder of which no image can be used, with the last file and its reason as an example."""
    name, reason = next(reversed(unreadable.items()))
    return RequestError(f"{folder.side}={folder.typed} holds no image that can be used: {name}: {reason}{remedy}")


# The images of a side.


def real_images_like_data(settings: Settings, data: ImageDataModule) -> tuple[EvaluationFiles, str]:
    """Returns the images of real=, framed as the run's data are, and the framing of the run's own images. Prints a note
    if the two differ."""
    folder, run_framing = open_folder(settings, "real"), data.evaluation_images("train").framing
    load = loader_like(data, settings["resize"], limits(settings))
    real = folder.images(load, OTHER_FRAMING).limited(settings["num_real"])
    if isinstance(load.framing, Fit):
        real.framing = "none" if load.framing.resize == "pad" and folder.is_of(data.image_size) else load.framing.resize
    if real.framing != run_framing:
        print(f"note: images of real={folder.typed} {folder.describe_framing(data.image_size, load.framing.resize)} "
              f"(framing: {real.framing}); for those the run learned from it was another (framing: {run_framing})",
              file=sys.stderr)
    if data.channels == 1 and any(channels == 3 for _, _, channels in folder.files.values()):
        print(f"note: images of real={folder.typed} in colours are read as grey, as the run's are", file=sys.stderr)
    return real, run_framing


def real_and_fake_images(settings: Settings) -> tuple[EvaluationFiles, EvaluationFiles]:
    """Returns the images of real= and of fake=, in the channels and the size that the user typed or that all files
    have. Raises a RequestError if the files differ and nothing was typed."""
    sides = {side: open_folder(settings, side) for side in ("real", "fake")}
    channels, size = settings["channels"] or channels_of(sides), settings["image_size"] or size_of(sides)
    resize = settings["resize"] or RESIZE
    load = ImageLoader(channels, ResizeAndCrop(size, resize, "center"), limits(settings), None)
    images = {side: folder.images(load).limited(settings[f"num_{side}"]) for side, folder in sides.items()}
    for side, folder in sides.items():
        if folder.is_of(size):
            images[side].framing = "none"
    warn_of_unlike_framing(sides, size, resize)
    return images["real"], images["fake"]


def channels_of(sides: Mapping[str, Folder]) -> int:
    """Returns 3 if any image has colours, else 1. Raises a RequestError if only one side has coloured images."""
    real, fake = (max(shape[2] for shape in folder.files.values()) for folder in sides.values())
    if real != fake:
        kinds = {1: "grey", 3: "colour"}
        raise RequestError(f"real={sides['real'].typed} has {kinds[real]} images and fake={sides['fake'].typed} "
                           f"{kinds[fake]} ones: type channels=3 or channels=1 to see both alike")
    return real


def size_of(sides: Mapping[str, Folder]) -> int | Sides:
    """Returns the size that all images have. Raises a RequestError if they have several."""
    sizes = {shape[:2]: path for folder in sides.values() for path, shape in folder.files.items()}
    if len(sizes) == 1:
        width, height = next(iter(sizes))
        return Sides(height, width).image_size
    examples = "; ".join(f"{path} is {width} x {height}" for (width, height), path in list(sizes.items())[:3])
    size = _smallest(sides)
    typed = word(f"image_size={size}")
    remedy = f"Type {typed} to bring all to one size"
    if not all(folder.has_shape_of(size) for folder in sides.values()):
        remedy = (f"Type {typed} to take the middle of each, as data=image_folder does in training, or {typed} "
                  "resize=stretch where a model learned from whole pictures squeezed into that shape")
    raise RequestError(f"The images of real={sides['real'].typed} and fake={sides['fake'].typed} must be of one "
                       f"size: {examples}. {remedy}")


def _smallest(sides: Mapping[str, Folder]) -> int | Sides:
    """Returns the size to bring all images to: that which all images of a side have, the smaller where both sides have
    one; else the shortest side of all as a square."""
    agreed = [Sides(height, width) for folder in sides.values() if len(folder.sizes) == 1
              for width, height in folder.sizes]
    if agreed:
        return min(agreed, key=lambda size: size.area)
    return min(min(size) for folder in sides.values() for size in folder.sizes)


def warn_of_unlike_framing(sides: Mapping[str, Folder], size: ImageSize, resize: str) -> None:
    """Prints a note if real images and fakes are brought to their size in different ways, as that moves metrics."""
    real, fake = (folder.describe_framing(size, resize) for folder in sides.values())
    if real == fake:
        return
    cropped = not all(folder.has_shape_of(size) for folder in sides.values())
    squares, middles = ("squares", "middle squares") if (shape := sides_of(size)).is_square else (
        f"images of {shape.words}", "middles")
    other = "whole pictures that were squeezed, type resize=stretch" if resize == "short_side" else (
        f"the {middles} of pictures, type resize=short_side")
    print(f"note: images of real={sides['real'].typed} {real}, and those of fake={sides['fake'].typed} {fake}. "
          + (f"If the {squares} are {other}" if cropped else "Resizing one side alone moves metrics"), file=sys.stderr)
