"""Files of runs, read with distrust: they may be missing, cut off in the middle, or somebody else's."""

import csv
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from saddlepoint.config.former import in_todays_words

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML was built with libyaml
PICTURE = re.compile(r"(.+)_(\d{10})\.png")


class Unreadable(Exception):
    """The text says which file and why."""


def read_json(path: Path) -> Mapping[str, Any]:
    return _mapping(path, lambda text: json.loads(text, parse_constant=_no_number))


def read_yaml(path: Path) -> Mapping[str, Any]:
    return _mapping(path, _yaml)


def read_settings(path: Path) -> Mapping[str, Any]:
    """Returns the settings of a run (config.yaml), with today's names of classes and settings."""
    return _mapping(path, lambda text: in_todays_words(_yaml(text)))


def _yaml(text: str) -> Any:
    """libyaml refuses bytes of names that were no UTF-8, which PyYAML spells as \\udcff and reads."""
    try:
        return yaml.load(text, Loader=LOADER)  # noqa: S506 a safe loader
    except yaml.YAMLError:
        if r"\udc" not in text.lower():
            raise
        return yaml.safe_load(text)


def json_files(folder: Path) -> list[Mapping[str, Any]]:
    """Those that can be read."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with suppress(Unreadable):
            found.append(read_json(path))
    return found


def listed(path: Path, name: str) -> list[Mapping[str, Any]]:
    """The dictionaries of a list in a file; none where it cannot be read."""
    with suppress(Unreadable):
        content = read_json(path).get(name)
        return [each for each in content if isinstance(each, Mapping)] if isinstance(content, list) else []
    return []


def _mapping(path: Path, parse) -> Mapping[str, Any]:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Unreadable(f"{path.name} is missing") from error
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read ({error.strerror or error})") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise Unreadable(f"{path.name} is cut off or corrupt ({_first_line(error)})") from error
    if not isinstance(content, Mapping):
        raise Unreadable(f"{path.name} is empty or holds something else than names and values")
    return content


def _no_number(word: str) -> None:
    return None  # NaN and Infinity are no JSON: a value that is not finite


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""


def mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}


def count(content: Mapping[str, Any], name: str) -> int | None:
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def finite(content: Mapping[str, Any], name: str) -> float | None:
    value = content.get(name)
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """metrics.csv -> {column: [(images seen, value)]}; a last line that was cut off is left out, as is what is no
    number."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except OSError:
        return {}
    whole = lines if lines and lines[-1].endswith("\n") else lines[:-1]
    found: dict[str, list[tuple[int, float]]] = {}
    for row in csv.DictReader(line.replace("\0", "") for line in whole):
        images_seen = _number(row.pop("images_seen", None))
        for column, cell in row.items() if images_seen is not None else ():
            value = _number(cell)
            if column and value is not None:
                found.setdefault(column, []).append((int(images_seen), value))
    return {column: sorted(points) for column, points in found.items()}


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def pictures(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """samples/<name>_<images seen>.png -> {name: [(images seen, file)]}"""
    found: dict[str, list[tuple[int, Path]]] = {}
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return {}
    for file in files:
        match = PICTURE.fullmatch(file.name)
        if match:
            found.setdefault(match[1], []).append((int(match[2]), file))
    return {name: sorted(drawn) for name, drawn in found.items()}
