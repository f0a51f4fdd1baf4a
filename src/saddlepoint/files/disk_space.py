"""Turns the error of a full disk into a sentence that names the file and the free space. Imports no torch."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saddlepoint.errors import DiskFull

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, a quota is used up, larger than a file may be


@contextmanager
def report_full_disk(path: Path) -> Iterator[None]:
    """Raises a DiskFull that names `path` and the free space if an error in the block says that the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(f"{path} cannot be written: {os.strerror(error.errno)}, {describe_free_space(path)}") from error


def require_free_space(path: Path, needed: int) -> None:
    """Raises a DiskFull if the disk has less than `needed` bytes free."""
    disk = shutil.disk_usage(path.parent)
    if disk.total and disk.free < needed:  # some network file systems report 0 of 0 bytes free
        raise DiskFull(f"{path} cannot be written: {os.strerror(errno.ENOSPC)}, {describe_free_space(path)}")


def describe_free_space(path: Path) -> str:
    folder = next(each for each in path.absolute().parents if each.is_dir())  # the others could not be made
    return f"{in_megabytes(shutil.disk_usage(folder).free)} are free there"


def in_megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def find_full_disk(error: BaseException) -> DiskFull | None:
    """Returns the DiskFull that caused an error, or one made from the OSError that did; None if no full disk did. Looks
    at the error and at those that were being handled when it was raised: writing why the run ended may fail too."""
    cause, full = error, None
    while cause is not None:
        if isinstance(cause, DiskFull):
            return cause
        if isinstance(cause, OSError) and cause.errno in FULL:
            full = DiskFull(f"{cause.filename or 'A file of the run'} cannot be written: {cause.strerror}. Make room, "
                            "then go on with resume=RUN: its newest checkpoint is as it was")
        cause = cause.__context__
    return full
