"""Runs whose steps are recorded: what is refused, and whole runs with a stand-in for a GPU that records on the CPU."""

import multiprocessing

import pytest
import pytorch_lightning as pl

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.guard import FiniteGuard
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.training import arithmetic, stepping, train
from saddlepoint.training.callbacks import health
from tests.comparing_runs import NARROW, SMALL, WATCHED, differences
from tests.composing import settings
from tests.data.formats import write_photo_folder
from tests.game.playing import Later
from tests.game.recording import OnCPU, tensors

RECORD = ("trainer.record=true",)
MLP = ("model=mlp", "callbacks=none", "logger=none")


@pytest.mark.parametrize(("typed", "words"), [
    (("trainer=cpu",), "trainer.record=true records steps as CUDA graphs, which needs an NVIDIA GPU"),
    (("trainer=auto",), "this run computes on the CPU: type trainer.record=false"),
])
def test_a_run_on_the_cpu_is_refused(typed, words):
    with pytest.raises(RequestError, match=words):
        arithmetic.refuse_missing(settings(*MLP, *typed, *RECORD), 1)


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(arithmetic.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(arithmetic.torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RequestError, match=r"trainer.devices=2 starts several: type trainer.record=false"):
        arithmetic.refuse_missing(settings(*MLP, *RECORD), 2)


@pytest.mark.parametrize(("typed", "words"), [
    (("model.turns.scoring=half",), r"model.turns.scoring=half .* type model.turns.scoring=separate"),
    (("precision=16-mixed",), r"precision=16-mixed .* type precision=bf16-mixed"),
    (("optimizer=rmsprop",), r"RMSprop cannot leave out an update by itself.* type optimizer=adam"),
])
def test_a_recipe_in_which_the_host_decides_is_refused(typed, words):
    made = settings(*MLP, *RECORD, *typed)
    with pytest.raises(RequestError, match=words) as refusal:
        stepping.refuse_unrecordable(made, build.module(made))
    assert str(refusal.value).endswith("Or type trainer.record=false")


def test_processes_that_load_end_with_a_run_that_fails(tmp_path, monkeypatch):
    """While the error still refers to all that it went through"""
    write_photo_folder(tmp_path / "files")

    def fail(module, batch):
        raise InterruptedError("in a step")
    monkeypatch.setattr(AdversarialModule, "play", fail)
    made = settings(*MLP, "data=image_folder", f"data.root={tmp_path / 'files'}", "data.image_size=16", "trainer=cpu",
                    "data.num_workers=2", "data.batch_size=4", f"run.dir={tmp_path / 'run'}")
    with pytest.raises(InterruptedError) as error:
        train.train(made)
    assert error.tb and multiprocessing.active_children() == []


def test_batches_that_others_load_come_one_ahead():
    asked = []

    def batches():
        for number in range(10):
            asked.append(number)
            yield number
    ahead = stepping.one_ahead(batches())
    assert [next(ahead), next(ahead)] == [0, 1]
    assert asked == [0, 1, 2]


class Within(pl.Callback):
    def on_after_backward(self, trainer, module) -> None:
        pass


def test_a_callback_within_updates_keeps_steps_from_being_recorded(capsys):
    made = settings(*MLP, *RECORD)
    module = build.module(made)
    recorder = module.recorder
    stepping.record(module, made, None, [Within()])
    assert module.recorder is recorder
    assert "since Within is called within each update" in capsys.readouterr().err


def recorded_on_the_cpu(monkeypatch) -> list[OnCPU]:
    """Lets trainer.record=true record on the CPU, with the guard of a GPU -> the devices that recorded"""
    devices = []

    def record(module, *given) -> None:
        stepping_record(module, *given)
        optimizers = lambda: [each.optimizer for each in module.optimizers()]  # noqa: E731 - once there are any
        kinds = module.recorder.kinds
        module.recorder.device.static = lambda: [
            *module.parameters(), *module.buffers(), module.guard.flag, module.guard.left_out,
            *tensors([[[*each.state.values()], [group["lr"] for group in each.param_groups]] for each in optimizers()]),
            *tensors([kind.batch for kind in kinds.values()]),
            *tensors([tape.values for kind in kinds.values() for tape in kind.tapes])]
        devices.append(module.recorder.device)

    stepping_record = stepping.record
    monkeypatch.setattr(arithmetic, "refuse_missing", lambda *given: None)
    monkeypatch.setattr(stepping, "CudaGraphs", lambda device: OnCPU(list))
    monkeypatch.setattr(train, "record", record)
    monkeypatch.setattr(Optimizers, "rates_on", ("cpu",))
    monkeypatch.setattr(health, "FiniteGuard", lambda *given: FiniteGuard(*given[:4], Later))
    return devices


def test_a_run_with_recorded_steps_is_the_run_without(tmp_path, monkeypatch, capsys):
    """Rows, pictures, scores and checkpoints, with everything that looks"""
    typed = (*SMALL, *NARROW, *WATCHED, "trick=[instance_noise,ema]", "optimizer.schedule=0.5")
    devices = recorded_on_the_cpu(monkeypatch)
    train.train(settings(*typed, f"run.dir={tmp_path / 'code'}"))
    train.train(settings(*typed, *RECORD, f"run.dir={tmp_path / 'recorded'}"))
    assert capsys.readouterr().out.count("steps: recorded as CUDA graphs") == 1
    found = differences(tmp_path / "code", tmp_path / "recorded")
    assert {each.partition(": ")[2] for each in found} == {".settings.trainer.record"}
    assert devices[0].played >= 10
