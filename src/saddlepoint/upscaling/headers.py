"""Reads the header of an image file before anything of it is decoded. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.limits import Limits
from saddlepoint.image_files.source import opened


def limits(settings: Mapping[str, Any]) -> Limits:
    return Limits(settings["max_pixels"], settings["white"], prefix="")


def size_of(path: Path, limits: Limits) -> tuple[int, int]:
    """Returns width and height as they lie in the file, from the header alone."""
    with opened(path, limits) as source:
        return source.size


def refuse_at_once(typed: str | None, limits: Limits) -> None:
    """Refuses a single file that cannot be enlarged, before weights are looked for."""
    if typed is None:
        return
    path = expanded(typed, "input")
    if not path.is_file():
        return
    try:
        size_of(path, limits)
    except Unreadable as error:
        raise RequestError(f"input={typed} cannot be upscaled: {error}") from error
