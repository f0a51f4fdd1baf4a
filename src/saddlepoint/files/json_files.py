"""Reads the JSON files of runs and sweeps, and writes them whole or not at all. Imports no torch."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saddlepoint.files import disk_space
from saddlepoint.files.names import temporary_for


def write_json(path: Path, content: dict) -> None:
    """Writes a dictionary as a JSON file, whole or not at all."""
    temporary = temporary_for(path)
    try:
        with disk_space.report_full_disk(path):
            temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Returns the dictionary in a JSON file; None if the file does not exist or holds no dictionary."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def now() -> str:
    """Returns the present time in UTC as it is written in these files, e.g. 2026-01-31T12:00:00+00:00."""
    return datetime.now(UTC).isoformat(timespec="seconds")
