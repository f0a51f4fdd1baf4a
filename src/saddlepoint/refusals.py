"""What a user reads when a recipe cannot train: every reason, and a whole line that works."""

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from saddlepoint import build, command_line
from saddlepoint.errors import RequestError

ROUNDS = 8  # changes tried one after the other: a change may bring a problem of its own (wgan_gp meets BatchNorm)


def refuse(settings: Mapping[str, Any], script: str, overrides: Sequence[str]) -> None:
    """Raise if the recipe cannot train; print what deserves a warning if it can."""
    problems = build.problems_of(settings)
    if problems:
        reasons = "\n".join(f"  - {problem.reason}" for problem in problems)
        message = f"This recipe cannot train:\n{reasons}"
        changes = changes_that_work(settings)
        if changes:
            message += f"\nType instead:\n  {command_line.line(script, overrides, changes)}"
        raise RequestError(message)
    for sentence in build.warnings_of(settings):
        print(f"warning: {sentence}", file=sys.stderr)


def changes_that_work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings after which nothing is left to refuse, found by applying the problems' own proposals; {} if none do."""
    changes: dict[str, Any] = {}
    for _ in range(ROUNDS):
        problems = build.problems_of(changed(settings, changes))
        if not problems:
            return changes
        proposal = next((problem.instead for problem in problems if problem.instead), None)
        if proposal is None or all(changes.get(key) == value for key, value in proposal.items()):
            return {}
        changes |= proposal
    return {}


def changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the settings with some dotted paths set to other values."""
    result = copy.deepcopy(dict(settings))
    for path, value in changes.items():
        *parents, name = path.split(".")
        holder = result
        for parent in parents:
            holder = holder[parent]
        holder[name] = value
    return result
