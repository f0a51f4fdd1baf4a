"""Names the errors that image files raise: ours, and those of the libraries that read them."""

import struct
import zlib


class Unreadable(Exception):
    """An image file that cannot be read. The message says why, without the file's name."""


# What Pillow, tifffile and imagecodecs raise on files that are not what they say.
CANNOT_READ = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError,
               ArithmeticError, MemoryError, RuntimeError, AssertionError, struct.error, zlib.error)

# What reading EXIF data raises where it is cut off or odd.
DAMAGED = (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, AttributeError, ArithmeticError,
           struct.error)
