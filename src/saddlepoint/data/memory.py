"""Data sets that are kept in memory as one uint8 tensor. A whole batch is gathered from it at once.

N images of C channels and H x W pixels.
"""

import hashlib
from abc import abstractmethod
from typing import Annotated, ClassVar, NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.image_sizes import Sides, sides_of
from saddlepoint.config.rules import ImageSize
from saddlepoint.data.evaluation_images import EvaluationTensor
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.sampling import EndlessOrder, fixed_subset, left_out_by_subset
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch

FITS = ("pad", "resize")


class LabelledImages(NamedTuple):
    """Images with their classes, as `InMemoryImages.read` returns them. The tensors are on the CPU.

    images: [N, C, H, W] uint8, 0 (black) to 255 (white); all of one size
    labels: [N] int64, the class of each image, 0 to K - 1 for K classes; all 0 if there are no classes
    class_names: K names for people, that of label k at place k; empty if there are no classes
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]


class InMemoryImages(ImageDataModule):
    """A data set whose images are all kept in memory. This is the class to derive a new data set from.

    A subclass defines `read(split)`, which returns `LabelledImages`: images uint8 [N, C, H, W] from 0 to 255, labels
    int64 [N] from 0 and the names of the classes. The images have `channels` channels and one size, with
    `fit="pad"` at most `image_size`. `num_classes` is the number of class names, or 0 for training without
    classes, which sets all labels to 0. What `read` returns is checked, and refused with the setting to type instead.

    `read` is asked for the splits of the class attribute `splits`, ("train", "test"). A set without test images has
    `splits = ("train",)`. It must return the same images, in the same order, each time and in every process. If files
    must be downloaded first, define `prepare_data()` too, which is called before. A constructor takes the settings of
    its own and hands the rest on: `def __init__(self, root: str, **more): super().__init__(**more)`.

    Shuffling, flips, padding, subsets and the conversion to float32 in [-1, 1] are done here.

    fit: how images of another size become image_size: `pad` adds black around them, batch by batch on the device;
        `resize` (bicubic, antialiased) scales them once, when they are read, in proportion until they just cover
        image_size, and cuts off what is beyond, as much on either side
    on_device: whether all images are kept, as uint8, in the memory of the device that trains: `auto` (on a GPU with
        four times as much free), True or False. The batches are the same to the bit

    See ImageDataModule for the other settings.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "test")  # what `read` can be asked for

    def __init__(self, fit: Annotated[str, rules.one_of(*FITS)] = "pad",
                 on_device: Annotated[bool | str, rules.one_of("auto", True, False)] = "auto", **more):
        super().__init__(**more)
        self.fit = one_of("fit", fit, FITS)
        self.on_device = one_of("on_device", on_device, ("auto", True, False))
        self._padding = (0, 0, 0, 0)  # black pixels to add left, right, above, below

    @abstractmethod
    def read(self, split: str) -> LabelledImages:
        """Returns all images of a split, one of `splits`.

        `train` is read once, by set-up, in every process; `test` is read each time that metrics ask for it.
        """

    def automatic_workers(self) -> int:
        return 0  # gathering a batch from memory is faster than sending it from another process

    def images(self, split: str = "train") -> Tensor:
        """Returns the images [N, C, H, W] uint8 of a split, before padding; of `train` those that are trained on."""
        return self.evaluation_images(split).images

    def evaluation_images(self, split: str = "train") -> EvaluationTensor:
        if split not in self.splits:
            raise RequestError(f"data={self.name} has no {split} images, only {' and '.join(self.splits)}: "
                               f"name one of these, or another set in data=")
        if split == "train" and self._dataset is not None:
            images, labels = self._dataset.images, self._dataset.labels
        else:
            images, labels, _ = self._fitted(self._read(split))
        return self._evaluated(split, images, labels)

    def _evaluated(self, split: str, images: Tensor, labels: Tensor) -> EvaluationTensor:
        padding = self._padding_of(images)
        framing = self.fit if any(padding) or self.fit == "resize" else "none"
        return EvaluationTensor(self.name, split, images, labels, padding, framing)

    def whole_training_part(self) -> EvaluationTensor:
        if self.subset_size is None:
            return self.evaluation_images("train")
        images, labels, _ = self._fitted(self._all_of("train"))
        return self._evaluated("train", images, labels)

    def open(self) -> Dataset:
        original = self._read("train")
        self.contents = {"contents": digest(original)}  # before a resize, whose rounding differs between machines
        images, labels, class_names = self._fitted(original)
        self._padding = self._padding_of(images)
        self.class_names = class_names if self.num_classes else ()
        self.num_images = len(images)
        return GatheredBatches(images, labels, EndlessOrder(len(images), self.seed), self.horizontal_flip)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> ImageBatch:
        images, labels = batch
        if any(self._padding):
            images = functional.pad(images, self._padding)
        return super().on_after_batch_transfer((images, labels), dataloader_idx)

    def _read(self, split: str) -> LabelledImages:
        data = self._all_of(split)
        if split == "train" and self.subset_size is not None:
            chosen = fixed_subset(len(data.images), self.subset_size)
            self.left_out = left_out_by_subset(len(data.images), self.subset_size)
            data = data._replace(images=data.images[chosen], labels=data.labels[chosen])
        return data

    def _all_of(self, split: str) -> LabelledImages:
        data = self.read(split)
        self._verify(data)
        return data if self.num_classes else data._replace(labels=torch.zeros_like(data.labels))

    def _fitted(self, data: LabelledImages) -> LabelledImages:
        if self.fit == "resize" and tuple(data.images.shape[-2:]) != self.sides:
            return data._replace(images=resized(data.images, self.image_size))
        return data

    def _padding_of(self, images: Tensor) -> tuple[int, int, int, int]:
        rows, columns = (side - there for side, there in zip(self.sides, images.shape[-2:], strict=True))
        return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2

    def _verify(self, data: LabelledImages) -> None:
        self._verify_form(data)
        channels, height, width = data.images.shape[1:]
        if width in (1, 3) and channels not in (1, 3):
            raise RequestError(f"data={self.name} must read images as [N, C, H, W], and they are "
                               f"{[*data.images.shape]}, with the channels last: use images.permute(0, 3, 1, 2)")
        if channels != self.channels:
            raise RequestError(f"data.channels={self.channels}, but the images of data={self.name} have {channels}: "
                               f"type data.channels={channels}")
        read = Sides(height, width)
        if self.fit == "pad" and (self.sides.height < height or self.sides.width < width):
            pixels = width if read.is_square and self.sides.is_square else f"{read.words} (height x width)"
            raise RequestError(f"data.image_size={self.sides} is less than the {pixels} pixels of "
                               f"data={self.name}: type data.fit=resize to shrink them, or data.image_size={read}")
        num_classes = len(data.class_names)
        if self.num_classes not in (0, num_classes):
            raise RequestError(f"data.num_classes={self.num_classes}, but data={self.name} has {num_classes} classes: "
                               f"type data.num_classes={num_classes}, or 0 to train without classes")

    def _verify_form(self, data: LabelledImages) -> None:
        """Refuses mistakes in `read` of a user's data set with which training would go on and learn something else."""
        if not isinstance(data, LabelledImages):
            raise RequestError(f"data={self.name} must read LabelledImages(images, labels, class_names), and read "
                               f"returned a {type(data).__name__}")
        for what, values in (("images", data.images), ("labels", data.labels)):
            if not isinstance(values, Tensor):
                raise RequestError(f"data={self.name} must read {what} as a torch tensor, and they are a "
                                   f"{type(values).__name__}: use torch.from_numpy or torch.stack")
        if not len(data.images):
            raise RequestError(f"data={self.name} has read no images")
        if data.images.dtype != torch.uint8 or data.images.ndim != 4:
            raise RequestError(f"data={self.name} must read images as uint8 [N, C, H, W] from 0 to 255, and they are "
                               f"{str(data.images.dtype).removeprefix('torch.')} {[*data.images.shape]}")
        if data.labels.dtype != torch.long or data.labels.shape != data.images.shape[:1]:
            raise RequestError(f"data={self.name} must read labels as int64 [{len(data.images)}], one for each image, "
                               f"and they are {str(data.labels.dtype).removeprefix('torch.')} {[*data.labels.shape]}")
        if len({*data.class_names}) < len(data.class_names):
            raise RequestError(f"data={self.name} gives several classes one name: {', '.join(data.class_names)}")
        num_labels = max(len(data.class_names), 1)
        if len(data.labels) and not 0 <= data.labels.min() <= data.labels.max() < num_labels:
            raise RequestError(f"data={self.name} has labels from {data.labels.min()} to {data.labels.max()}, and "
                               f"names of {len(data.class_names)} classes: they must be from 0 to {num_labels - 1}")


