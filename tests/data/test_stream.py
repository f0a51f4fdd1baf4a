"""The batches of a data set in memory."""

from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from saddlepoint.data.memory import InMemoryImages
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from tests.data.memory_data import Numbered, batches, numbered, stream


@pytest.mark.parametrize("num_workers", [0, 2])
def test_starting_later_is_the_same_as_going_on(num_workers):
    whole = stream(numbered(horizontal_flip=True), 30)  # 240 images: almost three epochs
    for start in (0, 8, 77, 90, 181):
        data = numbered(horizontal_flip=True, num_workers=num_workers)
        data.start_at(start)
        torch.testing.assert_close(stream(data, 3), whole[start:start + 24])


@pytest.mark.parametrize("batch_size", [1, 7, 100, 240])
def test_the_stream_does_not_depend_on_the_batch_size(batch_size):
    whole = stream(numbered(horizontal_flip=True), 30)
    other = stream(numbered(horizontal_flip=True, batch_size=batch_size), -(-240 // batch_size))
    torch.testing.assert_close(other[:240], whole)


def test_a_flip_mirrors_about_half_of_the_images_and_changes_nothing_else():
    plain, flipped = stream(numbered(), 50), stream(numbered(horizontal_flip=True), 50)
    mirrored = (plain != flipped).flatten(1).any(1)
    torch.testing.assert_close(torch.where(mirrored.view(-1, 1, 1, 1), plain.flip(-1), plain), flipped)
    assert abs(mirrored.double().mean() - 0.5) < 4 * 0.5 / 400**0.5
    epochs = mirrored[:360].view(4, 90)
    assert not torch.equal(epochs[0], epochs[1])


@pytest.mark.parametrize("split", ["train", "test"])
def test_metrics_compare_with_the_images_as_they_are_whatever_training_mirrors(split):
    plain, flipped = (numbered(horizontal_flip=each).evaluation_images(split) for each in (False, True))
    assert torch.equal(plain.block(range(90)).images, flipped.block(range(90)).images)
    assert plain.identity() == flipped.identity() and len(flipped) == 90  # none twice


def as_process(data: InMemoryImages, rank: int, num_processes: int) -> InMemoryImages:
    data.trainer = SimpleNamespace(global_rank=rank, world_size=num_processes,
                                   strategy=SimpleNamespace(root_device=torch.device("cpu")))
    return data


def test_processes_share_the_batch_of_one():
    whole = batches(numbered(horizontal_flip=True), 25)
    first, second = (batches(as_process(numbered(horizontal_flip=True), rank, 2), 25) for rank in (0, 1))
    for batch, *halves in zip(whole, first, second, strict=True):
        torch.testing.assert_close(torch.cat([half.real for half in halves]), batch.real)
        assert torch.equal(torch.cat([half.labels for half in halves]), batch.labels)


def test_a_batch_that_cannot_be_shared_equally_is_refused():
    with pytest.raises(RequestError, match="data.batch_size=8 .* 3 processes.*type data.batch_size=24"):
        numbered().refuse_unequal_shares(3)


def test_half_batches_walk_the_same_stream():
    data = numbered()
    data.real_images_per_step = 4
    torch.testing.assert_close(stream(data, 20), stream(numbered(), 10))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_iterating_leaves_the_global_generator_alone(num_workers):
    data = numbered(horizontal_flip=True, num_workers=num_workers)
    before = torch.get_rng_state()
    batches(data, 15)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_change_the_order_only():
    first, second = stream(numbered(), 45), stream(numbered(seed=6), 45)
    assert not torch.equal(first, second)
    assert sorted(first[:90, 0, 0, 0].tolist()) == sorted(second[:90, 0, 0, 0].tolist())


@pytest.mark.parametrize("on_device", [False, True])
def test_lightning_hands_image_batches_to_the_training_step(on_device):
    class Recorder(LightningModule):
        automatic_optimization = False
        batches: list = []

        def training_step(self, batch, batch_index):
            self.batches.append(batch)

        def configure_optimizers(self):
            return None

    data = Numbered(name="numbered", channels=1, image_size=8, num_classes=10, batch_size=8, seed=5,
                    on_device=on_device)
    data.start_at(16)
    trainer = Trainer(max_steps=-1, max_epochs=1, limit_train_batches=13, logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", devices=1)
    trainer.fit(Recorder(), datamodule=data)
    assert len(Recorder.batches) == 13  # beyond the end of the first epoch
    assert all(isinstance(batch, ImageBatch) for batch in Recorder.batches)
    expected = stream(numbered(image_size=8), 15)[16:]
    torch.testing.assert_close(torch.cat([batch.real for batch in Recorder.batches]), expected)
