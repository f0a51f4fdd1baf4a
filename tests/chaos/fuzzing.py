"""The long version of tests/fuzzing: hypothesis finds the smallest example that fails."""

import random
from collections.abc import Callable

from hypothesis import given, seed
from hypothesis import strategies as st

from tests.chaos.report import Report
from tests.fuzzing import checks
from tests.fuzzing.strategies import NAMES, VALUES, examples


def values(count: int, chance: random.Random, report: Report) -> None:
    for command in checks.COMMANDS if count else ():
        def check(setting: str, value: str, command: str = command) -> None:
            checks.value_is_taken_or_refused_in_words(command, setting, value)
        each = count // len(checks.COMMANDS)
        _try("values", f"{each} of {command}", check, each, (st.sampled_from(checks.settings_of(command)), VALUES),
             chance, report)


def names(count: int, chance: random.Random, report: Report) -> None:
    if count:
        _try("names", f"{count} files", checks.file_is_found, count, (NAMES,), chance, report)


def _try(part: str, what: str, check: Callable, count: int, strategies: tuple, chance: random.Random,
         report: Report) -> None:
    def trial(example: tuple) -> None:
        check(*example)

    try:
        seed(chance.randrange(2**32))(examples(count, derandomize=False)(given(st.tuples(*strategies))(trial)))()
    except Exception as error:  # noqa: BLE001 whatever a bug raises is what is looked for
        notes = " ".join(getattr(error, "__notes__", []))
        report.trial(part, what, [f"{type(error).__name__}: {error} {notes}"])
    else:
        report.trial(part, what, [])

