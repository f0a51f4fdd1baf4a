"""What conf/ offers, from its files: tests hold their lists against it, so that an option nobody tests is noticed."""

import inspect
from importlib import import_module
from pathlib import Path

import yaml

CONF = Path(__file__).parent.parent / "conf"


def classes(group: str, part: str | None = None) -> dict[str, type]:
    """option -> its class, or that of this part of it; options without one are left out."""
    contents = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / group).glob("*.yaml"))}
    parts = {option: content if part is None else content.get(part, {}) for option, content in contents.items()}
    return {option: named(node["_target_"]) for option, node in parts.items() if "_target_" in node}


def named(target: str) -> type:
    module, name = target.rsplit(".", 1)
    return getattr(import_module(module), name)


def concrete(base: type) -> set[type]:
    """Its subclasses in saddlepoint, however deep, whose objects can be made and whose names are no private ones"""
    found = {below for each in base.__subclasses__() for below in {each, *concrete(each)}}
    return {each for each in found if each.__module__.startswith("saddlepoint.") and not inspect.isabstract(each)
            and not each.__name__.startswith("_")}
