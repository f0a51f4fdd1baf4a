"""Copies between host and device, and how much memory there is. A GPU is a stand-in."""

import pytest
import torch

from saddlepoint.environment import JOBS_ON_GPU
from saddlepoint.game import device_memory
from saddlepoint.game.device_memory import Download, fits, free_bytes, upload

GIB = 2**30
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_on_the_cpu_nothing_is_copied():
    tensor = torch.arange(6).view(2, 3).T
    assert upload(tensor, CPU) is tensor
    assert Download(tensor).wait() is tensor


def test_memory_that_torch_keeps_without_need_counts_as_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 9000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 300)
    assert free_bytes(GPU) == 1400


@pytest.mark.parametrize(("jobs", "free", "expected"), [
    (1, 10, 10 + 2),  # nobody's, and what torch keeps
    (4, 10, 16 / 4 - device_memory.CUDA_ITSELF / GIB - 1),  # the share, of which a tensor of 1 GiB is taken
    (4, 0.25, 0.25 + 2),  # neighbours have filled the card
    (16, 10, 0),
])
def test_a_job_that_shares_a_gpu_has_no_more_free_than_its_share(jobs, free, expected, monkeypatch):
    monkeypatch.setenv(JOBS_ON_GPU, str(jobs))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free * GIB), 16 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: GIB)
    assert free_bytes(GPU) / GIB == pytest.approx(expected)


def test_what_stays_may_fill_half_of_the_free_memory_of_a_gpu(monkeypatch):
    monkeypatch.setattr(device_memory, "free_bytes", lambda device: 1400)
    assert fits(700, GPU) and not fits(701, GPU)
    assert fits(10**15, CPU)


def test_a_tensor_goes_to_a_gpu_through_pinned_memory_and_without_gaps(monkeypatch):
    steps = []

    class Watched(torch.Tensor):
        def pin_memory(self):
            steps.append(("pinned", self.is_contiguous()))
            return self

        def to(self, device, **settings):
            steps.append((device, settings))
            return self

    upload(torch.arange(12).view(3, 4)[:, 1:3].as_subclass(Watched), GPU)
    assert steps == [("pinned", True), (GPU, {"non_blocking": True})]
