"""Embeds picture files in the page: unchanged if they are small enough, else smaller and compressed."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

WIDEST = 640          # pixels, of a compressed picture; the page shows it smaller
MOST_TRIES = 5        # sizes that are tried to make a picture small enough
MOST_FRAMES = 8       # pictures shown of one run
SHARE_OF_LAST = 0.4   # share of a run's bytes that its last picture may take


class Embedded(NamedTuple):
    """A picture as a part of the page."""

    address: str   # data:image/...
    width: int     # of the file, in pixels
    height: int    # of the file, in pixels
    exact: bool    # the file itself, not a compressed copy


class Frame(NamedTuple):
    """A picture of a run, and how many images the run had seen when it drew it."""

    images_seen: int
    picture: Embedded


def select_pictures(pictures: Sequence[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """Returns of all (images seen, file) the last and up to seven before it, evenly spaced."""
    pictures, most = sorted(pictures), MOST_FRAMES
    if len(pictures) <= most:
        return pictures
    return [pictures[round(index * (len(pictures) - 1) / (most - 1))] for index in range(most)]


def timeline(pictures: Sequence[tuple[int, Path]], most_bytes: int | None) -> list[Frame]:
    """Returns the pictures of one run that the page shows, by images seen; files that cannot be read are left out.

    Together they take about `most_bytes` at most; None: the files are taken as they are.
    """
    pictures = select_pictures(pictures)
    others = max(len(pictures) - 1, 1)
    frames = []
    for index, (images_seen, path) in enumerate(pictures):
        share = SHARE_OF_LAST if index == len(pictures) - 1 else (1 - SHARE_OF_LAST) / others
        if picture := embed(path, None if most_bytes is None else int(share * most_bytes)):
            frames.append(Frame(images_seen, picture))
    return frames


def embed(path: Path, most_bytes: int | None) -> Embedded | None:
    """Returns the PNG file itself if it has `most_bytes` at most, else a WebP of it, made smaller until it fits or
    MOST_TRIES sizes were tried; None if the file cannot be read."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if most_bytes is None or len(content) <= most_bytes:
        return Embedded(data_address(content, "png"), *picture.size, True)
    scale = min(1, WIDEST / picture.width)
    for _ in range(MOST_TRIES):
        content = encode_webp(picture, scale)
        if len(content) <= most_bytes:
            break
        scale *= 0.9 * min(0.95, (most_bytes / len(content)) ** 0.5)  # bytes are about proportional to pixels
    return Embedded(data_address(content, "webp"), *picture.size, False)


def encode_webp(picture: Image.Image, scale: float) -> bytes:
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    content = io.BytesIO()
    picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0).save(content, "WEBP", quality=80, method=1)
    return content.getvalue()


def data_address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
