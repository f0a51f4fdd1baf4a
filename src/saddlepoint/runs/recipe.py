"""Decides whether two runs have the same recipe: equal settings of everything that changes what is learnt, and equal
data. Seeds, places of files, and what only watches or measures do not count."""

from collections.abc import Mapping
from typing import Any

from saddlepoint.config.former import is_null_today
from saddlepoint.config.paths import at, leaves
from saddlepoint.runs import data_identity

# Where a run lies, how fast it is, what watches and what measures it. Values measured otherwise have another protocol.
NOT_THE_RECIPE = ("seed", "run", "resume", "extensions", "threads", "describe", "trainer", "logger", "callbacks",
                  "metrics", "extractor", "data.root", "data.low_root", "data.source_root", "data.validation_root",
                  "data.validation_source_root", "data.cache",
                  "data.label_array", "data.num_workers", "data.on_device", "data.memory_megabytes", "choices")
DATA_SEED = "data.seed"
SYNCHRONISE_BATCHNORM = "trainer.synchronise_batchnorm"
HARMLESS = {"on_nonfinite": "stop", "on_collapse": "warn"}  # values of callbacks.health with which it only watches

Key = tuple[tuple[str, str], ...]  # dotted path, value as text


def recipe(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns dotted path -> value of all settings that change what is learnt; of tricks, only those in use."""
    tricks = settings.get("trick") if isinstance(settings.get("trick"), list) else []
    values = {path: at(settings, path) for path in leaves(settings) if _counts(path, tricks)}
    if values.get(DATA_SEED) == settings.get("seed"):  # it is ${seed} unless typed
        values.pop(DATA_SEED, None)
    values = {path: None if is_null_today(path, value) else value for path, value in values.items()}
    return values | _health_settings(settings) | _batchnorm_settings(settings)


def data_settings(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Returns number and digest of the images that a run was trained on as if they were settings; {} if the run has not
    recorded the identity of its data."""
    if not identity:
        return {}
    return {"data.images": identity.get("images"), "data.digest": data_identity.digest(identity)[:8]}


def recipe_key(settings: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> Key:
    """Returns a key that is equal for runs of one recipe, and only for them. `data`: the identity of a run's data."""
    values = recipe(settings) | data_settings(data or {})
    return tuple(sorted((path, repr(value)) for path, value in values.items()))


def key_with_data_seed(key: Key, seed: int | None) -> Key:
    """Returns the key of the same recipe with this data.seed, where `key` is that of one whose data.seed is the run's
    seed."""
    return tuple(sorted((*key, (DATA_SEED, repr(seed)))))


def with_digests_of_first_weights(settings: Mapping[str, Any], first_weights: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a run's settings with the digests of the weights that it started from in place of the files that held
    them, since a file may be moved, or overwritten. `first_weights`: what the run has recorded of them, by player."""
    model = settings.get("model")
    if not isinstance(model, Mapping) or not first_weights:
        return settings
    digests = {setting: f"weights {str(at(first_weights, f'{player}.digest'))[:8]}" if player in first_weights else None
               for player, setting in (("generator", "initialise"), ("discriminator", "initialise_discriminator"))}
    return {**settings, "model": {**model, **digests}}


def _counts(path: str, tricks: list) -> bool:
    if any(path == each or path.startswith(f"{each}.") for each in NOT_THE_RECIPE):
        return False
    group, _, rest = path.partition(".")
    return group != "tricks" or rest.partition(".")[0] in tricks


def _health_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of callbacks.health if it may change what is learnt, by rolling back or by ending a run that
    has collapsed; else {}."""
    health = at(settings, "callbacks.health")
    if not isinstance(health, Mapping) or all(health.get(name, value) == value for name, value in HARMLESS.items()):
        return {}
    return {f"callbacks.health.{path}": at(health, path) for path in leaves(health)}


def _batchnorm_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns trainer.synchronise_batchnorm if it changes what is learnt: where each of several processes has a
    BatchNorm over its own images; else {}, as processes that synchronise it learn what one alone does."""
    one_process = at(settings, "trainer.devices") == 1 and (at(settings, "trainer.num_nodes") or 1) == 1
    each_alone = at(settings, SYNCHRONISE_BATCHNORM) is False and not one_process
    return {SYNCHRONISE_BATCHNORM: False} if each_alone else {}
