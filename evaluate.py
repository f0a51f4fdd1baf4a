"""Measures a trained run or a folder of images: python evaluate.py run=RUN. It calls saddlepoint.commands.evaluate."""

import sys

from saddlepoint.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
