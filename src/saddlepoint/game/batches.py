"""The batches that a data module yields. N images of C channels and H x W pixels, s the upscaling factor."""

from typing import NamedTuple

from torch import Tensor


class ImageBatch(NamedTuple):
    """Real images with their classes."""

    real: Tensor  # [N, C, H, W] float32 in [-1, 1]
    labels: Tensor  # [N] int64 class ids; all zero when the data has no classes


class PointBatch(NamedTuple):
    """Real points instead of images, with their classes. D is the number of coordinates."""

    real: Tensor  # [N, D] float32
    labels: Tensor  # [N] int64 class ids; all zero when the data has no classes


class PartlyLabelledBatch(NamedTuple):
    """Real images of which few labels are known, beside as many of those few, drawn on their own."""

    real: Tensor  # [N, C, H, W] float32 in [-1, 1]
    labels: Tensor  # [N] int64 class ids; -1 where the label is not known
    labelled: Tensor  # [N, C, H, W] float32 in [-1, 1], images whose labels are known
    classes: Tensor  # [N] int64, the class of each of `labelled`


class VoxelBatch(NamedTuple):
    """Real shapes instead of images, as cubes of S x S x S voxels, with their classes."""

    real: Tensor  # [N, 1, S, S, S] float32 from 0 (empty) to 1 (full)
    labels: Tensor  # [N] int64 class ids; all zero when the data has no classes


class PairedBatch(NamedTuple):
    """High-resolution images, each with its low-resolution version."""

    real: Tensor  # [N, C, s*H, s*W] float32 in [-1, 1], high resolution; D is shown these
    labels: Tensor  # [N] int64, all zero
    low: Tensor  # [N, C, H, W] in [0, 1], the same scenes s times smaller
    target: Tensor  # [N, C, s*H, s*W] in [0, 1]: what content losses compare with, the reals or the reals sharpened


class TranslationBatch(NamedTuple):
    """Images of a target domain with images of a source domain, which a generator translates into the target's."""

    real: Tensor  # [N, C, H, W] float32 in [-1, 1], of the target domain; D is shown these
    labels: Tensor  # [N] int64, all zero
    source: Tensor  # [N, K, H, W] float32 in [-1, 1]; source[i] shows the scene of real[i] if the data is paired


class UnpairedBatch(TranslationBatch):
    """A TranslationBatch whose source and target images are drawn on their own and do not belong together."""
