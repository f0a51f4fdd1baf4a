"""Checkpoints by the clock, of processes that agree a step later."""

from types import SimpleNamespace

from saddlepoint.training.callbacks import checkpointing
from saddlepoint.training.callbacks.checkpointing import Checkpointing


class Later:
    """As an Agreement of several processes: what they name is known in the next step."""

    waiting = 0

    def name(self, number: int) -> int:
        known, self.waiting = self.waiting, number
        return known

    def end(self) -> None:
        self.waiting = 0


def test_a_checkpoint_that_is_due_by_the_clock_is_written_once(monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr(checkpointing.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(checkpointing, "gather_objects", lambda own: written.append(clock[0]))
    monkeypatch.setattr(checkpointing, "states", lambda trainer: {})
    monkeypatch.setattr(checkpointing, "data_state", lambda trainer: {})
    callback = Checkpointing(None, every_minutes=1)
    callback.agreement = Later()
    module = SimpleNamespace(images_seen=8, images_before=0, budget_images=1000, latest={}, settle=lambda: None)
    callback.on_train_start(None, module)
    for second in range(0, 200, 10):
        clock[0] = float(second)
        callback.on_train_batch_end(SimpleNamespace(is_global_zero=False), module, None, None, 0)
    assert written == [80.0, 160.0]
