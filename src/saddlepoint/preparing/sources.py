"""Finds the image files of a folder that is to be prepared or audited."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.spelling import word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.decoding import Limits
from saddlepoint.data.listing import Listing, listing
from saddlepoint.data.workers import usable_cores
from saddlepoint.errors import RequestError
from saddlepoint.image_files.endings import ENDINGS

Settings = Mapping[str, Any]


def folder_of(settings: Settings, setting: str) -> Path:
    """Returns the folder that a setting names. Raises a RequestError if it is none."""
    if not settings[setting]:
        raise RequestError(f"{setting} is not set: name a folder of image files, e.g. {setting}=photos")
    root = expanded(settings[setting], setting)
    if not root.is_dir():
        what = "is a file and not a folder" if root.exists() else "does not exist"
        raise RequestError(f"{setting}={root} {what}: type {setting}=FOLDER for a folder of image files")
    return root


def images_of(root: Path, settings: Settings, setting: str) -> Listing:
    """Lists a folder and says what in it are no images. Raises a RequestError if there are no images."""
    endings = settings["image_extensions"] or ENDINGS
    listed = listing(root, endings)
    others = "; ".join(describing.left_out(listed, "not in image_extensions"))
    if not listed.files:
        there = f" (there are {others})" if others else ""
        typed = word(f"{setting}={root}")
        raise RequestError(f"{typed} has no file that ends in {', '.join(endings)}{there}: type {setting}=FOLDER for "
                           "another folder, or name the ending in image_extensions")
    if others:
        print(f"left out of {setting}={root}: {others}", file=sys.stderr)
    return listed


def limits_of(settings: Settings) -> Limits:
    return Limits(settings["max_pixels"], settings["white"], prefix="")


def workers_of(settings: Settings) -> int:
    """Returns how many processes num_workers= asks for."""
    return usable_cores() if settings["num_workers"] == "auto" else max(settings["num_workers"], 1)
