"""Pictures inside the page: as they are where that fits, else without what the eye misses least."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

WIDEST = 640          # pixels: more than a picture gets on the page
MOST_TRIES = 5
MOST_FRAMES = 8       # of one run's timeline
SHARE_OF_LAST = 0.4   # of a run's bytes that its last picture may take


class Embedded(NamedTuple):
    address: str   # data:image/...
    width: int     # of the file, in pixels
    height: int
    exact: bool    # pixel for pixel the file's


class Frame(NamedTuple):
    images_seen: int
    picture: Embedded


def shown(pictures: Sequence[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """(images seen, file) -> the last and up to seven before it, evenly spaced"""
    pictures, most = sorted(pictures), MOST_FRAMES
    if len(pictures) <= most:
        return pictures
    return [pictures[round(index * (len(pictures) - 1) / (most - 1))] for index in range(most)]


def timeline(pictures: Sequence[tuple[int, Path]], most_bytes: int | None) -> list[Frame]:
    """most_bytes: of all together; None: as large as they are. What cannot be read is left out."""
    pictures = shown(pictures)
    others = max(len(pictures) - 1, 1)
    frames = []
    for index, (images_seen, path) in enumerate(pictures):
        share = SHARE_OF_LAST if index == len(pictures) - 1 else (1 - SHARE_OF_LAST) / others
        if picture := embedded(path, None if most_bytes is None else int(share * most_bytes)):
            frames.append(Frame(images_seen, picture))
    return frames


def embedded(path: Path, most_bytes: int | None) -> Embedded | None:
    """The file itself if it is small enough, else as WebP, smaller and smaller; None where it is no picture"""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if most_bytes is None or len(content) <= most_bytes:
        return Embedded(address(content, "png"), *picture.size, True)
    scale = min(1, WIDEST / picture.width)
    for _ in range(MOST_TRIES):
        content = webp(picture, scale)
        if len(content) <= most_bytes:
            break
        scale *= 0.9 * min(0.95, (most_bytes / len(content)) ** 0.5)  # bytes go with pixels
    return Embedded(address(content, "webp"), *picture.size, False)


def webp(picture: Image.Image, scale: float) -> bytes:
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    content = io.BytesIO()
    picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0).save(content, "WEBP", quality=80, method=1)
    return content.getvalue()


def address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
