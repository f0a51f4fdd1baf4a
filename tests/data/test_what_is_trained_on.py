"""How train.py describes its data: the number of images, their classes, and what was left out."""

import os
import sys

from saddlepoint.data import describing
from saddlepoint.data.listing import listing
from saddlepoint.data.progress import with_progress
from tests.data.folder_data import batches, folder, write_grey_levels
from tests.data.formats import write_photo_folder
from tests.data.memory_data import batches as memory_batches
from tests.data.memory_data import numbered
from tests.data.pair_data import pair_folder
from tests.data.test_unreadable_files import break_off


def test_what_is_left_out_is_counted_by_ending(tmp_path):
    write_photo_folder(tmp_path, count=3)
    for name in ("a.avif", "b.AVIF", "c.jp2", "notes.txt", "README", ".DS_Store", "folder.x/d.avif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "bad.png").write_bytes(b"x")
    assert folder(tmp_path).describe() == [
        f"data: 3 images of data.root={tmp_path}",
        "left out: 6 files whose ending is not in data.extensions (.avif 3, .jp2 1, .txt 1, without ending 1); "
        "1 hidden file; 1 file that cannot be used"]


def test_what_settings_leave_out_is_counted(tmp_path):
    write_photo_folder(tmp_path, count=10)
    _, left_out = folder(tmp_path, train_fraction=0.8, subset_size=5).describe()
    assert left_out == "left out: 2 images by data.train_fraction=0.8; 3 images by data.subset_size=5"


def test_classes_are_named_with_their_numbers_and_many_are_abridged(tmp_path):
    write_grey_levels(tmp_path / "cat", range(2))
    write_grey_levels(tmp_path / "dog", range(3))
    data = folder(tmp_path, channels=1, num_classes=2)
    assert data.describe() == [f"data: 5 images of data.root={tmp_path} in 2 classes: cat 2, dog 3"]
    many = {f"c{number}": 1000 + number for number in range(1200)}
    assert describing.classes(many) == (" in 1,200 classes of 1,000 to 2,199 images: c0 1,000, c1 1,001, c2 1,002, "
                                        "c3 1,003, c4 1,004, ... c1199 2,199")


def test_sets_in_memory_and_of_packages_are_described_alike():
    assert numbered(subset_size=20, num_classes=0).describe() == [
        "data: 20 images of data=numbered", "left out: 70 images by data.subset_size=20"]
    assert pair_folder(None).describe() == ["data: 9 images of the photographs that come with scikit-image"]


def test_a_class_without_a_readable_file_is_neither_counted_nor_drawn(tmp_path, caplog):
    """The files of bee are no images; those of cat have good headers and break off."""
    for number, name in enumerate(("ant", "bee", "cat", "dog")):
        write_grey_levels(tmp_path / name, range(50 * number, 50 * number + 3))
    for path in (tmp_path / "bee").iterdir():
        path.write_bytes(b"nothing")
    for path in (tmp_path / "cat").iterdir():
        break_off(path)
    data = folder(tmp_path, channels=1, num_classes=4)
    assert data.class_counts.tolist() == [3, 0, 0, 3] and data.num_images == 6
    assert data.identity()["classes"] == {"ant": 3, "bee": 0, "cat": 0, "dog": 3}
    warning = "2 classes without an image that can be used, neither shown to the networks nor drawn: bee, cat"
    assert warning in caplog.text
    assert {label for batch in batches(data, 6) for label in batch.labels.tolist()} == {0, 3}
    assert len(data.evaluation_images()) == 6


def test_a_class_that_a_subset_leaves_empty_is_named(caplog):
    left = {label for batch in memory_batches(numbered(subset_size=3), 4) for label in batch.labels.tolist()}
    assert f"{10 - len(left)} classes without an image that can be used" in caplog.text


def test_pipes_and_broken_links_are_files_that_cannot_be_used(tmp_path):
    write_photo_folder(tmp_path, count=1)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    data = folder(tmp_path)
    assert data.skipped == ["gone.png", "pipe.png"] and "2 files that cannot be used" in data.describe()[1]


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path, monkeypatch):
    write_photo_folder(tmp_path, count=1)
    (tmp_path / "closed").mkdir()

    def scandir(folder, look=os.scandir):
        if folder.endswith("closed"):  # root may look into every folder
            raise PermissionError
        return look(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    content = listing(tmp_path, ["png"])
    assert content.closed == ["closed"] and len(content.files) == 1


def test_reading_many_files_prints_the_progress(monkeypatch, capsys):
    clock = iter(range(0, 1000, 6))  # seconds, at each look
    monkeypatch.setattr("saddlepoint.data.progress.time.monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert list(with_progress("abcde", "image files")) == list("abcde")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "image files: 2 of 5" and len(lines) == 2
