"""Loggers from settings: none, one or several. What knows the configuration, as build.py does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.loggers.kind import Kind
from saddlepoint.loggers.kinds import kind_of
from saddlepoint.spelling import readable


def made(settings: Mapping[str, Any], directory: Path, images_seen: int = 0) -> list[Logger]:
    """`images_seen`: where a run goes on"""
    loggers = []
    for name, each in _chosen(settings).items():
        kind = _kind(name, each)
        with kind.contact(each):
            loggers.append(build.make(each, Logger, f"logger.{name}", **kind.arguments(directory, images_seen)))
    return loggers


def refuse_missing(settings: Mapping[str, Any]) -> None:
    for name, each in _chosen(settings).items():
        kind = _kind(name, each)
        if kind.is_missing:
            raise RequestError(f"logger={name} needs the package {kind.package}: type pip install "
                               f"'saddlepoint[{kind.package}]'")


def refuse_directory(settings: Mapping[str, Any], directory: Path) -> None:
    for name, each in _chosen(settings).items():
        if _kind(name, each).only_unicode and readable(str(directory)) != str(directory):
            raise RequestError(f"logger={name} cannot write into run.dir={directory}, whose name is no "
                               "Unicode text: choose another directory, or type logger=none")


def _chosen(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Name -> settings. The first runs had one, without a name."""
    given = settings["logger"] or {}
    return {"logger": given} if "_target_" in given else dict(given)


def _kind(name: str, settings: Mapping[str, Any]) -> Kind:
    return kind_of(build.target_class(settings, f"logger.{name}"))
