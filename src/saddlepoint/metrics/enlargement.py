"""Measures enlarged images: PSNR and SSIM always, NIQE and LPIPS on request."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from saddlepoint.compat import basicsr
from saddlepoint.errors import RequestError
from saddlepoint.metrics import image_quality, lpips
from saddlepoint.metrics.niqe import niqe

Measure = Callable[[Tensor, Tensor, int], float]  # enlarged, original: uint8 [C, H, W]; pixels to cut off at each side


def _niqe() -> Measure:
    basicsr.module("metrics.niqe", needed_by="callbacks.upscaling_quality.more=[niqe]")
    return lambda enlarged, original, border: niqe(enlarged, border)


def _lpips() -> Measure:
    if problem := lpips.missing():
        raise RequestError(f"callbacks.upscaling_quality.more=[lpips] cannot be measured: {problem}; or leave it out")
    network = lpips.Lpips()

    @torch.inference_mode()
    def measure(enlarged: Tensor, original: Tensor, border: int) -> float:
        one, other = (image[None].cpu().float() / 255 for image in (enlarged, original))
        return network(one, other).item()

    return measure


MORE: dict[str, Callable[[], Measure]] = {"niqe": _niqe, "lpips": _lpips}


class Enlargement:
    """A set of measures of enlarged images: PSNR, SSIM and those of MORE that `more` names. Raises a RequestError if
    one of them cannot be measured on this machine."""

    def __init__(self, more: Sequence[str] = ()):
        if unknown := [name for name in more if name not in MORE]:
            raise ValueError(f"callbacks.upscaling_quality.more={unknown[0]} must be of {', '.join(MORE)}")
        self.more = {name: MORE[name]() for name in more}

    def __call__(self, enlarged: Tensor, original: Tensor, scale: int) -> dict[str, float]:
        """Returns the values of one image by name; both images are uint8 [C, H, W]."""
        values = image_quality.measure(enlarged, original, scale)._asdict()
        return values | {name: measure(enlarged, original, scale) for name, measure in self.more.items()}

    def means(self, enlarged: Iterable[Tensor], originals: Iterable[Tensor], scale: int) -> dict[str, float]:
        """Returns the mean of each value over several images, which are taken one at a time to save memory.

        A mean is nan if one image has no such value, e.g. NIQE of an image of a single colour, which a generator may
        make early in training.
        """
        values: dict[str, list[float]] = {}
        for images in zip(enlarged, originals, strict=True):
            for name, value in image_quality.measure(*images, scale)._asdict().items():
                values.setdefault(name, []).append(value)
            for name, measure in self.more.items():
                values.setdefault(name, []).append(_or_nan(measure, *images, scale))
        return {name: sum(each) / len(each) for name, each in values.items()}


def _or_nan(measure: Measure, enlarged: Tensor, original: Tensor, scale: int) -> float:
    try:
        return measure(enlarged, original, scale)
    except RequestError:
        return math.nan
