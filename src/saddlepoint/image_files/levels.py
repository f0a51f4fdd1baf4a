"""Converts the numbers in a file to levels of 8 or 16 bits, of which the largest is white."""

import numpy

from saddlepoint.image_files.errors import Unreadable


def of_bits(values: numpy.ndarray, bits: int, white: int | None = None) -> numpy.ndarray:
    """values: 0 to `white`, null: 2^bits - 1 -> uint8 up to 8 bits, else uint16, of which the largest is white"""
    white = white or 2**bits - 1
    kind, full = (numpy.uint8, 255) if bits <= 8 else (numpy.uint16, 65535)
    if white == full:
        return values.astype(kind)
    return numpy.rint(values * (full / white)).clip(0, full).astype(kind)


def of_numbers(values: numpy.ndarray, white: float) -> numpy.ndarray:
    """values: numbers from 0 to `white` -> uint16. One white for all files: a dark picture stays dark."""
    lowest, highest = values.min(), values.max()
    if not (lowest >= 0 and highest <= white):  # NaN fails it too
        raise Unreadable(f"its values run from {lowest:g} to {highest:g}, outside 0 to white={white:g}")
    return numpy.rint(values.astype(numpy.float64) * (65535 / white)).astype(numpy.uint16)


def eight_bits(levels: numpy.ndarray) -> numpy.ndarray:
    """uint16 / 257, rounded, so that 65535 becomes 255; uint8 as it is"""
    return levels if levels.dtype == numpy.uint8 else numpy.rint(levels / 257).astype(numpy.uint8)
