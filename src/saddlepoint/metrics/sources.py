"""Opens what real= and fake= name: a folder or a zip archive of image files, or an .npy or .npz file of images."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import ImageSize
from saddlepoint.config.spelling import word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import class_folders, describing
from saddlepoint.data.archives import is_archive, open_archive
from saddlepoint.data.array_files import is_array_file
from saddlepoint.data.arrays import RowLoader, Scale, has_images, open_images, rows_of
from saddlepoint.data.decoding import Limits, Unreadable, header_of, upright_sides
from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.listing import ImageFile, listing
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.residence import in_words
from saddlepoint.errors import RequestError
from saddlepoint.image_files.endings import ENDINGS
from saddlepoint.image_files.packed import Place
from saddlepoint.metrics.collecting import warn_of_unreadable

Settings = Mapping[str, Any]
KINDS = "a folder or a .zip archive of image files, or an .npy or .npz file of images"


@dataclass(frozen=True)
class Source:
    """What real= or fake= names, with what the headers of its images say."""

    side: str  # real or fake
    typed: str  # the path as the user typed it
    files: dict[Place, tuple[int, int, int]]  # upright width and height, and channels, of each image that can be read
    unreadable: dict[str, str]  # file -> reason
    loader: type[ImageLoader] = ImageLoader  # what loads its images

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
        load = self.loader(load.channels, load.framing, load.limits, None)
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
        path, labels = expanded(self.typed, self.side).resolve(), torch.zeros(len(framed), dtype=torch.long)
        return EvaluationFiles(path.stem if path.is_file() else path.name, "all", framed, labels, load)

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


def holds_images(path: Path) -> bool:
    """Returns whether a path can be opened as images: an .npz file may hold other arrays alone, statistics for example.
    Raises a RequestError if a file of NumPy's is damaged."""
    return path.is_dir() or is_archive(path) or is_array_file(path) and has_images(path)


def open_source(settings: Settings, side: str) -> Source:
    """Returns the images of a side with their sizes; prints a note if the files hold more than is read, e.g. 16 bits.
    Raises a RequestError if no image can be read."""
    path = expanded(settings[side], side)
    source, losses = _array(settings, side, path) if is_array_file(path) else _files(settings, side)
    if losses:
        print(f"{side}={source.typed} is read otherwise than stored: {describing.losses(losses)}", file=sys.stderr)
    return source


def _files(settings: Settings, side: str) -> tuple[Source, Counter[str]]:
    files, unreadable, losses = {}, {}, Counter()
    for file in list_images(settings, side):
        try:
            header = header_of(file.path, limits(settings))
            files[file.path] = (*upright_sides(file.path, header, limits(settings)), header.channels)
            losses.update(header.losses)
        except Unreadable as error:
            unreadable[str(file.path)] = str(error)
    source = Source(side, settings[side], files, unreadable)
    if not files:
        raise no_usable_image(source, unreadable)
    return source, losses


def _array(settings: Settings, side: str, path: Path) -> tuple[Source, Counter[str]]:
    white = settings["white"]
    [shard] = open_images([path], None, None, None if white is None else Scale(0, white), prefix="")
    if shard.unpacked is not None:
        print(f"note: {side}={settings[side]} is compressed, and its {in_words(shard.array.num_bytes)} are unpacked "
              "into memory; an array of numpy.savez is read in parts", file=sys.stderr)
    shape = shard.width, shard.height, min(shard.channels, 3)
    losses = Counter({"what is transparent was laid over black": len(shard)} if shard.channels == 4 else {})
    return Source(side, settings[side], dict.fromkeys(rows_of([shard]), shape), {}, RowLoader), losses


def list_images(settings: Settings, side: str) -> list[ImageFile]:
    """Returns the image files in the folder or archive of a side, and prints notes on files that are no images and on
    parts such as train and test. Raises a RequestError if there are none."""
    root, extensions = expanded(settings[side], side), settings["image_extensions"] or ENDINGS
    if is_archive(root):
        listed = open_archive(root, extensions, f"{side}={settings[side]}").listing
    elif root.is_dir():
        listed = listing(root, extensions)
    else:
        problem = "is none of these" if root.exists() else "does not exist"
        raise RequestError(f"{side}={root} {problem}: type {side}=PATH for {KINDS}")
    others = "; ".join(describing.left_out(listed, "not in image_extensions"))
    if not listed.files:
        other_files = f" (there are {others})" if others else ""
        raise RequestError(f"{side}={root} has no file that ends in {', '.join(extensions)}{other_files}: type "
                           f"{side}=PATH for another folder or archive, or name the ending in image_extensions")
    if others:
        print(f"left out of {side}={settings[side]}: {others}", file=sys.stderr)
    parts = class_folders.names([file.name for file in listed.files])
    if len(parts) > 1 and class_folders.are_parts(parts):
        first = class_folders.first_part(parts)
        one = f"; those of one: {word(f'{side}={root / first}')}" if root.is_dir() else ""
        print(f"note: {side}={settings[side]} has the parts {', '.join(parts)}, and images of all of them are "
              f"measured{one}", file=sys.stderr)
    return listed.files


def limits(settings: Settings) -> Limits:
    return Limits(settings["max_pixels"], settings["white"], prefix="")


def no_usable_image(source: Source, unreadable: Mapping[str, str], remedy: str = "") -> RequestError:
    """Returns the error for a source of which no image can be used, with the last file and its reason as an example."""
    name, reason = next(reversed(unreadable.items()))
    return RequestError(f"{source.side}={source.typed} holds no image that can be used: {name}: {reason}{remedy}")
