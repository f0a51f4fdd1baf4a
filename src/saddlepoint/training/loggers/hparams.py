"""What a researcher varies and what comes of it, as loggers show it side by side: settings and final scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.rules import as_typed
from saddlepoint.files.json_files import read_json
from saddlepoint.runs.recipe import recipe

# Choices that name what is varied; others are places and onlookers.
GROUPS = ("experiment", "model", "data", "perceptual", "loss", "optimizer", "turns")


def varied(settings: Mapping[str, Any]) -> dict[str, float | bool | str]:
    """Name -> value of what changes what is learnt, of the seed, and what was chosen: {"model": "dcgan", ...}. Numbers
    stay numbers. The class behind optimizer.generator._target_ is optimizer.generator."""
    found = {path.removesuffix("._target_"): _plain(path, value) for path, value in recipe(settings).items()
             if not path.endswith("._partial_")}
    chosen = {group: settings["choices"].get(group) for group in GROUPS}
    first = {"seed": settings["seed"], **{group: name for group, name in chosen.items() if name}}
    return first | {name: value for name, value in found.items() if name not in first}


def scores(run: Path) -> dict[str, float]:
    """The last ones of metrics.json, where they are finite"""
    content = read_json(run / "metrics.json") or {}
    measured = [*content.get("metrics", ()), *content.get("image_quality", ())]
    return {each["name"]: each["value"] for each in measured if each["value"] is not None}


def cost(run: Path, images_seen: int) -> dict[str, float]:
    """What of it a run that did not complete has"""
    found = (read_json(run / "metrics.json") or {}).get("cost", {})
    known = {name: found[name] for name in ("images_per_second", "seconds") if name in found}
    return {"images_seen": images_seen, **known}


def _plain(path: str, value: Any) -> float | bool | str:
    if path.endswith("._target_"):
        return str(value).rpartition(".")[2]
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    return value if isinstance(value, bool | int | float | str) else as_typed(value)
