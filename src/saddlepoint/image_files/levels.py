"""Converts the numbers of an image file to levels: uint8 or uint16, in which the largest number is white."""

import numpy

from saddlepoint.image_files.errors import Unreadable


def bits_to_levels(values: numpy.ndarray, bits: int, white: int | None = None) -> numpy.ndarray:
    """Scales whole numbers from 0 to `white` (None: 2^bits - 1) to uint8 if they have up to 8 bits, else to uint16."""
    white = white or 2**bits - 1
    kind, full = (numpy.uint8, 255) if bits <= 8 else (numpy.uint16, 65535)
    if white == full:
        return values.astype(kind)
    return numpy.rint(values * (full / white)).clip(0, full).astype(kind)


def numbers_to_levels(values: numpy.ndarray, white: float) -> numpy.ndarray:
    """Scales floating-point or 32-bit numbers from 0 to `white` to uint16. `white` is the same for all files, so that a
    dark picture stays dark. Raises Unreadable if a number is outside."""
    lowest, highest = values.min(), values.max()
    if not (lowest >= 0 and highest <= white):  # NaN fails it too
        raise Unreadable(f"its values run from {lowest:g} to {highest:g}, outside 0 to white={white:g}")
    return numpy.rint(values.astype(numpy.float64) * (65535 / white)).astype(numpy.uint16)


def to_eight_bits(levels: numpy.ndarray) -> numpy.ndarray:
    """Divides uint16 by 257 and rounds, so that 65535 becomes 255; returns uint8 as it is."""
    return levels if levels.dtype == numpy.uint8 else numpy.rint(levels / 257).astype(numpy.uint8)
