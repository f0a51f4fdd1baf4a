"""The settings in a checkpoint, from which somebody may have taken a part. Imports no torch."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config import extensions
from saddlepoint.config.component_checks import complaints
from saddlepoint.errors import RequestError

PART, LIST, VALUE = Mapping, list, object
OF_NETWORKS = {  # to rebuild the game
    "model": PART, "model.generator": PART, "model.discriminator": PART, "model.module": PART, "model.turns": PART,
    "loss": PART, "optimizer": PART, "optimizer.generator": PART, "optimizer.discriminator": PART,
    "optimizer.schedule": VALUE, "tricks": PART, "trick": LIST, "seed": VALUE,
}
OF_DATA = {"data": PART, "data.num_classes": VALUE, "data.channels": VALUE, "data.image_size": VALUE}
OF_A_RUN = {  # to go on with it
    **OF_NETWORKS, **OF_DATA, "data.batch_size": VALUE, "budget": PART, "budget.images": VALUE, "callbacks": PART,
    "metrics": PART, "choices": PART, "choices.model": VALUE, "choices.data": VALUE, "choices.loss": VALUE,
    "trainer": PART,
    "trainer.accelerator": VALUE, "trainer.devices": VALUE, "precision": VALUE, "threads": VALUE, "describe": VALUE,
}


def whole(saved: Mapping[str, Any], path: Path, parts: Mapping[str, type]) -> Mapping[str, Any]:
    """The settings of a checkpoint with all these parts, or a refusal that names those it lacks."""
    settings = saved.get("settings")
    if not isinstance(settings, Mapping):
        raise RequestError(f"{path} holds no settings, which its networks are built from: name another checkpoint")
    settings = extensions.without_idle(settings)
    wanted = {**parts, **({"model.latents": PART} if "Synthesis" in str(_module(settings)) else {})}
    lacking = [part for part, kind in wanted.items() if not _has(settings, part.split("."), kind)]
    sections = {part.split(".")[0] for part in parts}
    emptied = _emptied({name: part for name, part in settings.items() if name in sections})
    if lacking := list(dict.fromkeys([*lacking, *emptied])):
        named = [part for part in lacking if not any(part.startswith(f"{other}.") for other in lacking)]
        raise RequestError(f"{path} lacks settings, or has something else in their place: {', '.join(named)}. Somebody "
                           "changed the file, or it is of another version of saddlepoint: name another checkpoint")
    return settings


def _module(settings: Mapping[str, Any]) -> Any:
    model = settings.get("model")
    return model.get("module") if isinstance(model, Mapping) else None


def _emptied(settings: Mapping[str, Any]) -> Iterator[str]:
    """null where something must be"""
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
