"""saddlepoint-prepare without a process of its own: a folder in, an archive out, read as StyleGAN reads it."""

import errno
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy
import pytest
from PIL import Image

from saddlepoint.commands.interface import prepare
from saddlepoint.data.folders import ImageFolder
from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files.stored_zip import StoredZip, write_zip
from saddlepoint.preparing import encoding, unfinished
from saddlepoint.preparing.image_zip import ImageZip, name_of
from tests.data.formats import photo
from tests.preparing.archives import images_of, labels_of, record_of


@pytest.fixture
def photos(tmp_path) -> Path:
    """Ten pictures of two classes, one of them damaged: of all shapes, and of modes that become RGB."""
    for number in range(10):
        folder = tmp_path / "photos" / ("cat" if number < 4 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        photo(20 + 3 * number, 40 - 2 * number).save(folder / f"{number}.{'jpg' if number % 3 == 1 else 'png'}")
    photo(30, 21).convert("CMYK").save(tmp_path / "photos" / "cat" / "ink.tif")
    (tmp_path / "photos" / "dog" / "cut.png").write_bytes((tmp_path / "photos" / "dog" / "5.png").read_bytes()[:200])
    return tmp_path / "photos"


def made(*settings: str, **values: object) -> Path:
    return prepare("num_workers=1", *settings, **{"input": "photos", "output": "a.zip", "image_size": 16, **values})


def test_the_archive_has_the_images_that_training_makes_of_the_folder(photos):
    path = made("labels=folders")
    data = ImageFolder(name="image_folder", root=str(photos), channels=3, image_size=16, batch_size=4, num_classes=2,
                       num_workers=0)
    data.setup("fit")
    readable = [number for number, name in enumerate(data.files()) if name.name != "cut.png"]
    expected = numpy.stack([data.training_loader().pixels(data.files()[number]) for number in readable])
    assert numpy.array_equal(images_of(path), expected)
    assert labels_of(path).tolist() == [0] * 5 + [1] * 6


def test_the_record_says_what_was_left_out_and_by_which_filter(photos, capsys):
    record = record_of(made("labels=folders", "filter=lanczos"))
    assert record["settings"]["filter"] == "lanczos" and record["class_names"] == ["cat", "dog"]
    assert (record["files"], record["images"], record["width"], record["height"]) == (12, 11, 16, 16)
    assert [*record["left_out"]["files"]] == ["dog/cut.png"] and str(photos.parent) not in json.dumps(record)
    printed = capsys.readouterr()
    assert "11 images of 16 x 16 pixels, RGB in 2 classes: cat 5, dog 6: a.zip" in printed.out
    assert "left out: 1 file" in printed.err and "dog/cut.png" in printed.err


@pytest.mark.parametrize("name", ["box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_a_filter_is_pillows_of_that_name(name):
    Path("photos").mkdir()
    picture = photo(37, 50)
    picture.save("photos/a.png")
    resized = picture.resize((16, 24), Image.Resampling[name.upper()])
    [image] = images_of(made(f"filter={name}", "resize=stretch", image_size=16 if name == "box" else 24))
    assert image.shape[0] == (16 if name == "box" else 24)
    side = image.shape[0]
    assert numpy.array_equal(image, numpy.asarray(picture.resize((side, side), Image.Resampling[name.upper()])))
    assert resized.size == (16, 24)


def test_grey_stays_grey_and_sixteen_bits_are_divided_by_257():
    Path("photos").mkdir()
    Image.fromarray(numpy.full((9, 9), 257 * 200, numpy.uint16)).save("photos/deep.png")
    Image.new("L", (9, 9), 7).save("photos/low.png")
    images = images_of(made(image_size=None))
    assert images.shape == (2, 9, 9, 1) and images[0].tolist() != images[1].tolist()
    assert (images[0] == 200).all() and (images[1] == 7).all()
    assert images_of(made("channels=3", "overwrite=true", image_size=None)).shape == (2, 9, 9, 3)


def test_the_bytes_depend_on_the_files_alone(photos):
    first = made("labels=folders").read_bytes()
    assert made(num_workers=2, labels="folders", output="b.zip").read_bytes() == first
    with zipfile.ZipFile("a.zip") as archive:
        assert archive.testzip() is None
        assert {(info.compress_type, info.date_time) for info in archive.infolist()} == {
            (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))}
    assert subprocess.run(["unzip", "-tq", "a.zip"], check=False).returncode == 0 or not shutil.which("unzip")


class Killed(BaseException):
    """What ends a program in the middle."""


def interrupted(monkeypatch, after: int, seconds: float = 0) -> None:
    """Makes the archive until so many images are encoded, as a killed program leaves it."""
    decode, counts = encoding.decode, iter(range(100))

    def breaking(*arguments: object) -> Image.Image:
        if next(counts) == after:
            raise Killed
        return decode(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "SECONDS", seconds)
        patch.setattr(encoding, "FILES", 1)
        patch.setattr(encoding, "decode", breaking)
        with pytest.raises(Killed):
            made("labels=folders", "channels=3")


def test_what_was_interrupted_goes_on_and_comes_to_the_same_bytes(photos, monkeypatch, capsys):
    whole = made("labels=folders", "channels=3", output="whole.zip").read_bytes()
    interrupted(monkeypatch, after=3)
    with Path(".a.zip.unfinished").open("ab") as stream:
        stream.write(b"written after the last line of the journal")
    with Path(".a.zip.journal").open("ab") as stream:
        stream.write(b'{"done": 4, "im')
    interrupted(monkeypatch, after=4)
    assert not Path("a.zip").exists()
    decoded = []
    with monkeypatch.context() as patch:
        decode = encoding.decode
        patch.setattr(encoding, "decode", lambda path, *rest: decoded.append(path.name) or decode(path, *rest))
        assert made("labels=folders", "channels=3").read_bytes() == whole
    assert len(decoded) == 12 - 6 + 1  # the first once more, for the size of all; so was it in the second attempt
    assert "going on with a.zip: 6 of 12 files are done" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["a.zip", "photos", "whole.zip"]


def test_an_archive_begun_of_other_files_is_begun_anew(photos, monkeypatch, capsys):
    interrupted(monkeypatch, after=5)
    photo(22, 22).save("photos/cat/0.png")
    made("labels=folders", "channels=3")
    assert "going on" not in capsys.readouterr().err and len(images_of(Path("a.zip"))) == 11


def test_a_full_disk_leaves_no_archive_and_says_how_to_go_on(photos, monkeypatch):
    with monkeypatch.context() as patch:
        def full(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        patch.setattr("saddlepoint.files.stored_zip.zipfile.ZipFile.writestr", full)
        with pytest.raises(DiskFull, match="a.zip cannot be written.*type the same again"):
            made()
    assert not Path("a.zip").exists()
    assert len(images_of(made())) == 11


def test_labels_of_a_folder_with_dataset_json_are_carried_over():
    Path("photos/00000").mkdir(parents=True)
    for number in range(3):
        photo(8, 8).save(f"photos/00000/img{number:08}.png")
    pairs = [[f"00000/img{number:08}.png", [number, 0.5]] for number in (2, 0, 1)]
    Path("photos/dataset.json").write_text(json.dumps({"labels": pairs}))
    path = made("labels=dataset.json", image_size=None)
    assert labels_of(path).tolist() == [[0, 0.5], [1, 0.5], [2, 0.5]]
    assert labels_of(made("overwrite=true", image_size=None)) is None


@pytest.mark.parametrize(("content", "words"), [
    ('{"labels": [["a.png", 0]]}', "has no label of 1 image of 2: b.png"),
    ('{"labels": [["a.png", 0], ["b.png", [1, 2]]]}', "must be all classes, or all lists"),
    ('{"labels": [["a.png", -1], ["b.png", 1]]}', "must be pairs of a file's name and a class"),
    ('{"labels": [["a.png", [NaN]], ["b.png", [1]]]}', "must be pairs"),
    ('{"labels": [["a.png", 0], ["b.png", 1], ["a.png", 1]]}', "dataset.json has two labels of a.png: leave one of"),
    ('{"labels": [["a.png", 0], ["b.png", 1], ["b.png", 1]]}', "has two labels of b.png"),
    ('{"labels": null}', "says that there are no labels"),
    ("[" * 100_000, "is not a file of labels"), ("[1]", "is not a file of labels"),
    (None, "there is no photos/dataset.json"),
])
def test_labels_that_do_not_fit_are_refused(content, words):
    Path("photos").mkdir()
    for name in ("a", "b"):
        photo(8, 8).save(f"photos/{name}.png")
    if content:
        Path("photos/dataset.json").write_text(content)
    with pytest.raises(RequestError, match=words):
        made("labels=dataset.json")
    assert not [*Path().glob("*.zip")] and not [*Path().glob(".a*")]


@pytest.mark.parametrize(("values", "words"), [
    ({"image_size": None}, "must have one size: .*Type image_size="),
    ({"output": "a.tar"}, "must be a zip archive: type .*output=a.tar.zip"),
    ({"output": None}, "output is not set"), ({"input": None}, "input is not set"),
    ({"input": "nowhere"}, "nowhere does not exist"),
    ({"crop": "none"}, "crop=none with resize=short_side"),
    ({"quality": 80}, "quality=80 is of JPEG files: add format=jpg"),
    ({"image_size": None, "filter": "box"}, "filter=box says how images get their size: add image_size="),
    ({"resize": "none", "image_size": 500}, "no image that can be used: .* are less than 500 x 500"),
    ({"image_extensions": ["webp"]}, "has no file that ends in webp"),
    ({"resize": "sideways"}, "resize=sideways must be one of short_side, stretch, none"),
    ({"filter": "mitchell"}, "filter=mitchell must be one of box"),
])
def test_an_impossible_wish_is_refused_and_leaves_nothing(photos, values, words):
    with pytest.raises(RequestError, match=words):
        made(**values)
    assert [path.name for path in Path().iterdir()] == ["photos"]


def test_parts_of_a_set_are_no_classes():
    for part in ("train", "test"):
        Path(f"photos/{part}").mkdir(parents=True)
        photo(8, 8).save(f"photos/{part}/a.png")
    with pytest.raises(RequestError, match="are parts of a data set and no classes.*type input=photos/train"):
        made("labels=folders")


def test_an_existing_archive_is_replaced_only_when_asked(photos):
    Path("a.zip").write_bytes(b"mine")
    with pytest.raises(RequestError, match="a.zip exists.*overwrite=true"):
        made()
    assert Path("a.zip").read_bytes() == b"mine"
    made("overwrite=true", "format=jpg", "quality=90")
    with zipfile.ZipFile("a.zip") as archive:
        assert archive.namelist()[0] == "00000/img00000000.jpg"
    assert images_of(Path("a.zip")).shape == (11, 16, 16, 3)


def test_two_processes_do_not_write_one_archive(photos):
    archive = unfinished.UnfinishedZip(Path("a.zip"), {}, "png", None)
    with archive.opened(), pytest.raises(RequestError, match="is being written by another process"):
        made()


def test_many_images_are_in_folders_of_a_thousand(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1000)  # 65,535, beyond which a zip ends with other records

    def write(archive: StoredZip) -> None:
        images = ImageZip(archive, "png")
        for number in range(1001):
            images.add(b"", number)
        images.finish({})
    write_zip(Path("many.zip"), write)
    with zipfile.ZipFile("many.zip") as archive:
        assert archive.namelist()[999:1001] == ["00000/img00000999.png", "00001/img00001000.png"]
        assert archive.namelist()[1001:] == ["dataset.json", "saddlepoint.json"]
    assert name_of(65_999, "jpg") == "00065/img00065999.jpg"
