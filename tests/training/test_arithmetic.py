"""What a run computes on and how exactly: refused, set, recorded, and said where it changes. GPUs are stood in for."""

import json
import os
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from torch import nn

from saddlepoint import build
from saddlepoint.environment import JOBS_ON_GPU
from saddlepoint.errors import OutOfMemory, RequestError
from saddlepoint.files.disk_space import DiskFull
from saddlepoint.game import device_memory
from saddlepoint.runs import checkpoint, resuming
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.training import arithmetic, restoring, results
from saddlepoint.training.callbacks.scalars import Scalars
from saddlepoint.training.train import make_trainer, train
from tests.comparing_runs import NARROW
from tests.composing import SMALL, settings
from tests.game import playing

TINY = (*SMALL, "model.generator.width=4", "model.discriminator.width=4", "data.image_size=16", "data.fit=resize")
CPU = torch.device("cpu")
ON_A_CARD = {"type": "cuda", "devices": ["NVIDIA H100 80GB HBM3"], "tf32": False, "deterministic": False,
             "compile": False}
ON_THE_CPU = ON_A_CARD | {"type": "cpu", "devices": ["CPU"]}


@pytest.fixture
def cards(monkeypatch) -> None:
    """Two cards from before bfloat16, as far as anybody asks before CUDA starts"""
    for name, value in {"is_available": True, "device_count": 2, "get_device_capability": (7, 5),
                        "get_device_name": "Tesla T4"}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *device, value=value: value)


@pytest.mark.parametrize(("typed", "answer"), [
    (("trainer=gpu",), "trainer.accelerator=gpu: torch finds no GPU here: type trainer=cpu or trainer=auto"),
    (("precision=16-mixed",), "precision=16-mixed needs a GPU: type precision=bf16-mixed")])
def test_what_is_not_here_is_refused_in_a_sentence(typed, answer):
    with pytest.raises(RequestError, match=answer):
        make_trainer(settings(*TINY, "trainer=auto", *typed), sweeping=False)


@pytest.mark.parametrize(("typed", "answer"), [
    (("precision=bf16-mixed",), r"compute capability 8.0 or more, and Tesla T4 has 7.5: type precision=16-mixed"),
    (("trainer=ddp", "trainer.devices=4"), r"trainer.devices=4 .* torch finds 2 here: type trainer.devices=2")])
def test_cards_that_cannot_are_refused(typed, answer, cards):
    with pytest.raises(RequestError, match=answer):
        make_trainer(settings(*TINY, "trainer=auto", *typed), sweeping=False)


def test_the_cpu_needs_no_cards(cards):
    arithmetic.refuse_missing(settings(*TINY, "trainer=cpu", "precision=bf16-mixed", "trainer.devices=4"), 4)


class Looking(pl.Callback):
    """How torch computes in the middle of training"""

    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        self.seen.append(state_of_torch())


def state_of_torch() -> tuple:
    return (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32,
            torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark)


@pytest.mark.parametrize("typed", [(), ("trainer.tf32=true", "trainer.deterministic=true")])
def test_torch_computes_as_asked_while_training_and_as_before_afterwards(typed, tmp_path, monkeypatch):
    monkeypatch.setenv(arithmetic.WORKSPACE, ":4096:8")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    looking, configured, before = Looking(), build.callbacks, state_of_torch()
    monkeypatch.setattr(build, "callbacks", lambda *given: [*configured(*given), looking])
    train(settings(*TINY, *typed), tmp_path / "run")
    asked = bool(typed)
    assert set(looking.seen) == {(asked, asked, asked, not asked)}
    assert state_of_torch() == before
    recorded = json.loads((tmp_path / "run" / "environment.json").read_text())["device"]
    assert recorded == {"type": "cpu", "devices": ["CPU"], "precision": "32-true", "tf32": asked,
                        "deterministic": asked, "compile": False}
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "last.ckpt")["device"] == recorded


def test_the_workspace_of_cublas_is_set_before_cuda_starts_and_stays(monkeypatch):
    monkeypatch.setenv(arithmetic.WORKSPACE, "")
    monkeypatch.delenv(arithmetic.WORKSPACE)
    with arithmetic.deterministic(True):
        assert os.environ[arithmetic.WORKSPACE] == ":4096:8"
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with arithmetic.deterministic(True):
        pass
    for value in ("", ":16:2"):
        monkeypatch.setenv(arithmetic.WORKSPACE, value)
        with pytest.raises(RequestError, match="CUBLAS_WORKSPACE_CONFIG=:4096:8 before CUDA starts"), \
                arithmetic.deterministic(True):
            pass
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_without_a_deterministic_kernel_is_named(tmp_path):
    error = RuntimeError("reflection_pad2d_backward_cuda does not have a deterministic implementation, but you set "
                         "'torch.use_deterministic_algorithms(True)'.")
    end = arithmetic.explained(error, settings(*TINY), CPU, RunDirectory(tmp_path))
    assert end.exit_code == 2 and "reflection_pad2d_backward_cuda has no kernel" in str(end)
    assert "trainer.deterministic=false" in str(end)


