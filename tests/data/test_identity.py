"""The identity of a data set does not depend on its place, and changes with every image."""

import hashlib
import shutil
import struct
import unicodedata
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.identity import fingerprint
from saddlepoint.data.listing import ImageFile
from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint
from saddlepoint.runs.data_identity import changes, completed, continued_identity, digest, refuse_other_classes
from tests.data.archive_files import archived, array, pixels, stylegan_files, write_zip
from tests.data.folder_data import folder, write_grey_levels
from tests.data.formats import write_photo_folder
from tests.data.memory_data import numbered
from tests.data.pair_data import pair_folder, write_noise


def classes(root: Path, cat: range = range(3), dog: range = range(100, 104)) -> Path:
    write_grey_levels(root / "cat", cat)
    write_grey_levels(root / "dog", dog)
    return root


def identity(root: Path, **changes) -> dict:
    return folder(root, **{"channels": 1, "num_classes": 2} | changes).identity()


def test_a_set_that_was_moved_or_copied_is_the_same_one(tmp_path):
    here = identity(classes(tmp_path / "here"))
    shutil.copytree(tmp_path / "here", tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "here")
    assert here == identity(tmp_path / "elsewhere") == identity(tmp_path / "link")
    assert (here["images"], here["classes"]) == (7, {"cat": 3, "dog": 4})
    assert str(tmp_path) not in repr(here)


def test_names_are_digested_with_sizes_in_their_composed_form(tmp_path):
    for form in ("NFC", "NFD"):
        write_grey_levels(tmp_path / form / unicodedata.normalize(form, "é"), range(2))
    data = identity(tmp_path / "NFD", num_classes=0)
    names = "".join(f"é/{level:03}.png\0{next((tmp_path / 'NFC').rglob(f'{level:03}.png')).stat().st_size}\0"
                    for level in range(2))
    assert data["names"] == hashlib.sha256(unicodedata.normalize("NFC", names).encode()).hexdigest()
    assert data == identity(tmp_path / "NFC", num_classes=0)


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tif", "jpg"])
def test_an_exchanged_photograph_of_the_same_name_and_size_changes_the_identity(ending, tmp_path):
    pixels = numpy.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), dtype=numpy.uint8)
    size = 0
    for name, image in zip("ab", pixels, strict=True):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / f"1.{ending}")
        size = max(size, (tmp_path / name / f"1.{ending}").stat().st_size)
    for name in "ab":  # what follows an image in its file is not read
        file = tmp_path / name / f"1.{ending}"
        file.write_bytes(file.read_bytes().ljust(size, b"\0"))
    one, other = (fingerprint([ImageFile("1", tmp_path / name / f"1.{ending}")]) for name in "ab")
    assert one["names"] == other["names"] and one["contents"] != other["contents"]


