"""Downloads a set from torchvision's addresses, with its checksums: all files, or nothing that a later run reads."""

import contextlib
import http.client
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from torchvision.datasets.utils import download_url

from saddlepoint.errors import RequestError

SILENCE = 10.0  # seconds without an answer, after which a server counts as unreachable


class Remote(NamedTuple):
    name: str
    addresses: list[str]  # the same file at each; tried in turn
    md5: str


def download(files: list[Remote], root: Path, asked_for: str) -> None:
    """Puts `files` into `root`, or raises with the names of the files and where to put them."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
    except OSError as error:
        raise not_there(files, root, asked_for, f"a download could not be stored: {error.strerror}") from error
    try:
        with _impatient():
            for file in files:
                _download_from_any(file, staging)
        for file in files:
            (staging / file.name).replace(root / file.name)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise not_there(files, root, asked_for, f"downloading them failed: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def not_there(files: list[Remote], root: Path, asked_for: str, why: str) -> RequestError:
    names = ", ".join(file.name for file in files)
    return RequestError(f"The files of data={asked_for} are not in data.root={root} ({why}). Put {names} there, or "
                        f"type data.root=FOLDER for the folder that has them; data=mnist5k needs no download.")


def _download_from_any(file: Remote, folder: Path) -> None:
    for address in file.addresses[:-1]:
        with contextlib.suppress(OSError, RuntimeError, http.client.HTTPException):
            return download_url(address, folder, file.name, file.md5)
    return download_url(file.addresses[-1], folder, file.name, file.md5)


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """torchvision sets no time limit: behind a silent firewall it would wait for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
