"""Images in .npy and .npz files: layouts, labels, shards; arrays that are no images; files that are cut or change."""

import io
import zipfile

import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.data import arrays
from saddlepoint.data.array_files import open_arrays
from saddlepoint.errors import RequestError
from tests.data.archive_files import archived, array, pixels, stylegan_files, write_zip
from tests.data.folder_data import as_bytes, batches, stream

LABELS = numpy.array([3, 0, 1, 1, 2, 0, 3, 2])


def shown(data, count: int = 4) -> dict[bytes, int]:
    """The pixels [H, W, C] of each image that training shows, with its label"""
    return {image.permute(1, 2, 0).numpy().tobytes(): label for batch in batches(data, count)
            for image, label in zip(as_bytes(batch.real), batch.labels.tolist(), strict=True)}


def images_of(data) -> numpy.ndarray:
    """[N, H, W, C], in the order of the file"""
    everything = data.evaluation_images()
    return everything.block(range(len(everything))).images.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_samples_of_adm_are_read_with_their_labels(tmp_path, save, num_workers):
    images = pixels()
    save(tmp_path / "samples.npz", images, LABELS)
    data = array(tmp_path / "samples.npz", num_classes=4, num_workers=num_workers)
    assert shown(data) == {image.tobytes(): label for image, label in zip(images, LABELS.tolist(), strict=True)}
    said = data.describe()
    assert said[0] == f"data: 8 images of data.root={tmp_path / 'samples.npz'} in 4 classes: 0 2, 1 2, 2 2, 3 2"
    assert ("unpacked in memory: 6.1 kB" in said[-1]) == (save is numpy.savez_compressed)


@pytest.mark.parametrize(("shape", "typed"), [
    ((8, 16, 16), {}), ((8, 16, 16, 1), {}), ((8, 16, 16, 3), {}), ((8, 1, 16, 16), {}), ((8, 3, 16, 16), {}),
    ((8, 16, 16, 4), {}), ((8, 3, 16, 3), {"layout": "NCHW"}), ((8, 3, 16, 3), {"layout": "NHWC"})])
def test_layouts_are_recognised_or_typed(tmp_path, shape, typed):
    values = numpy.random.default_rng(0).integers(0, 256, shape, dtype=numpy.uint8)
    numpy.save(tmp_path / "a.npy", values)
    last = values[..., None] if values.ndim == 3 else values
    if shape[1] in (1, 3) and typed.get("layout") != "NHWC":
        last = numpy.stack([values[:, channel] for channel in range(shape[1])], -1)
    pictures = [Image.fromarray(each[:, :, 0] if each.shape[2] == 1 else each) for each in last]
    if shape[3:] == (4,):
        pictures = [Image.composite(each.convert("RGB"), Image.new("RGB", each.size), each.getchannel(3))
                    for each in pictures]
    for channels, mode in ((1, "L"), (3, "RGB")):
        data = array(tmp_path / "a.npy", channels=channels, resize="stretch", **typed)
        expected = [numpy.atleast_3d(numpy.asarray(each.convert(mode).resize((16, 16), Image.Resampling.BICUBIC)))
                    for each in pictures]
        assert numpy.abs(images_of(data).astype(int) - numpy.stack(expected)).max() <= (1 if shape[3:] == (4,) else 0)


def test_images_are_framed_and_split_as_those_of_files_are(tmp_path):
    images = pixels(9, 20, 30)
    numpy.save(tmp_path / "a.npy", images)
    in_zip = archived(write_zip(tmp_path / "a.zip", stylegan_files(images)))
    assert (images_of(array(tmp_path / "a.npy")) == images_of(in_zip)).all()
    data = array(tmp_path / "a.npy", train_fraction=0.7, subset_size=4, crop="random", horizontal_flip=True)
    assert (data.num_images, len(data.evaluation_images("test"))) == (4, 3)
    assert torch.equal(stream(data, 3), stream(array(tmp_path / "a.npy", train_fraction=0.7, subset_size=4,
                                                     crop="random", horizontal_flip=True, num_workers=2), 3))
    plain, flipped = (array(tmp_path / "a.npy", horizontal_flip=each) for each in (False, True))
    assert (images_of(plain) == images_of(flipped)).all()
    assert plain.evaluation_images().identity() == flipped.evaluation_images().identity()
    assert not torch.equal(stream(plain, 3), stream(flipped, 3))
    kept = array(tmp_path / "a.npy", on_device=True).training_dataset().__getitems__(range(8))[0]
    assert torch.equal(kept, as_bytes(stream(array(tmp_path / "a.npy"), 2)))


