"""Odd values, names and folders, a few of each; `make chaos` tries many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import checks, class_names, folders, pair_folders
from tests.fuzzing.strategies import NAMES, VALUES, examples


@pytest.mark.parametrize("command", checks.COMMANDS)
def test_any_value_of_any_setting_is_taken_or_refused_in_words(command):
    @examples(6, derandomize=True)
    @given(st.sampled_from(checks.settings_of(command)), VALUES)
    def trial(setting, value):
        checks.value_is_taken_or_refused_in_words(command, setting, value)
    trial()


def test_a_file_of_any_name_is_found():
    examples(60, derandomize=True)(given(NAMES)(checks.file_is_found))()


def test_a_high_image_of_any_name_has_its_own_low_one_or_is_named():
    examples(40, derandomize=True)(given(pair_folders.FOLDERS)(pair_folders.each_has_its_own_or_is_named))()


def test_images_of_any_name_in_any_folder_are_enlarged_and_read_or_named():
    examples(4, derandomize=True)(given(folders.FOLDERS)(folders.all_are_enlarged_and_read))()


def test_a_class_of_any_name_can_be_asked_for():
    examples(8, derandomize=True)(given(class_names.CLASS_NAMES)(class_names.each_can_be_asked_for))()
