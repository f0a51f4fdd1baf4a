"""One pass gathers what every metric needs, whatever the portions and the number of processes."""

import sys

import pytest
import torch

from saddlepoint.data.evaluation_images import Block, EvaluationImages
from saddlepoint.errors import Diverged, RequestError
from saddlepoint.metrics import collecting
from saddlepoint.metrics.collecting import Keep, collect
from saddlepoint.metrics.images import BLOCK, EvaluationBlocks, images_at
from tests.metrics.stand_ins import BlockMeans, features_of, grey
from tests.processes import ROOT
from tests.warm import alone, shared

EVERYTHING = Keep(features=True, logits=True)


def looked_at(still, keep=EVERYTHING, splits=1):
    return collect(EvaluationBlocks(still).blocks(), len(still), BlockMeans(), keep, splits)


def test_a_pass_gathers_features_moments_scores_and_labels():
    still = grey(150)
    sample, features = looked_at(still, splits=3), features_of(still)
    torch.testing.assert_close(sample.features, features)
    torch.testing.assert_close(sample.logits, 20 * features)
    assert torch.equal(sample.labels, still.labels)
    assert sample.count == 150
    torch.testing.assert_close(sample.moments.mean, features.double().mean(0))
    torch.testing.assert_close(sample.moments.covariance, features.double().T.cov())
    assert sample.scores.counts.tolist() == [50, 50, 50]


def test_only_sums_are_kept_when_no_metric_needs_more():
    sample = looked_at(grey(150), Keep())
    assert sample.features is None and sample.logits is None and sample.spatial is None
    assert sample.moments.count == 150


def test_images_come_in_blocks_of_fixed_places():
    extractor = BlockMeans()
    collect(EvaluationBlocks(grey(150)).blocks(), 150, extractor, Keep())
    assert extractor.seen == [BLOCK, BLOCK, 150 - 2 * BLOCK]


def test_the_digest_is_of_the_images_and_their_labels():
    digest = looked_at(grey(150)).digest
    assert len(digest) == 64 and digest == looked_at(grey(150), Keep()).digest
    changed, relabelled = grey(150), grey(150)
    changed.images[149, 0, 0, 0] += 1
    relabelled.labels[3] = 3 - relabelled.labels[3]
    assert len({digest, looked_at(changed).digest, looked_at(relabelled).digest, looked_at(grey(149)).digest}) == 4


class Gaps(EvaluationImages):
    """Every tenth file cannot be read."""

    def __init__(self, still):
        super().__init__("gaps", "train", still.labels)
        self.still, self.channels, self.image_size = still, still.channels, still.image_size

    def block(self, indices):
        whole = self.still.block(indices)
        kept = torch.tensor([index % 10 != 0 for index in indices])
        missing = {f"{index}.png": "it is empty" for index in indices if index % 10 == 0}
        return Block(whole.images[kept], whole.labels[kept], missing)

    def subset(self, indices): ...

    def identity(self): ...


def test_unreadable_files_are_left_out_named_and_counted(caplog):
    still = grey(100)
    sample = looked_at(Gaps(still))
    kept = [index for index in range(100) if index % 10]
    assert sample.count == len(sample.features) == 90
    torch.testing.assert_close(sample.features, features_of(still)[kept])
    assert torch.equal(sample.labels, still.labels[kept])
    assert "10 image files cannot be read" in caplog.text and "90.png: it is empty" in caplog.text


def test_what_ends_the_pass_of_another_process_ends_this_one_too(monkeypatch):
    """Else it would wait for the other's sums for ever."""
    monkeypatch.setattr(collecting, "gather_objects", lambda mine: [mine, (Diverged("its images are lost"), 10)])
    with pytest.raises(Diverged, match="its images are lost"):
        looked_at(grey(10))


def test_processes_that_do_not_see_the_same_files_are_refused(monkeypatch):
    """Their tables of features would have different lengths, and no sum."""
    monkeypatch.setattr(collecting, "gather_objects", lambda mine: [mine, (None, 9)])
    with pytest.raises(RequestError, match="not see the same images: 10 of process 0, 9 of process 1"):
        looked_at(grey(10))


def test_a_block_of_which_nothing_can_be_read_does_not_reach_the_extractor():
    class Cut(Gaps):
        def block(self, indices):
            block = super().block(indices)
            return block if indices.start else Block(block.images[:0], block.labels[:0], {"all": "it is empty"})

    sample = looked_at(Cut(grey(100)))
    assert sample.count == 100 - BLOCK - 3  # 70, 80 and 90 are missing as well
    assert sample.unreadable.keys() == {"all", "70.png", "80.png", "90.png"}


def test_features_that_are_not_finite_are_refused():
    extractor = BlockMeans()
    extractor.scale.fill_(float("nan"))
    with pytest.raises(RequestError, match="not finite"):
        collect(EvaluationBlocks(grey(10)).blocks(), 10, extractor, Keep())


def test_moments_of_spatial_features_are_gathered_where_a_metric_needs_them():
    still = grey(150)
    rows = still.images.double().mean((1, 3))
    sample = looked_at(still, Keep(spatial=True))
    torch.testing.assert_close(sample.spatial.mean, rows.mean(0))
    torch.testing.assert_close(sample.spatial.covariance, rows.T.cov())
    assert sample.spatial.count == 150 and sample.features is None


def test_single_images_are_found_by_their_numbers():
    still = grey(150)
    numbers = torch.tensor([149, 0, 64, 3])
    assert torch.equal(images_at(EvaluationBlocks(still), numbers), still.images[numbers])


def test_mixed_precision_outside_changes_nothing():
    plain = looked_at(grey(80)).features
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(looked_at(grey(80)).features, plain)


def test_two_processes_measure_what_one_does(tmp_path):
    """To 1e-6 relative, with a number of images that the two cannot share equally."""
    command = [sys.executable, "-m", "tests.metrics.two_processes"]
    for done in (alone([*command, tmp_path / "one.pt"], ROOT), *shared([*command, tmp_path / "two.pt"], ROOT, 2)):
        assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("one", "two"))
    assert one.keys() == two.keys() and len(one) >= 8
    for name in one:
        assert two[name] == pytest.approx(one[name], rel=1e-6), name
