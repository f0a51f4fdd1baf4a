"""Keeps decoded images on disk. The first process that needs an image stores it.

Images of one shape lie one after the other in one file (`SharedFile`); others have a .npy file each (`FilePerImage`).
"""

import contextlib
import functools
import hashlib
import os
import tempfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from importlib import metadata
from math import prod
from pathlib import Path

import numpy

from saddlepoint.errors import RequestError
from saddlepoint.image_files.packed import Place

try:
    import fcntl
except ImportError:  # on Windows, where an image has a file of its own
    fcntl = None

_VERSION = 3  # goes up whenever decoding changes, so that older files are not read
_READERS = ("pillow", "tifffile", "imagecodecs")
_DIGEST = 16  # bytes of a key: two images share one with a probability of 1e-27 among a million
_ENTRY = _DIGEST + 4  # bytes of an entry of the index: the key, and a checksum of the pixels


def cache_of(folder: Path, settings: str, shape: tuple[int, int, int] | None) -> "DecodedCache":
    """Returns the cache in a folder. `shape` is that of all images; None: they have different ones."""
    return FilePerImage(folder, settings) if shape is None or fcntl is None else SharedFile(folder, settings, shape)


class DecodedCache(ABC):
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

    def get(self, path: Place, decode: Callable[[], numpy.ndarray]) -> numpy.ndarray:
        """Returns the pixels [H, W, C] uint8 of an image file: the stored ones, else those of `decode`, which it
        stores."""
        key = self._key(path)
        if (stored := self.load(key)) is not None:
            return stored
        pixels = decode()
        with contextlib.suppress(OSError):  # a full disk costs time, not the run
            self.store(key, pixels)
        return pixels

    @abstractmethod
    def load(self, key: bytes) -> numpy.ndarray | None:
        """Returns stored pixels; None if there are none, or damaged ones."""

    @abstractmethod
    def store(self, key: bytes, pixels: numpy.ndarray) -> None:
        """Stores pixels. Raises an OSError if that fails; what was stored before stays whole."""

    def _key(self, path: Place) -> bytes:
        dependencies = (_VERSION, _readers(), self.settings, *_state(path))
        return hashlib.sha256(repr(dependencies).encode(errors="surrogateescape")).digest()


class FilePerImage(DecodedCache):
    """A cache with one .npy file for each image, which may have any shape."""

    def load(self, key: bytes) -> numpy.ndarray | None:
        try:
            return numpy.load(self._place(key), allow_pickle=False)
        except (OSError, ValueError, EOFError):  # not stored yet, or damaged
            return None

    def store(self, key: bytes, pixels: numpy.ndarray) -> None:
        """Writes a temporary file and renames it, so that neither another process nor a crash leaves half a file."""
        stored = self._place(key)
        stored.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=stored.parent, suffix=".unfinished")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                numpy.save(stream, pixels, allow_pickle=False)
            Path(unfinished).replace(stored)
        finally:
            Path(unfinished).unlink(missing_ok=True)

    def _place(self, key: bytes) -> Path:
        name = key.hex()
        return self.folder / name[:2] / f"{name[2:]}.npy"  # 256 folders: one with a million files is slow


