"""Files with changed bytes, of every format that Pillow, tifffile and imagecodecs write: right, or refused in words;
`make chaos` tries many."""

from hypothesis import given

from tests.fuzzing.image_files import CHANGED, SAMPLES, changed_file_is_right_or_refused, right_or_refused
from tests.fuzzing.strategies import examples


def test_whole_files_are_pictures(tmp_path):
    for name, stored in SAMPLES.items():
        (tmp_path / name).write_bytes(stored)
        assert right_or_refused(tmp_path / name, tmp_path / "made"), name


def test_changed_files_are_right_or_refused():
    examples(150, derandomize=True)(given(CHANGED)(changed_file_is_right_or_refused))()