def test_shards_are_one_set_in_the_order_of_their_names_or_of_the_list(tmp_path):
    images = pixels(10)
    for number, (begin, end) in enumerate(((0, 4), (4, 5), (5, 10))):
        numpy.savez(tmp_path / f"shard{number}.npz", images[begin:end], numpy.arange(begin, end) % 2)
    whole = numpy.savez(tmp_path.with_name("whole.npz"), images, numpy.arange(10) % 2)
    shards = [str(tmp_path / f"shard{number}.npz") for number in range(3)]
    whole = array(tmp_path.with_name("whole.npz"), num_classes=2)
    for root in (tmp_path, tmp_path / "shard*.npz", shards):
        data = array(root, num_classes=2)
        assert (images_of(data) == images).all() and torch.equal(stream(data, 4), stream(whole, 4))
        assert data.identity() == whole.identity()
    assert (images_of(array(shards[::-1])) == numpy.concatenate([images[5:], images[4:5], images[:4]])).all()


def test_more_shards_than_may_stay_open_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_OPEN", 1)
    images = pixels(4)
    for number in range(4):
        numpy.save(tmp_path / f"{number}.npy", images[number:number + 1])
    assert (images_of(array(tmp_path)) == images).all()


def test_arrays_of_other_names_are_found_or_named(tmp_path):
    images = pixels(3)
    numpy.savez(tmp_path / "one.npz", samples=images, mu=numpy.zeros(4), y=numpy.array([0, 1, 1]))
    assert (images_of(array(tmp_path / "one.npz", label_array="y", num_classes=2)) == images).all()
    numpy.savez(tmp_path / "two.npz", samples=images, more=images[:1])
    with pytest.raises(RequestError, match=r"two.npz has no array called arr_0 \(there are samples \[3, 16, 16, 3\], "
                                           r"more \[1, 16, 16, 3\]\): type data.image_array=NAME"):
        array(tmp_path / "two.npz")
    assert len(images_of(array(tmp_path / "two.npz", image_array="more"))) == 1


@pytest.mark.parametrize("one_hot", [False, True])
def test_labels_may_be_a_file_of_their_own_and_vectors(tmp_path, one_hot):
    numpy.save(tmp_path / "a.npy", images := pixels())
    numpy.save(tmp_path / "labels.npy", numpy.eye(4)[LABELS] if one_hot else LABELS.astype(">i8"))
    data = array(tmp_path, label_array=str(tmp_path / "labels.npy"), num_classes=4)
    assert shown(data) == {image.tobytes(): label for image, label in zip(images, LABELS.tolist(), strict=True)}


@pytest.mark.parametrize("kind", ["<f2", ">f8", "u1", "<i8"])
def test_class_numbers_may_be_of_any_type(tmp_path, kind):
    numpy.savez(tmp_path / "a.npz", arr_0=pixels(), arr_1=LABELS.astype(kind))
    assert sorted(shown(array(tmp_path / "a.npz", num_classes=4)).values()) == sorted(LABELS.tolist())


@pytest.mark.parametrize(("labels", "words"), [
    ({}, "but .*a.npz has no labels called arr_1 .*: type data.label_array=NAME, or data.label_array=FILE.npy, or "),
    ({"arr_1": numpy.arange(7)}, "has 8 images and 7 labels"),
    ({"arr_1": numpy.arange(8)}, "numbers of 8 classes: type data.num_classes=8"),
    ({"arr_1": numpy.array([0, 0.5] * 4)}, "whole numbers from 0 to .*, and 0.5 is"),
    ({"arr_1": numpy.array([0, numpy.nan] * 4)}, "whole numbers from 0 to .*, and nan is"),
    ({"arr_1": numpy.array([0, 2**31] * 4)}, "whole numbers from 0 to 2147483647, and 2147483648 is"),
    ({"arr_1": numpy.array(["a"] * 8)}, "must be a class number for each image"),
    ({"arr_1": numpy.array([None] * 8)}, "must be a class number for each image"),
])
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, words):
    numpy.savez(tmp_path / "a.npz", arr_0=pixels(), **labels)
    with pytest.raises(RequestError, match=words):
        array(tmp_path / "a.npz", num_classes=3)
    assert array(tmp_path / "a.npz").num_images == 8


