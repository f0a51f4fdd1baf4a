"""Sets that tables are about and whose images are decoded as they are needed: CelebA, Tiny ImageNet, LSUN."""

import hashlib
import shutil
from functools import partial
from itertools import islice
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torchvision import datasets
from torchvision.transforms import functional as transforms

from saddlepoint.data import lmdb_files
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.sources import tiny_imagenet
from saddlepoint.data.sources.celeba import CelebA
from saddlepoint.data.sources.downloading import Remote
from saddlepoint.data.sources.lsun import LSUN
from saddlepoint.data.sources.tiny_imagenet import TinyImageNet
from saddlepoint.errors import RequestError
from tests.data import published
from tests.data.formats import served

SETTINGS = {"channels": 3, "batch_size": 4}


def celeba(root: Path, **changes) -> CelebA:
    return CelebA(**SETTINGS | {"name": "celeba", "root": str(root), "image_size": 178} | changes)


def tiny(root: Path, **changes) -> TinyImageNet:
    settings = SETTINGS | {"name": "tiny_imagenet", "root": str(root), "image_size": 16, "num_classes": 200}
    return TinyImageNet(**settings | changes)


def lsun(root: Path, **changes) -> LSUN:
    return LSUN(**SETTINGS | {"name": "lsun", "root": str(root), "image_size": [32, 40]} | changes)


def all_of(images: EvaluationImages) -> torch.Tensor:
    block = images.block(range(len(images)))
    assert not block.unreadable and torch.equal(block.labels, images.labels)
    return block.images


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(numpy.array(image)).permute(2, 0, 1)


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    published.write_celeba(root)
    return root


@pytest.fixture
def theirs(faces, monkeypatch):
    """torchvision's reader of the same files"""
    monkeypatch.setattr(datasets.CelebA, "_check_integrity", lambda self: True)
    return partial(datasets.CelebA, str(faces))


@pytest.mark.parametrize("split", ["train", "test"])
def test_faces_are_those_that_torchvision_reads_cut_to_their_middle(faces, theirs, split):
    read = theirs(split=split)
    expected = torch.stack([as_tensor(transforms.center_crop(image, 178)) for image, _ in read])
    assert torch.equal(all_of(celeba(faces).evaluation_images(split)), expected)


@pytest.mark.parametrize("crop", [108, 140, 178])
def test_the_middle_is_cut_out_before_it_is_resized(faces, theirs, crop):
    expected = [transforms.center_crop(image, crop).resize((32, 32), Image.Resampling.BICUBIC) for image, _ in theirs()]
    read = all_of(celeba(faces, image_size=32, center_crop=crop).evaluation_images())
    assert torch.equal(read, torch.stack([*map(as_tensor, expected)]))


def test_without_a_crop_faces_are_resized_first_and_may_stay_upright(faces, theirs):
    image, _ = theirs()[0]
    square = transforms.center_crop(image.resize((64, 78), Image.Resampling.BICUBIC), 64)
    assert torch.equal(all_of(celeba(faces, image_size=64, center_crop=None).evaluation_images())[0], as_tensor(square))
    whole = celeba(faces, image_size=[218, 178], center_crop=None).evaluation_images()
    assert torch.equal(all_of(whole)[0], as_tensor(image))
    with pytest.raises(ValueError, match="cuts out squares.*type data.center_crop=null"):
        celeba(faces, image_size=[218, 178])


@pytest.mark.parametrize(("part", "test_part", "counts"), [
    ("train", "test", (4, 4)), ("train", "valid", (4, 4)), ("train+valid", "test", (8, 4)),
    ("train+valid", "valid", (8, None)), ("all", "test", (12, None))])
def test_the_authors_say_which_faces_are_trained_on(faces, part, test_part, counts):
    data = celeba(faces, part=part, test_part=test_part, image_size=8)
    data.setup("fit")
    assert data.num_images == counts[0]
    names = {file.name for file in data.files()}
    if counts[1] is None:
        with pytest.raises(RequestError, match="has no test images beside those that are trained on: type split=train"):
            data.evaluation_images("test")
    else:
        assert len(data.evaluation_images("test")) == counts[1]
        assert names.isdisjoint(file.name for file in data.files("test"))
    assert f"{12 - counts[0]} images by data.part={part}" in data.left_out or part == "all"


