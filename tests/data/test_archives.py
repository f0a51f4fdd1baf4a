"""Zip archives and folders with a dataset.json, as StyleGAN's tools make them; and those that are hostile or broken."""

import json
import zipfile
import zlib

import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.data import residence
from saddlepoint.data.archives import BOMB_BYTES, open_archive
from saddlepoint.data.loading import DecodedOnce
from saddlepoint.errors import RequestError
from saddlepoint.image_files.errors import Unreadable
from tests.data.archive_files import archived, pixels, png, stylegan_files, stylegan_name, write_zip
from tests.data.folder_data import as_bytes, batches, folder, stream
from tests.data.formats import png_bytes

LABELS = [3, 0, 1, 1, 2, 0, 3, 2]


def shown(data, count: int = 4) -> dict[bytes, int]:
    """The pixels of each image that training shows, with its label"""
    return {image.permute(1, 2, 0).numpy().tobytes(): label for batch in batches(data, count)
            for image, label in zip(as_bytes(batch.real), batch.labels.tolist(), strict=True)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_archive_of_stylegan_is_read_with_its_labels(tmp_path, method, num_workers):
    images = pixels()
    path = write_zip(tmp_path / "set.zip", stylegan_files(images, LABELS), method)
    data = archived(path, num_classes=4, num_workers=num_workers)
    assert data.class_names == ("0", "1", "2", "3") and data.class_counts.tolist() == [2, 2, 2, 2]
    assert shown(data) == {image.tobytes(): label for image, label in zip(images, LABELS, strict=True)}
    assert data.describe() == [f"data: 8 images of data.root={path} in 4 classes: 0 2, 1 2, 2 2, 3 2"]


@pytest.mark.parametrize(("record", "names"), [
    ({"class_names": ["a cat", "dog", "emu", "fox"]}, ("a cat", "dog", "emu", "fox")),
    ({"class_names": ["cat", "dog"]}, ("0", "1", "2", "3")), ({"class_names": ["cat"] * 4}, ("0", "1", "2", "3")),
    ([], ("0", "1", "2", "3"))])
def test_an_archive_that_saddlepoint_made_names_its_classes(record, names, tmp_path):
    files = stylegan_files(pixels(), LABELS) | {"saddlepoint.json": json.dumps(record).encode()}
    data = archived(write_zip(tmp_path / "set.zip", files), num_classes=4)
    assert data.class_names == names and data.left_out == []


@pytest.mark.parametrize("labels", [[[0, 0, 1]] * 3 + [[1, 0, 0]] * 5, [[0.0, 0.0, 1.0]] * 3 + [[1.0, 0.0, 0.0]] * 5])
def test_vectors_with_a_single_one_are_classes(tmp_path, labels):
    path = write_zip(tmp_path / "set.zip", stylegan_files(pixels(), labels))
    assert archived(path, num_classes=3).class_counts.tolist() == [5, 0, 3]


def test_without_num_classes_labels_are_not_looked_at(tmp_path):
    path = write_zip(tmp_path / "set.zip", stylegan_files(pixels(), [[0.5, 1]] * 8))
    assert set(shown(archived(path)).values()) == {0}


def test_a_zip_its_folder_and_the_folder_as_images_are_the_same_images_and_the_same_set(tmp_path):
    files = stylegan_files(pixels(6, 20, 30), LABELS[:6])
    path = write_zip(tmp_path / "set.zip", dict(reversed(files.items())))  # members in any order
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "set")
    wanted, typed = ("images", "names", "contents"), {"crop": "random", "horizontal_flip": True}
    sets = [archived(path, **typed), archived(tmp_path / "set", **typed), folder(tmp_path / "set", **typed)]
    first, *others = ([{key: data.identity()[key] for key in wanted}, stream(data, 4)] for data in sets)
    for each in others:
        assert each[0] == first[0] and torch.equal(each[1], first[1])
    labelled = [archived(place, num_classes=4) for place in (path, tmp_path / "set")]
    assert shown(labelled[0]) == shown(labelled[1])


def test_a_folder_that_was_packed_as_a_whole_has_its_labels_inside(tmp_path):
    files = {f"faces/{name}": content for name, content in stylegan_files(pixels(), LABELS).items()}
    data = archived(write_zip(tmp_path / "set.zip", files), num_classes=4)
    assert data.class_counts.tolist() == [2, 2, 2, 2]


