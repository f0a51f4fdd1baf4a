"""Sets of files for translation: that the two images of a pair are cropped alike, and that two domains are not."""

import logging
from collections import Counter

import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.data.pair_making import Edges, Grey, NextFrame
from saddlepoint.data.paired_files import PairedFolders, PairedHalves, PairsFromFolder
from saddlepoint.data.unpaired_folders import UnpairedFolders
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import UnpairedBatch
from tests.data.pair_data import pixels_of, place_of
from tests.data.translation_data import (
    at_positions,
    batches,
    levels,
    noise,
    of_files,
    stream,
    write_levels,
    write_negatives,
)


def negatives(tmp_path, **changes) -> PairedFolders:
    if not (tmp_path / "targets").exists():
        write_negatives(tmp_path / "targets", tmp_path / "sources")
    return of_files(PairedFolders, tmp_path / "targets", source_root=tmp_path / "sources", **changes)


def write_halves(root, names=("a", "b", "c"), width: int = 40, height: int = 28) -> None:
    """Writes pictures of noise at the left of each file, and their negatives at its right."""
    root.mkdir(parents=True)
    for seed, name in enumerate(names):
        pixels = noise(width, height, seed)
        Image.fromarray(numpy.concatenate([pixels, 255 - pixels], axis=1)).save(root / f"{name}.png")


# Pairs.

def test_both_images_of_a_pair_are_cropped_and_mirrored_alike(tmp_path):
    data = negatives(tmp_path, horizontal_flip=True)
    wholes = [pixels_of(path) for path in sorted((tmp_path / "targets").iterdir())]
    places, mirrors = set(), Counter()
    for source, target in zip(*stream(data, 30), strict=True):
        assert torch.equal(source, 255 - target)
        ways = [(mirrored, place) for mirrored, crop in ((False, target), (True, target.flip(-1)))
                for whole in wholes if (place := place_of(crop, whole))]
        [(mirrored, place)] = ways
        places.add(place)
        mirrors[mirrored] += 1
    assert len(places) > 50 and min(mirrors.values()) > 35  # of 120


@pytest.mark.parametrize(("image_size", "load_size", "resize", "size"), [
    (16, 18, "stretch", (18, 18)), (16, None, "stretch", (16, 16)), (16, 20, "short_side", (round(40 * 20 / 28), 20)),
    ([16, 24], [18, 30], "short_side", (30, 21)), ([16, 24], [18, 30], "stretch", (30, 18))])
def test_pairs_are_resized_to_a_little_more_and_alike(tmp_path, image_size, load_size, resize, size):
    data = negatives(tmp_path, image_size=image_size, load_size=load_size, resize=resize)
    shape = (16, 24 if image_size == [16, 24] else 16)
    whole = [torch.from_numpy(numpy.array(Image.open(path).resize(size, Image.Resampling.BICUBIC))).permute(2, 0, 1)
             for path in sorted((tmp_path / "targets").iterdir())]
    sources, targets = stream(data, 4)
    assert sources.shape == targets.shape == (16, 3, *shape)
    assert all(any(place_of(target, each) for each in whole) for target in targets)
    assert (sources.int() + targets.int() - 255).abs().max() <= 1  # each is rounded by itself
    source, target = data.validation_pairs(3)  # resized to image_size at once
    assert source.shape == target.shape == (3, 3, *shape)
    assert (source.int() + target.int() - 255).abs().max() <= 1


def test_validation_pairs_are_those_beside_training_or_held_out_and_the_same_for_every_seed(tmp_path):
    for part, names in (("train", ("a", "b", "c")), ("val", ("x", "y"))):
        write_negatives(tmp_path / "T" / part, tmp_path / "S" / part, names, width=16, height=16)
    data = [of_files(PairedFolders, tmp_path / "T" / "train", source_root=tmp_path / "S" / "train", seed=seed)
            for seed in (1, 2)]
    pairs = [each.validation_pairs(10) for each in data]
    assert all(torch.equal(*each) for each in zip(*pairs, strict=True))
    expected = [pixels_of(tmp_path / "T" / "val" / f"{name}.png") for name in "xy"]
    assert torch.equal(pairs[0][1], torch.stack(expected)) and torch.equal(pairs[0][0], 255 - pairs[0][1])
    assert f"validation: images of {tmp_path / 'T' / 'val'}" in data[0].describe()
    assert data[0].identity()["validation"]["images"] == 4 and data[0].identity()["source"]["images"] == 3


