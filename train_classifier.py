"""Trains a classifier that metrics look through. It calls saddlepoint.commands.train_classifier."""

import sys

from saddlepoint.commands.train_classifier import main

if __name__ == "__main__":
    sys.exit(main())
