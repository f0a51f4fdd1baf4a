"""Finds pictures that are nearly the same, among as many as a data set has. N pictures, K pairs.

A picture is known by a thumbnail, [16, 16] of grey. Two are near duplicates if the signs of their lowest frequencies
differ in a few of 64 bits (a perceptual hash by the discrete cosine transform), and their thumbnails correlate. The
first finds candidates fast, the second leaves out pictures that only have the same layout. A picture that was
compressed again, made smaller or turned to grey is found; one that was cropped or mirrored is not.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy
from scipy import sparse

SIDE = 16  # pixels of a thumbnail
FREQUENCIES = 8  # in each direction, of which the hash has signs
BITS = FREQUENCIES**2
CORRELATION = 0.99  # of two thumbnails, at least
FLAT = 1.0  # levels of 255: a thumbnail whose deviation is below it says nothing
ROWS, COLUMNS = 256, 1 << 15  # hashes that are compared at once
MOST_PAIRS = 2_000_000  # more are not looked for: a set of so many is one film, or one picture


class Pairs(NamedTuple):
    """Pairs of pictures, by their numbers. There may be more where there are MOST_PAIRS."""

    first: numpy.ndarray  # [K] int64, smaller than second
    second: numpy.ndarray  # [K] int64
    distance: numpy.ndarray  # [K], bits


def hashes_of(thumbnails: numpy.ndarray) -> numpy.ndarray:
    """Returns the hashes [N] uint64 of thumbnails [N, 16, 16] uint8: which of 63 frequencies are above their median."""
    places = numpy.arange(SIDE)
    cosines = numpy.cos(numpy.pi / SIDE * (places + 0.5) * places[:FREQUENCIES, None]).astype(numpy.float32)
    hashes = numpy.empty(len(thumbnails), numpy.uint64)
    for begin in range(0, len(thumbnails), COLUMNS):
        part = thumbnails[begin:begin + COLUMNS].astype(numpy.float32)
        frequencies = (cosines @ part @ cosines.T).reshape(len(part), BITS)
        above = frequencies > numpy.median(frequencies[:, 1:], axis=1, keepdims=True)
        above[:, 0] = False  # the mean, which says how bright a picture is
        hashes[begin:begin + COLUMNS] = numpy.packbits(above, axis=1).view(">u8")[:, 0]
    return hashes


def is_flat(thumbnails: numpy.ndarray) -> numpy.ndarray:
    """Returns [N] bool: whether a picture is of one colour."""
    return numpy.array([thumbnail.std() < FLAT for thumbnail in thumbnails], bool).reshape(len(thumbnails))


def near_pairs(thumbnails: numpy.ndarray, distance: int) -> Pairs:
    """Returns the pairs of near duplicates among thumbnails [N, 16, 16] uint8, at most about MOST_PAIRS. `distance`:
    bits in which their hashes may differ."""
    hashes, found, count = hashes_of(thumbnails), [], 0
    for pairs in _candidates(hashes, distance):
        alike = _correlation(thumbnails, pairs) >= CORRELATION
        found.append(Pairs(*(each[alike] for each in pairs)))
        count += int(alike.sum())
        if count >= MOST_PAIRS:
            break
    if not found:
        return Pairs(*(numpy.zeros(0, numpy.int64) for _ in range(3)))
    return Pairs(*(numpy.concatenate(each) for each in zip(*found, strict=True)))


def _candidates(hashes: numpy.ndarray, distance: int) -> Iterator[Pairs]:
    """Yields each pair of hashes that differ in at most `distance` bits, once.

    Of distance + 1 bands of bits, two such hashes have at least one in common. So only hashes with a band in common are
    compared, and a pair is yielded for the first band that it has in common.
    """
    bounds = numpy.linspace(0, BITS, distance + 2).astype(int)
    bands = [(hashes >> numpy.uint64(low)) & numpy.uint64((1 << int(high - low)) - 1) for low, high in pairwise(bounds)]
    for number, band in enumerate(bands):
        order = numpy.argsort(band, kind="stable")
        ends = numpy.flatnonzero(numpy.diff(band[order])) + 1
        for members in numpy.split(order, ends):
            for first, second in _blocks(members):
                bits = numpy.bitwise_count(hashes[first][:, None] ^ hashes[second][None, :])
                rows, columns = numpy.nonzero((bits <= distance) & (first[:, None] < second[None, :]))
                pairs = Pairs(first[rows], second[columns], bits[rows, columns])
                is_first = numpy.ones(len(rows), bool)
                for earlier in bands[:number]:
                    is_first &= earlier[pairs.first] != earlier[pairs.second]
                if is_first.any():
                    yield Pairs(*(each[is_first] for each in pairs))


def _blocks(members: numpy.ndarray) -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
    """Yields parts of the square of the members above its diagonal. `members` must be sorted."""
    if len(members) < 2:
        return
    for row in range(0, len(members), ROWS):
        for column in range(row, len(members), COLUMNS):
            yield members[row:row + ROWS], members[column:column + COLUMNS]


def _correlation(thumbnails: numpy.ndarray, pairs: Pairs) -> numpy.ndarray:
    """Returns the correlation coefficients [K] of the pairs' thumbnails."""
    values = numpy.empty(len(pairs.first), numpy.float32)
    for begin in range(0, len(values), COLUMNS):
        one, other = (_standardised(thumbnails[each[begin:begin + COLUMNS]]) for each in pairs[:2])
        values[begin:begin + COLUMNS] = (one * other).sum(axis=1)
    return values


def _standardised(thumbnails: numpy.ndarray) -> numpy.ndarray:
    """[N, 16, 16] -> [N, 256], each with the mean 0 and the length 1"""
    values = thumbnails.reshape(len(thumbnails), -1).astype(numpy.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / numpy.maximum(numpy.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def groups_of(count: int, first: numpy.ndarray, second: numpy.ndarray) -> list[numpy.ndarray]:
    """Returns the groups of `count` pictures that pairs connect, directly or through others, the largest first; without
    pictures that are in no pair."""
    edges = sparse.coo_array((numpy.ones(len(first), bool), (first, second)), shape=(count, count))
    _, group = sparse.csgraph.connected_components(edges, directed=False)
    order = numpy.argsort(group, kind="stable")
    groups = numpy.split(order, numpy.flatnonzero(numpy.diff(group[order])) + 1)
    return sorted((each for each in groups if len(each) > 1), key=lambda each: (-len(each), each[0]))
