"""Downloads files of weights from their authors' addresses, whole and verified or not at all, into the cache folder."""

import hashlib
import http.client
import os
import shutil
import sys
import urllib.request
from pathlib import Path

from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically

SILENCE = 10.0  # seconds without a byte after which a server is given up
CANNOT_DOWNLOAD = (OSError, http.client.HTTPException)


def cache_folder() -> Path:
    """Returns $SADDLEPOINT_CACHE if it is set, else saddlepoint/ in the user's cache folder."""
    typed = os.environ.get("SADDLEPOINT_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(typed, "SADDLEPOINT_CACHE") if typed else expanded(home, "XDG_CACHE_HOME") / "saddlepoint"


def download(address: str, path: Path, sha256: str, megabytes: int) -> None:
    """Downloads a file and verifies it. `sha256`: the digest, or its beginning where the authors publish no more.
    Raises one of CANNOT_DOWNLOAD."""
    print(f"Downloading {path.name} ({megabytes} MB) into {path.parent}", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: _fetch(address, temporary, sha256))


def _fetch(address: str, path: Path, sha256: str) -> None:
    with urllib.request.urlopen(address, timeout=SILENCE) as response, path.open("wb") as file:
        shutil.copyfileobj(response, file)
        size, promised = file.tell(), response.headers["Content-Length"]
    if promised is not None and size != int(promised):  # a connection that ends early is no error of urllib's
        raise OSError(f"{address} sent {size:,} of {int(promised):,} bytes")
    with path.open("rb") as file:
        if not hashlib.file_digest(file, "sha256").hexdigest().startswith(sha256):
            raise OSError(f"{address} has another file, or it did not arrive whole")


def digest_of(path: Path, where: str) -> str:
    """Returns the SHA-256 of a file, hexadecimal. `where` is the file as the user knows it, for the error when it
    cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RequestError(f"{where} cannot be read: {error.strerror or error}") from error
