"""Files with changed bytes, of every format that Pillow, tifffile and imagecodecs write: right, or refused in words."""

from hypothesis import HealthCheck, given, settings, strategies

from tests.fuzzing.image_files import changed, changes, right_or_refused, samples

SAMPLES = samples()


def test_whole_files_are_pictures(tmp_path):
    for name, stored in SAMPLES.items():
        (tmp_path / name).write_bytes(stored)
        assert right_or_refused(tmp_path / name, tmp_path / "made"), name


@settings(max_examples=400, derandomize=True, database=None, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=strategies.sampled_from(sorted(SAMPLES)), changes=changes())
def test_changed_files_are_right_or_refused(tmp_path, name, changes):
    (tmp_path / name).write_bytes(changed(SAMPLES[name], changes))
    right_or_refused(tmp_path / name, tmp_path / "made")
