"""What makes two runs the same recipe: settings that change what is learnt, and what it is learnt from. Seeds, places
and onlookers do not."""

from collections.abc import Mapping
from typing import Any

from saddlepoint.config.former import is_null_today
from saddlepoint.config.paths import at, leaves
from saddlepoint.runs import data_identity

# Where, how fast, how watched and how judged. Values of unlike judges are told apart by their protocol.
NOT_THE_RECIPE = ("seed", "run", "resume", "extensions", "threads", "describe", "trainer", "logger", "callbacks",
                  "metrics",
                  "extractor", "data.root", "data.low_root", "data.validation_root", "data.cache", "data.num_workers",
                  "data.memory_megabytes", "choices")
HARMLESS = {"on_nonfinite": "stop", "on_collapse": "warn"}  # callbacks.health: with these it only looks


def recipe(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted path -> value, of what changes what is learnt; of the tricks, only those that play."""
    playing = settings.get("trick") if isinstance(settings.get("trick"), list) else []
    found = {path: at(settings, path) for path in leaves(settings) if _counts(path, playing)}
    if found.get("data.seed") == settings.get("seed"):  # it is ${seed} unless typed
        found.pop("data.seed", None)
    found = {path: None if is_null_today(path, value) else value for path, value in found.items()}
    return found | _of_health(settings)


def of_data(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The same of what a run was trained on; {}: it has not said."""
    if not identity:
        return {}
    return {"data.images": identity.get("images"), "data.digest": data_identity.digest(identity)[:8]}


def identity(settings: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> tuple[tuple[str, str], ...]:
    """Equal for two runs of one recipe, and only for them. `data`: the identity of what was trained on"""
    everything = recipe(settings) | of_data(data or {})
    return tuple(sorted((path, repr(value)) for path, value in everything.items()))


def _counts(path: str, playing: list) -> bool:
    if any(path == each or path.startswith(f"{each}.") for each in NOT_THE_RECIPE):
        return False
    group, _, rest = path.partition(".")
    return group != "tricks" or rest.partition(".")[0] in playing


def _of_health(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run that rolls back, or ends where it collapses, may end elsewhere than one that does not."""
    health = at(settings, "callbacks.health")
    if not isinstance(health, Mapping) or all(health.get(name, value) == value for name, value in HARMLESS.items()):
        return {}
    return {f"callbacks.health.{path}": at(health, path) for path in leaves(health)}
