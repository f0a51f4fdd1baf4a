"""Checkpoints whose tensors do not fit the networks that their settings make."""

import pytest
import torch
from torch import nn

from saddlepoint import load_generator
from saddlepoint.config import extensions
from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint, module_state, resuming
from saddlepoint.training.train import train
from tests.composing import SMALL, settings


def of_layers(width: int) -> dict:
    return {"module": nn.Sequential(nn.Linear(3, width), nn.Linear(width, 1)).state_dict()}


def test_what_fits_is_loaded():
    saved, module = of_layers(4), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    module_state.put(saved, module, "run")
    assert all(torch.equal(tensor, saved["module"][name]) for name, tensor in module.state_dict().items())


def test_the_first_of_what_differs_is_named():
    saved = of_layers(4)
    saved["module"]["2.weight"] = saved["module"].pop("0.bias")
    with pytest.raises(RequestError) as refusal:
        module_state.put(saved, nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1)), "run=mine")
    assert str(refusal.value).startswith(
        "run=mine does not fit the networks that its settings make here: 0.weight is [4, 3] there and [5, 3] here; "
        "0.bias is missing there and [5] here; 1.weight is [1, 4] there and [1, 5] here; and 1 more. "
        "The code of a network has changed since: install what wrote it")


def test_an_extension_that_changed_is_named(monkeypatch):
    monkeypatch.setattr(extensions, "changes_of_version", lambda recorded: [f"{recorded} became lab 2"])
    with pytest.raises(RequestError, match=r"Note that \['lab 1'\] became lab 2: install what wrote it"):
        module_state.put(of_layers(4) | {"extensions": ["lab 1"]}, nn.Sequential(nn.Linear(3, 5)), "run")


def test_other_reasons_are_told_as_torch_has_them():
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    module.register_load_state_dict_pre_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("something else")))
    with pytest.raises(RequestError, match="run does not fit this version of saddlepoint: something else"):
        module_state.put(of_layers(4), module, "run")


@pytest.mark.parametrize("saved", [{}, {"module": None}, {"module": {}}])
def test_a_checkpoint_that_lacks_the_state_is_refused(saved):
    with pytest.raises(RequestError, match="run does not fit "):
        module_state.put(saved, nn.Linear(3, 4), "run")


def test_a_run_with_another_network_is_neither_gone_on_with_nor_drawn_from(tmp_path):
    made = settings(*SMALL, "model=mlp")
    run = train(made, tmp_path / "run")
    last = run / "checkpoints" / "last.ckpt"
    saved = checkpoint.load(last)
    name = next(name for name in saved["module"] if name.startswith("generator."))
    saved["module"][name] = saved["module"][name][:1]
    checkpoint.save(last, saved)
    longer = made | {"resume": str(run), "budget": {"images": 32}}
    with pytest.raises(RequestError, match=rf"{run} does not fit .*: {name} is \[1, "):
        train(longer, continuation=resuming.continuation(longer, ["budget.images=32"], None))
    with pytest.raises(RequestError, match=rf"last.ckpt does not fit .*: {name} is \[1, "):
        load_generator(run)
    assert checkpoint.load(last)["images_seen"] == 16
