"""Reads image files out of LMDB databases, as LSUN keeps them: a folder with a file data.mdb, key -> image file."""

import hashlib
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy

from saddlepoint.data.listing import ImageFile
from saddlepoint.errors import RequestError
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.packed import Packed

DATA = "data.mdb"
_OPEN: dict[str, tuple[tuple, Any]] = {}  # where a database is -> the process and state in which it was opened, and it


class Database:
    """A database that is only read, by every process that needs it.

    It is opened without a lock and without reading ahead, so that it may lie on a disk that cannot be written, and that
    other programs may have it open. A RequestError says why it cannot be opened.

    path: the folder
    """

    def __init__(self, path: Path):
        if find_spec("lmdb") is None:
            raise RequestError("data=lsun reads LMDB databases through the package lmdb, which is not installed here: "
                               "type pip install lmdb")
        self.path, self.file = path, path / DATA
        try:
            status = self.file.stat()
        except OSError as error:
            raise RequestError(f"{self.file} cannot be read: {error.strerror}.") from error
        self.size_of_file = status.st_size
        self._state = os.path.realpath(self.file), status.st_ino, status.st_size, status.st_mtime_ns

    def keys(self) -> "Keys":
        """Returns all keys in the order of the database, which is that of their bytes."""
        import lmdb
        try:
            with self._environment().begin() as view, view.cursor() as cursor:
                keys = Keys([*cursor.iternext(keys=True, values=False)])
        except lmdb.Error as error:
            raise RequestError(f"{self.file} is damaged: {error}. Replace it with a good copy.") from error
        if not keys:
            raise RequestError(f"{self.file} has no images in it: replace it with a good copy.")
        return keys

    def value(self, key: bytes, part: slice = slice(None)) -> bytes:
        """Returns the bytes under a key, or a part of them. Raises Unreadable."""
        import lmdb
        try:
            with self._environment().begin(buffers=True) as view:
                found = view.get(key)
                if found is None:
                    raise Unreadable("its key is no longer in the database")
                return bytes(found[part])
        except lmdb.Error as error:
            raise Unreadable(f"the database is damaged ({error})") from error

    def size(self, key: bytes) -> int:
        """Returns how many bytes are under a key; 0 if it is not there."""
        import lmdb
        try:
            with self._environment().begin(buffers=True) as view:
                return len(view.get(key, b""))
        except lmdb.Error:
            return 0

    def state(self) -> tuple:
        """Returns where the file is, its size and when it was changed."""
        return self._state

    def _environment(self) -> Any:
        """Returns the opened database, of which a process can have one. It belongs to the process: a worker closes that
        which it inherits, and opens its own."""
        place, now = self._state[0], (os.getpid(), self._state)
        before, opened = _OPEN.get(place, (None, None))
        if before != now:
            if opened is not None:
                opened.close()
            _OPEN.pop(place, None)
            _OPEN[place] = now, self._open()
        return _OPEN[place][1]

    def _open(self) -> Any:
        import lmdb
        try:
            opened = lmdb.open(str(self.path), readonly=True, lock=False, readahead=False, meminit=False, create=False)
        except lmdb.Error as error:
            raise RequestError(f"{self.file} is not an LMDB database that can be read ({error}): replace it with a "
                               "good copy.") from error
        promised = (opened.info()["last_pgno"] + 1) * opened.stat()["psize"]
        if promised > self.size_of_file:  # the file is mapped, and reading behind its end would end the process
            opened.close()
            raise RequestError(f"{self.file} is cut short: it has {self.size_of_file:,} of its {promised:,} bytes. "
                               "Replace it with a good copy.")
        return opened


class Keys(Sequence[bytes]):
    """Millions of keys in the memory that their bytes take."""

    def __init__(self, keys: Sequence[bytes]):
        self.content = b"".join(keys)
        self.ends = numpy.cumsum([len(key) for key in keys], dtype=numpy.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> bytes:
        return self.content[self.ends[index - 1] if index else 0:self.ends[index]]

    def digest(self) -> str:
        """Returns a SHA-256, hexadecimal, of all keys."""
        return hashlib.sha256(self.ends.tobytes() + self.content).hexdigest()


class StoredImage(Packed):
    """An image file in a database."""

    __slots__ = ("database", "key")

    def __init__(self, database: Database, key: bytes):
        self.database, self.key = database, key

    def __str__(self) -> str:
        return f"{self.database.file}/{name_of(self.key)}"

    @property
    def size(self) -> int:
        return self.database.size(self.key)

    def read_bytes(self) -> bytes:
        return self.database.value(self.key)

    def part(self, begin: int, length: int) -> bytes:
        return self.database.value(self.key, slice(begin, begin + length))

    def state(self) -> tuple:
        return *self.database.state(), self.key


class StoredImages(Sequence[ImageFile]):
    """The image files of several databases, one database after the other, or some of them.

    No list of them is kept: an `ImageFile` is made when it is asked for.

    names: what the databases are called, in the names of files
    chosen: [N] int64, which of all image files; None: all
    """

    def __init__(self, names: Sequence[str], databases: Sequence[Database], keys: Sequence[Keys],
                 chosen: numpy.ndarray | None = None):
        self.names, self.databases, self.keys = names, databases, keys
        self.ends = numpy.cumsum([len(each) for each in keys])
        self.chosen = numpy.arange(self.ends[-1]) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> ImageFile:
        number = int(self.chosen[index])
        of = int(numpy.searchsorted(self.ends, number, side="right"))
        key = self.keys[of][number - (int(self.ends[of - 1]) if of else 0)]
        return ImageFile(f"{self.names[of]}/{name_of(key)}", StoredImage(self.databases[of], key))

    def some(self, indices: numpy.ndarray) -> "StoredImages":
        """Returns those of these indices [N] int64."""
        return StoredImages(self.names, self.databases, self.keys, self.chosen[indices])

    def numbers_of_databases(self) -> numpy.ndarray:
        """Returns the number of the database of each image file, [N] int64."""
        return numpy.searchsorted(self.ends, self.chosen, side="right")


class PlacesOf(Sequence[StoredImage]):
    """Where the image files are, without a list of them either."""

    def __init__(self, images: StoredImages):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> StoredImage:
        return self.images[index].path


def name_of(key: bytes) -> str:
    """Returns a key as text."""
    return key.decode("ascii", errors="backslashreplace")
