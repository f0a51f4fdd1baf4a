"""Compares trained runs: python compare.py runs=FOLDER. It calls saddlepoint.commands.compare."""

import sys

from saddlepoint.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
