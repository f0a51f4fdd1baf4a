"""Files of weights: which file it is, decided by its content."""

import hashlib
from pathlib import Path

from saddlepoint.errors import RequestError


def digest_of(path: Path, where: str) -> str:
    """SHA-256, hexadecimal; `where` is how the user knows the file, for the refusal when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RequestError(f"{where} cannot be read: {error.strerror or error}") from error
