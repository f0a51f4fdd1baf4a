"""Puts the tensors of a checkpoint into the game that its settings build. Names what does not fit: the code of a
network, ours or an extension's, may have changed since the checkpoint was written."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from saddlepoint.config import extensions
from saddlepoint.errors import RequestError

MOST_NAMED = 3  # differences that a sentence names


def put(saved: Mapping[str, Any], module: nn.Module, where: str) -> None:
    """Loads the tensors of a checkpoint with the content `saved` into the game `module`. Raises a RequestError that
    names the first tensors that are missing or of another shape, and which code has changed; `where` names the run or
    the checkpoint."""
    try:
        module.load_state_dict(saved["module"])
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        found = differences(module.state_dict(), saved.get("module"))
        if not found:
            raise RequestError(f"{where} does not fit this version of saddlepoint: {error}") from error
        changed = extensions.changes_of_version(saved.get("extensions") or ())
        cause = f"Note that {' and '.join(changed)}" if changed else "The code of a network has changed since"
        raise RequestError(f"{where} does not fit the networks that its settings make here: {shortened(found, '; ')}. "
                           f"{cause}: install what wrote it, which the run's environment.json names") from error


def differences(own: Mapping[str, Any], there: Any) -> list[str]:
    """Returns a phrase for each tensor that one state lacks or that has different shapes in the two; none if `there` is
    no state."""
    if not isinstance(there, Mapping):
        return []
    return [f"{name} is {shape_in(there, name)} there and {shape_in(own, name)} here"
            for name in {**own, **there} if shape_in(there, name) != shape_in(own, name)]


def shape_in(state: Mapping[str, Any], name: str) -> str:
    """Returns the shape of a tensor in words, e.g. [64, 3]."""
    if name not in state:
        return "missing"
    return str([*state[name].shape]) if isinstance(state[name], Tensor) else "no tensor"


def shortened(phrases: list[str], separator: str, most: int = MOST_NAMED) -> str:
    """Returns the first phrases in a row, and how many more there are."""
    more = f"{separator}and {len(phrases) - most} more" if len(phrases) > most else ""
    return separator.join(phrases[:most]) + more
