"""What processes send each other."""

from typing import NamedTuple

import torch
from torch import Tensor

from saddlepoint.parallel import collectives


class Pair(NamedTuple):
    first: int
    second: int


def test_objects_leave_the_gpu_before_they_are_sent(monkeypatch):
    """Containers at any depth; what holds no tensors is sent as it is"""
    sent = []
    monkeypatch.setattr(Tensor, "cpu", lambda tensor: tensor + 100)  # as if it had been elsewhere
    monkeypatch.setattr(collectives, "is_alone", lambda: False)
    monkeypatch.setattr(collectives, "place", lambda: (0, 2))
    monkeypatch.setattr(collectives.distributed, "all_gather_object", lambda values, value: sent.append(value))
    pair = Pair(1, 2)
    collectives.gather_objects({"latest": {"a": torch.tensor(1)}, "norms": [torch.tensor(2), (torch.tensor(3), "b")],
                                "best": None, "pair": pair})
    assert sent == [{"latest": {"a": torch.tensor(101)}, "norms": [torch.tensor(102), (torch.tensor(103), "b")],
                     "best": None, "pair": pair}]
