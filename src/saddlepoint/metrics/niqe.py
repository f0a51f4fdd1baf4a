"""NIQE, which rates how natural an image looks, without the original (Mittal, Soundararajan and Bovik 2013, "Making a
Completely Blind Image Quality Analyzer", https://doi.org/10.1109/LSP.2012.2227726). Smaller is better; photographs have
3 to 6.

basicsr computes it, because papers report its values. It rounds intermediate numbers to float32, which changes NIQE by
up to a few hundredths for saturated images; other code would give other values.
"""

import warnings

import numpy
from torch import Tensor

from saddlepoint.compat import basicsr
from saddlepoint.errors import RequestError

BLOCK = 96  # pixels: features are computed for each block, and their covariance needs two blocks


def niqe(image: Tensor, border: int) -> float:
    """Returns NIQE of the rounded luma of an image, uint8 [1 or 3 (RGB), H, W], with `border` pixels cut off at each
    side. Raises a RequestError if the image is too small or of a single colour."""
    height, width = (side - 2 * border for side in image.shape[-2:])
    if (height // BLOCK) * (width // BLOCK) < 2:
        raise RequestError(f"NIQE of {width} x {height} pixels ({border} cut off at each side) cannot be measured: it "
                           f"needs at least {BLOCK} x {2 * BLOCK}")
    calculate = basicsr.module("metrics.niqe", needed_by="NIQE").calculate_niqe
    pixels = image.flip(0).permute(1, 2, 0).cpu().numpy()  # BGR [H, W, C]
    try:
        with warnings.catch_warnings(action="ignore"), numpy.errstate(all="ignore"):  # means over no values
            return calculate(pixels, border)
    except numpy.linalg.LinAlgError as error:
        raise RequestError(f"NIQE of {width} x {height} pixels cannot be measured: fewer than two blocks of "
                           f"{BLOCK} x {BLOCK} pixels are of more than one colour") from error
