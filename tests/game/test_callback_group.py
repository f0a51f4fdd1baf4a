"""One callback that stands for several, and what the game may skip because of it."""

import pytest
import pytorch_lightning as pl
import torch

from saddlepoint.game.callback_group import HOOKS, CallbackGroup, listens
from tests.game.playing import batches, game, play, weights


class Witness(pl.Callback):
    def __init__(self, log: list[str], name: str):
        self.log, self.name = log, name

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        self.log.append(f"{self.name} {batch_index}")


class Clipper(pl.Callback):
    def on_before_optimizer_step(self, trainer, module, optimizer) -> None:
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1e-3)


def test_each_callback_hears_what_it_listens_to_in_order():
    log: list[str] = []
    play(game(), batches(2), CallbackGroup([Witness(log, "first"), Witness(log, "second")]))
    assert log == ["first 0", "second 0", "first 1", "second 1"]


def test_every_hook_of_lightning_is_handed_on():
    heard: list[str] = []

    def hearing(hook):
        return lambda self, *arguments, **named: heard.append(hook)
    everything = type("Everything", (pl.Callback,), {hook: hearing(hook) for hook in HOOKS})
    together = CallbackGroup([everything()])
    for hook in HOOKS:
        getattr(together, hook)(None, None)
    assert heard == HOOKS
    lightnings = {name for name in vars(pl.Callback) if not name.startswith("_")}
    assert lightnings - set(HOOKS) == {"state_key", "state_dict", "load_state_dict"}  # for checkpoints of Lightning's


def test_it_listens_where_one_of_its_callbacks_does():
    assert listens(CallbackGroup([Witness([], "x"), Clipper()]), ["on_before_optimizer_step"])
    assert not listens(CallbackGroup([Witness([], "x")]), ["on_before_optimizer_step"])
    assert listens(Clipper(), ["on_before_optimizer_step"]) and not listens(Clipper(), ["on_train_end"])


@pytest.mark.parametrize("callback", [pl.Callback, Clipper])
def test_stepping_directly_is_stepping_through_lightning(callback, monkeypatch):
    """Same bits; and a callback at the hooks in between is never passed over."""
    trained = {}
    for directly in (True, False):
        module = game()
        if not directly:
            monkeypatch.setattr(module.players_optimizers, "listen_to", lambda trainer: None)
        play(module, batches(3), CallbackGroup([callback()]))
        assert module.players_optimizers.directly == (directly and callback is pl.Callback)
        trained[directly] = weights(module.generator)
    assert torch.equal(trained[True], trained[False])
    plain = game()
    play(plain, batches(3))
    assert torch.equal(weights(plain.generator), trained[True]) == (callback is pl.Callback)
