"""Sets of which few labels are known: which ones, what batches show of them, and what is refused."""

import pytest
import torch

from saddlepoint.data.partly_labelled import PartlyLabelled
from saddlepoint.data.sources.mnist5k import PartlyLabelledDigits
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import PartlyLabelledBatch
from tests.data.memory_data import Numbered, batches, numbered


class PartlyLabelledNumbered(PartlyLabelled, Numbered):
    """Image i says its number in its left half, and is of class i % 10."""


def partly_labelled(**changes) -> PartlyLabelledNumbered:
    given = {"channels": 1, "image_size": 6, "num_classes": 10, "batch_size": 8, "seed": 5, "labelled_per_class": 2}
    data = PartlyLabelledNumbered(name="few", **(given | changes))
    data.setup("fit")
    return data


def numbers(images: torch.Tensor) -> list[int]:
    """Which images these are, in [-1, 1]"""
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_known_labels_are_so_many_of_each_class_a_function_of_the_seed_alone():
    known = partly_labelled().known
    assert (known % 10).bincount().tolist() == [2] * 10
    assert torch.equal(partly_labelled(batch_size=4).known, known)
    others = [partly_labelled(seed=seed).known for seed in range(5)]
    assert len({tuple(each.tolist()) for each in others}) == 5
    more = {*partly_labelled(labelled_per_class=3).known.tolist()}
    assert {*known.tolist()} < more


def test_a_batch_shows_all_images_without_unknown_labels_and_labelled_ones_beside_them():
    data = partly_labelled()
    known = {*data.known.tolist()}
    seen, labelled = [], []
    for batch in batches(data, 45):  # 360 positions: 4 epochs of 90 images, 18 of the 20 that are labelled
        assert isinstance(batch, PartlyLabelledBatch) and batch.real.shape == batch.labelled.shape == (8, 1, 6, 6)
        for number, label in zip(numbers(batch.real), batch.labels.tolist(), strict=True):
            assert label == (number % 10 if number in known else -1)
        assert [number % 10 for number in numbers(batch.labelled)] == batch.classes.tolist()
        seen += numbers(batch.real)
        labelled += numbers(batch.labelled)
    assert {seen.count(number) for number in range(90)} == {4}
    assert {*labelled} == known and {labelled.count(number) for number in known} == {18}


def test_the_images_are_the_stream_of_the_same_set_with_all_labels():
    torch.testing.assert_close([each.real for each in batches(partly_labelled(), 3)],
                               [each.real for each in batches(numbered(), 3)])


def test_both_streams_begin_anywhere():
    expected = batches(partly_labelled(), 5)[3:]
    data = partly_labelled()
    data.start_at(24)
    for whole, later in zip(expected, batches(data, 2), strict=True):
        torch.testing.assert_close(tuple(whole), tuple(later))


def test_images_keep_their_identity_and_metrics_all_labels_whichever_are_known():
    one, other = partly_labelled(seed=1), partly_labelled(seed=2)
    assert one.identity() == other.identity() and one.labelling() != other.labelling()
    assert one.evaluation_images("train").labels.tolist() == [number % 10 for number in range(90)]
    assert one.labelling() | {"labelling": ""} == {"labelled_per_class": 2, "labelling_seed": 1, "labelling": ""}
    assert "labels: 20 of 90 are known, 2 of each class, chosen by seed 1" in one.describe()


@pytest.mark.parametrize(("changes", "error", "sentence"), [
    ({"labelled_per_class": 0}, ValueError, "data.labelled_per_class=0 leaves all labels unknown"),
    ({"num_classes": 0}, ValueError, "data.num_classes=0 leaves all labels unknown"),
    ({"labelled_per_class": 10}, RequestError, "data.labelled_per_class=10, but class 0 has 9 images")])
def test_labels_that_are_all_unknown_and_more_than_there_are_are_refused(changes, error, sentence):
    with pytest.raises(error, match=sentence):
        partly_labelled(**changes)


def test_digits_that_are_held_out_have_no_known_label():
    data = PartlyLabelledDigits(name="digits", channels=1, image_size=28, num_classes=10, batch_size=100, held_out=1000,
                                labelled_per_class=10)
    data.setup("fit")
    train, test = data.evaluation_images("train"), data.evaluation_images("test")
    assert train.labels[data.known].bincount().tolist() == [10] * 10
    assert len(train) == 4000 and len(test) == 1000
    shown = {image.numpy().tobytes() for image in test.images}
    assert not any(image.numpy().tobytes() in shown for image in train.images[data.known])