@pytest.mark.parametrize("made_of", [PairedFolders, UnpairedFolders, PairsFromFolder])
def test_validation_images_that_cannot_be_read_are_counted_and_refused_if_none_is_left(made_of, tmp_path, caplog):
    for domain in "AB":
        for part in ("train", "val"):
            write_levels(tmp_path / domain / part, range(4))
    more = {"pair": Grey(), "source_channels": 1} if made_of is PairsFromFolder else {
        "source_root": tmp_path / "A" / "train"}
    data = of_files(made_of, tmp_path / "B" / "train", **more)
    read = data.validation_images if made_of is UnpairedFolders else data.validation_pairs
    files = sorted((tmp_path / "B" / "val").iterdir())
    files[2].write_bytes(b"no image")
    assert len(read(9)[1]) == 3
    assert f"1 of 4 validation images of data={made_of.__name__} cannot be read: {files[2]} (" in caplog.text
    for file in files:
        file.write_bytes(b"no image")
    with pytest.raises(RequestError, match="4 of 4 validation images .* None is left"):
        read(9)


def test_the_part_that_is_held_out_is_not_trained_on(tmp_path):
    write_levels(tmp_path / "T", range(20))
    write_levels(tmp_path / "S", range(20))
    data = of_files(PairedFolders, tmp_path / "T", source_root=tmp_path / "S", train_fraction=0.7)
    trained, held_out = {*levels(stream(data, 10)[1])}, {*levels(data.validation_pairs(100)[1])}
    assert (len(trained), len(held_out)) == (14, 6) and not trained & held_out
    everything = of_files(PairedFolders, tmp_path / "T", source_root=tmp_path / "S")
    assert len(everything.validation_pairs(100)[0]) == 20
    assert any("images that are trained on, as there are no others" in line for line in everything.describe())
    assert len(everything.evaluation_images()) == 20


def test_grey_sources_of_coloured_targets(tmp_path):
    source, target = stream(negatives(tmp_path, source_channels=1), 1)
    assert (source.shape, target.shape) == ((4, 1, 16, 16), (4, 3, 16, 16))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_stream_goes_on_where_it_stopped(tmp_path, num_workers):
    data = negatives(tmp_path, horizontal_flip=True, num_workers=num_workers)
    again = stream(negatives(tmp_path, horizontal_flip=True), 3, start=8)
    for whole, later in zip(stream(data, 5), again, strict=True):
        assert torch.equal(whole[8:], later)


def test_images_of_a_pair_of_two_sizes_are_refused(tmp_path):
    write_negatives(tmp_path / "targets", tmp_path / "sources")
    Image.new("RGB", (39, 28)).save(tmp_path / "sources" / "b.png")
    with pytest.raises(RequestError, match="b.png has 40 x 28 pixels and its source .*b.png 39 x 28: the two images of "
                                           "a pair must be of one size"):
        negatives(tmp_path)


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"source_root": None}, "type data.source_root=FOLDER"),
    ({"source_root": "targets"}, "are one folder: .* data=paired_halves"),
    ({"source_root": "nowhere"}, "nowhere is not a folder: name the folder with the source of each image"),
    ({"validation_root": "targets"}, "type both, or neither"),
    ({"validation_root": "targets", "validation_source_root": "empty"}, "empty has no images"),
    ({"load_size": 8, "resize": "stretch"}, "data.load_size=8 must be at least data.image_size=16"),
    ({"load_size": [18, 15], "resize": "stretch"}, r"data.load_size=\[18,15\] must be at least data.image_size=16"),
    ({"load_size": 18}, "type data.load_size=null, or data.resize=stretch"),
    ({"source_channels": 2}, "data.source_channels=2 must be 1 .grey. or 3"),
])
def test_slips_are_answered(tmp_path, changes, sentence):
    write_negatives(tmp_path / "targets", tmp_path / "sources")
    (tmp_path / "empty").mkdir()
    changes = {name: tmp_path / value if name.endswith("root") and value else value for name, value in changes.items()}
    with pytest.raises((RequestError, ValueError), match=sentence):
        of_files(PairedFolders, tmp_path / "targets", **{"source_root": tmp_path / "sources"} | changes)


def test_a_file_without_a_partner_is_refused(tmp_path):
    write_negatives(tmp_path / "targets", tmp_path / "sources")
    (tmp_path / "sources" / "b.png").unlink()
    with pytest.raises(RequestError, match="has 3 images and data.source_root=.* 2. .*: b.png of data.root"):
        negatives(tmp_path)


