"""Restores the state of a run from its checkpoint, and warns if data, threads or processes are not the same as
before."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import RequestError
from saddlepoint.parallel.collectives import place
from saddlepoint.runs import data_identity, module_state
from saddlepoint.training import arithmetic


def restore(module, data, callbacks: Sequence, saved: Mapping[str, Any], where: str) -> None:
    """Restores game, data and callbacks to the state in which the checkpoint with the content `saved` was written.
    `where` names it in messages.

    All tensors are on the CPU then, where Lightning finds them; those that are no buffers follow the module to its
    device when training starts (`Players.on_train_start`, the callbacks' `on_train_start`)."""
    module_state.put(saved, module, where)
    module.saved_optimizers = saved["optimizers"]
    own_state = _state_of_this_process(saved)
    module.latest = dict(own_state["latest"])
    if own_state.get("data"):
        data.load_state_dict(own_state["data"])
    for callback in callbacks:
        if type(callback).__name__ in own_state["callbacks"]:
            callback.load_state_dict(own_state["callbacks"][type(callback).__name__])


def _state_of_this_process(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the part of the state that each process has for itself. If there are more or fewer processes than before,
    all take that of the first one, with a warning. Raises a RequestError if that would lose images that wait in a
    pool."""
    number, count = place()
    states = saved["processes"]
    if count == len(states):
        return states[number]
    if any(each.get("data") for each in states):
        raise RequestError(f"this run was saved by {len(states)} processes, each with pairs of its own waiting in "
                           f"its pool (data.pair_pool), and cannot go on with {count}: start as many again")
    print(f"warning: this run was saved by {len(states)} processes and goes on with {count}: images and noise stay "
          "the same, but sums are rounded in another order and dropout draws anew, so it will not be bit for bit the "
          "run it would have been", file=sys.stderr)
    return states[0]


def warn_of_other_data(before: data_identity.Identity | None, data: ImageDataModule) -> None:
    """Warns if the data are others than those on which the run was trained so far, or if these were not recorded.

    before: the identity of those data; None for a run of an earlier version
    """
    if not before:
        print(f"note: what this run was trained on is not recorded, as it was begun by an earlier version: whether "
              f"{data.place} is the same cannot be told", file=sys.stderr)
    if changes := data_identity.changes(before, data.identity()):
        print(f"warning: {data.place} is not what this run was trained on: {changes}. It goes on with what is there "
              "now, and is not the run it would have been", file=sys.stderr)


def warn_of_threads(saved: Mapping[str, Any]) -> None:
    """Warns if the run used another number of threads before."""
    before = saved.get("threads")
    if before and before != torch.get_num_threads():
        print(f"warning: this run used {before} threads and goes on with {torch.get_num_threads()}: sums are rounded "
              f"in another order, so it will not be bit for bit the run it would have been; type threads={before}",
              file=sys.stderr)


def warn_of_device(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Warns if the run was computed on another device, or otherwise on the same, before.

    now: as `arithmetic.description` returns it; checkpoints of earlier versions have none
    """
    before = saved.get("device")
    if before and (changes := arithmetic.differences(before, now)):
        print(f"warning: this run goes on with {', '.join(changes)}: sums are rounded otherwise, and random numbers "
              "differ from card to card, so it will not be bit for bit the run it would have been", file=sys.stderr)
