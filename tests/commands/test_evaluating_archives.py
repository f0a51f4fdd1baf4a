"""evaluate.py and images in archives and arrays: the same values as of the same images in a folder."""

import zipfile
from pathlib import Path

import numpy
import pytest
from PIL import Image

from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.array_files import open_arrays
from saddlepoint.data.random_access import RandomAccessFile
from saddlepoint.errors import RequestError
from saddlepoint.metrics.sources import holds_images
from saddlepoint.training.train import train
from tests.commands.test_evaluating_folders import COUNT, TINY, fid, photographs
from tests.composing import settings
from tests.data.archive_files import pixels, png, write_zip


def pictures_in(folder: Path) -> numpy.ndarray:
    return numpy.stack([numpy.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, Path]:
    """The same images of 16 x 16 pixels, and others, in each kind of file"""
    home = tmp_path_factory.mktemp("places")
    folder = photographs(home / "folder", COUNT, 16, 16)
    numpy.save(home / "array.npy", images := pictures_in(folder))
    numpy.savez(home / "adm.npz", images, numpy.arange(COUNT) % 10)
    numpy.savez_compressed(home / "packed.npz", images.transpose(0, 3, 1, 2))
    numpy.savez(home / "reference.npz", arr_0=images, mu=numpy.zeros(8), sigma=numpy.eye(8))
    numpy.savez(home / "statistics.npz", mu=numpy.zeros(8), sigma=numpy.eye(8))
    write_zip(home / "set.zip", {path.name: path.read_bytes() for path in folder.iterdir()} | {"dataset.json": b"{}"},
              zipfile.ZIP_DEFLATED)
    numpy.savez(home / "fakes.npz", pixels(COUNT, seed=7))
    return {path.name: path for path in home.iterdir()}


@pytest.fixture(scope="module")
def wanted(places, tmp_path_factory) -> dict:
    """What the folder measures"""
    return fid(tmp_path_factory.mktemp("out") / "folder.json", f"real='{places['folder']}'",
               f"fake='{places['fakes.npz']}'", "extractor=random")


@pytest.mark.parametrize("name", ["array.npy", "adm.npz", "packed.npz", "set.zip"])
def test_each_kind_of_file_measures_as_its_folder_does(places, wanted, tmp_path, name, capsys):
    fakes = (f"fake='{places['fakes.npz']}'", "extractor=random")
    found = fid(tmp_path / "file.json", f"real='{places[name]}'", *fakes)
    capsys.readouterr()
    assert found["value"] == wanted["value"] > 0 and found["interval"] == wanted["interval"]
    assert found["protocol"]["reference_digest"] == wanted["protocol"]["reference_digest"]
    assert found["protocol"]["reference"] == name.partition(".")[0]
    same = fid(tmp_path / "same.json", f"real='{places['folder']}'", f"fake='{places[name]}'", "extractor=random")
    assert same["value"] < 1e-6 and same["protocol"]["num_fake"] == COUNT
    assert ("is compressed, and its 107.5 kB are unpacked" in capsys.readouterr().err) == (name == "packed.npz")


def test_sizes_framing_channels_and_numbers_are_those_of_folders(places, tmp_path, capsys):
    wide = photographs(tmp_path / "wide", COUNT, 24, 16)
    numpy.save(tmp_path / "wide.npy", pictures_in(wide))
    sides = (f"fake='{places['set.zip']}'", "extractor=random")
    with pytest.raises(RequestError, match=r"be of one size: .*wide.npy: \[139\] is 24 x 16.*image_size=16"):
        fid(tmp_path / "out.json", f"real='{tmp_path / 'wide.npy'}'", *sides)
    values = [fid(tmp_path / f"{number}.json", f"real='{real}'", *sides, "image_size=16", "num_real=135")
              for number, real in enumerate((wide, tmp_path / "wide.npy"))]
    assert values[0]["value"] == values[1]["value"] and values[1]["protocol"]["framing"] == "short_side, center"
    assert values[1]["protocol"]["num_real"] == 135
    assert "lose what is beyond their middle square, of 16 x 16" in capsys.readouterr().err
    numpy.save(tmp_path / "grey.npy", pixels(COUNT, channels=1)[..., 0])
    with pytest.raises(RequestError, match="grey images and fake=.* colour ones: type channels=3 or channels=1"):
        fid(tmp_path / "out.json", f"real='{tmp_path / 'grey.npy'}'", *sides)


def test_a_run_on_an_array_is_measured_against_its_file_and_others(places, tmp_path):
    run = train(settings(*TINY, "data=array", f"data.root='{places['adm.npz']}'", "data.image_size=32",
                         "data.num_workers=0"), tmp_path / "run")
    own = fid(tmp_path / "own.json", f"run='{run}'", "num_fake=150")
    for number, name in enumerate(("adm.npz", "set.zip")):
        found = fid(tmp_path / f"{number}.json", f"run='{run}'", f"real='{places[name]}'", "num_fake=150")
        assert found["value"] == own["value"] and found["protocol"]["framing"] == "short_side, center"


def test_what_holds_images_is_known_without_reading_them(places):
    assert {name for name, path in places.items() if holds_images(path)} == {*places} - {"statistics.npz"}
    assert not holds_images(expanded("nowhere", "real"))


def test_what_holds_none_is_refused(places, tmp_path):
    fakes = (f"fake='{places['fakes.npz']}'", "extractor=random")
    (tmp_path / "text.txt").write_text("text")
    numpy.savez(tmp_path / "numbers.npz", numbers=numpy.zeros(8))
    numpy.savez(tmp_path / "float.npz", numpy.zeros((3, 8, 8, 3), numpy.float32))
    for path, words in {
        tmp_path / "text.txt": "is none of these: type real=PATH for a folder or a .zip archive of image files, or an ",
        tmp_path / "gone.npz": "does not exist: type real=PATH",
        tmp_path / "numbers.npz": r"no array called arr_0 \(there are numbers \[8\]\)",
        tmp_path / "float.npz": "numbers of kind float32, .*: type white=1 .*, or save ",
    }.items():
        with pytest.raises(RequestError, match=words):
            fid(tmp_path / "out.json", f"real='{path}'", *fakes)


def test_the_bytes_of_an_array_are_read_once(places, tmp_path, monkeypatch):
    """Nothing but the file's images is read, and each once, in blocks that do not add up in memory."""
    read, largest = [], [0]

    def counted(self, begin, length, plain=RandomAccessFile.read):
        read.append((begin, length))
        largest[0] = max(largest[0], length)
        return plain(self, begin, length)

    monkeypatch.setattr(RandomAccessFile, "read", counted)
    monkeypatch.setattr("saddlepoint.commands.evaluation.picture", lambda *_: "")  # it shows some images once more
    fid(tmp_path / "out.json", f"real='{places['array.npy']}'", f"fake='{places['folder']}'", "extractor=random")
    array = open_arrays(places["array.npy"])[""]
    rows = [(array.begin + number * 768, 768) for number in range(COUNT)]
    assert sorted(read) == rows and largest == [768]


def test_files_in_an_archive_that_cannot_be_read_are_named(places, tmp_path, caplog):
    files = {f"{number:03}.png": png(image) for number, image in enumerate(pixels(COUNT))}
    path = write_zip(tmp_path / "set.zip", files | {"005.png": files["005.png"][:300]})
    found = fid(tmp_path / "out.json", f"real='{path}'", f"fake='{places['folder']}'", "extractor=random")
    assert found["protocol"]["num_real"] == COUNT - 1 and f"{path}/005.png" in caplog.text
