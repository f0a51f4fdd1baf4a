"""What makes two runs the same recipe: settings that change what is learnt, and what it is learnt from. Seeds, places
and onlookers do not."""

from collections.abc import Mapping
from typing import Any

from saddlepoint.config.paths import at, leaves
from saddlepoint.runs import data_identity

# Where, how fast, how watched and how judged. Values of unlike judges are told apart by their protocol.
NOT_THE_RECIPE = ("seed", "run", "resume", "threads", "describe", "trainer", "logger", "callbacks", "metrics",
                  "extractor", "data.root", "data.low_root", "data.validation_root", "data.cache", "data.num_workers",
                  "data.memory_megabytes", "choices")
HARMLESS = {"on_nonfinite": "stop", "on_collapse": "warn"}  # callbacks.health: with these it only looks
# What earlier versions wrote where there is null now: `data.extensions` named the endings that were known.
KNOWN_ENDINGS = ({"png", "jpg", "jpeg", "jfif", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pbm"},
                 {"png", "jpg", "jpeg", "jfif", "webp", "bmp", "tif", "tiff", "ppm"})
ADDED = ("data.white", "data.extensions")  # settings that an earlier version lacks, where they are null


def recipe(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted path -> value, of what changes what is learnt; of the tricks, only those that play."""
    playing = settings.get("trick") if isinstance(settings.get("trick"), list) else []
    found = {path: at(settings, path) for path in leaves(settings) if _counts(path, playing)}
    if found.get("data.seed") == settings.get("seed"):  # it is ${seed} unless typed
        found.pop("data.seed", None)
    if isinstance(endings := found.get("data.extensions"), list) and {*map(str, endings)} in KNOWN_ENDINGS:
        found["data.extensions"] = None
    found = {path: value for path, value in found.items() if path not in ADDED or value is not None}
    return found | _of_health(settings)


def data_settings(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The same of what a run was trained on; {}: it has not said."""
    if not identity:
        return {}
    return {"data.images": identity.get("images"), "data.digest": data_identity.digest(identity)[:8]}


def recipe_key(settings: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> tuple[tuple[str, str], ...]:
    """Equal for two runs of one recipe, and only for them. `data`: the identity of what was trained on"""
    everything = recipe(settings) | data_settings(data or {})
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
