"""Trains one GAN: python train.py model=dcgan data=cifar10. It calls saddlepoint.commands.train."""

import sys

from saddlepoint.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
