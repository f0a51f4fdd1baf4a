"""Reads the sizes of image files from their headers, and refuses those beyond the limits. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.opening import Limits, open_image


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """Returns the limits that upscale.py's settings set."""
    return Limits(settings["max_pixels"], settings["white"], prefix="")


def size_of(path: Path, limits: Limits) -> tuple[int, int]:
    """Returns a file's width and height as they are stored, before the picture is turned upright."""
    with open_image(path, limits) as source:
        return source.size


def refuse_unreadable_input(typed: str | None, limits: Limits, verb: str = "upscaled") -> None:
    """Refuses input=FILE if the file's header shows that it cannot be read. This is done before torch is imported and
    weights are loaded, so that the refusal takes no time. `verb`: what would become of the file."""
    if typed is None:
        return
    path = expanded(typed, "input")
    if not path.is_file():
        return
    try:
        size_of(path, limits)
    except Unreadable as error:
        raise RequestError(f"input={typed} cannot be {verb}: {error}") from error
