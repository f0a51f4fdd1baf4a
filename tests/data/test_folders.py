import logging

import numpy
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import center_crop

from saddlepoint.errors import RequestError
from tests.data.folder_data import RANDOM, as_bytes, batches, folder, levels, stream, write_grey_levels
from tests.data.formats import write_photo_folder


def test_a_flat_folder_with_spaces_is_read(tmp_path):
    paths = write_photo_folder(tmp_path / "my photos (1)", count=6, width=24, height=16)
    data = folder(tmp_path / "my photos (1)")
    assert data.num_images == 6
    assert data.files() == paths
    assert data.skipped == []
    batch = batches(data, 1)[0]
    assert batch.real.shape == (4, 3, 16, 16)
    assert batch.real.is_contiguous()
    assert batch.labels.tolist() == [0] * 4
    expected = {center_crop(Image.open(path), [16, 16]).tobytes() for path in paths}
    images = {image.permute(1, 2, 0).numpy().tobytes() for image in as_bytes(stream(data, 3))}
    assert images == expected


@pytest.mark.parametrize("resize", ["none", "short_side"])
def test_a_file_that_is_stored_turned_has_the_shape_of_its_upright_picture(tmp_path, resize):
    upright, turned = Image.effect_noise((24, 16), 50), Image.Exif()
    turned[0x0112] = 6  # decoding turns it by a quarter to the right
    upright.save(tmp_path / "a.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.png", exif=turned)
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "c.png")  # this one is as tall as it looks
    data = folder(tmp_path, channels=1, image_size=[16, 24], resize=resize, crop="center")
    images = as_bytes(stream(data, 3))
    assert images.shape == (12, 1, 16, 24)
    alike = [numpy.array_equal(image[0].numpy(), numpy.asarray(upright)) for image in images]
    assert sum(alike) == (12 if resize == "none" else 8)  # c is too narrow to be shown as it is, and others stand in


