"""Checks that a checkpoint has all settings that are needed, as somebody may have removed some. Imports no torch."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config import extensions
from saddlepoint.config.component_checks import complaints
from saddlepoint.errors import RequestError

PART, LIST, VALUE = Mapping, list, object  # kinds of settings
OF_NETWORKS = {  # needed to rebuild the game
    "model": PART, "model.generator": PART, "model.discriminator": PART, "model.module": PART, "model.turns": PART,
    "loss": PART, "optimizer": PART, "optimizer.generator": PART, "optimizer.discriminator": PART,
    "optimizer.schedule": VALUE, "tricks": PART, "trick": LIST, "seed": VALUE,
}
OF_DATA = {"data": PART, "data.num_classes": VALUE, "data.channels": VALUE, "data.image_size": VALUE}
OF_IMAGES = ("data.channels", "data.image_size")  # what points and voxels have no need of
OF_A_RUN = {  # needed to resume it
    **OF_NETWORKS, **OF_DATA, "data.batch_size": VALUE, "budget": PART, "budget.images": VALUE, "callbacks": PART,
    "metrics": PART, "choices": PART, "choices.model": VALUE, "choices.data": VALUE, "choices.loss": VALUE,
    "trainer": PART,
    "trainer.accelerator": VALUE, "trainer.devices": VALUE, "precision": VALUE, "threads": VALUE, "describe": VALUE,
}


def require_parts(saved: Mapping[str, Any], path: Path, parts: Mapping[str, type]) -> Mapping[str, Any]:
    """Returns the settings in a checkpoint. Raises a RequestError if it lacks some of `parts` (dotted path -> kind), or
    has null or another kind there."""
    settings = saved.get("settings")
    if not isinstance(settings, Mapping):
        raise RequestError(f"{path} holds no settings, which its networks are built from: name another checkpoint")
    settings = extensions.without_idle(settings)
    needed = {**parts, **({"model.latents": PART} if "Synthesis" in str(_module(settings)) else {})}
    lacking = [part for part, kind in needed.items() if not _has(settings, part.split("."), kind)]
    if any(_has(settings, ("data", name), VALUE) for name in ("dimensions", "edge")):
        lacking = [part for part in lacking if part not in OF_IMAGES]
    sections = {part.split(".")[0] for part in parts}
    nulls = _forbidden_nulls({name: part for name, part in settings.items() if name in sections})
    if lacking := list(dict.fromkeys([*lacking, *nulls])):
        outermost = [part for part in lacking if not any(part.startswith(f"{other}.") for other in lacking)]
        raise RequestError(f"{path} lacks settings, or has something else in their place: {', '.join(outermost)}. "
                           "Somebody changed the file, or it is of another version of saddlepoint: name another "
                           "checkpoint")
    return settings


def _module(settings: Mapping[str, Any]) -> Any:
    model = settings.get("model")
    return model.get("module") if isinstance(model, Mapping) else None


def _forbidden_nulls(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yields the paths of settings that are null and must not be."""
    callbacks = settings.get("callbacks")
    if isinstance(callbacks, Mapping):
        yield from (f"callbacks.{name}" for name, part in callbacks.items() if part is None)
    yield from (each.path for each in complaints(settings) if each.value is None and not each.unknown)


def _has(settings: Any, keys: Iterable[str], kind: type) -> bool:
    for key in keys:
        if not isinstance(settings, Mapping) or key not in settings:
            return False
        settings = settings[key]
    return isinstance(settings, kind)
