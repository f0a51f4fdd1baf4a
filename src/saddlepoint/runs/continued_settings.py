"""Merges the saved settings of a run with those typed when it is resumed, and refuses what must not change."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from saddlepoint.config.paths import at, changed, leaves
from saddlepoint.config.rules import as_typed
from saddlepoint.errors import RequestError
from saddlepoint.runs import choices

MAY_CHANGE = (*choices.MAY_CHANGE, "budget", "threads", "run", "resume", "describe", "data.cache",
              "data.num_workers", "data.on_device", "data.memory_megabytes",
              "perceptual.weights")  # a path: the digest of the file is checked
# Files and folders may have moved, so one path may replace another. A path instead of null changes what is learnt.
PLACES = ("data.root", "data.low_root", "data.source_root", "data.validation_root", "data.validation_source_root",
          "data.label_array", "extractor.weights")
SCHEDULES = "saddlepoint.game.schedule."  # their classes


def merge(new: Mapping[str, Any], saved: Mapping[str, Any], typed: Sequence[str]) -> dict[str, Any]:
    """Returns the settings with which a run is resumed: the saved ones, changed by what was typed.

    `new`: all settings as composed anew; `typed`: the overrides that the user typed. Prints what changes. Raises a
    RequestError if an override would change what must stay.
    """
    result, changes, refused = dict(saved) | {name: new[name] for name in ("resume", "run", "extensions")}, [], []
    for key in _typed_paths(new, typed):
        before, after = at(saved, key), at(new, key)
        if key.startswith("choices."):
            section = key.removeprefix("choices.")
            before, after = (each["choices"].get(section) for each in (saved, new))  # a section may have dots
            if before != after and section not in MAY_CHANGE:
                group, at_place, _ = section.partition("@")  # tricks/augment/policy@tricks.augment
                refused.append(f"{group.replace('/', '.') if at_place else group}={after} (it is {before})")
            elif before != after:
                changes.append(f"{section}={after} (was {before})")
                result = changed(result, {section: new[section], key: after})
        elif before != after and _may_change(key, before, after):
            changes.append(f"{key}={as_typed(after)} (was {as_typed(before)})")
            result = changed(result, {key: after})
        elif before != after:
            refused.append(f"{key}={as_typed(after)} (it is {as_typed(before)})")
    if refused:
        raise RequestError(f"resume={new['resume']} goes on with the run as it is, and this would change it: "
                           f"{', '.join(refused)}. Leave it out, or start another run; only budget, callbacks, "
                           "trainer, logger and threads may change, and where the data lies (data.root, ...) and how "
                           "many workers read it (data.num_workers)")
    if changes:
        print(f"changed on resuming: {', '.join(changes)}", file=sys.stderr)
    for sentence in _schedules_of_the_old_budget(saved, result):
        print(f"warning: {sentence}", file=sys.stderr)
    return result


def _schedules_of_the_old_budget(saved: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each schedule that ends where the budget did, and does not go on with a larger one."""
    old, new = at(saved, "budget.images"), at(result, "budget.images")
    unused = tuple(f"tricks.{name}." for name in result.get("tricks", {}) if name not in result["trick"])
    for path in leaves(result) if old and new and new > old else ():
        holder, _, name = path.rpartition(".")
        target = str(at(result, f"{holder}._target_"))
        if (name == "images" and at(result, path) == old and target.startswith(SCHEDULES)
                and not path.startswith(unused)):
            yield (f"{holder} is a schedule over the {old:,} images of the old budget and stays one: from there on it "
                   f"has its last value ({as_typed(at(result, f'{holder}.end'))}). A new run has it over the whole of "
                   f"budget.images={new}")


def _may_change(key: str, before: Any, after: Any) -> bool:
    moved = key in PLACES and isinstance(before, str | list) and isinstance(after, str | list)
    return moved or any(key == each or key.startswith(f"{each}.") for each in MAY_CHANGE)


def _typed_paths(new: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """Returns the paths of what the overrides set: `choices.<group>` for a choice, else the dotted path of each
    value."""
    keys = []
    for override in typed:
        whole = override.split("=")[0].lstrip("+~")
        name = whole if whole in new["choices"] else whole.split("@")[0]
        if name in ("resume", "run.dir", "describe", "extensions"):
            continue
        if name in new["choices"]:
            keys.append(f"choices.{name}")
        else:
            value = at(new, name)
            keys += [f"{name}.{leaf}" for leaf in leaves(value)] if isinstance(value, Mapping) else [name]
    return keys
