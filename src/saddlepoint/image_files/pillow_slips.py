"""Corrects headers that Pillow reads but misunderstands."""

import re

from PIL import Image

PSD_CHANNELS = slice(12, 14)  # in a PSD file's header: how many there are, alpha and spot colours among them


def correct(image: Image.Image) -> list[str]:
    """Corrects, before decoding, what Pillow took from the header; returns what of the file is left out."""
    if image.format == "PNG" and "transparency" in image.info:
        _scale_transparency(image)
    if image.format != "PSD":
        return []
    if image.mode == "1":  # ink is 1, as in a fax
        image.tile = [tile._replace(args="1;I") for tile in image.tile]
    image.fp.seek(0)
    rest = int.from_bytes(image.fp.read(PSD_CHANNELS.stop)[PSD_CHANNELS]) - len(image.getbands())
    return [f"left out {rest} channels beside its colours"] if rest > 0 else []


def _scale_transparency(image: Image.Image) -> None:
    """The grey that stands for transparent: of the file's 2 or 4 bits, where the pixels that Pillow shows have 8"""
    match = re.fullmatch("L;([24])", str(image.tile[0].args)) if image.tile else None
    if match and isinstance(grey := image.info.get("transparency"), int):
        image.info["transparency"] = grey * 255 // (2**int(match[1]) - 1)