def test_a_pair_whose_source_is_damaged_is_left_out(tmp_path, caplog):
    write_negatives(tmp_path / "targets", tmp_path / "sources")
    (tmp_path / "sources" / "b.png").write_bytes(b"no picture")
    with caplog.at_level(logging.WARNING):
        data = negatives(tmp_path)
    assert data.skipped == ["b.png"] and "its source" in caplog.text
    wholes = [pixels_of(tmp_path / "targets" / f"{name}.png") for name in "ac"]
    assert all(any(place_of(target, whole) for whole in wholes) for target in stream(data, 4)[1])
    with pytest.raises(RequestError, match="1 of 3 image files .* cannot be used: b.png: its source"):
        negatives(tmp_path, corrupt="fail")


def test_the_identity_changes_with_a_source(tmp_path):
    before = negatives(tmp_path).identity()
    Image.new("RGB", (40, 28)).save(tmp_path / "sources" / "b.png")
    after = negatives(tmp_path).identity()
    assert before["contents"] == after["contents"] and before["source"] != after["source"]


# Halves of one file.

@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("cached", [False, True])
def test_the_two_halves_of_a_file_are_a_pair(tmp_path, side, cached):
    write_halves(tmp_path / "files")
    cache = {"cache": tmp_path / "cache"} if cached else {}
    of_sides = [of_files(PairedHalves, tmp_path / "files", source_side=each, **cache) for each in ("left", "right")]
    data = of_sides[side == "right"]
    lefts = [pixels_of(path)[..., :40] for path in sorted((tmp_path / "files").iterdir())]
    for _ in range(1 + cached):  # a second time from the cache
        for source, target in zip(*stream(data, 6), strict=True):
            assert torch.equal(source, 255 - target)
            assert any(place_of(source if side == "left" else target, left) for left in lefts)
    block = data.evaluation_images().block(range(3))
    expected = [whole if side == "right" else 255 - whole for whole in lefts]
    assert torch.equal(block.images, torch.stack(expected)[:, :, 6:22, 12:28])  # the middle of the targets
    assert len({each.evaluation_images().identity() for each in of_sides}) == 2  # statistics are remembered by it


def test_halves_of_an_odd_width_are_no_pair(tmp_path):
    write_halves(tmp_path / "files")
    Image.new("RGB", (81, 28)).save(tmp_path / "files" / "d.png")
    with pytest.raises(RequestError, match="d.png: its width of 81 pixels is odd"):
        of_files(PairedHalves, tmp_path / "files", corrupt="fail")


# Pairs that are made of the images of a folder.

def test_pairs_are_made_of_the_images_in_a_folder(tmp_path):
    write_negatives(tmp_path / "images", tmp_path / "unused")
    data = of_files(PairsFromFolder, tmp_path / "images", pair=Edges(), source_channels=1)
    [batch] = batches(data, 1)
    torch.testing.assert_close(batch.source, Edges()(batch.real, [])[0])
    source, target = data.validation_pairs(3)
    assert (source.shape, target.shape) == ((3, 1, 16, 16), (3, 3, 16, 16))


def film(root, count: int = 6) -> list[torch.Tensor]:
    root.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(noise(24, 20, 100 * len(root.name) + number)).save(root / f"f{9 + number}.png")  # f9, f10, ...
    return [pixels_of(root / f"f{9 + number}.png") for number in range(count)]


def test_the_frames_of_a_folder_are_a_film_and_cropped_alike(tmp_path):
    films = [film(tmp_path / name) for name in ("a", "bb")]
    data = of_files(PairsFromFolder, tmp_path, pair=NextFrame(2), source_channels=6, num_workers=0)
    assert data.num_images == 8
    targets = Counter()
    for source, target in zip(*stream(data, 8), strict=True):
        [(which, number, (top, left))] = [(which, number, place) for which, frames in enumerate(films)
                                          for number, frame in enumerate(frames) if (place := place_of(target, frame))]
        before = torch.cat(films[which][number - 2:number])
        assert torch.equal(source, before[:, top:top + 16, left:left + 16])
        targets[which, number] += 1
    assert targets == {(which, number): 4 for which in (0, 1) for number in (2, 3, 4, 5)}
    assert len(data.evaluation_images()) == 8 and data.evaluation_images().channels == 3


def test_films_that_are_too_short_or_split_by_frames_are_refused(tmp_path):
    film(tmp_path / "a", 3)
    with pytest.raises(RequestError, match="no folder of at least 5 images, .* data.pair.frames=1"):
        of_files(PairsFromFolder, tmp_path, pair=NextFrame(4), source_channels=12)
    with pytest.raises(ValueError, match="whose neighbours would be trained on: type data.train_fraction=null"):
        of_files(PairsFromFolder, tmp_path, pair=NextFrame(2), source_channels=6, train_fraction=0.5)


