"""The long version of tests/fuzzing: hypothesis finds the smallest example that fails."""

import random
from collections.abc import Callable

from hypothesis import given, seed
from hypothesis import strategies as st

from tests.chaos.report import Report
from tests.fuzzing import checks, class_names, folders, image_files, pair_folders
from tests.fuzzing.strategies import NAMES, VALUES, examples

TRIALS = {"names": (checks.file_is_found, NAMES),
          "files": (image_files.changed_file_is_right_or_refused, image_files.CHANGED),
          "pairs": (pair_folders.each_has_its_own_or_is_named, pair_folders.FOLDERS),
          "folders": (folders.all_are_enlarged_and_read, folders.FOLDERS),
          "classes": (class_names.each_can_be_asked_for, class_names.CLASS_NAMES)}  # check and examples, by part


def odd_input(counts: dict[str, int], chance: random.Random, report: Report) -> None:
    each = counts["values"] // len(checks.COMMANDS)
    for command in checks.COMMANDS:
        strategy = st.tuples(st.just(command), st.sampled_from(checks.settings_of(command)), VALUES)
        _try("values", each, lambda example: checks.value_is_taken_or_refused_in_words(*example), strategy, chance,
             report)
    for part, (check, strategy) in TRIALS.items():
        _try(part, counts[part], check, strategy, chance, report)


def _try(part: str, count: int, check: Callable, strategy: st.SearchStrategy, chance: random.Random,
         report: Report) -> None:
    if not count:
        return

    def trial(example: tuple) -> None:  # given takes no partial functions, nor any with defaults
        check(example)

    try:
        seed(chance.randrange(2**32))(examples(count, derandomize=False)(given(strategy)(trial)))()
    except BaseExceptionGroup as errors:
        report.trial(part, f"{count} examples", [_shown(error) for error in errors.exceptions])
    except Exception as error:  # noqa: BLE001 whatever a bug raises is what is looked for
        report.trial(part, f"{count} examples", [_shown(error)])
    else:
        report.trial(part, f"{count} examples", [])


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error} {' '.join(getattr(error, '__notes__', []))}"
