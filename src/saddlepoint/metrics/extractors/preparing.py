"""Converts images to the channels that an extractor takes. N images of C channels and H x W pixels."""

from torch import Tensor

from saddlepoint.errors import RequestError

COLOURS = {1: "grey", 3: "RGB"}  # by number of channels


def in_colour(images: Tensor) -> Tensor:
    """Returns images in three channels, which are equal if the images are grey: [N, 1 or 3, H, W] -> [N, 3, H, W]."""
    return images.expand(-1, 3, -1, -1)


def refuse_unless_grey_or_colour(extractor: str, channels: int) -> None:
    """Raises a RequestError if images have neither one channel nor three."""
    if channels not in COLOURS:
        raise RequestError(f"extractor={extractor} looks at grey or RGB images, and these have {channels} channels "
                           f"(data.channels={channels}): type data.channels=1 or data.channels=3")