# Two folders that show different things.

def unpaired(tmp_path, **changes) -> UnpairedFolders:
    return of_files(UnpairedFolders, tmp_path / "B", source_root=tmp_path / "A", **changes)


def test_each_domain_has_an_order_and_epochs_of_its_own(tmp_path):
    write_levels(tmp_path / "A", range(100, 103))
    write_levels(tmp_path / "B", range(5))
    data = unpaired(tmp_path)
    sources, targets = (levels(images) for images in stream(data, 15))
    assert all(sorted(sources[first:first + 3]) == [100, 101, 102] for first in range(0, 60, 3))
    assert all(sorted(targets[first:first + 5]) == [0, 1, 2, 3, 4] for first in range(0, 60, 5))
    assert UnpairedFolders.yields is UnpairedBatch and isinstance(batches(data, 1)[0], UnpairedBatch)
    later = stream(unpaired(tmp_path), 10, start=20)
    assert (levels(later[0]), levels(later[1])) == (sources[20:], targets[20:])
    half = at_positions(unpaired(tmp_path), range(22, 24))  # of the second of two processes
    assert levels((half.source + 1) * 127.5) == [pytest.approx(each) for each in sources[22:24]]


def test_two_domains_of_one_size_are_not_paired(tmp_path):
    write_levels(tmp_path / "A", range(30))
    write_levels(tmp_path / "B", range(30))
    sources, targets = (levels(images) for images in stream(unpaired(tmp_path), 15))
    assert len({*zip(sources, targets, strict=True)}) > 50  # of 60; were they paired, 30


def test_validation_images_are_of_both_folders(tmp_path):
    for folder, first in (("A", 0), ("B", 50)):
        write_levels(tmp_path / f"train{folder}", range(first, first + 4))
        write_levels(tmp_path / f"test{folder}", range(first + 10, first + 13))
    data = of_files(UnpairedFolders, tmp_path / "trainB", source_root=tmp_path / "trainA")
    source, target, truth = data.validation_images(2)
    assert truth is None and {*levels(source)} < {10, 11, 12} and {*levels(target)} < {60, 61, 62}
    assert len(data.validation_images(9)[0]) == 3
    assert data.identity()["validation"]["images"] == 6 and data.identity()["source"]["images"] == 4
    text = "\n".join(data.describe())
    assert f"4 images of data.source_root={tmp_path / 'trainA'}" in text and str(tmp_path / "testA") in text


@pytest.mark.parametrize(("grey", "sentence"), [
    ("A", r"data.source_root=.*A holds grey images and data.root=.*B coloured ones.* or data.source_channels=1"),
    ("B", r"data.root=.*B holds grey images and data.source_root=.*A coloured ones.* or data.channels=1"),
])
def test_grey_beside_coloured_images_is_refused(tmp_path, grey, sentence):
    for folder in "AB":
        write_levels(tmp_path / folder, range(4), mode="L" if folder == grey else "RGB")
    with pytest.raises(RequestError, match=sentence):
        unpaired(tmp_path)
    source, target = stream(unpaired(tmp_path, channels=1, source_channels=1), 1)
    assert source.shape[1] == target.shape[1] == 1
    assert stream(unpaired(tmp_path, source_channels=1), 1)[0].shape[1] == 1


def test_slips_with_the_sources_name_their_setting(tmp_path, caplog):
    write_levels(tmp_path / "A", range(4))
    write_levels(tmp_path / "B", range(4))
    with pytest.raises(RequestError, match="data.source_root=.*nowhere does not exist: type data.source_root=FOLDER"):
        of_files(UnpairedFolders, tmp_path / "B", source_root=tmp_path / "nowhere")
    with pytest.raises(RequestError, match="type data.source_root=FOLDER"):
        of_files(UnpairedFolders, tmp_path / "B", source_root=None)
    with pytest.raises(ValueError, match="are one folder"):
        of_files(UnpairedFolders, tmp_path / "B", source_root=tmp_path / "B")
    with pytest.raises(RequestError, match="data.validation_source_root=.* is not a folder"):
        unpaired(tmp_path, validation_source_root=tmp_path / "nowhere").validation_images(1)
    (tmp_path / "A" / "002.png").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        data = unpaired(tmp_path)
    assert "1 of 4 image files in data.source_root=" in caplog.text
    assert {*levels(stream(data, 6)[0])} == {0, 1, 3}