def test_grey_colours_transparency_and_odd_sizes_are_read_as_files_are(tmp_path):
    kinds = {"a grey.png": pixels(1, 21, 17, 1)[0], "b colours.png": pixels(1, 33, 40, 3)[0],
             "c transparent.png": pixels(1, 19, 23, 4)[0]}
    path = write_zip(tmp_path / "set.zip", {name: png(image) for name, image in kinds.items()})
    for name, image in kinds.items():
        (tmp_path / "set").mkdir(exist_ok=True)
        Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(tmp_path / "set" / name)
    for channels in (1, 3):
        images = [data.evaluation_images().block(range(3)).images
                  for data in (archived(path, channels=channels), folder(tmp_path / "set", channels=channels))]
        assert torch.equal(*images)


def test_tiff_and_16_bits_are_read_out_of_an_archive(tmp_path):
    """Those of which tifffile and imagecodecs are given the bytes, not Pillow"""
    deep = numpy.random.default_rng(0).integers(0, 65536, (16, 16 * 3), dtype=numpy.uint16)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(png_bytes(deep, colour_type=2, bits=16, width=16))
    Image.fromarray(numpy.random.default_rng(1).random((16, 16), dtype=numpy.float32)).save(tmp_path / "set" / "b.tif")
    names = ("a.png", "b.tif")
    path = write_zip(tmp_path / "set.zip", {name: (tmp_path / "set" / name).read_bytes() for name in names})
    typed = {"white": 1.0, "extensions": ["png", "tif"]}
    in_zip, in_folder = archived(path, **typed), folder(tmp_path / "set", **typed)
    assert in_zip.losses == in_folder.losses and not in_zip.skipped
    assert torch.equal(*(data.evaluation_images().block(range(2)).images for data in (in_zip, in_folder)))


