"""Measures of translated images: how near they are to the truth, and whether they keep their class.

N images of K channels (the source) or C channels (the target), H x W pixels, uint8. Errors are in grey levels of 255.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.image_quality import psnr

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


class Quality(NamedTuple):
    """One measure, as a mean over images. None: there is none."""

    value: float
    untranslated: float | None = None  # of the sources, if nothing is done to them
    truth: float | None = None  # of the true translations


def against_truth(translated: Tensor, source: Tensor, truth: Tensor) -> dict[str, Quality]:
    """Returns the mean PSNR (dB, over all channels) and the mean absolute difference from the truth [N, C, H, W]."""
    undone = untranslated(source, truth)
    return {name: Quality(measure(translated, truth), None if undone is None else measure(undone, truth))
            for name, measure in (("psnr_rgb", mean_psnr), ("mean_error", mean_error))}


def untranslated(source: Tensor, truth: Tensor) -> Tensor | None:
    """Returns what stands in for a translation [N, C, H, W] if nothing is done; None if the channels do not allow it.

    It is the source; a grey one for each channel, and of several frames [N, frames * C, H, W] the newest.
    """
    given, wanted = source.shape[1], truth.shape[1]
    if given % wanted == 0:
        return source[:, -wanted:]
    return source.expand_as(truth) if given == 1 else None


def mean_psnr(images: Tensor, truth: Tensor) -> float:
    """Returns the mean over images of PSNR in dB; inf if one of them is exact."""
    return sum(psnr(image, true, border=0) for image, true in zip(images, truth, strict=True)) / len(truth)


def mean_error(images: Tensor, truth: Tensor) -> float:
    """Returns the mean absolute difference of all pixels and channels, 0 to 255."""
    return (images.double() - truth.double()).abs().mean().item()


def kept_class(extractor: Extractor, translated: Tensor, source: Tensor, truth: Tensor | None) -> Quality:
    """Returns the share of translations to which the extractor's classifier gives the class that it gives the source.
    That of the truth, the largest that can be expected, is measured in the same way."""
    classes = classes_of(extractor, source)

    def share(images: Tensor) -> float:
        return (classes_of(extractor, images) == classes).double().mean().item()

    return Quality(share(translated), truth=None if truth is None else share(truth))


@torch.inference_mode()
def classes_of(extractor: Extractor, images: Tensor) -> Tensor:
    """Returns the extractor's class [N] of each image, made grey and stretched from black to white, since a classifier
    of grey images has not seen coloured and pale ones."""
    device = next(extractor.parameters()).device
    return torch.cat([extractor(stretched(block).to(device)).logits.argmax(1).cpu() for block in images.split(256)])


def stretched(images: Tensor) -> Tensor:
    """Returns images [N, 1 or 3, H, W] in grey [N, 1, H, W], the darkest pixel of each 0 and the brightest 255."""
    images = images.float()
    if images.shape[1] == 3:
        images = torch.einsum("nchw,c->nhw", images, torch.tensor(LUMA))[:, None]
    darkest, brightest = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return ((images - darkest) * (255 / (brightest - darkest).clamp(min=1))).round().to(torch.uint8)