def test_combinations_of_attributes_are_classes(faces, theirs):
    data = celeba(faces, attributes=["Smiling", "Male"], num_classes=4, image_size=8)
    data.setup("fit")
    assert data.class_names == ("not_Smiling+not_Male", "not_Smiling+Male", "Smiling+not_Male", "Smiling+Male")
    for split in ("train", "test"):
        read = theirs(split=split)
        smiling, male = (read.attr[:, read.attr_names.index(name)] for name in ("Smiling", "Male"))
        assert torch.equal(data.evaluation_images(split).labels, 2 * smiling + male)
    assert len({*data.evaluation_images().labels.tolist()}) > 1


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"attributes": ["Male", "Smiling"]}, r"data.attributes=\[Male,Smiling\] makes 4 classes.*type data.num_classes=4"),
    ({"attributes": ["Male", "Male"], "num_classes": 4}, "must be up to 10 different attributes"),
    ({"num_classes": 10}, "has classes only by its attributes"),
])
def test_classes_of_faces_must_fit_their_attributes(faces, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        celeba(faces, **changes)


def test_an_archive_of_faces_and_kaggles_lists_are_the_same_set(faces, tmp_path):
    published.write_celeba(tmp_path / "zip", zipped=True)
    folder = "img_align_celeba"
    shutil.copytree(faces / "celeba" / folder, tmp_path / "kaggle" / folder / folder)
    lists = published.celeba_lists()
    first, _, rest = lists["list_attr_celeba.txt"].partition("\n")[2].partition("\n")
    for name, header, text in (("list_eval_partition", "image_id,partition", lists["list_eval_partition.txt"]),
                               ("list_attr_celeba", ",".join(["image_id", *first.split()]), rest)):
        rows = [",".join(line.split()) for line in text.splitlines()]
        (tmp_path / "kaggle" / f"{name}.csv").write_text("\n".join([header, *rows]))
    sets = [celeba(root, image_size=8, attributes=["Male"], num_classes=2)
            for root in (faces, tmp_path / "zip", tmp_path / "kaggle")]
    assert sets[0].identity() == sets[1].identity() == sets[2].identity()
    assert torch.equal(all_of(sets[0].evaluation_images("test")), all_of(sets[1].evaluation_images("test")))


LISTS = published.celeba_lists()


@pytest.mark.parametrize(("name", "change", "sentence"), [
    ("list_eval_partition.txt", lambda text: text + "000099.jpg 0\n",
     "lacks 1 of the 13 images that list_eval_partition.txt lists, e.g. 000099.jpg"),
    ("list_eval_partition.txt", lambda text: text.replace("000003.jpg 2\n", ""), "does not list 1 of the 12 images"),
    ("list_eval_partition.txt", lambda text: text.replace("000003.jpg 2", "000003.jpg 7"),
     "is damaged: line 3 is not an image and 0, 1 or 2, but '000003.jpg 7'"),
    ("list_attr_celeba.txt", lambda text: text[:-9], "is damaged: line 14 is not an image and 40 times 1 or -1"),
    ("list_attr_celeba.txt", lambda text: "<html>\n", "is damaged: it does not begin with the names of attributes"),
    ("list_attr_celeba.txt", lambda text: "", "is damaged: it does not begin with the names of attributes"),
    ("list_attr_celeba.txt", lambda text: text.replace("Male", "Female"),
     "has Male, which is no attribute of CelebA: did you mean Female"),
    ("list_attr_celeba.txt", lambda text: "\0\xff", "is damaged: "),
    ("list_attr_celeba.txt", None, "has no list_attr_celeba.txt: get it from https.* data.attributes=null"),
    ("list_eval_partition.txt", None, "has no list_eval_partition.txt: get it from https.* data.part=all"),
    ("img_align_celeba.zip", lambda content: content[:-30], "img_align_celeba.zip is not a zip archive that can be"),
    ("img_align_celeba.zip", None, "has neither the folder img_align_celeba nor img_align_celeba.zip.*Google Drive"),
])
def test_lists_and_faces_that_do_not_belong_together_are_refused(name, change, sentence, tmp_path):
    published.write_celeba(tmp_path, zipped=True)
    path = tmp_path / "celeba" / name
    if change is None:
        path.unlink()
    elif path.suffix == ".zip":
        path.write_bytes(change(path.read_bytes()))
    else:
        path.write_text(change(path.read_text()), encoding="latin1")
    with pytest.raises(RequestError, match=sentence):
        celeba(tmp_path, attributes=["Male"], num_classes=2).setup("fit")


@pytest.fixture(scope="module")
def tiny_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    published.write_tiny_imagenet(root)
    return root


def test_tiny_imagenet_is_what_torchvision_reads_of_its_folders(tiny_root):
    data = tiny(tiny_root)
    read = datasets.ImageFolder(str(tiny_root / "tiny-imagenet-200" / "train"))
    ours = data.evaluation_images("train")
    assert torch.equal(all_of(ours), torch.stack([as_tensor(image) for image, _ in read]))
    assert ours.labels.tolist() == read.targets
    assert data.class_names[:4] == ("goldfish", "crane (n00001007)", "crane (n00001014)", "word 0")
    assert len(data.class_names) == 200
    validation = data.evaluation_images("test")
    assert validation.labels.tolist() == [2, 1, 0]  # as the annotations say
    expected = [Image.open(tiny_root / "tiny-imagenet-200" / "val" / "images" / f"val_{i}.JPEG") for i in range(3)]
    assert torch.equal(all_of(validation), torch.stack([*map(as_tensor, expected)]))


def test_tiny_imagenet_is_the_same_set_in_each_form(tiny_root, tmp_path):
    published.write_tiny_imagenet_archive(tmp_path / "zip")
    files = published.tiny_imagenet_files()
    wnids = sorted(files["wnids.txt"].decode().split())
    for i in range(3):  # as scripts for ImageFolder move them
        files[f"val/{wnids[2 - i]}/images/val_{i}.JPEG"] = files.pop(f"val/images/val_{i}.JPEG")
    del files["val/val_annotations.txt"]
    published.write_tree(tmp_path / "moved", files)
    original = tiny(tiny_root)
    for root in (tmp_path / "zip", tmp_path / "zip" / "tiny-imagenet-200.zip", tmp_path / "moved",
                 tiny_root / "tiny-imagenet-200"):
        other = tiny(root)
        assert torch.equal(all_of(other.evaluation_images()), all_of(original.evaluation_images()))
        assert sorted(other.evaluation_images("test").labels.tolist()) == [0, 1, 2]
        assert {**other.identity(), "held_out": 0} == {**original.identity(), "held_out": 0}


@pytest.mark.parametrize(("name", "content", "sentence"), [
    ("wnids.txt", b"n1 n2", "wnids.txt is damaged: it has 2 classes, and the set has 200"),
    ("wnids.txt", b"\xff" * 50, "wnids.txt is damaged: it is no text"),
    ("val/val_annotations.txt", None, "val_annotations.txt is missing, which has the classes"),
    ("val/val_annotations.txt", b"val_0.JPEG\n", "is damaged: line 1 is not an image and its class, but 'val_0.JPEG'"),
    ("val/val_annotations.txt", b"val_0.JPEG n00001000", "has no class of 2 images, e.g. val_1.JPEG"),
    ("val/images/val_1.JPEG", None, "lacks 1 of the 3 images that val/val_annotations.txt lists, e.g. val_1.JPEG"),
    ("train/n7/images/a.JPEG", b"", "is of the class n7, which wnids.txt does not have"),
])
def test_lists_and_images_of_tiny_imagenet_that_do_not_belong_together_are_refused(name, content, sentence, tmp_path):
    files = published.tiny_imagenet_files() | {name: content}
    published.write_tree(tmp_path, {name: content for name, content in files.items() if content is not None})
    with pytest.raises(RequestError, match=sentence):
        tiny(tmp_path).setup("fit")


def test_tiny_imagenet_is_downloaded_if_its_checksum_is_right(tmp_path, monkeypatch):
    published.write_tiny_imagenet_archive(tmp_path / "server")
    archive = tmp_path / "server" / "tiny-imagenet-200.zip"
    digest = hashlib.md5(archive.read_bytes()).hexdigest()
    with served(archive.parent) as address:
        monkeypatch.setattr(tiny_imagenet, "REMOTE", Remote(archive.name, [address + archive.name], digest))
        data = tiny(tmp_path / "root")
        data.prepare_data()
        data.setup("fit")
        assert data.num_images == 12
        archive.write_bytes(archive.read_bytes() + b"?")
        with pytest.raises(RequestError, match="data=tiny_imagenet are not in data.root=.*Put tiny-imagenet-200.zip"):
            tiny(tmp_path / "other").prepare_data()
    with pytest.raises(RequestError, match="neither a folder tiny-imagenet-200 nor the archive"):
        tiny(tmp_path / "other").setup("fit")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    published.write_lsun(root, {"bedroom_train": 6, "bedroom_val": 3, "tower_train": 5, "tower_val": 2})
    return root


@pytest.mark.parametrize("split", ["train", "test"])
def test_scenes_are_those_that_torchvision_reads(scenes, split):
    ours = lsun(scenes, categories=["tower", "bedroom"], num_classes=2).evaluation_images(split)
    pixels, labels = all_of(ours), ours.labels.tolist()
    release(scenes)
    part = "train" if split == "train" else "val"
    theirs = datasets.LSUN(str(scenes), [f"tower_{part}", f"bedroom_{part}"])
    expected = [theirs[i] for i in range(len(theirs))]
    for database in theirs.dbs:
        database.env.close()
    assert torch.equal(pixels, torch.stack([as_tensor(image) for image, _ in expected]))
    assert labels == [label for _, label in expected]


def release(root: Path) -> None:
    """Closes the databases, of which a process can have each open once."""
    for place in [place for place in lmdb_files._OPEN if place.startswith(str(root))]:
        lmdb_files._OPEN.pop(place)[1].close()


def stream(data: ImageFolder, count: int) -> torch.Tensor:
    return torch.cat([data.on_after_batch_transfer(batch, 0).real for batch in islice(data.train_dataloader(), count)])


def test_workers_read_scenes_that_their_parent_has_open(scenes):
    alone, shared = lsun(scenes), lsun(scenes, num_workers=2)
    for data in (alone, shared):
        data.setup("fit")
    assert torch.equal(stream(alone, 4), stream(shared, 4))
    assert torch.equal(stream(shared, 2), stream(alone, 2))


def test_a_subset_of_scenes_has_some_of_each_file_once(scenes):
    data = lsun(scenes, categories=["bedroom", "tower"], subset_size=7)
    data.setup("fit")
    whole = {str(place) for place in lsun(scenes, categories=["bedroom", "tower"]).files()}
    places = [str(place) for place in data.files()]
    assert len(places) == data.num_images == 7 and len({*places} & whole) == 7
    assert data.left_out == ["4 images by data.subset_size=7"]
    whole = data.images_to_compare_with("whole")
    assert len(whole.files) == 11 and len(data.images_to_compare_with("train").files) == 7
    assert whole.identity() == lsun(scenes, categories=["bedroom", "tower"]).images_to_compare_with("train").identity()
    assert data.identity() != lsun(scenes, categories=["bedroom", "tower"]).identity()


def test_the_identity_of_scenes_does_not_depend_on_their_place(scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / "bedroom_train_lmdb"
    moved.rename(moved.with_name("bedroom"))  # as objects are called
    assert lsun(tmp_path / "elsewhere").identity() == lsun(scenes).identity()
    assert lsun(scenes, categories=["tower"]).identity() != lsun(scenes).identity()


def test_scenes_that_cannot_be_read_are_left_out(tmp_path):
    good = {f"{i:02}".encode(): published.encoded(40, 32, i, "WEBP") for i in range(80)}
    published.write_lmdb(tmp_path / "bedroom_train_lmdb", good | {b"03": b"none", b"70": good[b"70"][:60]})
    data = lsun(tmp_path, batch_size=40, cache=str(tmp_path / "cache"))
    data.setup("fit")
    stream(data, 4)
    assert sorted(data.skipped) == ["bedroom/03", "bedroom/70"]
    assert data.num_images == len(data.evaluation_images()) == 78


@pytest.mark.parametrize(("content", "sentence"), [
    (lambda whole: whole[:4096 * 3], r"data.mdb is cut short: it has 12,288 of its [\d,]+ bytes"),
    (lambda whole: b"x" * 9000, "data.mdb is not an LMDB database that can be read"),
    (lambda whole: b"", "data.mdb is not an LMDB database that can be read"),
    (None, "has no folder bedroom_train_lmdb with a data.mdb"),
])
def test_a_damaged_database_is_named(content, sentence, tmp_path):
    published.write_lsun(tmp_path, size=(200, 160))
    path = tmp_path / "bedroom_train_lmdb" / "data.mdb"
    whole = path.read_bytes()
    path.unlink()
    if content:
        path.write_bytes(content(whole))
    with pytest.raises(RequestError, match=sentence):
        lsun(tmp_path).setup("fit")


def test_databases_without_images_are_refused(tmp_path):
    published.write_lmdb(tmp_path / "empty_train_lmdb", {})
    published.write_lmdb(tmp_path / "texts_train_lmdb", {b"1": b"one", b"2": b"two"})
    with pytest.raises(RequestError, match="data.mdb has no images in it"):
        lsun(tmp_path, categories=["empty"]).setup("fit")
    with pytest.raises(RequestError, match="None of 2 images of .* can be used, e.g. texts/1: its content is not that"):
        lsun(tmp_path, categories=["texts"]).setup("fit")


def test_what_lsun_lacks_is_said_with_what_to_type(scenes, tmp_path, monkeypatch):
    (tmp_path / "church_outdoor_train_lmdb.zip").write_bytes(b"")
    with pytest.raises(RequestError, match="unpack church_outdoor_train_lmdb.zip there"):
        lsun(tmp_path, categories=["church_outdoor"]).setup("fit")
    with pytest.raises(RequestError, match=r"no folder cat_train_lmdb.*\(it has bedroom_train_lmdb, .*categories="):
        lsun(scenes, categories=["cat"]).setup("fit")
    with pytest.raises(ValueError, match=r"data.categories=\[tower\] has 1 classes, and data.num_classes=2"):
        lsun(scenes, categories=["tower"], num_classes=2)
    monkeypatch.setattr("saddlepoint.data.lmdb_files.find_spec", lambda name: None)
    with pytest.raises(RequestError, match="the package lmdb, which is not installed here: type pip install lmdb"):
        lsun(scenes).setup("fit")
