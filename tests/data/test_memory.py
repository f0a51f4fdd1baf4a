import pickle

import numpy
import pytest
import torch
import torch.nn.functional as functional
from PIL import Image

from saddlepoint.data.memory import resized
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from tests.data.formats import photo
from tests.data.memory_data import Large, Numbered, batches, numbered, stream


def test_the_shape_is_known_before_anything_is_read():
    class Unread(Numbered):
        def read(self, split):
            raise AssertionError("read too early")

    data = Unread(name="unread", channels=1, image_size=6, num_classes=10, batch_size=8, seed=1)
    assert (data.name, data.channels, data.image_size, data.num_classes, data.batch_size) == ("unread", 1, 6, 10, 8)


def test_setting_up_twice_reads_once(monkeypatch):
    data = numbered()
    monkeypatch.setattr(Numbered, "read", None)
    data.setup("fit")
    assert data.num_images == 90
    assert data.class_names == tuple("0123456789")
    assert data.class_counts.tolist() == [9] * 10
    assert data.skipped == []


def test_every_byte_becomes_its_place_between_minus_one_and_one():
    values = to_unit_range(torch.arange(256, dtype=torch.uint8))
    torch.testing.assert_close(values, (torch.arange(256).double() / 127.5 - 1).float(), atol=1e-7, rtol=0)
    assert (values[0], values[255]) == (-1, 1)
    assert values.dtype == torch.float32


def test_a_batch_leaves_the_loader_in_bytes_and_reaches_the_device_as_an_image_batch():
    data = numbered()
    images, labels = next(iter(data.train_dataloader()))
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    batch = data.on_after_batch_transfer((images, labels), 0)
    assert isinstance(batch, ImageBatch)
    assert batch.real.shape == (8, 1, 6, 6)
    assert batch.real.is_contiguous()
    torch.testing.assert_close((batch.real[:, 0, 0, 0] + 1) * 127.5 % 10, labels.float())  # each image with its label


@pytest.mark.parametrize(("image_size", "before", "after"), [(8, 1, 1), (9, 1, 2), (32, 13, 13)])
def test_padding_is_black_and_all_round(image_size, before, after):
    small, large = batches(numbered(), 1)[0].real, batches(numbered(image_size=image_size), 1)[0].real
    assert large.shape == (8, 1, image_size, image_size)
    inner = slice(before, image_size - after)
    torch.testing.assert_close(large[:, :, inner, inner], small)
    large[:, :, inner, inner] = -1
    assert (large == -1).all()


def test_without_classes_all_labels_are_zero():
    data = numbered(num_classes=0)
    assert data.class_names == ()
    assert data.class_counts.tolist() == [90]
    assert (batches(data, 1)[0].labels == 0).all()


def test_a_subset_is_shown_and_nothing_else():
    data = numbered(subset_size=20)
    assert data.num_images == 20
    levels = {int(image[0, 0, 0].item()) for image in ((stream(data, 5) + 1) * 127.5).round()}
    assert levels == {int(image[0, 0, 0]) for image in data.images()}
    assert len(levels) == 20
    assert torch.equal(numbered(subset_size=20, seed=99).images(), data.images())


def test_the_whole_training_part_is_that_of_a_set_without_a_subset():
    data, everything = numbered(subset_size=20, image_size=8), numbered(image_size=8)
    whole, expected = data.images_to_compare_with("whole"), everything.images_to_compare_with("train")
    assert torch.equal(whole.images, expected.images) and torch.equal(whole.labels, expected.labels)
    assert (whole.name, whole.split, whole.framing) == (expected.name, "train", expected.framing)
    assert whole.identity() == everything.images_to_compare_with("whole").identity() == expected.identity()
    assert len(data.images_to_compare_with("train").images) == data.num_images == 20
    assert data.left_out == ["70 images by data.subset_size=20"]


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"channels": 3}, "data.channels=3, but .* have 1: type data.channels=1"),
    ({"image_size": 5}, "data.image_size=5 is less than the 6 pixels .*type data.fit=resize .*or data.image_size=6"),
    ({"num_classes": 7}, "data.num_classes=7, but .* has 10 classes: type data.num_classes=10, or 0"),
    ({"subset_size": 91}, "data.subset_size=91 is more than the 90 images"),
])
def test_a_setting_that_disagrees_with_the_data_is_refused(changes, sentence):
    with pytest.raises(RequestError, match=sentence):
        numbered(**changes)


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"batch_size": 0}, "data.batch_size=0 must be at least 1"),
    ({"image_size": 0}, "data.image_size=0 must be a whole number of at least 1"),
    ({"num_classes": -1}, "data.num_classes=-1 must be at least 0"),
    ({"num_workers": -1}, "data.num_workers=-1 must be at least 0"),
    ({"subset_size": 0}, "data.subset_size=0 must be at least 1"),
    ({"fit": "stretch"}, "data.fit=stretch must be one of pad, resize"),
])
def test_a_setting_out_of_range_is_refused_by_its_name(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        numbered(**changes)


class Oblong(Numbered):
    shape = (1, 4, 6)


def oblong(image_size: int | list[int], **changes) -> Oblong:
    data = Oblong(name="oblong", channels=1, image_size=image_size, batch_size=8, seed=5, **changes)
    data.setup("fit")
    return data


def test_images_that_are_not_square_are_padded_on_every_side():
    small, large, metrics = (batches(oblong(size), 1)[0].real for size in ([4, 6], [7, 8], 9))
    assert small.shape[2:] == (4, 6) and large.shape[2:] == (7, 8) and metrics.shape[2:] == (9, 9)
    assert torch.equal(large, functional.pad(small, (1, 1, 1, 2), value=-1))  # left, right, above, below
    seen = oblong([7, 8]).evaluation_images().limited(5)
    assert seen.image_size == (7, 8) and seen.block(range(5)).images.shape == (5, 1, 7, 8)


def test_what_is_larger_than_the_size_is_refused_with_its_own_size():
    with pytest.raises(RequestError, match=r"less than the 4 x 6 \(height x width\) pixels .* data.image_size=\[4,6\]"):
        oblong(5)
    with pytest.raises(RequestError, match=r"image_size=\[6,4\] is less .* data.image_size=\[4,6\]"):
        oblong([6, 4])


@pytest.mark.parametrize("sides", [(20, 30), (30, 20), (28, 12), (40, 41)])
def test_resizing_to_another_shape_covers_it_and_keeps_the_middle(sides):
    picture = photo(28, 36, seed=3)
    image = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)[None]
    framing = ResizeAndCrop(sides, "short_side", "center")
    pillow = framing.cropped(numpy.asarray(framing.scaled(picture))).astype(int)
    assert abs(pillow - resized(image, sides)[0].permute(1, 2, 0).numpy()).max() <= 1
    assert oblong(list(sides), fit="resize").images().shape == (90, 1, *sides)


