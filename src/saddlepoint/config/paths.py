"""Reads, lists and replaces settings by their dotted paths, such as `optimizer.generator.lr`."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any


def at(settings: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a dotted path, None where there is none; all settings at the empty path."""
    for key in path.split(".") if path else ():
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    return settings


def leaves(settings: Any, path: str = "", inner: bool = False) -> Iterator[str]:
    """Yields the dotted paths of all values; with `inner`, those of the mappings that hold them as well."""
    if isinstance(settings, Mapping) and settings:
        if inner and path:
            yield path
        for key, value in settings.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key), inner)
    elif path:
        yield path


def changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of the settings in which the values at some dotted paths are replaced."""
    result = copy.deepcopy(dict(settings))
    for path, value in changes.items():
        *parents, name = path.split(".")
        holder = result
        for parent in parents:
            holder = holder[parent]
        holder[name] = value
    return result
