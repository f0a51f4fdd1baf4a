"""How much of a device's memory is free, on a card that is stood in for."""

import pytest
import torch

from saddlepoint.environment import JOBS_ON_GPU
from saddlepoint.game import device_memory

GIB = 2**30
CARD = torch.device("cuda", 0)


@pytest.mark.parametrize(("jobs", "free", "expected"), [
    (1, 10, 10 + 2),  # nobody's, and what torch keeps
    (4, 10, 16 / 4 - device_memory.CUDA_ITSELF / GIB - 1),  # the share, of which a tensor of 1 GiB is taken
    (4, 0.25, 0.25 + 2),  # neighbours have filled the card
    (16, 10, 0),
])
def test_a_job_that_shares_a_card_has_no_more_free_than_its_share(jobs, free, expected, monkeypatch):
    monkeypatch.setenv(JOBS_ON_GPU, str(jobs))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free * GIB), 16 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: GIB)
    assert device_memory.free_bytes(CARD) / GIB == pytest.approx(expected)
