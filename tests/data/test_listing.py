import hashlib
import unicodedata
from pathlib import Path

import pytest

from saddlepoint.data.listing import ImageFile, by_digest, class_of_each, image_files, split_in_two
from saddlepoint.errors import RequestError


def write_empty(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def numbered(count: int) -> list[ImageFile]:
    return [ImageFile(f"cat/{i:05}.png", Path(f"/data/cat/{i:05}.png")) for i in range(count)]


def names(files: list[ImageFile]) -> list[str]:
    return [file.name for file in files]


def test_image_files_are_listed_by_name_from_all_folders(tmp_path):
    write_empty(tmp_path, "b/2.PNG", "b/10.png", "a/deep/er/x.JPeG", "z.jpg", "notes.txt", "b/png", "b/x.png.part")
    assert names(image_files(tmp_path, ["png", "jpg", ".jpeg"])) == ["a/deep/er/x.JPeG", "b/10.png", "b/2.PNG", "z.jpg"]


def test_what_begins_with_a_dot_is_left_out(tmp_path):
    write_empty(tmp_path, "._1.png", ".ipynb_checkpoints/1-checkpoint.png", "1.png")
    assert names(image_files(tmp_path, ["png"])) == ["1.png"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_empty(tmp_path / "elsewhere", "1.png")
    root = write_empty(tmp_path / "root", "2.png")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "up").symlink_to(root)
    assert names(image_files(root, ["png"])) == ["2.png", "linked/1.png"]


def test_both_spellings_of_an_accent_are_one_name(tmp_path):
    write_empty(tmp_path / "mac", unicodedata.normalize("NFD", "é/ü.png"))
    write_empty(tmp_path / "linux", unicodedata.normalize("NFC", "é/ü.png"))
    assert names(image_files(tmp_path / "mac", ["png"])) == names(image_files(tmp_path / "linux", ["png"]))


@pytest.mark.parametrize(("count", "fraction", "train"), [
    (10, 0.8, 8), (1000, 0.8, 800), (5, 0.5, 2), (3, 1.0, 3), (4, 0.01, 1)])
def test_the_split_has_exactly_the_fraction(count, fraction, train):
    files = numbered(count)
    first, second = split_in_two(files, fraction, split_seed=42)
    assert len(first) == train
    assert sorted(first + second) == files


def test_the_split_is_the_same_on_every_machine_and_in_every_order():
    here = numbered(100)
    there = [ImageFile(file.name, Path("C:/other") / file.name) for file in reversed(here)]
    for part, same_part in zip(split_in_two(here, 0.8, 42), split_in_two(there, 0.8, 42), strict=True):
        assert names(part) == names(same_part)


def test_the_digests_are_those_of_sha256():
    files = [ImageFile(name, Path(name)) for name in "abc"]
    expected = sorted("abc", key=lambda name: hashlib.sha256(f"split/42/{name}".encode()).hexdigest())
    assert names(by_digest(files, "split/42")) == expected


def test_another_split_seed_is_another_split():
    assert split_in_two(numbered(100), 0.8, 42) != split_in_two(numbered(100), 0.8, 43)


def test_a_new_file_moves_at_most_one_other_across():
    files = numbered(101)
    for left_out in (0, 50, 100):
        before, _ = split_in_two(files[:left_out] + files[left_out + 1:], 0.8, 42)
        after, _ = split_in_two(files, 0.8, 42)
        assert len(set(after) - set(before) - {files[left_out]}) <= 1
        assert len(set(before) - set(after)) <= 1


def test_the_split_has_nothing_to_do_with_the_order_of_names():
    train, _ = split_in_two(numbered(1000), 0.5, 42)
    first_half = sum(int(file.path.stem) < 500 for file in train)
    assert abs(first_half - 250) < 4 * (1000 / 16) ** 0.5  # hypergeometric: variance N/16


def test_classes_are_the_folders_by_name(tmp_path):
    files = image_files(write_empty(tmp_path, "dog/1.png", "cat/x/2.png", "cat/1.png", "dog/0.png"), ["png"])
    assert class_of_each(files, tmp_path, 2) == ([0, 0, 1, 1], ("cat", "dog"))


def test_another_number_of_classes_is_refused(tmp_path):
    files = image_files(write_empty(tmp_path, "dog/1.png", "cat/1.png"), ["png"])
    with pytest.raises(RequestError, match="data.num_classes=10, but .* has 2 folders .*type data.num_classes=2, or 0"):
        class_of_each(files, tmp_path, 10)


def test_images_beside_class_folders_are_refused(tmp_path):
    files = image_files(write_empty(tmp_path, "dog/1.png", "cat/1.png", "loose.png"), ["png"])
    with pytest.raises(RequestError, match="loose.png lies in data.root=.* itself: type data.num_classes=0"):
        class_of_each(files, tmp_path, 2)
