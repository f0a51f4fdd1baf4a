"""Files of weights that the authors of a network publish: where they are here, and how they come here."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from saddlepoint.config.typed_paths import expanded
from saddlepoint.downloads import CANNOT_DOWNLOAD, download
from saddlepoint.errors import RequestError


@dataclass(frozen=True)
class WeightFile:
    """A file of weights for an extractor.

    extractor: as it is typed
    name: of the file in torch hub's folder
    address: from where it is downloaded
    variable: an environment variable that may hold its path
    megabytes: its size
    sha256: its digest; empty where its authors publish none, and then the file is not compared with anything
    """

    extractor: str
    name: str
    address: str
    variable: str
    megabytes: int
    sha256: str = ""

    def locate(self, weights: str | None) -> tuple[Path, str]:
        """Returns the file, and words for it that the user knows. It is the one in the setting, else the one in the
        environment variable, else that in torch hub's folder, to which it is downloaded if it is not there."""
        if weights is not None:
            return expanded(weights, "extractor.weights"), f"extractor.weights={weights}"
        if from_environment := os.environ.get(self.variable):
            return (expanded(from_environment, self.variable),
                    f"{self.variable}={from_environment} (an environment variable)")
        path = Path(torch.hub.get_dir(), "checkpoints", self.name)
        if not path.exists():
            self._fetch(path)
        return path, str(path)

    def read_verified(self, path: Path, where: str) -> bytes:
        """Returns the content of a file with a known digest. It is read once, so that the verified bytes are the ones
        that are loaded. Raises a RequestError that begins with `where` if it is another file."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RequestError(self.cannot_be_read(where, error)) from error
        if (digest := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise RequestError(f"{where} is damaged or not {self.name}, since its SHA-256 is {digest} instead of "
                               f"{self.sha256}: replace it with the file from {self.address}")
        return content

    def cannot_be_read(self, where: str, error: OSError) -> str:
        return f"{where} cannot be read ({error.strerror or error}): it must be {self.name}, from {self.address}"

    def _fetch(self, path: Path) -> None:
        """Downloads the weights to `path`, where they appear whole or not at all. Raises a RequestError if that
        fails."""
        try:
            download(self.address, path, self.sha256, self.megabytes)
        except CANNOT_DOWNLOAD as error:
            digest = f" (SHA-256 {self.sha256})" if self.sha256 else f" (from {self.address})"
            raise RequestError(f"extractor={self.extractor} needs {self.name}{digest}, which could not be downloaded "
                               f"({error}): put it into {path.parent}, type extractor.weights=FILE for where you have "
                               "it, or type extractor=random") from error
