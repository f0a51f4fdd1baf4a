"""Ways to bring images to the size that a network takes. Published numbers hang on them: each moves a FID.

N images of C channels and H x W pixels, uint8, brought to S x S as float32 in [0, 255]. Images of that size stay as
they are, whatever the way. Ways of torch and TensorFlow may leave [0, 255] a little where they are bicubic.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import torch.nn.functional as functional
from torch import Tensor

from saddlepoint.config.rules import one_of
from saddlepoint.metrics.extractors import pillow

INTERPOLATIONS = ("tf1_bilinear", "bilinear", "bilinear_antialiased", "bicubic", "bicubic_antialiased", "pil_bilinear",
                  "pil_bicubic", "pil_lanczos", "clean_bicubic")
Interpolation = Annotated[str, one_of(*INTERPOLATIONS)]


class Way(NamedTuple):
    """A way to resize.

    words: its name in a protocol
    resize: images [N, C, H, W] uint8, S -> [N, C, S, S] float32
    """

    words: str
    resize: Callable[[Tensor, int], Tensor]


def interpolated(images: Tensor, image_size: int, interpolation: str) -> Tensor:
    """Returns images in the size of a network: [N, C, H, W] uint8 -> [N, C, S, S] float32 in [0, 255]."""
    if images.shape[-2:] == (image_size, image_size):
        return images.float()
    return way(interpolation).resize(images, image_size)


def rule(image_size: int, interpolation: str) -> str:
    """Returns what `interpolated` does in words, for a protocol. A square is all that networks take, so other shapes
    are squeezed."""
    return f"{way(interpolation).words}, to {image_size} x {image_size}"


def way(interpolation: str) -> Way:
    """Returns the way of this name. Raises a ValueError if there is none."""
    if interpolation not in WAYS:
        raise ValueError(f"extractor.interpolation={interpolation} must be one of {', '.join(WAYS)}")
    return WAYS[interpolation]


def _by_torch(mode: str, antialias: bool) -> Way:
    def resize(images: Tensor, image_size: int) -> Tensor:
        return functional.interpolate(images.float(), (image_size, image_size), mode=mode, align_corners=False,
                                      antialias=antialias)

    return Way(f"{mode}, {'' if antialias else 'not '}antialiased", resize)


def _tensorflows(images: Tensor, image_size: int) -> Tensor:
    """Resizes bilinearly as TensorFlow 1 does: output pixel i is read at place i H / S, by torch-fidelity's code."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
    return interpolate_bilinear_2d_like_tensorflow1x(images.float(), (image_size, image_size), align_corners=False)


def _by_pillow(name: str) -> Way:
    """Returns Pillow's way with images of 8 bits, which are rounded after each of the two passes."""
    def resize(images: Tensor, image_size: int) -> Tensor:
        return pillow.resized_bytes(images, image_size, name).float()

    return Way(f"{name} by Pillow, rounded to 8 bits", resize)


def _clean(images: Tensor, image_size: int) -> Tensor:
    """Resizes as clean-fid does: by Pillow on floats, without rounding, and clipped to [0, 255]."""
    return pillow.resized_floats(images.float(), image_size, "bicubic").clamp(0, 255)


WAYS = {
    "tf1_bilinear": Way("bilinear as in TensorFlow 1 (corners not aligned, no antialiasing)", _tensorflows),
    "bilinear": _by_torch("bilinear", antialias=False),
    "bilinear_antialiased": _by_torch("bilinear", antialias=True),
    "bicubic": _by_torch("bicubic", antialias=False),
    "bicubic_antialiased": _by_torch("bicubic", antialias=True),
    "pil_bilinear": _by_pillow("bilinear"),
    "pil_bicubic": _by_pillow("bicubic"),
    "pil_lanczos": _by_pillow("lanczos"),
    "clean_bicubic": Way("bicubic by Pillow on floats, as in clean-fid", _clean),
}
