"""Enlarges image files: python upscale.py input=FILE_OR_FOLDER. It calls saddlepoint.commands.upscale."""

import sys

from saddlepoint.commands.upscale import main

if __name__ == "__main__":
    sys.exit(main())
