"""A data set of pairs for super-resolution: crops of photographs, and the same crops s times smaller.

N pairs of C channels; a high-resolution crop has S x S pixels.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saddlepoint.config.rules import Count, TypedPath, WholeNumber, null_unless_chosen, one_of
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.decoding import Unreadable, header_of
from saddlepoint.data.degradation import SecondOrderDegradation
from saddlepoint.data.degraded_pairs import DegradedBatches, DegradedPairs
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.listing import ImageFile, image_files, listing
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.pair_crops import SCALES, CroppedPairs, LowImages, RandomCrops, cut_to_multiple, mismatch
from saddlepoint.data.partners import Partners
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.data.sampling import EndlessOrder
from saddlepoint.data.sharpening import UnsharpMasking
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import PairedBatch

log = logging.getLogger(__name__)

# Photographs in the package scikit-image, so that training needs no download; two are for validation.
EMBEDDED = ("astronaut.png", "brick.png", "camera.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png",
            "motorcycle_left.png", "rocket.jpg")
EMBEDDED_VALIDATION = ("chelsea.png", "coffee.png")
DEGRADATIONS = "degradation=real_esrgan or bicubic"
COMPARED = 4  # pairs of files that are compared before training starts


class WholePair(NamedTuple):
    """A whole photograph with its low-resolution image, for validation."""

    name: str
    high: Tensor  # [C, H, W] uint8, sides a multiple of s
    low: Tensor  # [C, H / s, W / s] uint8
    mismatch: float | None = None  # PSNR in dB, if the two are not the same picture


class PairFolder(ImageFolder):
    """Random crops of photographs with their low-resolution versions, for super-resolution.

    Batches are `PairedBatch`, all float32: `real` [N, C, S, S] in [-1, 1], `low` [N, C, S / s, S / s] in [0, 1] and
    `target` [N, C, S, S] in [0, 1], where S is `image_size`; the labels are 0. If `root` is None, the photographs are
    those that come with scikit-image. Photographs with a side of fewer pixels than a crop are left out.

    Low-resolution images come from one of three sources: MATLAB's bicubic reduction of the photograph, rounded to 8
    bits (the default); files in `low_root` that have the photographs' names (partners.py); or `degradation`, applied to
    a crop (degraded_pairs.py). With the first two, crops begin at multiples of s, and a low-resolution crop is a piece
    of the whole low-resolution image.

    Whole images for validation come from `validation_root`, else from the part that train_fraction leaves, else, if
    `root` is None, from scikit-image. Their low-resolution images are never degraded.

    scale: s, 2, 3, 4 or 8
    low_root: a folder of low-resolution images; None: they are made
    rotate: whether crops are turned by quarters; with horizontal_flip all eight orientations are as likely
    validation_root: a folder of whole images for validation
    memory_megabytes: decoded photographs that a process that trains keeps in memory, its num_workers together, 1 or
        more; each worker keeps at least one
    degradation: makes low-resolution crops; None: bicubic reduction or low_root
    degradation_crop: pixels of a side that are degraded before image_size of them are cropped, image_size or more and a
        multiple of s; None: image_size
    pair_pool: degraded pairs that are mixed with those of other batches, 0 or at least batch_size
    sharpen_target: whether `target`, with which content losses compare, is sharpened

    See ImageFolder and ImageDataModule for the other settings.
    """

    yields = PairedBatch

    def __init__(self, scale: Annotated[int, one_of(*SCALES)], low_root: TypedPath | None, rotate: bool,
                 validation_root: TypedPath | None, memory_megabytes: Count,
                 degradation: Annotated[SecondOrderDegradation | None, null_unless_chosen(DEGRADATIONS)] = None,
                 degradation_crop: Count | None = None, pair_pool: WholeNumber = 0, sharpen_target: bool = False,
                 **more):
        super().__init__(resize="none", crop="random", draft=False, on_device=False, **more)
        if scale not in SCALES:
            raise ValueError(f"data.scale={scale} must be 2, 3, 4 or 8")
        self.require_squares()
        if self.image_size % scale:
            raise ValueError(f"data.image_size={self.image_size} must be a multiple of data.scale={scale}: type "
                             f"data.image_size={max(self.image_size // scale, 1) * scale}")
        self.scale, self.rotate, self.memory_megabytes = scale, rotate, memory_megabytes
        self.low_root = expanded(low_root, "data.low_root") if low_root is not None else None
        self.validation_root = None
        if validation_root is not None:
            self.validation_root = expanded(validation_root, "data.validation_root")
        self.sharpen = UnsharpMasking() if sharpen_target else nn.Identity()
        self.degraded, self.partners = None, None
        self._refuse_contradictions(degradation, degradation_crop, pair_pool)
        typed = f"data.image_size={self.image_size}"
        if degradation_crop:
            typed = f"data.degradation_crop={degradation_crop} (null: as data.image_size)"
        self.framing = RandomCrops(degradation_crop or self.image_size, typed)
        if degradation is not None:
            before = UnsharpMasking() if sharpen_target else nn.Identity()  # stays on the CPU
            self.degraded = DegradedPairs(degradation, self.image_size, before, pair_pool, self.seed)

    def _refuse_contradictions(self, degradation: SecondOrderDegradation | None, crop: int | None, pool: int) -> None:
        if degradation is None:
            for name, value in (("degradation_crop", crop), ("pair_pool", pool)):
                if value:
                    raise ValueError(f"data.{name}={value} belongs to a degradation, and there is none: add "
                                     f"degradation=real_esrgan, or leave it out")
            return
        if degradation.scale != self.scale:
            raise ValueError(f"data.degradation.scale={degradation.scale} must equal data.scale={self.scale}")
        if self.low_root is not None:
            raise ValueError(f"data.low_root={self.low_root} and a degradation both say where low-resolution images "
                             "come from: type data.low_root=null or degradation=bicubic")
        if crop is not None and crop < self.image_size:
            raise ValueError(f"data.degradation_crop={crop} must be at least data.image_size={self.image_size}, which "
                             "is cut out of it: type data.degradation_crop=null for the same")
        if crop is not None and (beyond := crop % self.scale):
            raise ValueError(f"data.degradation_crop={crop} must be a multiple of data.scale={self.scale}, or its two "
                             f"images would be shifted against each other: type data.degradation_crop={crop - beyond} "
                             f"or {crop - beyond + self.scale}")
        if pool and pool < self.batch_size:
            raise ValueError(f"data.pair_pool={pool} must be 0 (none) or at least data.batch_size={self.batch_size}")

    def evaluation_images(self, split: str = "train") -> EvaluationImages:
        raise RequestError(f"data={self.name} is pairs of images for super-resolution: its models are judged by PSNR "
                           "and SSIM of whole images (callbacks=super_resolution), not by metrics of samples")

    def whole_training_part(self) -> EvaluationImages:
        return self.evaluation_images()

    def dataset(self, train: list[ImageFile], labels: Tensor, load: ImageLoader, unreadable: dict[int, str]) -> Dataset:
        low_images = LowImages(self.scale, self.partners, load) if self.degraded is None else None
        memory = self.memory_megabytes * 10**6 // max(1, self.num_workers)
        return CroppedPairs(train, labels, EndlessOrder(len(train), self.seed), load, self.horizontal_flip, unreadable,
                            rotate=self.rotate, low_images=low_images, memory=memory)

    def training_dataset(self) -> Dataset:
        crops = super().training_dataset()
        return crops if self.degraded is None else DegradedBatches(crops, self.degraded)

    def on_after_batch_transfer(self, batch: tuple, dataloader_idx: int) -> PairedBatch:
        first, *images, unreadable = batch
        if unreadable:
            self._report(unreadable)
        high, low = images if self.degraded is None else self.degraded.mixed(*images, first)
        labels = torch.zeros(len(high), dtype=torch.long, device=high.device)
        return PairedBatch(to_unit_range(high), labels, low.float() / 255, self.sharpen(high.float() / 255))

    def state_dict(self) -> dict:
        """Returns the pairs in this process's pool, which do not follow from the position in the stream.

        A checkpoint must save them for a run to be resumed exactly; Lightning saves them in its own checkpoints.
        """
        return self.degraded.state_dict() if self.degraded is not None else {}

    def load_state_dict(self, state: dict) -> None:
        if self.degraded is not None:
            self.degraded.load_state_dict(state)

    def _list_files(self) -> list[ImageFile]:
        files = embedded(EMBEDDED) if self.root is None else super()._list_files()
        if self.low_root is None:
            return files
        root = self.root if self.root and self.low_root.resolve() == self.root.resolve() else self.low_root
        self.partners = Partners(files, root, self.scale, self.extensions)
        self.partners.require_any(files, f"data.root={self.root}")
        photographs = {file.path for file in files}
        if unused := {low.path for low in self.partners.images} - self.partners.owners.keys() - photographs:
            self.left_out.append(f"{describing.counted(len(unused), 'file')} of data.low_root={self.low_root} beside "
                                 "those of its images")
        return [file for file in files if file.path not in self.partners.owners]  # both may be in one folder

    def _check_files(self, files: list[ImageFile], labels: list[int], load: ImageLoader) -> dict[int, str]:
        """Checks the low-resolution files too. Decodes a few pairs, and warns if they are not the same picture."""
        unreadable = super()._check_files(files, labels, load)
        if self.partners:
            low_images = LowImages(self.scale, self.partners, load)
            for index, file in enumerate(files):
                try:
                    low_images.check(file)
                except Unreadable as error:
                    unreadable.setdefault(index, str(error))
            readable = [file for index, file in enumerate(files) if index not in unreadable]
            self._warn_of_mismatches(readable[::max(1, len(readable) // COMPARED)][:COMPARED], low_images)
        return unreadable

    def _warn_of_mismatches(self, files: Sequence[ImageFile], low_images: LowImages) -> None:
        mismatches = {}
        for file in files:
            with suppress(Unreadable):  # reported when it is loaded for training
                high = cut_to_multiple(low_images.load.decoded(file.path), self.scale)
                mismatches[file.name] = mismatch(high, low_images.of_file(file, high.shape), self.scale)
        if any(psnr is not None for psnr in mismatches.values()):
            log.warning("%s", mismatch_warning(mismatches))

    @property
    def place(self) -> str:
        return "the photographs that come with scikit-image" if self.root is None else super().place

    def other_files(self) -> dict[str, list[ImageFile]]:
        low, validation = (image_files(root, self.extensions) if root else []
                           for root in (self.low_root, self.validation_root))
        return super().other_files() | {"low": low, "validation": validation}

    # Whole images, for validation. They are reduced by MATLAB's bicubic even if training degrades its crops.

    @property
    def low_in_training(self) -> str:
        """How low-resolution images of training are made, in words."""
        return "files" if self.low_root else "bicubic (MATLAB)" if self.degraded is None else "degraded (Real-ESRGAN)"

    @property
    def validation_low_root(self) -> Path | None:
        """The folder of low-resolution files of the validation images; None: they are reduced."""
        return self.low_root if self.validation_root is None else None

    def validation_files(self) -> list[ImageFile]:
        """Returns the files of validation_root, else those that train_fraction leaves, else, if root is None,
        scikit-image's; the list may be empty."""
        if self.validation_root is not None:
            content = listing(self.validation_root, self.extensions)
            if left_out := describing.left_out(content):
                log.warning("left out of data.validation_root=%s: %s", self.validation_root, "; ".join(left_out))
            if not (files := content.files):
                raise RequestError(f"data.validation_root={self.validation_root} has no images: name a folder that "
                                   "has, or type data.validation_root=null")
            return files
        self.setup()
        return self._parts["test"] or ([] if self.root else embedded(EMBEDDED_VALIDATION))

    def whole_pair(self, file: ImageFile) -> WholePair:
        """Reads a photograph with its low-resolution image. Raises Unreadable."""
        load = ImageLoader(self.channels, self.framing, self.limits, self.cache)
        header = header_of(file.path, self.limits)
        smallest = min(header.width, header.height)
        if smallest < self.scale:
            raise Unreadable(f"it has {smallest} pixels at its shorter side, fewer than data.scale={self.scale}")
        high = cut_to_multiple(load.decoded(file.path), self.scale)
        partners = self.partners if self.validation_low_root else None
        low = LowImages(self.scale, partners, load).whole(file, high)
        tensors = (torch.from_numpy(each.copy()).permute(2, 0, 1) for each in (high, low))
        return WholePair(Path(file.name).stem, *tensors, mismatch(high, low, self.scale) if partners else None)


def mismatch_warning(pairs: Mapping[str, float | None]) -> str:
    """Returns a warning of mismatched pairs. `pairs`: name -> result of `mismatch`, of all that were compared."""
    named = [f"{name} (PSNR {psnr:.1f} dB)" for name, psnr in pairs.items() if psnr is not None]
    return (f"{len(named)} of {len(pairs)} pairs that were looked at do not show the same: {', '.join(named)}. The "
            "high-resolution image, reduced, is no nearer to its file in data.low_root than an even grey is. See "
            "whether both folders call the same photograph by the same name")


def embedded(names: Sequence[str]) -> list[ImageFile]:
    """Returns the files of scikit-image's photographs of these names."""
    folder = resources.files("skimage").joinpath("data")
    return [ImageFile(name, Path(str(folder.joinpath(name)))) for name in names]


