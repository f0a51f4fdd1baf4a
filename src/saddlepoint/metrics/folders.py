"""Folders of image files as they come, for metrics. Both sides of a comparison must have one shape."""

import logging
from collections.abc import Mapping
from typing import Any

import torch

from saddlepoint.data.decoding import MODES, Unreadable, shape_of
from saddlepoint.data.framing import Framing
from saddlepoint.data.listing import ImageFile, image_files
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.still import StillFiles
from saddlepoint.errors import RequestError
from saddlepoint.metrics.collecting import left_out
from saddlepoint.typed_paths import expanded

log = logging.getLogger(__name__)
MAX_PIXELS = 50_000_000

Settings = Mapping[str, Any]


def same_shape(settings: Settings) -> tuple[int, int]:
    """-> channels and image size of real= and fake=, as typed or as all their files have them"""
    shapes = {side: shapes_in(settings, side) for side in ("real", "fake")}
    return (settings["channels"] or channels_of(shapes, settings),
            settings["image_size"] or size_of(shapes, settings))


def channels_of(shapes: Mapping[str, Mapping[tuple[int, int, int], ImageFile]], settings: Settings) -> int:
    """3 where any image of a side has colours; both sides must agree"""
    channels = {side: max(shape[2] for shape in found) for side, found in shapes.items()}
    if channels["real"] != channels["fake"]:
        kinds = {side: "colour" if count == 3 else "grey" for side, count in channels.items()}
        raise RequestError(f"real={settings['real']} has {kinds['real']} images and fake={settings['fake']} "
                           f"{kinds['fake']} ones: type channels=3 or channels=1 to see both alike")
    return channels["real"]


def size_of(shapes: Mapping[str, Mapping[tuple[int, int, int], ImageFile]], settings: Settings) -> int:
    sizes = {shape[:2]: file for found in shapes.values() for shape, file in found.items()}
    if len(sizes) > 1 or any(width != height for width, height in sizes):
        seen = "; ".join(f"{file.path} is {width} x {height}" for (width, height), file in list(sizes.items())[:3])
        raise RequestError(f"The images of real={settings['real']} and fake={settings['fake']} must be squares of one "
                           f"size: {seen}. Type image_size={min(min(size) for size in sizes)} to bring all to one size")
    return next(iter(sizes))[0]


def shapes_in(settings: Settings, side: str) -> dict[tuple[int, int, int], ImageFile]:
    """(width, height, channels) of all files, each with a file that has it, from the headers alone"""
    shapes, unreadable = {}, {}
    for file in listed(settings, side):
        try:
            shapes.setdefault(shape_of(file.path, MAX_PIXELS), file)
        except Unreadable as error:
            unreadable[str(file.path)] = str(error)
    if not shapes:
        raise none_left(settings, side, unreadable)
    return shapes


def listed(settings: Settings, side: str) -> list[ImageFile]:
    root = expanded(settings[side], side)
    if not root.is_dir():
        raise RequestError(f"{side}={root} is not a folder: type {side}=FOLDER for a folder of image files")
    files = image_files(root, settings["extensions"])
    if not files:
        raise RequestError(f"{side}={root} has no file that ends in {', '.join(settings['extensions'])}: type "
                           f"{side}=FOLDER for another folder, or name the ending in extensions")
    return files


def folder_images(settings: Settings, side: str, channels: int, image_size: int) -> StillFiles:
    if channels not in MODES:
        raise RequestError(f"channels={channels} must be 1 (grey) or 3 (RGB)")
    framing = Framing(image_size, settings["resize"], "center")
    load = ImageLoader(channels, framing, MAX_PIXELS, None)
    files, unreadable = [], {}
    for file in listed(settings, side):
        try:
            load.check(file.path)
            files.append(file.path)
        except Unreadable as error:
            unreadable[str(file.path)] = str(error)
    if unreadable:
        log.warning("%s", left_out(unreadable))
    if not files:
        raise none_left(settings, side, unreadable)
    name = expanded(settings[side], side).resolve().name
    return StillFiles(name, "all", files, torch.zeros(len(files), dtype=torch.long), load)


def none_left(settings: Settings, side: str, unreadable: Mapping[str, str]) -> RequestError:
    name, why = next(iter(unreadable.items()))
    return RequestError(f"{side}={settings[side]} holds no image that can be used: {name}: {why}")
