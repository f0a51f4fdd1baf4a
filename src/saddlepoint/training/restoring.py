"""Puts a run back to where its checkpoint stands, and warns of what is not as it was."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import RequestError
from saddlepoint.parallel.collectives import place
from saddlepoint.runs import data_identity


def restore(module, data, callbacks: Sequence, saved: Mapping[str, Any]) -> None:
    """Everything a run is, as it was after the checkpoint's last step."""
    module.load_state_dict(saved["module"])
    module.saved_optimizers = saved["optimizers"]
    own = _of_this_process(saved)
    module.latest = {name: tensor.to(module.device) for name, tensor in own["latest"].items()}
    if own.get("data"):
        data.load_state_dict(own["data"])
    for callback in callbacks:
        if type(callback).__name__ in own["callbacks"]:
            callback.load_state_dict(own["callbacks"][type(callback).__name__])


def _of_this_process(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """What processes do not share. Another number of them goes on with what the first one remembers."""
    number, count = place()
    remembered = saved["processes"]
    if count == len(remembered):
        return remembered[number]
    if any(each.get("data") for each in remembered):
        raise RequestError(f"this run was saved by {len(remembered)} processes, each with pairs of its own waiting in "
                           f"its pool (data.pair_pool), and cannot go on with {count}: start as many again")
    print(f"warning: this run was saved by {len(remembered)} processes and goes on with {count}: images and noise stay "
          "the same, but sums are rounded in another order and dropout draws anew, so it will not be bit for bit the "
          "run it would have been", file=sys.stderr)
    return remembered[0]


def warn_of_other_data(before: data_identity.Identity | None, data: ImageDataModule) -> None:
    """Names of classes and numbers of images are those of now, the weights are of before."""
    if not before:
        print(f"note: what this run was trained on is not recorded, as it was begun by an earlier version: whether "
              f"{data.place} is the same cannot be told", file=sys.stderr)
    if said := data_identity.changes(before, data.identity()):
        print(f"warning: {data.place} is not what this run was trained on: {said}. It goes on with what is there now, "
              "and is not the run it would have been", file=sys.stderr)


def warn_of_threads(saved: Mapping[str, Any]) -> None:
    before = saved.get("threads")
    if before and before != torch.get_num_threads():
        print(f"warning: this run used {before} threads and goes on with {torch.get_num_threads()}: sums are rounded "
              f"in another order, so it will not be bit for bit the run it would have been; type threads={before}",
              file=sys.stderr)
