"""The settings of a run that goes on: the saved ones, and what of those typed may change."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from saddlepoint.config.paths import at, changed, leaves
from saddlepoint.config.rules import as_typed
from saddlepoint.errors import RequestError
from saddlepoint.runs import choices

MAY_CHANGE = (*choices.MAY_CHANGE, "budget", "threads", "run", "resume", "describe", "data.cache",
              "data.num_workers", "data.memory_megabytes", "perceptual.weights")  # of the last, the digest is known
# Where something lies, which may have moved; whether there is such a place at all decides what is learnt.
PLACES = ("data.root", "data.low_root", "data.validation_root", "extractor.weights")


def merged(given: Mapping[str, Any], saved: Mapping[str, Any], typed: Sequence[str]) -> dict[str, Any]:
    """The saved settings; of what was typed, that which may change takes effect and is said, the rest must be equal."""
    result, said, refused = dict(saved) | {"resume": given["resume"], "run": given["run"],
                                        "extensions": given["extensions"]}, [], []
    for key in _touched(given, typed):
        before, after = at(saved, key), at(given, key)
        if key.startswith("choices."):
            section = key.removeprefix("choices.")
            if before != after and section not in MAY_CHANGE:
                refused.append(f"{section}={after} (it is {before})")
            elif before != after:
                said.append(f"{section}={after} (was {before})")
                result = changed(result, {section: given[section], key: after})
        elif before != after and _may_change(key, before, after):
            said.append(f"{key}={as_typed(after)} (was {as_typed(before)})")
            result = changed(result, {key: after})
        elif before != after:
            refused.append(f"{key}={as_typed(after)} (it is {as_typed(before)})")
    if refused:
        raise RequestError(f"resume={given['resume']} goes on with the run as it is, and this would change it: "
                           f"{', '.join(refused)}. Leave it out, or start another run; only budget, callbacks, "
                           "trainer, logger and threads may change, and where the data lies (data.root, ...) and how "
                           "many workers read it (data.num_workers)")
    if said:
        print(f"changed on resuming: {', '.join(said)}", file=sys.stderr)
    return result


def _may_change(key: str, before: Any, after: Any) -> bool:
    moved = key in PLACES and isinstance(before, str) and isinstance(after, str)
    return moved or any(key == each or key.startswith(f"{each}.") for each in MAY_CHANGE)


def _touched(given: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """What the overrides are about: choices.<group>, or the dotted paths of the values they set"""
    keys = []
    for override in typed:
        name = override.split("=")[0].lstrip("+~").split("@")[0]
        if name in ("resume", "run.dir", "describe", "extensions"):
            continue
        if name in given["choices"]:
            keys.append(f"choices.{name}")
        else:
            inside = at(given, name)
            keys += [f"{name}.{leaf}" for leaf in leaves(inside)] if isinstance(inside, Mapping) else [name]
    return keys