@pytest.mark.parametrize(("before", "now", "sentence"), [
    (ON_A_CARD, ON_A_CARD, None), (ON_THE_CPU, ON_THE_CPU | {"tf32": True, "deterministic": True}, None),
    (ON_THE_CPU, ON_A_CARD, "goes on with NVIDIA H100 80GB HBM3 (was CPU): "),
    (ON_A_CARD, ON_A_CARD | {"devices": 2 * ["NVIDIA H100 80GB HBM3"]}, None),  # said of processes, not of cards
    (ON_A_CARD, ON_A_CARD | {"tf32": True}, "goes on with trainer.tf32=true (was false)"),
    (ON_A_CARD, ON_A_CARD | {"deterministic": True}, "trainer.deterministic=true (was false)"),
    (ON_THE_CPU, ON_THE_CPU | {"compile": True}, "goes on with trainer.compile=true (was false)"),
    ({name: value for name, value in ON_THE_CPU.items() if name != "compile"}, ON_THE_CPU, None)])  # an older run's
def test_going_on_elsewhere_is_said(before, now, sentence, capsys):
    restoring.warn_of_device({"device": before}, now)
    warned = capsys.readouterr().err
    assert sentence in warned and "not be bit for bit" in warned if sentence else not warned


def test_a_run_that_goes_on_elsewhere_says_so(tmp_path, monkeypatch, capsys):
    run = train(settings(*SMALL, *NARROW), tmp_path / "run")
    wanted = settings(*SMALL, *NARROW, "budget.images=32", f"resume={run}")
    continuation = resuming.continuation(wanted, ["budget.images=32", f"resume={run}"], None)
    here = arithmetic.description(wanted, torch.device("cpu"))
    continuation.saved["device"] = here | {"type": "cuda", "devices": ["NVIDIA H100 80GB HBM3"]}
    train(continuation.settings, None, continuation)
    assert "goes on with CPU (was NVIDIA H100 80GB HBM3)" in capsys.readouterr().err


def test_lightning_asks_nobody_for_a_signal_in_each_step(monkeypatch):
    monkeypatch.setattr(_TrainingEpochLoop, "_broadcast_sigterm_tensor", lambda loop: pytest.fail("asked"))
    make_trainer(settings(*SMALL), sweeping=False).fit_loop.epoch_loop._broadcast_sigterm_tensor()


def test_a_checkpoint_of_an_earlier_version_has_nothing_to_say(capsys):
    restoring.warn_of_device({}, ON_A_CARD)
    assert not capsys.readouterr().err


class Greedy(pl.Callback):
    """Asks for more memory than there is in the step that reaches `images`."""

    def __init__(self, images: int, error: Exception | None):
        self.images, self.error = images, error

    def on_train_batch_start(self, trainer, module, batch, batch_index) -> None:
        if module.images_seen >= self.images:
            if self.error:
                raise self.error
            torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize("error", [
    None, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1073741824.00 GiB. GPU 0 has ...")])
def test_out_of_memory_ends_in_a_sentence_with_the_last_checkpoint_whole(error, tmp_path, monkeypatch):
    configured = build.callbacks
    monkeypatch.setattr(build, "callbacks", lambda *given: [*configured(*given), Greedy(8, error)])
    with pytest.raises(OutOfMemory) as end:
        train(settings(*TINY, "callbacks.checkpointing.every_images=8"), tmp_path / "run")
    message, run = str(end.value), tmp_path / "run"
    assert end.value.exit_code == 6
    assert message.startswith("Out of memory with data.batch_size=8 on CPU: 1073741824.00 GiB more were asked for")
    assert "Start a run with data.batch_size=4 or precision=bf16-mixed." in message
    assert message.endswith(f"train.py resume={run}")
    assert checkpoint.load(run / "checkpoints" / "last.ckpt")["images_seen"] == 8
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed" and status["reason"] == message


@pytest.fixture
def card(monkeypatch) -> list[float]:
    """A card of 16 GiB; returns the fractions of its memory that torch was allowed, one after the other."""
    fractions: list[float] = []
    for name, value in {"is_available": True, "get_device_name": "Tesla T4", "get_device_capability": (7, 5),
                        "get_device_properties": SimpleNamespace(total_memory=16 * 2**30)}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *device, value=value: value)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", fractions.append)
    return fractions


def test_a_job_that_shares_a_gpu_may_fill_its_part_of_what_cuda_leaves(card, monkeypatch):
    monkeypatch.setenv(JOBS_ON_GPU, "4")
    with arithmetic.as_set(settings(*TINY, "trainer=auto")):
        [fraction] = card
    assert 4 * (fraction * 16 + device_memory.CUDA_ITSELF / 2**30) == pytest.approx(16)
    assert card[1:] == [1.0], "the next run of this process is not bound by it"


@pytest.mark.parametrize(("jobs", "accelerator"), [("1", "auto"), ("4", "cpu")])
def test_a_job_alone_on_a_gpu_or_without_one_is_not_bound(jobs, accelerator, card, monkeypatch):
    monkeypatch.setenv(JOBS_ON_GPU, jobs)
    with arithmetic.as_set(settings(*TINY, f"trainer.accelerator={accelerator}")):
        assert not card


def test_jobs_for_which_a_gpu_has_no_room_are_refused(card, monkeypatch):
    monkeypatch.setenv(JOBS_ON_GPU, "30")
    with pytest.raises(RequestError, match=r"30 jobs are to share Tesla T4.* of its 16.00 GiB .*jobs_per_gpu=12 or"), \
            arithmetic.as_set(settings(*TINY, "trainer=auto")):
        pass


def test_a_job_whose_share_is_full_says_how_many_share_the_gpu(card, monkeypatch, tmp_path):
    monkeypatch.setenv(JOBS_ON_GPU, "4")
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
                                   "16.00 GiB of which 9.50 GiB is free. Process 7 has 3.60 GiB memory in use. 3.38 "
                                   "GiB allowed; Of the allocated memory 2.10 GiB is allocated by PyTorch")
    end = arithmetic.explained(error, settings(*TINY, "trainer=auto"), torch.device("cuda", 0), RunDirectory(tmp_path))
    assert end.exit_code == 6 and str(end).startswith(
        "Out of memory with data.batch_size=8 on Tesla T4: 2.00 GiB more were asked for, and this is one of 4 jobs "
        "that share the GPU, of whose 16.00 GiB each may fill 3.38 GiB. Start the sweep with "
        "hydra.launcher.jobs_per_gpu=2 or data.batch_size=4. No checkpoint")


