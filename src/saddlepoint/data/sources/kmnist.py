"""Kuzushiji-MNIST (Clanuwat et al. 2018, https://arxiv.org/abs/1812.01718): 60,000 training and 10,000 test images of
1 x 28 x 28, cursive Japanese characters of ten classes, in the files of MNIST.
"""

from torchvision import datasets

from saddlepoint.data.sources.mnist import MNIST


class KMNIST(MNIST):
    """Kuzushiji-MNIST, in files of the same names and format as MNIST's. See MNIST for where they may be."""

    remote = datasets.KMNIST
    known_classes = tuple(datasets.KMNIST.classes)