@pytest.mark.parametrize(("kind", "black", "white"), [("<f4", -1, 1), (">f8", 0, 1), ("<f2", 0, 255), ("<u2", 0, 65535),
                                                      ("?", 0, 1)])
def test_other_numbers_are_refused_until_it_is_said_what_is_white(tmp_path, kind, black, white):
    levels = pixels(3)
    values = (levels > 127) if kind == "?" else (levels / 255 * (white - black) + black)
    numpy.save(tmp_path / "a.npy", (values.round() if kind == "<u2" else values).astype(kind))
    with pytest.raises(RequestError, match=r"a.npy: its array has numbers of kind .* type data.white=1 .*data.black="):
        array(tmp_path / "a.npy")
    read = images_of(array(tmp_path / "a.npy", black=black, white=white))
    assert (read == (levels > 127) * 255).all() if kind == "?" else numpy.abs(read.astype(int) - levels).max() <= (
        kind == "<f2")
    if kind == "<f4":
        with pytest.raises(RequestError, match=r"a.npy: \[0\]: its values run from -0?.*, outside black=0 to white=1"):
            array(tmp_path / "a.npy", white=1)


def test_numbers_that_are_none_are_refused(tmp_path):
    values = numpy.zeros((3, 16, 16, 3), numpy.float32)
    values[1, 2, 2] = numpy.nan
    numpy.save(tmp_path / "a.npy", values)
    with pytest.raises(RequestError, match="1 of 3 images .* run from nan to nan"):
        stream(array(tmp_path / "a.npy", white=1), 2)
    with pytest.raises(ValueError, match="data.white=1 must be above data.black=2"):
        array(tmp_path / "a.npy", white=1, black=2)


# Arrays that are no images, and files that are none.


@pytest.mark.parametrize(("values", "words"), [
    (numpy.array([{"run": "code"}] * 3), "holds Python objects, which are pickled, and reading them would run"),
    (numpy.zeros((3, 5, 5, 5), numpy.uint8), "in which nothing is the 1, 3 or 4 channels of an image"),
    (numpy.zeros((3, 5), numpy.uint8), r"has the shape \[3, 5\], and images are"),
    (numpy.zeros((3, 3, 9, 3), numpy.uint8), "channels may be the first or the last: type data.layout=NHWC or"),
    (numpy.zeros((0, 16, 16, 3), numpy.uint8), "without an image"),
    (numpy.asfortranarray(pixels(3)), r"column by column; save numpy.ascontiguousarray\(ARRAY\)"),
    (numpy.zeros((3, 16, 16), [("a", "u1")]), "has numbers of kind"),
])
def test_arrays_that_are_no_images_are_refused(tmp_path, values, words):
    numpy.save(tmp_path / "a.npy", values)
    numpy.savez(tmp_path / "a.npz", values)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(RequestError, match=words) as refusal:
            array(tmp_path / name)
        assert str(tmp_path / name) in str(refusal.value)
    with pytest.raises(RequestError, match="data.layout=NCHW needs 1, 3 or 4 channels behind N: type data.layout=NHWC"):
        numpy.save(tmp_path / "b.npy", pixels(3))
        array(tmp_path / "b.npy", layout="NCHW")


def test_what_is_not_there_is_refused(tmp_path):
    for root in (tmp_path, tmp_path / "gone.npz", tmp_path / "x*.npz"):
        with pytest.raises(RequestError, match=r"(has no .npy or .npz file|does not exist): type data.root=FILE.npz"):
            array(root)
    with pytest.raises(RequestError, match="needs to know the file: type data.root=FILE.npz"):
        array(None)