def test_a_single_pixel_of_a_large_png_changes_the_identity(tmp_path):
    """Its end is the checksum of its pixels. Stored without compression, so that the sizes are equal."""
    pixels = numpy.zeros((200, 200, 3), numpy.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", compress_level=0)
    pixels[0, 0, 0] = 1
    Image.fromarray(pixels).save(tmp_path / "b.png", compress_level=0)
    a, b = (fingerprint([ImageFile("x", tmp_path / name)]) for name in ("a.png", "b.png"))
    assert a["names"] == b["names"] and a["contents"] != b["contents"]


def with_parts_painted_over(side: int = 200) -> list[Image.Image]:
    images = [Image.new("RGB", (side, side), (10, 20, 30)) for _ in range(5)]
    for image, top in zip(images[1:], (0, 30, 110, 190), strict=True):
        image.paste((255, 0, 0), (0, top * side // 200, side, (top + 10) * side // 200))
    return images


@pytest.mark.parametrize("ending", ["bmp", "ppm", "tif", "tga", "dib"])
def test_a_part_painted_over_changes_the_identity_of_uncompressed_files(ending, tmp_path):
    (tmp_path / "set").mkdir()
    digests = set()
    for image in with_parts_painted_over():
        image.save(tmp_path / "set" / f"a.{ending}")
        digests.add(digest(identity(tmp_path / "set", num_classes=0, extensions=[ending])))
    assert len(digests) == 5


@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
@pytest.mark.parametrize("side", [40, 200, 400])
def test_a_part_painted_over_changes_the_identity_of_arrays(side, save, tmp_path):
    digests = set()
    for image in with_parts_painted_over(side):
        save(tmp_path / "a.npz", numpy.asarray(image)[None])
        digests.add(digest(array(tmp_path / "a.npz").identity()))
    assert len(digests) == 5


def test_runs_that_recorded_fewer_bytes_of_uncompressed_files_are_not_said_to_be_of_other_data(tmp_path):
    (tmp_path / "set").mkdir()
    identities = []
    for image in with_parts_painted_over()[:2]:
        for name in ("a", "b"):
            image.save(tmp_path / "set" / f"{name}.tga")
        identities.append(identity(tmp_path / "set", num_classes=0, extensions=["tga"], train_fraction=0.5))
    now, other = identities
    former = {key: value for key, value in now.items() if key != "spread"}
    former["held_out"] = {key: value for key, value in now["held_out"].items() if key != "spread"}
    assert changes(former, now) == "" and continued_identity(former, now) == now
    assert changes(now, other) == ("images of the same names with other contents; held-out images of the same names "
                                   "with other contents")


def zip_with_labels(folder: Path, labels: list[int]) -> ImageFolder:
    return archived(write_zip(folder / "a.zip", stylegan_files(pixels(4), labels)), num_classes=2)


def array_with_labels(folder: Path, labels: list[int]) -> ImageFolder:
    numpy.savez(folder / "a.npz", pixels(4), labels)
    return array(folder / "a.npz", num_classes=2)


def array_with_a_file_of_labels(folder: Path, labels: list[int]) -> ImageFolder:
    numpy.save(folder / "a.npy", pixels(4))
    numpy.save(folder / "labels.npy", labels)
    return array(folder / "a.npy", label_array=str(folder / "labels.npy"), num_classes=2)


@pytest.mark.parametrize("with_labels", [zip_with_labels, array_with_labels, array_with_a_file_of_labels])
def test_labels_beside_the_images_change_the_identity_and_are_not_missed_in_former_runs(with_labels, tmp_path):
    one, same, other = (with_labels(tmp_path, labels).identity()
                        for labels in ([0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1]))
    assert digest(one) == digest(same) != digest(other) and one["classes"] == other["classes"]
    assert changes(one, same) == "" and changes(one, other) == "images as before with other labels"
    former = {key: value for key, value in one.items() if key != "labels"}
    assert changes(former, other) == "" and continued_identity(former, other) == other
    assert continued_identity(one, other)["earlier"] == [one]


def test_only_what_is_trained_on_changes_the_identity(tmp_path):
    write_photo_folder(tmp_path / "a", count=10)
    whole = folder(tmp_path / "a", train_fraction=0.8)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    held_out = tmp_path / "b" / whole.files("test")[0].name
    held_out.write_bytes(held_out.read_bytes() + b"\0")
    one, other = whole.identity(), folder(tmp_path / "b", train_fraction=0.8).identity()
    assert digest(one) == digest(other)
    assert changes(one, other) == "2 held-out images as before, of other names or sizes"


def test_pairs_are_known_by_both_sides(tmp_path):
    for side in ("high", "low", "low2"):
        write_noise(tmp_path / side, width=40 if side == "high" else 10, height=28 if side == "high" else 7)
    Image.new("RGB", (10, 7)).save(tmp_path / "low2" / "a.png")
    one, other = (pair_folder(tmp_path / "high", low_root=str(tmp_path / low)).identity() for low in ("low", "low2"))
    assert digest(one) != digest(other) and "low-resolution files" in changes(one, other)
    none = pair_folder(tmp_path / "high").identity()
    assert changes(none, one) == "low-resolution files where there were none"
    measured = pair_folder(tmp_path / "high", validation_root=str(tmp_path / "low")).identity()
    assert digest(measured) == digest(none) and changes(none, measured) == "validation images where there were none"


def test_the_photographs_of_a_package_have_an_identity_too():
    one, other = pair_folder(None).identity(), pair_folder(None, subset_size=2).identity()
    assert (one["images"], other["images"]) == (9, 2) and digest(one) != digest(other)


def test_sets_in_memory_are_known_by_pixels_and_labels(monkeypatch):
    data = numbered()
    images, labels = data.images(), torch.arange(90) % 10
    expected = hashlib.sha256(repr((90, 1, 6, 6)).encode() + images.numpy().tobytes()
                              + struct.pack("<90q", *labels.tolist())).hexdigest()
    assert data.identity()["contents"] == expected
    assert data.identity()["classes"] == {str(digit): 9 for digit in range(10)}
    assert digest(numbered(fit="resize", image_size=8).identity()) == digest(data.identity()), "settings say the size"
    assert digest(numbered(subset_size=40).identity()) != digest(data.identity())
    assert changes(numbered().identity() | {"contents": "others"}, data.identity()) == "images with other contents"


def test_an_identity_is_plain_and_stays_in_a_checkpoint(tmp_path):
    plain = identity(classes(tmp_path / "data"))
    checkpoint.save(tmp_path / "x.ckpt", {"data": plain})
    assert checkpoint.load(tmp_path / "x.ckpt") == {"data": plain}


def test_changes_are_told_by_number_names_or_contents(tmp_path):
    before = identity(classes(tmp_path / "data"))
    assert changes(before, before) == "" and changes(None, before) == ""
    write_grey_levels(tmp_path / "data" / "dog", [200])
    assert changes(before, identity(tmp_path / "data")) == "8 images instead of 7; 5 of dog instead of 4"
    (tmp_path / "data" / "dog" / "200.png").rename(tmp_path / "data" / "cat" / "200.png")
    (tmp_path / "data" / "cat" / "000.png").unlink()
    assert changes(before, identity(tmp_path / "data")) == "7 images as before, of other names or sizes"


def test_other_classes_are_refused_in_whatever_way_they_differ():
    refuse_other_classes(["a", "b"], ["a", "b"], "here")
    refuse_other_classes([], ["a", "b"], "here")  # an older run has not said
    with pytest.raises(RequestError, match="other classes than here has: cat there, kitten here"):
        refuse_other_classes(["ant", "cat"], ["ant", "kitten"], "here")
    with pytest.raises(RequestError, match="cat, ant there, ant, cat here"):
        refuse_other_classes(["cat", "ant"], ["ant", "cat"], "here")
    with pytest.raises(RequestError, match="ant there, ant, cat here"):
        refuse_other_classes(["ant"], ["ant", "cat"], "here")


def test_a_run_resumed_with_other_images_belongs_to_neither_set():
    one, other = ({"images": 3, "classes": {}, "contents": content} for content in "ab")
    mixed = continued_identity(one, other)
    assert len({digest(one), digest(other), digest(mixed), digest(continued_identity(mixed, one))}) == 4
    assert continued_identity(one, dict(one)) == one and continued_identity(None, one) == one | {"assumed": True}
    assumed = continued_identity(None, one)
    assert digest(assumed) == digest(one) and continued_identity(assumed, other)["assumed"]
    assert continued_identity(mixed, other) == mixed, "interrupted once more"


def test_what_an_earlier_version_did_not_record_is_completed_at_every_depth_and_no_mark_of_another_run_comes_with_it():
    source = {"images": 2, "names": "aa", "contents": "bb"}
    past = {"name": "old", "images": 3, "contents": "cc", "source": source}
    other = past | {"name": "new", "assumed": True, "labels": "dd", "source": source | {"spread": "ee"}}
    whole = past | {"labels": "dd", "source": source | {"spread": "ee"}}
    assert completed(past, [other]) == whole
    assert completed(past, [other, other | {"labels": "ff"}]) == past