@pytest.mark.parametrize("size", [12, 20, 28, 45])
def test_resizing_agrees_with_pillow_within_its_rounding(size):
    pictures = [photo(28, 28, seed) for seed in range(5)]
    images = torch.from_numpy(numpy.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    for picture, ours in zip(pictures, resized(images, size), strict=True):
        pillow = numpy.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)).astype(int)
        assert abs(pillow - ours.permute(1, 2, 0).numpy()).max() <= 1  # Pillow rounds between its two passes too


def test_resizing_is_done_once_when_the_images_are_read():
    data = numbered(image_size=4, fit="resize")
    assert data.images().shape == (90, 1, 4, 4)
    assert batches(data, 1)[0].real.shape == (8, 1, 4, 4)


def test_images_gives_the_bytes_before_padding():
    data = numbered(image_size=32)
    assert data.images().shape == (90, 1, 6, 6)
    assert data.images().dtype == torch.uint8
    assert data.images("train").data_ptr() == data.images().data_ptr()


def test_padded_images_cost_their_own_bytes_once():
    data = Large(name="large", channels=1, image_size=32, num_classes=10, batch_size=50, horizontal_flip=True)
    data.setup("fit")
    batches(data, 100)
    num_bytes = len(pickle.dumps(data))  # every tensor that the module can reach, with all of its storage
    images = 3500 * 28 * 28
    assert images <= num_bytes < images * 1.03 + 4096  # 17 bytes an image for its label, place and flip


@pytest.mark.parametrize(("changes", "words"), [
    ({"images": torch.zeros(90, 1, 6, 6)}, "as uint8 [N, C, H, W] from 0 to 255, and they are float32 [90, 1, 6, 6]"),
    ({"images": torch.zeros(90, 6, 6, dtype=torch.uint8)}, "and they are uint8 [90, 6, 6]"),
    ({"labels": torch.zeros(90)}, "labels as int64 [90], one for each image, and they are float32 [90]"),
    ({"labels": torch.zeros(89, dtype=torch.long)}, "and they are int64 [89]"),
    ({"images": torch.zeros(90, 6, 6, 3, dtype=torch.uint8)}, "channels last: use images.permute(0, 3, 1, 2)"),
    ({"images": torch.zeros(90, 1, 6, 6, dtype=torch.uint8).numpy()}, "images as a torch tensor, and"),
    ({"labels": [0] * 90}, "labels as a torch tensor, and they are a list: use torch.from_numpy"),
    ({"images": torch.zeros(0, 1, 6, 6, dtype=torch.uint8)}, "data=own has read no images"),
    ({"class_names": (*"012345678", "8")}, "several classes one name: 0, 1, 2"),
    ({"labels": torch.arange(90) % 10 + 1}, "labels from 1 to 10, and names of 10 classes: they must be from 0 to 9"),
])
def test_a_users_data_set_that_reads_images_in_another_form_is_refused(changes, words):
    """Floats in [-1, 1] would be taken for bytes: a black set, on which training succeeds."""
    class Own(Numbered):
        def read(self, split):
            return super().read(split)._replace(**changes)

    with pytest.raises(RequestError) as refusal:
        Own(name="own", channels=1, image_size=6, num_classes=10, batch_size=8, seed=1).setup("fit")
    assert words in str(refusal.value)


def test_a_plain_tuple_is_answered_with_what_it_must_be():
    class Own(Numbered):
        def read(self, split):
            return tuple(super().read(split))

    with pytest.raises(RequestError, match=r"must read LabelledImages.*, and read returned a tuple"):
        Own(name="own", channels=1, image_size=6, num_classes=10, batch_size=8, seed=1).setup("fit")
