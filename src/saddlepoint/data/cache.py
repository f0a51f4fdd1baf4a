"""Keeps decoded images on disk, one .npy file each. The first process that needs an image writes its file."""

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy

from saddlepoint.errors import RequestError

_VERSION = 2  # goes up whenever decoding changes, so that older files are not read
_READERS = ("pillow", "tifffile", "imagecodecs")


class DecodedCache:
    """A folder of decoded images. The folder is made; one that cannot be written is refused.

    An image's key is a digest of all that its pixels depend on: the file (place, size, time of change), the `settings`
    of the decoding and the versions of the libraries that read it. So no stored image is ever out of date, and the
    folder may be deleted at any time.
    """

    def __init__(self, folder: Path, settings: str):
        self.folder, self.settings = folder, settings
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise RequestError(f"data.cache={folder} cannot be written ({error.strerror}): type data.cache=FOLDER for "
                               f"another folder, or data.cache=null to decode every time") from error

    def get(self, path: Path, decode: Callable[[], numpy.ndarray]) -> numpy.ndarray:
        """Returns the pixels [H, W, C] uint8 of an image file: the stored ones, else those of `decode`, which it
        stores."""
        stored = self._place(path)
        try:
            return numpy.load(stored, allow_pickle=False)
        except (OSError, ValueError, EOFError):  # not stored yet, or damaged
            pixels = decode()
        with contextlib.suppress(OSError):  # a full disk costs time, not the run
            self._store(stored, pixels)
        return pixels

    def _place(self, path: Path) -> Path:
        status = path.stat()
        dependencies = (_VERSION, _readers(), self.settings, path.resolve(), status.st_size, status.st_mtime_ns)
        key = hashlib.sha256(repr(dependencies).encode(errors="surrogateescape")).hexdigest()
        return self.folder / key[:2] / f"{key[2:]}.npy"  # 256 folders: one with a million files is slow

    @staticmethod
    def _store(stored: Path, pixels: numpy.ndarray) -> None:
        """Writes a temporary file and renames it, so that neither another process nor a crash leaves half a file."""
        stored.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=stored.parent, suffix=".unfinished")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                numpy.save(stream, pixels, allow_pickle=False)
            Path(unfinished).replace(stored)
        finally:
            Path(unfinished).unlink(missing_ok=True)


@functools.cache
def _readers() -> tuple[str, ...]:
    return tuple(metadata.version(package) for package in _READERS)