def digest(data: LabelledImages) -> str:
    """Returns the SHA-256 of pixels and labels, hexadecimal: the same for every file format and place of a set."""
    content = hashlib.sha256(repr(tuple(data.images.shape)).encode())
    for tensor in (data.images, data.labels):
        content.update(tensor.contiguous().numpy().data)
    return content.hexdigest()


def name_classes(labels: Tensor, class_names: tuple[str, ...]) -> tuple[Tensor, tuple[str, ...]]:
    """Returns labels [N] from 0 with the names of their classes.

    The names are `class_names` if these suffice, else the numbers in the file. Some sets count their classes from 1
    (EMNIST's letters, 1 to 26); their labels are reduced by 1.
    """
    lowest, highest = int(labels.min()), int(labels.max())
    if highest < len(class_names):
        return labels, class_names
    first = 1 if lowest == 1 else 0
    return labels - first, tuple(map(str, range(first, highest + 1)))


def resized(images: Tensor, image_size: ImageSize) -> Tensor:
    """Resizes images, uint8 [N, C, height, width], bicubic and antialiased, until they just cover `image_size`, and
    returns their middle, uint8 [N, C, H, W].

    It takes 1,000 images at a time, since they become float32 in between.
    """
    sides = sides_of(image_size)
    whole = sides.covering(Sides(*images.shape[-2:]))
    top, left = (whole.height - sides.height + 1) // 2, (whole.width - sides.width + 1) // 2  # as ResizeAndCrop crops
    result = torch.empty(*images.shape[:2], *sides, dtype=torch.uint8)
    for small, part in zip(result.split(1000), images.split(1000), strict=True):
        exact = functional.interpolate(part.float(), size=whole, mode="bicubic", antialias=True)
        exact = exact[..., top:top + sides.height, left:left + sides.width]
        small.copy_(exact.round_().clamp_(0, 255))
    return result