def test_a_header_is_read_without_the_picture_behind_it(tmp_path):
    """A picture of 2.4 MB that is damaged behind its header is found when it is decoded, as in a folder."""
    content = bytearray(png(pixels(1, 900, 900)[0]))
    files = {"a.png": bytes(content), **{f"{name}.png": png(pixels(1)[0]) for name in "bcd"}}
    path = write_zip(tmp_path / "set.zip", files)
    with zipfile.ZipFile(path) as archive:
        begin = archive.getinfo("a.png").header_offset
    with path.open("r+b") as opened:
        opened.seek(begin + len(content) // 2)
        opened.write(b"damage")
    data = archived(path)
    assert data.skipped == []
    stream(data, 4)
    assert data.skipped == ["a.png"]


def test_cached_and_kept_images_are_those_of_the_archive(tmp_path):
    path = write_zip(tmp_path / "set.zip", stylegan_files(pixels(5, 40, 30)))
    plain, cached, again = (stream(archived(path, **typed), 3)
                            for typed in ({}, *[{"cache": str(tmp_path / "cache")}] * 2))
    assert torch.equal(plain, cached) and torch.equal(plain, again)
    kept = archived(path, on_device=True).training_dataset().__getitems__(range(12))
    assert torch.equal(kept[0], as_bytes(plain))


@pytest.mark.parametrize(("changes", "most", "kept"), [
    ({}, 1 << 30, True), ({"crop": "random"}, 1 << 30, False), ({}, 8 * 16 * 16 * 3 - 1, False)])
def test_a_small_set_is_decoded_once_by_itself(changes, most, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(residence, "SMALL", most)
    path = write_zip(tmp_path / "set.zip", stylegan_files(pixels(8, 16, 16), LABELS))
    data, streamed = (archived(path, on_device=each, **changes) for each in ("auto", False))
    assert isinstance(data.training_dataset(), DecodedOnce) == kept and data.on_device is kept
    batch, same = (each.training_dataset().__getitems__(range(24))[0] for each in (data, streamed))
    assert torch.equal(batch, same)


def test_what_is_no_image_is_counted(tmp_path):
    files = stylegan_files(pixels(3)) | {"notes.txt": b"x", "__MACOSX/._img.png": b"x", "more/.DS_Store": b"x"}
    assert archived(write_zip(tmp_path / "set.zip", files)).describe()[1] == (
        "left out: 1 file whose ending is not in data.extensions (.txt 1); 2 hidden files")


def test_class_folders_in_an_archive_are_classes_where_nothing_else_is(tmp_path):
    files = {f"{kind}/{number}.png": png(image) for kind in ("cat", "dog") for number, image in enumerate(pixels(2))}
    path = write_zip(tmp_path / "set.zip", files)
    assert archived(path, num_classes=2).class_names == ("cat", "dog")
    with pytest.raises(RequestError, match=r"num_classes=3, but .*set.zip has no dataset.json, and its images lie in 2 "
                                           r"folders: type data.num_classes=2 for .*, or data.num_classes=0"):
        archived(path, num_classes=3)
    null = write_zip(tmp_path / "null.zip", stylegan_files(pixels(3)))
    with pytest.raises(RequestError, match=r"null.zip/dataset.json has no labels, and its images lie in 1 folder: type "
                                           r"data.num_classes=0 to train without classes"):
        archived(null, num_classes=3)


# Labels that do not fit.


def relabelled(content: object) -> dict[str, bytes]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return stylegan_files(pixels(3), [0, 1, 2]) | {"dataset.json": text}


NAMES = [stylegan_name(number) for number in range(3)]
ODD_LABELS = {
    "not JSON": (b"{", "is not .*: mend it, or type data.num_classes=0"),
    "a list": ([], "is not .*: mend it"),
    "no labels": ({"images": []}, 'has no "labels"'),
    "deep": (b"[" * 10**5, "is not .*: mend it"),
    "not pairs": ({"labels": [1, 2]}, "is not .*: mend it"),
    "one missing": ({"labels": [[name, 0] for name in NAMES[:2]]},
                    f"has no label for 1 of the 3 images, e.g. {NAMES[2]}"),
    "one too many": ({"labels": [[name, 0] for name in [*NAMES, "../../x.png"]]},
                     "has labels for 1 file that is not there"),
    "twice": ({"labels": [[name, 0] for name in [*NAMES, NAMES[0]]]}, f"has two labels of {NAMES[0]}"),
    "words": ({"labels": [[name, "cat"] for name in NAMES]}, "must be a number for each image"),
    "of two kinds": ({"labels": [[NAMES[0], 1], [NAMES[1], [0, 1]], [NAMES[2], 0]]}, "must be a number for each image"),
    "negative": ({"labels": [[name, -1] for name in NAMES]}, "must be whole numbers from 0 to .*, and -1 is among"),
    "fractions": ({"labels": [[NAMES[0], 0.0], [NAMES[1], 1.5], [NAMES[2], 1.0]]},
                  "must be whole numbers from 0 to .*, and 1.5 is among them"),
    "huge": ({"labels": [[name, 10**30] for name in NAMES]}, "must be a number for each image|whole numbers"),
    "several ones": ({"labels": [[name, [1, 1, 0]] for name in NAMES]},
                     "name no single class, e.g. 1, 1, 0, .*: type data.num_classes=0 to train without classes"),
    "too few typed": ({"labels": [[name, 5] for name in NAMES]}, "numbers of 6 classes: type data.num_classes=6, or 0"),
    "vectors of two": ({"labels": [[name, [0, 1]] for name in NAMES]}, "vectors of 2 classes: type data.num_classes=2"),
}


@pytest.mark.parametrize("kind", ODD_LABELS)
def test_labels_that_do_not_fit_are_refused_by_name_and_needed_only_for_classes(tmp_path, kind):
    content, words = ODD_LABELS[kind]
    path = write_zip(tmp_path / "set.zip", relabelled(content))
    with pytest.raises(RequestError, match=words) as refusal:
        archived(path, num_classes=3)
    assert "set.zip" in str(refusal.value)
    assert archived(path).num_images == 3


# Hostile archives, and broken ones.


def refused(path, words: str) -> None:
    with pytest.raises(RequestError, match=words) as refusal:
        archived(path)
    assert f"data.root={path}" in str(refusal.value)


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "C:/a.png", "..\\a.png"])
def test_names_that_lead_out_of_an_archive_are_refused(tmp_path, name):
    refused(write_zip(tmp_path / "set.zip", stylegan_files(pixels(2)) | {name: png(pixels(1)[0])}), "leads out of")


def test_two_files_of_one_name_are_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", stylegan_files(pixels(2)))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(stylegan_name(0), png(pixels(1)[0]))
    refused(path, f"two files called {stylegan_name(0)}")


def test_other_compression_and_encryption_are_refused_with_what_to_do(tmp_path):
    refused(write_zip(tmp_path / "b.zip", stylegan_files(pixels(2)), zipfile.ZIP_BZIP2), r"bzip2 .*zip -0 -r")
    path = write_zip(tmp_path / "e.zip", stylegan_files(pixels(2)))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1  # the bit of encryption in the directory
    path.write_bytes(content)
    refused(path, "is encrypted .*without a password")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "text.zip").write_text("text")
    refused(tmp_path / "text.zip", "is not a zip archive that can be read .*Get or make it again")
    refused(tmp_path / "gone.zip", "does not exist: type data.root=FILE.zip")
    refused(write_zip(tmp_path / "empty.zip", {"a.txt": b""}), r"no file that ends in .*there are 1 file")
    with pytest.raises(RequestError, match="needs to know the archive: type data.root=FILE.zip"):
        archived(None)


