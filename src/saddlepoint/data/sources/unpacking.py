"""Unpacks the archives of data sets, zip or tar, beside them: all of the archive's folder or nothing."""

import gzip
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from saddlepoint.data.progress import with_progress
from saddlepoint.data.sources.opening import Damage, name_in_errors
from saddlepoint.errors import RequestError
from saddlepoint.files.disk_space import in_megabytes


class _Member(NamedTuple):
    name: str  # with forward slashes, as the archive has it
    size: int  # bytes, unpacked
    where: zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: Path, top: str) -> Path:
    """Unpacks an archive's folder `top` beside the archive and returns the folder.

    It first gets another name, so that a folder with its own name is whole. Links are left out, and a file that would
    lie elsewhere is refused, with the whole archive.
    """
    place = archive.parent / top
    try:
        staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=archive.parent))
    except OSError as error:
        raise RequestError(f"{archive} cannot be unpacked beside itself ({error.strerror}): unpack it elsewhere, and "
                           f"type data.root=FOLDER for the folder that then has {top}.") from error
    try:
        with name_in_errors(archive), _opened(archive) as opened:
            members = [each for each in _members(opened) if _is_below(each.name, top)]
            if not members:
                raise Damage(f"it has no files in a folder {top}")
            _require_room(archive, sum(member.size for member in members))
            for member in with_progress(members, f"files unpacked of {archive.name}"):
                with _stream(opened, member) as stream, _writing(archive):
                    _write(staging / PurePosixPath(member.name), stream)
        with _writing(archive):
            (staging / top).rename(place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return place


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    is_zip = zipfile.is_zipfile(archive)
    with (zipfile.ZipFile if is_zip else tarfile.open)(archive) as opened:
        try:
            yield opened
        except (NotImplementedError, RuntimeError) as error:  # zipfile's: encrypted, or an odd compression
            raise Damage(str(error)) from error


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> list[_Member]:
    if isinstance(opened, zipfile.ZipFile):
        return [_Member(each.filename, each.file_size, each) for each in opened.infolist() if not each.is_dir()]
    return [_Member(each.name, each.size, each) for each in opened if each.isreg()]


def _stream(opened: zipfile.ZipFile | tarfile.TarFile, member: _Member) -> BinaryIO:
    return opened.open(member.where) if isinstance(opened, zipfile.ZipFile) else opened.extractfile(member.where)


def _write(target: Path, stream: BinaryIO) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


@contextmanager
def _writing(archive: Path) -> Iterator[None]:
    """Turns errors of writing what an archive holds into a RequestError."""
    try:
        yield
    except gzip.BadGzipFile:  # an OSError, but of reading
        raise
    except OSError as error:
        raise RequestError(f"{archive} cannot be unpacked beside itself: {error.strerror or error}.") from error


def _is_below(name: str, top: str) -> bool:
    """Tells whether a file is in the folder `top`. Raises Damage if its name leads out of the archive."""
    path = PurePosixPath(name.removeprefix("./"))
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        raise Damage(f"it has a file {name!r}, which would be written outside its folder; nothing was unpacked")
    return path.parts[0] == top and len(path.parts) > 1


def _require_room(archive: Path, needed: int) -> None:
    disk = shutil.disk_usage(archive.parent)
    if disk.total and disk.free < needed:
        raise RequestError(f"{archive} takes {in_megabytes(needed)} unpacked, and its disk has "
                           f"{in_megabytes(disk.free)} free: make room, or move it to another disk and type "
                           "data.root=FOLDER.")