def test_a_full_disk_is_no_end_of_memory(tmp_path):
    run = RunDirectory(tmp_path)
    assert arithmetic.explained(DiskFull("cannot allocate, not enough memory"), settings(*TINY), CPU, run) is None
    assert arithmetic.explained(RuntimeError("another"), settings(*TINY), CPU, run) is None


def test_what_a_checkpoint_restored_follows_the_module_to_its_device(monkeypatch, tmp_path):
    """G has not moved since the run went on: what it left in `latest` and in sums comes from the checkpoint."""
    module, writer = playing.game(), Scalars(every_images=1, average=True)
    left = {"generator/total": torch.tensor(1.0), "logits/fake": torch.zeros(8)}
    means = {"sums": {"generator/total": torch.ones(())}, "counts": {"generator/total": 1},
             "waiting": [{"steps": [0], "tensors": {name: tensor[None] for name, tensor in left.items()}}]}
    state = {"latest": left, "data": {}, "callbacks": {"Scalars": means}}
    saved = {"module": module.state_dict(), "optimizers": [], "processes": [state]}
    restoring.restore(module, None, [writer], saved, "run")
    module.to("meta")
    trainer = pl.Trainer(logger=False, accelerator="cpu", default_root_dir=tmp_path)
    monkeypatch.setattr(module.players_optimizers, "listen_to", lambda trainer: None)
    module._trainer = trainer
    writer.on_train_start(trainer, module)
    module.on_train_start()
    module.remember("discriminator", {"total": nn.Parameter(torch.zeros((), device="meta"))})  # D has moved
    writer.add(module)
    taken = writer.means.take(module.loss)  # as a row of curves is read
    assert {tensor.device.type for tensor in [*module.latest.values(), *taken.values()]} == {"meta"}


@pytest.mark.parametrize(("device", "is_said"), [
    (ON_THE_CPU, False), (ON_A_CARD, True), (ON_A_CARD | {"deterministic": True}, False)])
def test_a_run_on_a_gpu_says_once_what_makes_resuming_exact(device, is_said, tmp_path, capsys):
    made, module = settings(*TINY), playing.game()
    module.provenance = {"device": device}
    data = SimpleNamespace(describe=lambda: ["data: some"], num_classes=0)
    results.announce(made, module, data, RunDirectory(tmp_path))
    assert capsys.readouterr().out.count("trainer.deterministic=true makes it exact") == is_said


def test_the_peak_of_a_gpu_stands_beside_that_of_the_host(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 12345)
    of_a_card = results.cost(playing.game(), 2.0, 1.5, torch.device("cuda", 0))
    of_the_cpu = results.cost(playing.game(), 2.0, None, CPU)
    assert of_a_card["peak_device_memory_bytes"] == 12345 and of_the_cpu["peak_device_memory_bytes"] is None
    assert of_a_card["peak_host_memory_bytes"] > 10**7
    assert (of_a_card["processor_seconds"], of_the_cpu["processor_seconds"]) == (1.5, None)


@pytest.mark.parametrize(("device", "initialized", "resets"), [
    ("cuda", True, 1), ("cuda", False, 0), ("cpu", True, 0)])
def test_the_peak_begins_anew_with_each_run(device, initialized, resets, monkeypatch):
    reset = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialized)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    results.reset_peak_memory(torch.device(device))
    assert len(reset) == resets