@pytest.mark.parametrize("save", [numpy.save, numpy.savez, numpy.savez_compressed])
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path, save):
    stream_of_whole = io.BytesIO()
    save(stream_of_whole, pixels(2, 8, 8))
    whole, path = stream_of_whole.getvalue(), tmp_path / ("cut.npy" if save is numpy.save else "cut.npz")
    for length in {*range(0, len(whole), 23), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(RequestError, match=f"{path} is not a whole file of arrays"):
            array(path)
    if save is numpy.save:
        path.write_bytes(whole + whole)
        with pytest.raises(RequestError, match="takes 384 bytes, and there are"):
            array(path)


@pytest.mark.parametrize("save", [numpy.save, numpy.savez, numpy.savez_compressed])
def test_any_damaged_byte_of_a_header_is_refused_or_harmless(tmp_path, save):
    stream_of_whole = io.BytesIO()
    save(stream_of_whole, pixels(2, 8, 8))
    whole, path = stream_of_whole.getvalue(), tmp_path / ("bad.npy" if save is numpy.save else "bad.npz")
    draws = numpy.random.default_rng(0)
    for place in {*range(0, 200, 3), *range(len(whole) - 100, len(whole), 3)}:
        content = bytearray(whole)
        content[place % len(whole)] ^= int(draws.integers(1, 256))
        path.write_bytes(content)
        try:
            stream(array(path, image_size=8), 1)
        except RequestError as refusal:
            assert "bad.np" in str(refusal)


def test_an_array_that_would_unpack_to_more_than_there_is_memory_is_refused(tmp_path, monkeypatch):
    numpy.savez_compressed(tmp_path / "a.npz", pixels())
    monkeypatch.setattr("saddlepoint.data.array_files.free_bytes", lambda device: 100)
    with pytest.raises(RequestError, match=r"arr_0 takes 6.1 kB of memory once it is unpacked, and this machine has "
                                           r"0.1 kB free: save it uncompressed"):
        array(tmp_path / "a.npz")


def test_a_header_that_promises_more_than_the_file_has_allocates_nothing(tmp_path):
    """A few bytes that say they are a terabyte"""
    header = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False,
                                                     "shape": (10**8, 64, 64, 3)})
    (tmp_path / "a.npy").write_bytes(header.getvalue())
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        write_zip(tmp_path / f"{method}.npz", {"arr_0.npy": header.getvalue()}, method)
    for name in ("a.npy", f"{zipfile.ZIP_STORED}.npz", f"{zipfile.ZIP_DEFLATED}.npz"):
        with pytest.raises(RequestError, match="takes 1,228,800,000,000 bytes, and there are 0"):
            array(tmp_path / name)


# Files that do not stay as they are.


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("how", ["cut", "written over"])
def test_a_file_that_changes_during_training_ends_the_run_by_name(tmp_path, num_workers, how):
    numpy.savez(tmp_path / "a.npz", pixels())
    data = array(tmp_path / "a.npz", num_workers=num_workers)
    with (tmp_path / "a.npz").open("r+b") as opened:
        opened.truncate(1000) if how == "cut" else opened.write(b"PK")
    with pytest.raises(RequestError, match=r"data.root=.*a.npz was changed while it was being read. Put it back as"):
        stream(data, 2)


def test_a_file_that_vanishes_is_read_to_the_end_or_ends_the_run_by_name(tmp_path, monkeypatch):
    numpy.save(tmp_path / "a.npy", images := pixels())
    data = array(tmp_path / "a.npy")
    (tmp_path / "a.npy").unlink()  # it is still open
    assert shown(data).keys() == {image.tobytes() for image in images}
    monkeypatch.setattr(arrays, "MOST_OPEN", 0)  # as one of very many shards
    numpy.save(tmp_path / "b.npy", images)
    data = array(tmp_path / "b.npy")
    (tmp_path / "b.npy").unlink()
    with pytest.raises(RequestError, match=r"data.root=.*b.npy: No such file or directory. Put it back as"):
        stream(data, 2)


def test_an_npz_is_read_where_numpy_put_its_numbers(tmp_path):
    numpy.savez(tmp_path / "a.npz", first=numpy.arange(7), second=(values := pixels(2)))
    found = open_arrays(tmp_path / "a.npz")["second"]
    assert found.file.read(found.begin, found.num_bytes) == values.tobytes() == found.unpacked().tobytes()
