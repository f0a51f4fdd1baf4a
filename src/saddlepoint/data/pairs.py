"""Pairs of a high-resolution crop and the same scene s times smaller, from a folder of photographs.

S x S pixels is the high-resolution crop, C channels, N pairs.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.batches import PairedBatch
from saddlepoint.data.decoding import Unreadable, measure
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.images import to_unit_range
from saddlepoint.data.listing import ImageFile, image_files
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.pair_crops import CroppedPairs, Lows, cut_to_multiple
from saddlepoint.data.sampling import EndlessOrder
from saddlepoint.data.still import StillImages
from saddlepoint.errors import RequestError

# Photographs that scikit-image has in its package, so that training needs no download; two are kept to judge by.
EMBEDDED = ("astronaut.png", "brick.png", "camera.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png",
            "motorcycle_left.png", "rocket.jpg")
EMBEDDED_VALIDATION = ("chelsea.png", "coffee.png")


class WholePair(NamedTuple):
    name: str
    high: Tensor  # [C, H, W] uint8, sides a multiple of s
    low: Tensor  # [C, H / s, W / s] uint8


class PairFolder(ImageFolder):
    """Random crops of `image_size` pixels, at multiples of s, with the low-resolution crop that lies under them.

    `root` null: the photographs that come with scikit-image. The low-resolution image is MATLAB's bicubic reduction,
    rounded to 8 bits, or the file of the same name below `low_root` (NAME or NAMExS, any extension). With
    `horizontal_flip` and `rotate` each crop appears in its eight orientations. Decoded photographs are kept, up to
    `memory_megabytes` in each process that loads.
    """

    def __init__(self, scale: int, low_root: str | None, rotate: bool, validation_root: str | None,
                 memory_megabytes: int, **settings):
        super().__init__(resize="none", crop="random", **settings)
        if scale not in (2, 3, 4, 8):
            raise ValueError(f"data.scale={scale} must be 2, 3, 4 or 8")
        if self.image_size % scale:
            raise ValueError(f"data.image_size={self.image_size} must be a multiple of data.scale={scale}: type "
                             f"data.image_size={max(self.image_size // scale, 1) * scale}")
        self.scale, self.rotate, self.memory_megabytes = scale, rotate, memory_megabytes
        self.low_root = Path(low_root).expanduser() if low_root is not None else None
        self.validation_root = Path(validation_root).expanduser() if validation_root is not None else None

    def still(self, split: str = "train") -> StillImages:
        raise RequestError(f"data={self.name} is pairs of images for super-resolution: its models are judged by PSNR "
                           "and SSIM of whole images (callbacks=super_resolution), not by metrics of samples")

    def dataset(self, train: list[ImageFile], labels: Tensor, load: ImageLoader, unreadable: dict[int, str]) -> Dataset:
        lows = Lows(self.scale, self.low_root, load)
        return CroppedPairs(train, labels, EndlessOrder(len(train), self.seed), load, self.horizontal_flip, unreadable,
                            rotate=self.rotate, lows=lows, memory=self.memory_megabytes * 10**6)

    def on_after_batch_transfer(self, batch: tuple, dataloader_idx: int) -> PairedBatch:
        high, low, unreadable = batch
        if unreadable:
            self._report(unreadable)
        real = to_unit_range(high)
        labels = torch.zeros(len(real), dtype=torch.long, device=real.device)
        return PairedBatch(real, labels, low.float() / 255, high.float() / 255)

    def _listed(self) -> list[ImageFile]:
        return embedded(EMBEDDED) if self.root is None else super()._listed()

    # Whole images, to judge by.

    def validation_files(self) -> list[ImageFile]:
        """Of validation_root, else the part of root that train_fraction leaves, else of scikit-image; maybe none."""
        if self.validation_root is not None:
            if not (files := image_files(self.validation_root, self.extensions)):
                raise RequestError(f"data.validation_root={self.validation_root} has no images: name a folder that "
                                   "has, or type data.validation_root=null")
            return files
        self.setup()
        return self._parts["test"] or ([] if self.root else embedded(EMBEDDED_VALIDATION))

    def whole_pair(self, file: ImageFile) -> WholePair:
        """Raises Unreadable."""
        load = ImageLoader(self.channels, self.framing, self.max_pixels, self.cache)
        smallest = min(measure(file.path, self.max_pixels))
        if smallest < self.scale:
            raise Unreadable(f"it has {smallest} pixels at its shorter side, fewer than data.scale={self.scale}")
        high = cut_to_multiple(load.decoded(file.path), self.scale)
        low_root = None if self.validation_root is not None else self.low_root
        low = Lows(self.scale, low_root, load).whole(file, high)
        return WholePair(Path(file.name).stem, *(torch.from_numpy(each.copy()).permute(2, 0, 1) for each in (high, low)))


def embedded(names: Sequence[str]) -> list[ImageFile]:
    folder = resources.files("skimage").joinpath("data")
    return [ImageFile(name, Path(str(folder.joinpath(name)))) for name in names]


