"""Reads and writes the JSON files of runs and sweeps, whole or not at all, and the form of their times. Imports no
torch."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saddlepoint.files import disk_space
from saddlepoint.files.names import temporary_for


def write_json(path: Path, content: dict) -> None:
    temporary = temporary_for(path)
    try:
        with disk_space.naming(path):
            temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Returns the dictionary in a JSON file; None if there is no such file, or if it holds no dictionary."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
