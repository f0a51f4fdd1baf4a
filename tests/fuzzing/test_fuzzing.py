"""Odd values and names, a few of each; `make chaos` tries many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import checks
from tests.fuzzing.strategies import NAMES, VALUES, examples


@pytest.mark.parametrize("command", checks.COMMANDS)
def test_any_value_of_any_setting_is_taken_or_refused_in_words(command):
    @examples(12, derandomize=True)
    @given(st.sampled_from(checks.settings_of(command)), VALUES)
    def trial(setting, value):
        checks.value_is_taken_or_refused_in_words(command, setting, value)
    trial()


def test_a_file_of_any_name_is_found():
    examples(60, derandomize=True)(given(NAMES)(checks.file_is_found))()
