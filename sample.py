"""Draws from a trained run: python sample.py run=RUN. It calls saddlepoint.commands.sample."""

import sys

from saddlepoint.commands.sample import main

if __name__ == "__main__":
    sys.exit(main())
