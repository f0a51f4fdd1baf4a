"""Unpacks the tar archives of data sets beside them: the whole of an archive's folder or nothing."""

import errno
import gzip
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from saddlepoint.data.progress import with_progress
from saddlepoint.data.sources.opening import Damage, name_in_errors
from saddlepoint.errors import RequestError
from saddlepoint.files.disk_space import in_megabytes


def unpack(archive: Path, top: str) -> Path:
    """Unpacks an archive's folder `top` beside the archive and returns the folder.

    It first has another name, so that a folder with its own name is whole. Links are left out. An archive with a file
    that would lie outside its folder is refused.
    """
    place = archive.parent / top
    try:
        staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=archive.parent))
    except OSError as error:
        raise _writing_error(archive, error) from error
    try:
        with name_in_errors(archive), tarfile.open(archive) as opened:
            members = [member for member in opened if member.isreg() and _is_below(member.name, top)]
            if not members:
                raise Damage(f"it has no files in a folder {top}")
            _require_room(archive, sum(member.size for member in members))
            for member in with_progress(members, f"files unpacked of {archive.name}"):
                _write(opened, member, staging, archive)
            while opened.fileobj.read(1 << 20):  # the checksum of a .gz file comes behind the last of them
                pass
        try:
            (staging / top).rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process has just unpacked the same
                raise _writing_error(archive, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return place


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, archive: Path) -> None:
    target = folder / PurePosixPath(member.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.extractfile(member) as stream, target.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
    except gzip.BadGzipFile:  # an OSError, but of reading
        raise
    except OSError as error:
        raise _writing_error(archive, error) from error


def _is_below(name: str, top: str) -> bool:
    """Tells whether a file is in the folder `top`. Raises Damage if its name leads out of the archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise Damage(f"it has a file {name!r}, which would be written outside its folder, and nothing was unpacked")
    return len(path.parts) > 1 and path.parts[0] == top


def _require_room(archive: Path, needed: int) -> None:
    disk = shutil.disk_usage(archive.parent)
    if disk.total and disk.free < needed:  # some network file systems report 0 of 0 bytes free
        raise RequestError(f"{archive} takes {in_megabytes(needed)} unpacked, and its disk has "
                           f"{in_megabytes(disk.free)} free: make room, or unpack it elsewhere and type "
                           "data.root=FOLDER for the folder that then has it.")


def _writing_error(archive: Path, error: OSError) -> RequestError:
    return RequestError(f"{archive} cannot be unpacked beside itself ({error.strerror or error}): unpack it elsewhere, "
                        "and type data.root=FOLDER for the folder that then has it.")
