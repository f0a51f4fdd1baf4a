"""Tells files of safetensors from others by what they begin with."""

from pathlib import Path

LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors library


def is_safetensors(path: Path) -> bool:
    """Returns whether the file is safetensors: it begins with the length of its header in eight bytes, then the header,
    which is JSON. No file of torch begins so."""
    with path.open("rb") as file:
        length, brace = int.from_bytes(file.read(8), "little"), file.read(1)
    return brace == b"{" and length <= LONGEST_HEADER