class SharedFile(DecodedCache):
    """A cache with one growing file of pixels and one of entries (the index), for images of one shape.

    Image n lies at byte n times its size, and entry n of the index has its key and a checksum. A process that stores an
    image holds a lock, writes the pixels behind the last indexed image, and then the entry. So what a crash or a full
    disk leaves behind is in no entry and is overwritten. A damaged image is stored anew; of two entries with one key
    the later one counts. Workers and runs may share the files.

    Images are read by `pread`, not by a memory map: both copy from the memory in which the system keeps the file, and
    a map of a file that somebody cuts short ends the process.

    shape: (H, W, C) of all images
    """

    def __init__(self, folder: Path, settings: str, shape: tuple[int, int, int]):
        super().__init__(folder, settings)
        self.shape, self.size = shape, prod(shape)
        name = hashlib.sha256(repr((_VERSION, settings, shape)).encode()).hexdigest()[:16]
        self.pixels_path, self.index_path = folder / f"{name}.pixels", folder / f"{name}.index"
        self._forget()

    def __getstate__(self) -> dict:
        """Leaves out what belongs to one process, open files above all."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._forget()

    def load(self, key: bytes) -> numpy.ndarray | None:
        try:
            with self._open() as (pixels_file, index_file):
                key = key[:_DIGEST]
                if key not in self._entries:
                    self._read_index(index_file)
                if key not in self._entries:
                    return None
                number, checksum = self._entries[key]
                content = os.pread(pixels_file, self.size, number * self.size)
        except OSError:
            return None
        if len(content) < self.size or zlib.crc32(content) != checksum:
            del self._entries[key]  # the next entry with this key counts
            return None
        return numpy.frombuffer(content, numpy.uint8).reshape(self.shape)

    def store(self, key: bytes, pixels: numpy.ndarray) -> None:
        content = numpy.ascontiguousarray(pixels).tobytes()
        entry = key[:_DIGEST] + zlib.crc32(content).to_bytes(4, "little")
        with self._open() as (pixels_file, index_file):
            fcntl.flock(index_file, fcntl.LOCK_EX)
            try:
                self._read_index(index_file)
                if entry[:_DIGEST] in self._entries:  # another process has stored it since this one looked
                    return
                number = os.fstat(index_file).st_size // _ENTRY
                if not (_write(pixels_file, content, number * self.size)
                        and _write(index_file, entry, number * _ENTRY)):
                    os.ftruncate(index_file, number * _ENTRY)
            finally:
                fcntl.flock(index_file, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[int, int]]:
        """Yields both files, opened once in each process: a lock belongs to an opened file, and a worker that inherits
        one would share its parent's."""
        if self._process != os.getpid():
            self._forget()
            flags = os.O_RDWR | os.O_CREAT
            self._files = tuple(os.open(path, flags, 0o666) for path in (self.pixels_path, self.index_path))
            self._process = os.getpid()
        yield self._files

    def _forget(self) -> None:
        self._process: int | None = None  # that opened the files
        self._files: tuple[int, ...] = ()
        self._entries: dict[bytes, tuple[int, int]] = {}  # key -> number of its image, checksum
        self._num_read = 0  # entries of the index

    def _read_index(self, index_file: int) -> None:
        """Reads the entries that came since it was read last."""
        count = os.fstat(index_file).st_size // _ENTRY
        if count < self._num_read:  # somebody cut it short
            self._entries, self._num_read = {}, 0
        if count > self._num_read:
            content = os.pread(index_file, (count - self._num_read) * _ENTRY, self._num_read * _ENTRY)
            for place in range(0, len(content) // _ENTRY * _ENTRY, _ENTRY):
                entry = content[place:place + _ENTRY]
                self._entries[entry[:_DIGEST]] = self._num_read, int.from_bytes(entry[_DIGEST:], "little")
                self._num_read += 1


def _write(file: int, content: bytes, place: int) -> bool:
    """Writes at a place of a file; returns whether all was written. Raises an OSError, e.g. on a full disk."""
    return os.pwrite(file, content, place) == len(content)


def _state(path: Place) -> tuple:
    """Returns what an image file is and where it lies."""
    if not isinstance(path, Path):
        return path.state()
    status, place = path.stat(), (_real_folder(path.parent), path.name)
    target = os.path.realpath(path) if path.is_symlink() else None
    return place, target, status.st_size, status.st_mtime_ns


@functools.cache
def _readers() -> tuple[str, ...]:
    return tuple(metadata.version(package) for package in _READERS)


_real_folder = functools.cache(os.path.realpath)  # once for each folder and not for each file: it is slow