def test_class_folders_give_labels(tmp_path):
    for number, name in enumerate(("cat", "dog", "eel")):
        write_grey_levels(tmp_path / name, range(100 * number // 2, 100 * number // 2 + 4 + number))
    data = folder(tmp_path, num_classes=3, channels=1)
    assert data.class_names == ("cat", "dog", "eel")
    assert data.class_counts.tolist() == [4, 5, 6]
    for batch in batches(data, 5):
        assert [level // 50 for level in levels(batch.real)] == batch.labels.tolist()
    assert folder(tmp_path, channels=1).class_names == ()
    with pytest.raises(RequestError, match="data.num_classes=4, but .* has 3 folders"):
        folder(tmp_path, num_classes=4)


def test_the_split_is_exact_and_its_parts_share_nothing(tmp_path):
    paths = write_photo_folder(tmp_path, count=10)
    data = folder(tmp_path, train_fraction=0.8)
    assert (len(data.files("train")), len(data.files("test"))) == (8, 2)
    assert sorted(data.files("train") + data.files("test")) == paths
    assert folder(tmp_path, train_fraction=0.8, seed=1).files() == data.files()
    assert folder(tmp_path).files() == paths
    assert folder(tmp_path).files("test") == []


def test_only_the_training_part_is_shown(tmp_path):
    write_grey_levels(tmp_path, range(0, 100, 10))
    data = folder(tmp_path, channels=1, train_fraction=0.8)
    assert sorted(set(levels(stream(data, 6)))) == [int(path.stem) for path in data.files("train")]


def test_a_subset_is_part_of_the_training_part_and_the_same_every_time(tmp_path):
    write_photo_folder(tmp_path, count=12)
    data = folder(tmp_path, train_fraction=0.75, subset_size=5)
    assert data.num_images == 5
    assert set(data.files()) < set(folder(tmp_path, train_fraction=0.75).files())
    assert folder(tmp_path, train_fraction=0.75, subset_size=5, seed=8).files() == data.files()
    with pytest.raises(RequestError, match="data.subset_size=10 is more than the 9 images"):
        folder(tmp_path, train_fraction=0.75, subset_size=10)


def test_the_whole_training_part_is_that_of_a_folder_without_a_subset(tmp_path):
    write_photo_folder(tmp_path, count=12)
    whole = folder(tmp_path, train_fraction=0.75, subset_size=5).images_to_compare_with("whole")
    expected = folder(tmp_path, train_fraction=0.75).images_to_compare_with("whole")
    assert sorted(whole.files) == sorted(expected.files) and len(whole.files) == 9
    assert (whole.split, whole.framing) == ("train", expected.framing)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_stream_depends_on_the_position_alone(tmp_path, num_workers):
    write_photo_folder(tmp_path, count=5, width=40, height=20)
    whole = stream(folder(tmp_path, **RANDOM), 8)
    for start in (0, 3, 17):
        data = folder(tmp_path, num_workers=num_workers, **RANDOM)
        data.start_at(start)
        torch.testing.assert_close(stream(data, 3), whole[start:start + 12], atol=0, rtol=0)


def test_random_crops_and_flips_differ_from_epoch_to_epoch(tmp_path):
    write_photo_folder(tmp_path, count=1, width=64, height=16)
    images = as_bytes(stream(folder(tmp_path, **RANDOM), 8))  # one image, 32 epochs
    strip = torch.from_numpy(numpy.asarray(Image.open(tmp_path / "photo 000.png")).copy()).permute(2, 0, 1)
    places = {strip[:, :, i:i + 16].numpy().tobytes(): (i, False) for i in range(49)}
    places |= {strip[:, :, i:i + 16].flip(-1).numpy().tobytes(): (i, True) for i in range(49)}
    crops = [places[image.numpy().tobytes()] for image in images]
    assert len({place for place, _ in crops}) > 10
    assert 4 <= sum(mirrored for _, mirrored in crops) <= 28  # 16 on average, standard deviation 2.8


def test_iterating_leaves_the_global_generators_alone(tmp_path):
    write_photo_folder(tmp_path, count=3)
    data = folder(tmp_path, **RANDOM)
    before, before_numpy = torch.get_rng_state(), numpy.random.get_state()[1].copy()
    batches(data, 4)
    assert torch.equal(torch.get_rng_state(), before)
    assert (numpy.random.get_state()[1] == before_numpy).all()


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda root: None, "data=image_folder needs to know the folder: type data.root=FOLDER"),
    (lambda root: root / "gone", "gone does not exist: type data.root=FOLDER"),
    (lambda root: root / "archive.zip", "archive.zip is not a folder, and data=zip reads such files: type data.root="),
    (lambda root: root / "archive.tar", "archive.tar is not a folder: type data.root=FOLDER"),
    (lambda root: root / "empty", "empty has no file that ends in png, jpg: type data.root=FOLDER"),
])
def test_a_root_without_images_is_refused(tmp_path, make, sentence):
    (tmp_path / "archive.zip").touch()
    (tmp_path / "archive.tar").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=sentence):
        folder(make(tmp_path))


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"channels": 2}, "data.channels=2 must be 1 .grey. or 3 .RGB."),
    ({"train_fraction": 0}, "data.train_fraction=0 must be above 0 and at most 1"),
    ({"train_fraction": 80}, "data.train_fraction=80 must be above 0 and at most 1"),
    ({"max_pixels": 10**9}, "data.max_pixels=1000000000 must be from 1 to 89478485"),
    ({"corrupt": "ignore"}, "data.corrupt=ignore must be one of skip, fail"),
    ({"resize": "short"}, "data.resize=short must be one of short_side, stretch, none"),
])
def test_a_setting_out_of_range_is_refused_by_its_name(tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        folder(tmp_path, **changes)


def test_a_faultless_folder_gives_no_warning(tmp_path, caplog):
    write_photo_folder(tmp_path, count=3)
    with caplog.at_level(logging.WARNING):
        batches(folder(tmp_path), 3)
    assert caplog.text == ""
