"""What a data module yields. N images of C channels and H x W pixels, s the upscaling factor."""

from typing import NamedTuple

from torch import Tensor


class ImageBatch(NamedTuple):
    real: Tensor  # [N, C, H, W] float32 in [-1, 1]
    labels: Tensor  # [N] int64 class ids; all zero when the data has no classes


class PairedBatch(NamedTuple):
    real: Tensor  # [N, C, s*H, s*W] float32 in [0, 1], high resolution
    low: Tensor  # [N, C, H, W] the same scenes, s times smaller
