"""Enlarges pictures: colours and transparency go through the network, then both are resized to the requested scale.

C channels, h x w pixels of the low-resolution picture, H x W of the result."""

import torch
from torch import Tensor
from torch.nn import functional

from saddlepoint.data import bicubic
from saddlepoint.upscaling.picture import Picture
from saddlepoint.upscaling.tiling import FULL_SCALE, TiledUpscaler, Watch

FLAT = 2  # a pixel stays exactly transparent or opaque if all pixels up to so many pixels away are the same


def size_after(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def enlarge(picture: Picture, upscaler: TiledUpscaler, scale: float | None, watch: Watch) -> Picture:
    """Enlarges a picture by the network's own scale; if `scale` is another, resizes the result to it with antialiasing.

    Transparency goes through the network as a grey image, so that its edges are as sharp as those of the colours."""
    width, height = size_after(*picture.size, scale or upscaler.network.scale)
    alpha = picture.alpha
    varies = alpha is not None and bool((alpha.to(torch.int32) != int(alpha[0, 0, 0])).any())
    passes = 2 if varies else 1
    colours = replace_hidden_colours(picture.colours, alpha) if varies else picture.colours
    colours = resize(upscaler(colours, lambda done, total: watch(done, passes * total)), height, width)
    if varies:
        high = resize(upscaler(alpha, lambda done, total: watch(total + done, 2 * total)), height, width)
        alpha = restore_flat_alpha(high, alpha)
    elif alpha is not None:
        alpha = alpha[:, :1, :1].expand(1, height, width)
    return Picture(colours, alpha, picture.metadata, picture.notes)


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """Resizes uint8 or uint16 [C, h, w] to the same type [C, height, width] by MATLAB's bicubic interpolation, one
    channel at a time, so that little more than the image has to fit into memory."""
    if image.shape[1:] == (height, width):
        return image
    high = torch.empty(height, width, image.shape[0], dtype=image.dtype).permute(2, 0, 1)
    for low_plane, plane in zip(image, high, strict=True):
        values = bicubic.resize(low_plane[None, None].to(torch.float32), height, width)[0, 0]
        plane.copy_(values.round_().clamp_(0, FULL_SCALE[image.dtype]).to(image.dtype))
    return high


def replace_hidden_colours(colours: Tensor, alpha: Tensor) -> Tensor:
    """Replaces colours [C, h, w] where alpha [1, h, w] is 0 by the nearest visible colour. Nobody sees a hidden colour,
    but the network would mix it into the visible pixels beside it."""
    from scipy.ndimage import distance_transform_edt  # imported here, as only pictures with transparency need it

    hidden = alpha[0].numpy() == 0
    if hidden.all():
        return colours
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return torch.stack([torch.from_numpy(plane.numpy()[rows, columns]) for plane in colours])


def restore_flat_alpha(high: Tensor, low: Tensor) -> Tensor:
    """Sets the enlarged alpha [1, H, W] to exactly transparent or opaque where the original [1, h, w] is so, except
    near edges. A network's output is wrong by a level or two, and would cover a transparent background with a haze."""
    full = FULL_SCALE[low.dtype]
    values = low[None].to(torch.float32)
    for level, extreme in ((0, _largest(values)), (full, -_largest(-values))):
        flat = (extreme == level).to(torch.uint8)
        unchanged = functional.interpolate(flat, size=high.shape[1:], mode="nearest-exact")[0].bool()
        high.copy_(torch.where(unchanged, level, high.to(torch.int32)).to(high.dtype))
    return high


def _largest(values: Tensor) -> Tensor:
    """Returns for each pixel the largest value up to FLAT pixels away, [1, 1, h, w]."""
    return functional.max_pool2d(values, 2 * FLAT + 1, stride=1, padding=FLAT)
