"""Reads files of runs that may be missing, cut off in the middle, or written by another program."""

import csv
import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from saddlepoint.config import former

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML was built with libyaml
PICTURE = re.compile(r"(.+)_(\d{10})\.png")


class Unreadable(Exception):
    """An error whose text says which file cannot be read, and why."""


def read_json(path: Path) -> Mapping[str, Any]:
    """Returns the object in a JSON file, NaN and Infinity as None; raises Unreadable if there is none."""
    return _read_mapping(path, lambda text: json.loads(text, parse_constant=_none))


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Returns the mapping in a YAML file; raises Unreadable if there is none."""
    return _read_mapping(path, _parse_yaml)


def read_settings(path: Path) -> Mapping[str, Any]:
    """Returns the settings of a run (config.yaml), with today's names of classes and settings."""
    return _read_mapping(path, lambda text: former.in_todays_words(_parse_yaml(text)))


def _parse_yaml(text: str) -> Any:
    """Parses YAML by libyaml, or by the slower PyYAML where libyaml refuses: bytes of file names that are no UTF-8 are
    written as \\udcff, which only PyYAML reads."""
    try:
        return yaml.load(text, Loader=LOADER)  # noqa: S506 a safe loader
    except yaml.YAMLError:
        if r"\udc" not in text.lower():
            raise
        return yaml.safe_load(text)


def json_files(folder: Path) -> list[Mapping[str, Any]]:
    """Returns the contents of the JSON files in a folder, sorted by name; files that cannot be read are left out."""
    contents = []
    for path in sorted(folder.glob("*.json")):
        with suppress(Unreadable):
            contents.append(read_json(path))
    return contents


def read_list(path: Path, name: str) -> list[Mapping[str, Any]]:
    """Returns the objects in the list called `name` of a JSON file; [] if the file cannot be read or has no such
    list."""
    with suppress(Unreadable):
        content = read_json(path).get(name)
        return [each for each in content if isinstance(each, Mapping)] if isinstance(content, list) else []
    return []


def _read_mapping(path: Path, parse: Callable[[str], Any]) -> Mapping[str, Any]:
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


def _none(word: str) -> None:
    return None  # for NaN and Infinity, which Python writes and JSON does not know


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def text(content: Mapping[str, Any], name: str) -> str:
    """Returns the text of that name, or an empty one if the content has none."""
    value = content.get(name)
    return value if isinstance(value, str) else ""


def texts(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Returns the texts in the list of that name; none if the content has no such list."""
    value = content.get(name)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def mappings(content: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    """Returns the mappings in the list of that name; none if the content has no such list."""
    value = content.get(name)
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


def mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns the mapping of that name, or {} if the content has none."""
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}


def count(content: Mapping[str, Any], name: str) -> int | None:
    """Returns the whole number of that name, 0 or more, or None if the content has none."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def finite_number(content: Mapping[str, Any], name: str) -> float | None:
    """Returns the number of that name, or None if the content has none or it is not finite."""
    value = content.get(name)
    is_finite = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_finite else None


def curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Returns curve, by today's name -> sorted points (images seen, value) of a metrics.csv; {} if it cannot be read.

    A last line that was cut off, and cells that hold no finite number, are left out.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except OSError:
        return {}
    whole_lines = lines if lines and lines[-1].endswith("\n") else lines[:-1]
    points_of: dict[str, list[tuple[int, float]]] = {}
    for row in csv.DictReader(line.replace("\0", "") for line in whole_lines):
        images_seen = _number(row.pop("images_seen", None))
        for column, cell in row.items() if images_seen is not None else ():
            value = _number(cell)
            if column and value is not None:
                points_of.setdefault(former.curve_name(column), []).append((int(images_seen), value))
    return {column: sorted(points) for column, points in points_of.items()}


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def pictures(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Returns name -> sorted (images seen, file) of the files `<name>_<images seen>.png` in a folder."""
    files_of: dict[str, list[tuple[int, Path]]] = {}
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return {}
    for file in files:
        match = PICTURE.fullmatch(file.name)
        if match:
            files_of.setdefault(match[1], []).append((int(match[2]), file))
    return {name: sorted(pairs) for name, pairs in files_of.items()}