def test_an_archive_cut_anywhere_is_refused_or_shows_its_whole_images_alone(tmp_path):
    images = pixels(3)
    whole = write_zip(tmp_path / "set.zip", stylegan_files(images, [0, 1, 2])).read_bytes()
    for length in {*range(0, len(whole), 97), *range(len(whole) - 90, len(whole))}:
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        refused(tmp_path / "cut.zip", "cut.zip is not a zip archive|has no file that ends")


def test_any_damaged_byte_leaves_the_others_images_right_or_is_refused(tmp_path, caplog):
    images = pixels(3, 8, 8)
    whole = write_zip(tmp_path / "set.zip", stylegan_files(images), zipfile.ZIP_DEFLATED).read_bytes()
    true = {image.tobytes() for image in images}
    draws = numpy.random.default_rng(0)
    for place in draws.choice(len(whole), 60, replace=False):
        content = bytearray(whole)
        content[place] ^= int(draws.integers(1, 256))
        (tmp_path / "bad.zip").write_bytes(content)
        try:
            found = shown(archived(tmp_path / "bad.zip", image_size=8, resize="none", crop="none"), 2)
        except RequestError as refusal:
            assert "bad.zip" in str(refusal)
        else:
            assert found.keys() <= true


def test_zip_bombs_are_neither_unpacked_nor_believed(tmp_path):
    """One says that it unpacks to 1,000 times its size; another that it unpacks to little, and does not."""
    bomb = write_zip(tmp_path / "bomb.zip", {"a.png": bytes(2 * BOMB_BYTES), "b.png": png(pixels(1)[0])},
                     zipfile.ZIP_DEFLATED)
    data = archived(bomb)
    assert data.skipped == ["a.png"] and data.num_images == 1
    member = open_archive(bomb, ["png"], "here").listing.files[0].path
    with pytest.raises(Unreadable, match="zip bomb"):
        member.read_bytes()
    member.size = 1000
    with pytest.raises(Unreadable, match="it is damaged"):
        member.read_bytes()


@pytest.mark.parametrize("length", [10_000, 1 << 62])
def test_a_file_that_would_reach_beyond_the_archive_is_refused(length, tmp_path, monkeypatch):
    """As the directory at the archive's end may say; reading so much would end in a MemoryError."""
    path = write_zip(tmp_path / "set.zip", {"a.png": png(pixels(1)[0]), "b.png": png(pixels(1)[0])},
                     zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as opened:
        infos = opened.infolist()
    infos[1].compress_size = length
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda self: infos)
    refused(path, "says of b.png that it has .* bytes in the archive, which ends before: it is damaged")


def test_a_picture_of_too_many_pixels_is_left_out_before_it_is_decoded(tmp_path):
    files = {"a.png": png_bytes(numpy.zeros((9000, 1125)), 0, 1, 9000), "b.png": png(pixels(1)[0])}
    assert archived(write_zip(tmp_path / "set.zip", files, zipfile.ZIP_DEFLATED)).skipped == ["a.png"]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_archive_that_is_cut_short_or_written_over_during_training_ends_the_run(tmp_path, num_workers):
    path = write_zip(tmp_path / "set.zip", stylegan_files(pixels(4)))
    data = archived(path, num_workers=num_workers)
    with path.open("r+b") as opened:
        opened.truncate(3 * path.stat().st_size // 4)  # most images are still there
    with pytest.raises(RequestError, match=r"data.root=.*set.zip was changed while it was being read. Put it back as"):
        stream(data, 4)


def test_an_archive_that_is_replaced_or_deleted_during_training_is_read_to_the_end(tmp_path):
    """The opened file is still there until nobody has it open."""
    path = write_zip(tmp_path / "set.zip", stylegan_files(images := pixels(4)))
    data = archived(path)
    write_zip(tmp_path / "other.zip", stylegan_files(pixels(4, seed=1))).replace(path)
    assert shown(data).keys() == {image.tobytes() for image in images}
    path.unlink()
    assert shown(data).keys() == {image.tobytes() for image in images}


def test_a_checksum_that_is_wrong_makes_a_picture_unreadable(tmp_path):
    files = {f"{name}.bmp": bytes(54) for name in "ab"}
    for name in files:
        Image.fromarray(pixels(1)[0]).save(tmp_path / name)
        files[name] = (tmp_path / name).read_bytes()
    path = write_zip(tmp_path / "set.zip", files)
    content = path.read_bytes().replace(zlib.crc32(files["a.bmp"]).to_bytes(4, "little"), bytes(4), 2)
    path.write_bytes(content.replace(files["a.bmp"], files["a.bmp"][:-1] + b"?", 1))
    data = archived(path, corrupt="skip")
    stream(data, 4)
    assert data.skipped == ["a.bmp"]
