"""Enlarges a picture: colours and transparency go through the network and are then resized to the requested scale.

C channels, h x w pixels of the low-resolution picture, H x W of the result."""

import torch
from torch import Tensor
from torch.nn import functional

from saddlepoint.data import bicubic
from saddlepoint.upscaling.picture import Picture
from saddlepoint.upscaling.tiling import FULL_SCALE, TiledUpscaler, Watch

CLEAR = 2  # pixels around a pixel that must be as transparent, or as opaque, for it to stay exactly so


def size_after(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def enlarged(picture: Picture, upscaler: TiledUpscaler, scale: float | None, watch: Watch) -> Picture:
    """Enlarges a picture by the network's own scale, then resizes it with antialiasing if `scale` is another.

    Transparency goes through the network like a grey image, so that its edges are as sharp as those of the colours."""
    width, height = size_after(*picture.size, scale or upscaler.network.scale)
    alpha = picture.alpha
    varies = alpha is not None and bool((alpha.to(torch.int32) != int(alpha[0, 0, 0])).any())
    passes = 2 if varies else 1
    colours = with_hidden_colours_replaced(picture.colours, alpha) if varies else picture.colours
    colours = resized(upscaler(colours, lambda done, total: watch(done, passes * total)), height, width)
    if varies:
        high = resized(upscaler(alpha, lambda done, total: watch(total + done, 2 * total)), height, width)
        alpha = with_clear_places(high, alpha)
    elif alpha is not None:
        alpha = alpha[:, :1, :1].expand(1, height, width)
    return Picture(colours, alpha, picture.about, picture.notes)


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """Resizes uint8 or uint16 [C, h, w] to the same type [C, height, width] by MATLAB's bicubic interpolation, one
    channel at a time, so that little more than the image has to fit into memory."""
    if image.shape[1:] == (height, width):
        return image
    high = torch.empty(height, width, image.shape[0], dtype=image.dtype).permute(2, 0, 1)
    for low_plane, plane in zip(image, high, strict=True):
        values = bicubic.resize(low_plane[None, None].to(torch.float32), height, width)[0, 0]
        plane.copy_(values.round_().clamp_(0, FULL_SCALE[image.dtype]).to(image.dtype))
    return high


def with_hidden_colours_replaced(colours: Tensor, alpha: Tensor) -> Tensor:
    """Returns the colours [C, h, w] with those of wholly transparent pixels (alpha [1, h, w]) replaced by the
    nearest visible colour. Nobody sees a hidden colour, but the network would draw it into its neighbours."""
    from scipy.ndimage import distance_transform_edt  # only pictures with transparency need it

    hidden = alpha[0].numpy() == 0
    if hidden.all():
        return colours
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return torch.stack([torch.from_numpy(plane.numpy()[rows, columns]) for plane in colours])


def with_clear_places(high: Tensor, low: Tensor) -> Tensor:
    """Returns the enlarged alpha [1, H, W] with places away from edges set exactly to transparent or opaque where
    the original [1, h, w] was. A network's output is off by a level or two, which would show as a veil over a
    background."""
    full = FULL_SCALE[low.dtype]
    values = low[None].to(torch.float32)
    for level, extreme in ((0, _largest(values)), (full, -_largest(-values))):
        clear = (extreme == level).to(torch.uint8)
        there = functional.interpolate(clear, size=high.shape[1:], mode="nearest-exact")[0].bool()
        high.copy_(torch.where(there, level, high.to(torch.int32)).to(high.dtype))
    return high


def _largest(values: Tensor) -> Tensor:
    """Returns the largest value among the places up to CLEAR pixels away, [1, 1, h, w]."""
    return functional.max_pool2d(values, 2 * CLEAR + 1, stride=1, padding=CLEAR)
