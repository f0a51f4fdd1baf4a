"""What is measured of an enlarged image: PSNR and SSIM always, more where it is asked for and can be had."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from saddlepoint.compat import basicsr
from saddlepoint.errors import RequestError
from saddlepoint.metrics import image_quality, lpips
from saddlepoint.metrics.niqe import niqe

Measure = Callable[[Tensor, Tensor, int], float]  # made and original, uint8 [C, H, W]; pixels to cut off at each side


def _niqe() -> Measure:
    basicsr.module("metrics.niqe", needed_by="callbacks.upscaling_quality.more=[niqe]")
    return lambda made, original, border: niqe(made, border)


def _lpips() -> Measure:
    if lacking := lpips.missing():
        raise RequestError(f"callbacks.upscaling_quality.more=[lpips] cannot be measured: {lacking}; or leave it out")
    network = lpips.Lpips()

    @torch.inference_mode()
    def measure(made: Tensor, original: Tensor, border: int) -> float:
        one, other = (image[None].cpu().float() / 255 for image in (made, original))
        return network(one, other).item()

    return measure


MORE: dict[str, Callable[[], Measure]] = {"niqe": _niqe, "lpips": _lpips}


class Enlargement:
    """The numbers of one image, or their means over several; `more`: names of MORE, refused here if they cannot be
    had."""

    def __init__(self, more: Sequence[str] = ()):
        if unknown := [name for name in more if name not in MORE]:
            raise ValueError(f"callbacks.upscaling_quality.more={unknown[0]} must be of {', '.join(MORE)}")
        self.more = {name: MORE[name]() for name in more}

    def __call__(self, made: Tensor, original: Tensor, scale: int) -> dict[str, float]:
        """uint8 [C, H, W] twice"""
        values = image_quality.measure(made, original, scale)._asdict()
        return values | {name: measure(made, original, scale) for name, measure in self.more.items()}

    def means(self, made: Iterable[Tensor], originals: Iterable[Tensor], scale: int) -> dict[str, float]:
        """One image after the other, so that no more than one need be there. nan where there is no value of one of the
        made images, e.g. NIQE's of a single colour, which a generator may make on its way."""
        values: dict[str, list[float]] = {}
        for images in zip(made, originals, strict=True):
            for name, value in image_quality.measure(*images, scale)._asdict().items():
                values.setdefault(name, []).append(value)
            for name, measure in self.more.items():
                values.setdefault(name, []).append(_or_nan(measure, *images, scale))
        return {name: sum(each) / len(each) for name, each in values.items()}


def _or_nan(measure: Measure, made: Tensor, original: Tensor, scale: int) -> float:
    try:
        return measure(made, original, scale)
    except RequestError:
        return math.nan
