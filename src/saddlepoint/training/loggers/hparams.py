"""Collects the settings that differ between runs and the final scores, which loggers show side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.rules import as_typed
from saddlepoint.files.json_files import read_json
from saddlepoint.runs.recipe import recipe

# Choices that say what is trained; others are directories, loggers and callbacks.
GROUPS = ("experiment", "model", "data", "perceptual", "loss", "optimizer", "turns")


def varied_settings(settings: Mapping[str, Any]) -> dict[str, float | bool | str]:
    """Returns by name the settings that change what is learned, with the seed and the choices, e.g. {"model": "dcgan"}.
    Numbers stay numbers. The class of optimizer.generator._target_ is called optimizer.generator."""
    values = {path.removesuffix("._target_"): _plain(path, value) for path, value in recipe(settings).items()
             if not path.endswith("._partial_")}
    choices = {group: settings["choices"].get(group) for group in GROUPS}
    first = {"seed": settings["seed"], **{group: name for group, name in choices.items() if name}}
    return first | {name: value for name, value in values.items() if name not in first}


def scores(run: Path) -> dict[str, float]:
    """Returns the values in a run's metrics.json that are finite, by name."""
    content = read_json(run / "metrics.json") or {}
    parts = ("metrics", "image_quality", "translation", "representation")
    entries = [each for part in parts for each in content.get(part, ())]
    return {each["name"]: each["value"] for each in entries if each["value"] is not None}


def cost(run: Path, images_seen: int) -> dict[str, float]:
    """Returns the cost of a run: images seen, and if it was completed images/s and seconds."""
    entries = (read_json(run / "metrics.json") or {}).get("cost", {})
    recorded = {name: entries[name] for name in ("images_per_second", "seconds") if name in entries}
    return {"images_seen": images_seen, **recorded}


def _plain(path: str, value: Any) -> float | bool | str:
    if path.endswith("._target_"):
        return str(value).rpartition(".")[2]
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    return value if isinstance(value, bool | int | float | str) else as_typed(value)
