"""Downloads the files of a data set from torchvision's addresses and verifies them: all of them or none."""

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
    """A file that can be downloaded."""

    name: str
    addresses: list[str]  # the same file at each; tried in turn
    md5: str


def download(files: list[Remote], root: Path, data_set: str) -> None:
    """Downloads the files into `root`. If that fails, a RequestError names the files and where to put them.

    `data_set`: its name, as it is typed after data=. `root` gets its files once all of them are complete.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
    except OSError as error:
        raise missing_error(files, root, data_set, f"a download could not be stored: {error.strerror}") from error
    try:
        with _time_limit():
            for file in files:
                _download_from_any(file, staging)
        for file in files:
            (staging / file.name).replace(root / file.name)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise missing_error(files, root, data_set, f"downloading them failed: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def missing_error(files: list[Remote], root: Path, data_set: str, why: str) -> RequestError:
    """Returns the error for a data set whose files are not in `root`."""
    names = ", ".join(file.name for file in files)
    return RequestError(f"The files of data={data_set} are not in data.root={root} ({why}). Put {names} there, or "
                        f"type data.root=FOLDER for the folder that has them; data=mnist5k needs no download.")


def _download_from_any(file: Remote, folder: Path) -> None:
    for address in file.addresses[:-1]:
        with contextlib.suppress(OSError, RuntimeError, http.client.HTTPException):
            return download_url(address, folder, file.name, file.md5)
    return download_url(file.addresses[-1], folder, file.name, file.md5)


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Limits how long a server may be silent: torchvision sets no limit and would wait minutes behind a firewall."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
