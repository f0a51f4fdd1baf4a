"""What a classifier learns from, what is held out, and how it learns."""

from pathlib import Path

import pytest
import torch

from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.errors import Diverged, RequestError
from saddlepoint.metrics.extractors.classifier import LoadedClassifier
from saddlepoint.training.classifier import Examples, TrainingPlan, accuracy, distort, fit, split
from tests.data.formats import write_photo_folder
from tests.metrics.extractors.examples import card, noise


class Bars(InMemoryImages):
    """Class k has a bright bar in column 4 k + 2, among noise; as many images of a class as `counts` says."""

    splits = ("train",)
    counts = (50, 100, 7, 4)

    def read(self, split: str) -> LabelledImages:
        labels = torch.repeat_interleave(torch.arange(len(self.counts)), torch.tensor(self.counts))
        images = noise(len(labels), 1, 16) // 4
        for image, label in zip(images, labels.tolist(), strict=True):
            image[:, :, 4 * label + 2] = 255
        return LabelledImages(images, labels, tuple("abcd"))


def bars() -> Bars:
    data = Bars(name="bars", channels=1, image_size=16, num_classes=4, batch_size=8)
    data.setup("fit")
    return data


# What is held out.


def test_a_fifth_of_each_class_is_held_out_where_there_are_no_test_images():
    everything, (learned, held_out, which) = bars().evaluation_images(), split(bars(), seed=0)
    assert held_out.labels.bincount(minlength=4).tolist() == [10, 20, 1, 0]
    assert "a fifth of each class" in which and "seed=0" in which
    both = torch.cat([learned.images, held_out.images]).flatten(1)
    assert torch.equal(both.unique(dim=0), everything.images.flatten(1).unique(dim=0)) and len(both) == len(everything)
    assert not torch.equal(held_out.images, split(bars(), seed=1)[1].images)


def test_too_few_images_to_hold_any_out_are_refused(monkeypatch):
    monkeypatch.setattr(Bars, "counts", (4, 4, 4, 4))
    with pytest.raises(RequestError, match="data=bars has 16 images in 4 classes, too few to hold a fifth"):
        split(bars(), seed=0)


def folder(**changes) -> ImageFolder:
    made = ImageFolder(root="photos", extensions=["png"], name="photos", channels=3, image_size=16, batch_size=2,
                       num_classes=2, **changes)
    made.setup("fit")
    return made


def test_the_part_of_a_folder_that_is_not_trained_on_is_held_out():
    write_photo_folder(Path("photos"), count=5, classes=("dark", "light"))
    learned, held_out, which = split(folder(train_fraction=0.7), seed=0)
    assert (len(learned.images), len(held_out.images), which) == (7, 3, "the test images of data=photos")


def test_a_file_that_breaks_off_is_refused():
    paths = write_photo_folder(Path("photos"), count=5, classes=("dark", "light"))
    paths[1].write_bytes(paths[1].read_bytes()[:-40])
    with pytest.raises(RequestError, match="1 image files of data=photos cannot be read, the first is photos/dark/"):
        split(folder(), seed=0)


# How it learns.


def test_it_learns_classes_that_can_be_told_apart(monkeypatch):
    monkeypatch.setattr(Bars, "counts", (60, 60, 60, 60))
    learned, held_out, _ = split(bars(), seed=0)
    course = TrainingPlan(images=1200, batch_size=16, lr=0.003, augment=False, horizontal_flip=False, seed=0)
    described = card(image_size=16, padded_from=None, class_names=tuple("abcd"))
    network = fit(learned, 4, course)
    assert accuracy(LoadedClassifier(described, network, ""), held_out) == 1
    plan = TrainingPlan(images=8, batch_size=8, lr=1e-9, augment=False, horizontal_flip=False, seed=0)
    untrained = fit(learned, 4, plan)
    assert accuracy(LoadedClassifier(described, untrained, ""), held_out) < 0.5


def test_a_learning_rate_that_is_too_high_is_said():
    learned = Examples(noise(16, 1, 16), torch.arange(16) % 2)
    with pytest.raises(Diverged, match="type a lower learning rate than lr=1e\\+30"):
        fit(learned, 2, TrainingPlan(images=64, batch_size=8, lr=1e30, augment=False, horizontal_flip=False, seed=0))


def test_distortions_move_a_point_in_the_middle_a_little_and_each_image_otherwise():
    images = torch.full((200, 1, 48, 48), -1.0)
    images[:, :, 23:25, 23:25] = 1
    moved = (distort(images, torch.Generator().manual_seed(0)) + 1)[:, 0]
    rows, columns = (torch.arange(48.0) - 23.5).expand(48, 48).T, (torch.arange(48.0) - 23.5).expand(48, 48)
    weight = moved.sum((1, 2))
    centres = torch.stack([(moved * rows).sum((1, 2)), (moved * columns).sum((1, 2))], dim=1) / weight[:, None]
    assert (weight > 0).all()
    assert centres.abs().max() < 48 / 12 + 48 / 25 + 1
    assert (centres.std(0) > 1).all() and (centres.mean(0).abs() < 0.5).all()


def test_distortions_leave_a_uniform_image_alone():
    images = torch.full((5, 3, 16, 16), 0.25)
    torch.testing.assert_close(distort(images, torch.Generator().manual_seed(0)), images)
