"""Opens the files of a set: gzipped or not, whatever their name says, and damaged ones end in a sentence."""

import gzip
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from saddlepoint.errors import RequestError


class Damage(Exception):
    """What is wrong with the content of a file, by somebody who does not know the file's name."""


def find(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """The first file with one of the names, or one of them and .gz, in the first folder that has any."""
    names = list(names)
    candidates = (folder / (name + ending) for folder in folders for ending in ("", ".gz") for name in names)
    return next((path for path in candidates if path.is_file()), None)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What goes wrong while `path` is read becomes a sentence that names it."""
    try:
        yield
    except (Damage, gzip.BadGzipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise RequestError(f"{path} is damaged: {error}. Replace it with a good copy.") from error
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}.") from error


@contextmanager
def unzipped(path: Path) -> Iterator[BinaryIO]:
    """The bytes of `path`; downloads often arrive unzipped under a name with .gz, so the content decides."""
    with naming(path), path.open("rb") as stored:
        is_gzipped = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        with gzip.open(stored) if is_gzipped else nullcontext(stored) as stream:
            yield stream
