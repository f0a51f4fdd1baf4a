"""Finds and opens the files of a data set, gzipped or not, and turns damage into errors that name the file."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from saddlepoint.errors import RequestError


class Damage(Exception):
    """The content of a file is damaged. The message says how, e.g. "it ends inside its header"; `name_in_errors` adds
    the file's name."""


def find(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """Returns the first file with one of the names, with or without .gz, in the first folder that has any."""
    names = list(names)
    candidates = (folder / (name + ending) for folder in folders for ending in ("", ".gz") for name in names)
    return next((path for path in candidates if path.is_file()), None)


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """Turns errors of reading `path` into a RequestError that names it."""
    try:
        yield
    except (Damage, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise RequestError(f"{path} is damaged: {error}. Replace it with a good copy.") from error
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}.") from error


@contextmanager
def unzipped(path: Path) -> Iterator[BinaryIO]:
    """Opens a file and yields its bytes, unzipped if they are gzipped. The content decides that, since downloads often
    arrive unzipped under a name with .gz."""
    with name_in_errors(path), path.open("rb") as stored, unzipped_stream(stored) as stream:
        yield stream


@contextmanager
def unzipped_stream(stored: BinaryIO) -> Iterator[BinaryIO]:
    """Yields the bytes of a file that can be read twice from its beginning, unzipped if they are gzipped."""
    is_gzipped = stored.read(2) == b"\x1f\x8b"
    stored.seek(0)
    with gzip.open(stored) if is_gzipped else nullcontext(stored) as stream:
        yield stream


def fill(values: Tensor, stream: BinaryIO) -> int:
    """Fills a uint8 tensor from the stream, which gives bytes in pieces if it is gzipped, and returns their number."""
    memory = memoryview(values.view(-1).numpy())
    filled = 0
    while filled < len(memory) and (count := stream.readinto(memory[filled:])):
        filled += count
    return filled
