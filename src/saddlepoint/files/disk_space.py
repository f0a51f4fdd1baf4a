"""Reports a full disk in a sentence that names the file and the space left. Imports no torch."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saddlepoint.errors import DiskFull

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, no more of a quota, over the limit of one file's size


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns the error of a disk that fills up in this block into a DiskFull that names `path` and the space left."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(f"{path} cannot be written: {os.strerror(error.errno)}, {free_there(path)}") from error


def refuse_too_little(path: Path, needed: int) -> None:
    """Raises an error before anything is written if the disk has less than `needed` bytes free."""
    disk = shutil.disk_usage(path.parent)
    if disk.total and disk.free < needed:  # some network file systems say 0 of 0
        raise DiskFull(f"{path} cannot be written: {os.strerror(errno.ENOSPC)}, {free_there(path)}")


def free_there(path: Path) -> str:
    folder = next(each for each in path.absolute().parents if each.is_dir())  # those below may not have found room
    return f"{megabytes(shutil.disk_usage(folder).free)} are free there"


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def behind(error: BaseException) -> DiskFull | None:
    """Returns the full disk that caused an error: the error itself, or one that was being handled when it was raised
    (there may be no room either for the note of why the run ended). An error already put in words is preferred."""
    link, full = error, None
    while link is not None:
        if isinstance(link, DiskFull):
            return link
        if isinstance(link, OSError) and link.errno in FULL:
            full = DiskFull(f"{link.filename or 'A file of the run'} cannot be written: {link.strerror}. Make room, "
                             "then go on with resume=RUN: its newest checkpoint is as it was")
        link = link.__context__
    return full
