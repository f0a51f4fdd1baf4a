"""Draws an input beside its result, with titles, for compare=true."""

import numpy
import torch
from PIL import Image, ImageDraw, ImageFont

from saddlepoint.upscaling.enlarging import resize
from saddlepoint.upscaling.picture import Picture, lay_on_white, picture_of, to_three_channels

GAP = 16  # pixels between the panels
MARGIN = 12  # pixels above and below a title
MOST = 4096  # pixels of a panel's side; of more, only the middle is shown, since reduced both would look alike
LEAST_WIDTH = 160  # pixels of a panel, so that there is room for a title


def side_by_side(low: Picture, high: Picture, title: str) -> Picture:
    """Draws the input enlarged by bicubic interpolation, titled "Input image", left of the result, titled `title`."""
    width, height = high.size
    plain = to_three_channels(lay_on_white(low))
    left = _panel(Picture(resize(plain.colours, height, width)), "Input image")
    right = _panel(to_three_channels(lay_on_white(high)), title)
    gap = numpy.full((left.shape[0], GAP, 3), 255, numpy.uint8)
    return picture_of(numpy.concatenate([left, gap, right], axis=1), plain.metadata)


def _panel(picture: Picture, title: str) -> numpy.ndarray:
    """Draws a picture below its title, [height + title, width, 3]. If it is narrower than LEAST_WIDTH, its pixels
    become squares of several pixels."""
    planes = _middle(picture.colours)
    times = -(-LEAST_WIDTH // planes.shape[2])
    pixels = planes.expand(3, -1, -1).repeat_interleave(times, 1).repeat_interleave(times, 2)
    shown = Image.fromarray(numpy.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
    font = ImageFont.load_default(size=max(12, shown.width // 32))
    while font.getlength(title) > shown.width and len(title) > 8:
        title = title[:-4].rstrip(".") + "..."
    _, top, _, bottom = font.getbbox("Input image (Ägjpqy)")
    band = bottom - top + 2 * MARGIN
    panel = Image.new("RGB", (shown.width, shown.height + band), "white")
    panel.paste(shown, (0, band))
    ImageDraw.Draw(panel).text((shown.width / 2, band / 2), title, fill="black", font=font, anchor="mm")
    return numpy.asarray(panel)


def _middle(planes: torch.Tensor) -> torch.Tensor:
    top, left = (max(0, side - MOST) // 2 for side in planes.shape[1:])
    return planes[:, top:top + MOST, left:left + MOST]
