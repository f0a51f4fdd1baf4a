"""NIQE, how natural an image looks without an original to compare (Mittal, Soundararajan and Bovik 2013, "Making a
Completely Blind Image Quality Analyzer", https://doi.org/10.1109/LSP.2012.2227726). Smaller is better; photographs have
3 to 6.

The number is basicsr's, computed by basicsr: it rounds to float32 on the way, which moves NIQE by up to a few
hundredths where an image is saturated, so that a computation of our own would be another number than papers have.
"""

import warnings

import numpy
from torch import Tensor

from saddlepoint.compat import basicsr
from saddlepoint.errors import RequestError

BLOCK = 96  # pixels: features are taken of blocks, and their covariance needs two


def niqe(image: Tensor, border: int) -> float:
    """uint8 [1 or 3 (RGB), H, W]: NIQE of the luma, rounded, with `border` pixels cut off at each side"""
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
