"""Two photographs that come with the package scikit-learn, which mlxtend needs: a pagoda (china.jpg) and a dahlia
(flower.jpg), 640 x 427 pixels. Pairs for translation without a download.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from saddlepoint.config.rules import Count
from saddlepoint.data.bicubic import reduced_uint8
from saddlepoint.data.decoding import Limits, Unreadable, decode
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.errors import RequestError

# File -> the share of the width at which the strip begins that no training sees. Both strips show the right side of
# what is symmetrical, so that the left side can teach what it looks like.
PHOTOGRAPHS = {"china.jpg": 0.35, "flower.jpg": 0.5}
LIMITS = Limits(max_pixels=640 * 427, white=None)


class PhotoEdges(MadePairs, InMemoryImages):
    """Crops of H x W pixels of two photographs, in colour or grey, with their edges or another `pair`.

    The split `test` has the crops of a strip as wide as a crop, of which no crop of `train` has a column.

    reduction: how many times the photographs are reduced first, by MATLAB's bicubic; a crop shows more then
    stride: pixels between one crop and the next, in both directions

    See MadePairs, InMemoryImages and ImageDataModule for the other settings.
    """

    def __init__(self, reduction: Count = 2, stride: Count = 4, **more):
        super().__init__(fit="pad", **more)  # crops have the size that is asked for
        self.reduction, self.stride = reduction, stride

    def read(self, split: str) -> LabelledImages:
        crops = torch.cat([self._crops(photograph(name, self.channels), place, split)
                           for name, place in PHOTOGRAPHS.items()])
        return LabelledImages(crops, torch.zeros(len(crops), dtype=torch.long), ())

    def _crops(self, pixels: Tensor, place: float, split: str) -> Tensor:
        """Returns the crops [N, C, H, W] of a photograph [C, height, width] for one split."""
        crop = self.sides
        reduced = reduced_uint8(pixels, self.reduction) if self.reduction > 1 else pixels
        height, width = reduced.shape[1:]
        strip = round(place * width)
        if height < crop.height or min(strip, width - strip - crop.width) < crop.width:
            raise RequestError(f"data.image_size={crop} is too much for photographs of {width} x {height} pixels "
                               f"(data.reduction={self.reduction}), a part of which is held out: type "
                               "data.image_size=64 data.reduction=2")
        parts = {"train": (reduced[..., :strip], reduced[..., strip + crop.width:]),
                 "test": (reduced[..., strip:strip + crop.width],)}[split]
        windows = [part.unfold(1, crop.height, self.stride).unfold(2, crop.width, self.stride)  # [C, h, w, H, W]
                   for part in parts]
        return torch.cat([each.flatten(1, 2).movedim(0, 1) for each in windows]).contiguous()


def photograph(name: str, channels: int) -> Tensor:
    """Reads one of scikit-learn's photographs: [channels, H, W] uint8, channels 1 (grey) or 3."""
    package = find_spec("sklearn")  # imports nothing
    path = Path(package.submodule_search_locations[0], "datasets", "images", name) if package else None
    if path is None or not path.is_file():
        raise RequestError(f"The photograph {name} comes with the package scikit-learn, which is not installed here: "
                           "type pip install scikit-learn, or data=pairs_from_folder data.root=FOLDER")
    try:
        image = decode(path, channels, LIMITS)
    except Unreadable as error:
        raise RequestError(f"{path} cannot be read: {error}. Replace it with a good copy.") from error
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(
        image.height, image.width, channels).permute(2, 0, 1).contiguous()
