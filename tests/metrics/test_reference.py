"""What real images look like is remembered under a key of everything it depends on."""

import pytest
import torch

from saddlepoint.downloads import cache_folder
from saddlepoint.metrics.collecting import Keep, collect
from saddlepoint.metrics.images import EvaluationBlocks
from saddlepoint.metrics.reference import reference
from saddlepoint.runs import checkpoint
from tests.metrics.stand_ins import BlockMeans, grey
from tests.metrics.test_collecting import Gaps


class Remembering:
    """Counts how often images were really looked at."""

    def __init__(self, folder):
        self.folder, self.looked = folder, 0

    def sample(self, still, extractor=None, keep=Keep(features=True)):  # noqa: B008
        extractor = extractor or BlockMeans()

        def look():
            self.looked += 1
            return collect(EvaluationBlocks(still).blocks(), len(still), extractor, keep)

        return reference(still, extractor, keep, look, self.folder)

    def files(self):
        return sorted((self.folder / "reference").iterdir())


@pytest.fixture
def remembering(tmp_path):
    return Remembering(tmp_path)


def test_the_second_time_nothing_is_looked_at_and_the_same_comes_back(remembering):
    first, second = remembering.sample(grey(100)), remembering.sample(grey(100))
    assert remembering.looked == 1 and len(remembering.files()) == 1
    assert torch.equal(first.features, second.features) and torch.equal(first.labels, second.labels)
    assert torch.equal(first.moments.covariance, second.moments.covariance)
    assert first.digest == second.digest and second.count == 100


def test_spatial_moments_are_remembered_once_a_metric_needs_them(remembering):
    remembering.sample(grey(100))
    spatial = Keep(features=True, spatial=True)
    first, second = remembering.sample(grey(100), keep=spatial), remembering.sample(grey(100), keep=spatial)
    assert remembering.looked == 2 and remembering.sample(grey(100)).spatial.count == 100
    assert torch.equal(first.spatial.covariance, second.spatial.covariance)
    assert torch.equal(first.spatial.mean, second.spatial.mean)


def another_extractor(**changes):
    extractor = BlockMeans()
    for name, value in changes.items():
        setattr(extractor, name, value)
    return extractor


def darker(still):
    still.images[0, 0, 0, 0] = 255 - still.images[0, 0, 0, 0]
    return still


def padded(still):
    still.padding, still.image_size = (2, 2, 2, 2), still.image_size + 4
    return still


@pytest.mark.parametrize("change", [
    lambda r: r.sample(darker(grey(100))),
    lambda r: r.sample(grey(99)),
    lambda r: r.sample(padded(grey(100))),
    lambda r: r.sample(grey(100), another_extractor(digest="1" * 64)),
    lambda r: r.sample(grey(100), another_extractor(name="others")),
    lambda r: r.sample(grey(100), another_extractor(resize="bilinear to 8 x 8")),
], ids=["pixel", "number", "padding", "weights", "extractor", "resize"])
def test_whatever_it_depends_on_makes_another_one(remembering, change):
    remembering.sample(grey(100))
    change(remembering)
    assert remembering.looked == 2 and len(remembering.files()) == 2


def test_what_was_stored_without_features_is_made_again_when_they_are_needed(remembering):
    remembering.sample(grey(100), keep=Keep())
    assert remembering.sample(grey(100)).features is not None
    assert remembering.looked == 2 and len(remembering.files()) == 1
    remembering.sample(grey(100), keep=Keep())
    assert remembering.looked == 2


def test_what_was_stored_before_unreadable_files_were_is_made_again(remembering, caplog):
    """Else nobody would hear of them."""
    gaps = Gaps(grey(100))
    remembering.sample(gaps)
    file, = remembering.files()
    stored = checkpoint.load(file)
    del stored["unreadable"]
    checkpoint.save(file, stored)
    assert remembering.sample(gaps).unreadable.keys() == {f"{number}.png" for number in range(0, 100, 10)}
    assert remembering.looked == 2
    caplog.clear()
    assert remembering.sample(gaps).count == 90 and remembering.looked == 2
    assert "10 image files cannot be read" in caplog.text


def test_a_damaged_file_is_made_again(remembering):
    whole = remembering.sample(grey(100))
    file, = remembering.files()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert torch.equal(remembering.sample(grey(100)).features, whole.features)
    assert remembering.looked == 2
    assert checkpoint.load(file)["of"] == "grey train"


def test_nothing_is_stored_of_features_that_are_not_finite(remembering):
    extractor = BlockMeans()
    extractor.scale.fill_(0.0)
    with pytest.raises(Exception, match="not finite"):
        remembering.sample(grey(100), extractor)
    assert not (remembering.folder / "reference").exists()


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "reference").write_text("a file where the folder should be")
    remembering = Remembering(tmp_path)
    assert remembering.sample(grey(10)).count == remembering.sample(grey(10)).count == 10
    assert remembering.looked == 2


def test_the_folder_is_the_users_cache_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SADDLEPOINT_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("SADDLEPOINT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "saddlepoint"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "saddlepoint"
