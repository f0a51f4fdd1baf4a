"""Latents of an autoencoder as a data set: arrays of any number of channels and of any numbers, in NumPy's files.

N latents of C channels and H x W places.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NoReturn

import numpy
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import Count, ImageSize, Seed, WholeNumber
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.array_files import StoredArray, open_arrays, require_numbers
from saddlepoint.data.array_labels import label_file, read_classes
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.sampling import EndlessOrder, fixed_subset, left_out_by_subset
from saddlepoint.data.standardisation import Standardisation, moments
from saddlepoint.data.voxel_files import files_in
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch

AUTO = "auto"
LAYOUTS = ("NCHW", "NHWC")
KEPT = (numpy.dtype(numpy.uint8), numpy.dtype(numpy.float16), numpy.dtype(numpy.float32))  # others become float32
Moments = Annotated[str | float | Sequence[float], rules.either(rules.one_of(AUTO), rules.number(),
                                                               rules.list_of(rules.number()))]
Deviations = Annotated[str | float | Sequence[float], rules.either(
    rules.one_of(AUTO), rules.number(0, above=True), rules.list_of(rules.number(0, above=True)))]


class StoredLatents(ImageDataModule):
    """Latents [N, C, H, W] in .npy and .npz files, of any numbers, e.g. what Stable Diffusion's autoencoder makes of
    photographs (Rombach et al. 2022, https://arxiv.org/abs/2112.10752), as `ImageBatch` on the device that trains.

    Networks see them standardised (standardisation.py); mean and standard deviation are in the run's checkpoints, so
    what sample.py draws is in the numbers of the files again. All latents are kept in memory, in the files' own kind of
    uint8, float16 or float32. Numbers are not colours, so no metric of images applies, and no latents are mirrored,
    since no decoder makes mirrored images of these.

    root: FILE.npy, FILE.npz, or a folder of such files, which are taken in the order of their names
    array: name of the array in .npz files; None: the only one with four dimensions
    label_array: name of the class numbers in .npz files, or an .npy file of them; None: arr_1
    layout: NCHW or NHWC
    mean, standard_deviation: of each channel, one number for all or C numbers, in the numbers of the files; auto: those
        of the latents that are trained on
    on_device: whether all latents are kept in the memory of the device that trains: `auto` (on a GPU with four times as
        much free), True or False
    """

    bounded: ClassVar[bool] = False

    def __init__(self, name: str, root: Annotated[str | None, rules.optional(rules.path)], channels: Count,
                 image_size: ImageSize, batch_size: Count,
                 array: Annotated[str | None, rules.optional(rules.text)] = None,
                 label_array: Annotated[str | None, rules.optional(rules.path)] = None,
                 layout: Annotated[str, rules.one_of(*LAYOUTS)] = "NCHW", mean: Moments = AUTO,
                 standard_deviation: Deviations = AUTO, num_classes: WholeNumber = 0,
                 on_device: Annotated[bool | str, rules.one_of("auto", True, False)] = AUTO,
                 subset_size: Count | None = None, seed: Seed = 0):
        super().__init__(name=name, channels=channels, image_size=image_size, batch_size=batch_size,
                         num_classes=num_classes, subset_size=subset_size, seed=seed)
        self.root, self.array = None if root is None else expanded(root, "data.root"), array
        self.label_array, self.layout = label_array, one_of("layout", layout, LAYOUTS)
        self.on_device = one_of("on_device", on_device, (AUTO, True, False))
        self.mean, self.standard_deviation = (
            self._of_each_channel("mean", mean), self._of_each_channel("standard_deviation", standard_deviation))
        if self.standard_deviation != AUTO and min(self.standard_deviation) <= 0:
            raise ValueError(f"data.standard_deviation={standard_deviation} must be above 0")
        self.standardisation: Standardisation | None = None  # known once the files are read

    @property
    def place(self) -> str:
        return f"data.root={self.root}"

    def automatic_workers(self) -> int:
        return 0  # gathering latents is faster than sending them from another process

    def open(self) -> Dataset:
        if self.root is None:
            raise RequestError(f"data={self.name} needs to know the files: type data.root=FILE.npy, FILE.npz or a "
                               "folder of such files")
        of_labels = (path := label_file(self.label_array)) and path.absolute()
        paths = [path for path in files_in(self.root, "data.root") if path.absolute() != of_labels]
        latents = torch.cat([self._read(path) for path in paths])
        classes, names = self._classes(paths, len(latents))
        if self.subset_size is not None:
            self.left_out = left_out_by_subset(len(latents), self.subset_size)
            chosen = fixed_subset(len(latents), self.subset_size)
            latents, classes = latents[chosen], classes[chosen]
        self.num_images, self.class_names = len(latents), names
        self.standardisation = self._standardisation(latents)
        content = hashlib.sha256(f"{latents.dtype} {[*latents.shape]}".encode())
        for tensor in (latents, classes):
            content.update(tensor.numpy().data)
        self.contents = {"contents": content.hexdigest(), "kind": "latents",
                         "standardisation": self.standardisation.as_json()}
        return GatheredBatches(latents, classes, EndlessOrder(len(latents), self.seed), horizontal_flip=False)

    def evaluation_images(self, split: str = "train") -> NoReturn:
        raise RequestError(f"data={self.name} has latents, and metrics look at images: leave them out, or decode what "
                           "sample.py format=npz draws and type evaluate.py real=FOLDER fake=FOLDER")

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> ImageBatch:
        latents, classes = batch
        return ImageBatch(self.standardisation.standardised(latents), classes)

    def describe(self) -> list[str]:
        identity, numbers = self.identity(), self.standardisation
        lines = [f"data: {describing.counted(identity['images'], 'latent')} of {self.place}"
                 f"{describing.classes(identity['classes'])}, {self.channels} x {self.sides.height} x "
                 f"{self.sides.width}"]
        lines += [f"left out: {'; '.join(self.left_out)}"] if self.left_out else []
        shown = {1: "the channel", 2: "the first channel", 3: "the three channels as red, green and blue"}.get(
            self.channels, "the first three channels as red, green and blue")
        return [*lines, f"standardised: mean {_words(numbers.means)} becomes 0, and standard deviation "
                        f"{_words(numbers.standard_deviations)} 0.5, of each channel",
                f"pictures: {shown}, black and white two standard deviations from the mean"]

    def _of_each_channel(self, setting: str, value: str | float | Sequence[float]) -> str | list[float]:
        """Returns C numbers, or auto."""
        if value == AUTO:
            return AUTO
        values = [float(each) for each in value] if isinstance(value, Sequence) else [float(value)] * self.channels
        if len(values) != self.channels:
            raise ValueError(f"data.{setting}={value} must be one number, or {self.channels} for as many channels "
                             "(data.channels)")
        return values

    def _standardisation(self, latents: Tensor) -> Standardisation:
        means, deviations = moments(latents) if AUTO in (self.mean, self.standard_deviation) else ([], [])
        means = means if self.mean == AUTO else self.mean
        deviations = deviations if self.standard_deviation == AUTO else self.standard_deviation
        if 0 in deviations:
            raise RequestError(f"{self.place}: channel {deviations.index(0)} is the same number everywhere, which has "
                               "no standard deviation: type e.g. data.standard_deviation=1")
        return Standardisation(means, deviations)

    def _read(self, path: Path) -> Tensor:
        """Returns the latents of a file, [N, C, H, W]."""
        array = self._array_of(path)
        numbers = array.unpacked()
        if numbers.dtype not in KEPT:
            numbers = numbers.astype(numpy.float32)
        latents = torch.from_numpy(numbers)
        if self.layout == "NHWC":
            latents = latents.permute(0, 3, 1, 2).contiguous()
        if latents.is_floating_point() and not torch.isfinite(latents).all():
            raise RequestError(f"{path}: {array.label} has numbers that are not finite: encode the images again")
        self._check_shape(path, array, latents)
        return latents

    def _array_of(self, path: Path) -> StoredArray:
        arrays = open_arrays(path)
        possible = [each for each, array in arrays.items() if len(array.shape) == 4]
        chosen = "" if "" in arrays else self.array or (possible[0] if len(possible) == 1 else None)
        if chosen not in arrays:
            there = ", ".join(f"{each} {list(array.shape)}" for each, array in arrays.items()) or "none"
            lacks = f"has no array called {self.array}" if self.array else "does not say which array has the latents"
            raise RequestError(f"{path} {lacks} (there are {there}): type data.array=NAME")
        array = arrays[chosen]
        require_numbers(array)
        if len(array.shape) != 4 or not all(array.shape) or array.kind.kind not in "uif":
            raise RequestError(f"{path}: {array.label} has the shape {list(array.shape)} and numbers of kind "
                               f"{array.kind}, and latents are [N, C, H, W] of whole numbers or floats")
        return array

    def _check_shape(self, path: Path, array: StoredArray, latents: Tensor) -> None:
        if tuple(latents.shape[1:]) == (self.channels, *self.sides):
            return
        channels, *sides = latents.shape[1:]
        other = "NHWC" if self.layout == "NCHW" else "NCHW"
        turned = (array.shape[3], *array.shape[1:3]) if other == "NHWC" else array.shape[1:]
        size = str(Sides(*sides).image_size).replace(" ", "") if sides[0] == sides[1] else f"[{sides[0]},{sides[1]}]"
        instead = f"data.layout={other}" if turned == (self.channels, *self.sides) else (
            f"data.channels={channels} data.image_size={size}")
        raise RequestError(f"{path}: {array.label} has latents of {channels} x {sides[0]} x {sides[1]} with "
                           f"data.layout={self.layout}, and data.channels={self.channels} data.image_size="
                           f"{self.sides} want others: type {instead}")

    def _classes(self, paths: list[Path], count: int) -> tuple[Tensor, tuple[str, ...]]:
        """Returns the class of each latent [N] and the classes' names; zeros and none where labels are not used."""
        if not self.num_classes:
            return torch.zeros(count, dtype=torch.long), ()
        classes, names = read_classes(paths, self.label_array, self.num_classes, "latents", count, self.place)
        return torch.tensor(classes), names


def _words(numbers: Sequence[float]) -> str:
    return f"[{', '.join(f'{number:.4g}' for number in numbers)}]"
