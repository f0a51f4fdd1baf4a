"""Files that are no images, or are broken off, are named and counted, and replaced or refused."""

import pytest

from saddlepoint.errors import RequestError
from tests.data.folder_data import batches, folder, levels, stream, write_grey_levels
from tests.data.formats import bomb, photo, write_photo_folder


def write_spoiled(root) -> dict[str, str]:
    """Writes files that are unreadable for different reasons, and returns these reasons by name."""
    contents = {"empty.png": (b"", "it is empty"), "text.jpg": (b"some text", "its content is not that of an image"),
                "bomb.png": (bomb(9000), "its 9000 x 9000 pixels are more than data.max_pixels=50000000")}
    for name, (content, _) in contents.items():
        (root / name).write_bytes(content)
    return {name: reason for name, (_, reason) in contents.items()}


def break_off(path) -> None:
    """Cuts off 26 bytes: the end mark, the checksums and two bytes of the image. Pillow reads it without the rest."""
    path.write_bytes(path.read_bytes()[:-26])


def test_files_that_are_no_images_are_named_and_counted_in_set_up(tmp_path, caplog):
    write_photo_folder(tmp_path, count=5)
    reasons = write_spoiled(tmp_path)
    data = folder(tmp_path)
    assert sorted(data.skipped) == sorted(reasons)
    assert data.num_images == 5
    assert "3 of 8 image files" in caplog.text
    for name, reason in reasons.items():
        assert f"{name}: {reason}" in caplog.text
    assert stream(data, 6).shape == (24, 3, 16, 16)


def test_files_that_are_no_images_stop_the_run_when_asked_to(tmp_path):
    write_photo_folder(tmp_path, count=5)
    write_spoiled(tmp_path)
    with pytest.raises(RequestError, match="3 of 8 image files .* cannot be used: bomb.png: .*type data.corrupt=skip"):
        folder(tmp_path, corrupt="fail")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_file_that_breaks_off_is_named_once_when_it_is_met(tmp_path, caplog, num_workers):
    paths = write_photo_folder(tmp_path, count=6)
    break_off(paths[2])
    data = folder(tmp_path, num_workers=num_workers)
    assert data.skipped == []  # its header is good
    stream(data, 12)
    assert data.skipped == ["photo 002.png"]
    assert data.num_images == 5
    assert caplog.text.count("photo 002.png") == 1


def test_a_file_that_breaks_off_stops_the_run_when_asked_to(tmp_path):
    paths = write_photo_folder(tmp_path, count=6)
    break_off(paths[2])
    data = folder(tmp_path, corrupt="fail", num_workers=1)
    with pytest.raises(RequestError, match="1 of 6 image files .* photo 002.png: .*type data.corrupt=skip"):
        stream(data, 12)


def test_the_substitute_for_an_unreadable_file_depends_on_the_position_alone(tmp_path):
    write_grey_levels(tmp_path, range(0, 80, 10))
    good = levels(stream(folder(tmp_path, channels=1), 12))
    (tmp_path / "030.png").write_bytes(b"")  # found in set-up
    break_off(tmp_path / "050.png")  # found when it is decoded
    whole = levels(stream(folder(tmp_path, channels=1), 12))
    assert [level for level in whole if level in (30, 50)] == []
    assert [new for new, old in zip(whole, good, strict=True) if old not in (30, 50)] == \
        [old for old in good if old not in (30, 50)]
    replacements = {new for new, old in zip(whole, good, strict=True) if old in (30, 50)}
    assert len(replacements) > 2
    for start, num_workers in ((0, 2), (7, 0), (21, 2)):
        data = folder(tmp_path, channels=1, num_workers=num_workers)
        data.start_at(start)
        assert levels(stream(data, 5)) == whole[start:start + 20]


def test_labels_are_those_of_the_image_that_is_shown(tmp_path):
    write_grey_levels(tmp_path / "dark", range(5))
    write_grey_levels(tmp_path / "light", range(200, 205))
    for path in (tmp_path / "dark").iterdir():
        if path.stem != "003":
            break_off(path)
    data = folder(tmp_path, channels=1, num_classes=2)
    for batch in batches(data, 8):
        assert [level >= 200 for level in levels(batch.real)] == batch.labels.bool().tolist()
    assert sorted(data.skipped) == [f"dark/00{i}.png" for i in (0, 1, 2, 4)]


def test_when_nothing_can_be_read_the_first_reasons_are_given(tmp_path):
    write_spoiled(tmp_path)
    with pytest.raises(RequestError, match="3 of 3 image files .* bomb.png: its 9000 x 9000.* None is left"):
        folder(tmp_path)


def test_when_nothing_can_be_decoded_the_run_ends(tmp_path):
    for path in write_photo_folder(tmp_path, count=3):
        break_off(path)
    data = folder(tmp_path, num_workers=1)
    with pytest.raises(RequestError, match="3 of 3 image files .* None is left"):
        batches(data, 1)


def test_images_too_small_to_crop_are_named(tmp_path):
    write_photo_folder(tmp_path, count=2)
    photo(15, 40).save(tmp_path / "small.png")
    assert folder(tmp_path, resize="none").skipped == ["small.png"]


def test_files_that_vanish_during_training_are_replaced(tmp_path):
    paths = write_photo_folder(tmp_path, count=3)
    data = folder(tmp_path, cache=str(tmp_path / "cache"))
    paths[0].unlink()
    assert stream(data, 3).shape == (12, 3, 16, 16)
    assert data.skipped == ["photo 000.png"]
