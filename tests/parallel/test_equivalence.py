"""Two processes with half a batch each are one process with the whole batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.parallel.played import FAMILIES, STEPS

ROOT = Path(__file__).parents[2]
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> dict[int, dict]:
    """What played.py wrote, by the number of processes"""
    folders = {1: tmp_path_factory.mktemp("one"), 2: tmp_path_factory.mktemp("two")}
    running = []
    for count, folder in folders.items():
        launcher = TORCHRUN if count == 2 else ()
        command = [sys.executable, *launcher, "-m", "tests.parallel.played", str(folder)]
        running.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    for process in running:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    return {count: torch.load(folder / "played.pt", weights_only=True) for count, folder in folders.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_gradients_and_weights_are_those_of_one_process(family, played):
    assert (played[1]["processes"], played[2]["processes"]) == (1, 2)
    alone, shared = played[1]["steps"][family], played[2]["steps"][family]
    assert len(alone) == len(shared) == STEPS
    for one, two in zip(alone, shared, strict=True):
        assert one.keys() == two.keys()
        for name, tensor in one.items():
            torch.testing.assert_close(two[name], tensor, rtol=1e-9, atol=1e-9)
    for player in ("generator", "discriminator"):
        assert any(name.startswith(f"gradient of {player}") for name in alone[-1])
        assert f"{player}/total" in alone[-1]


@pytest.mark.parametrize("family", FAMILIES)
def test_both_processes_hold_the_same_weights_to_the_bit(family, played):
    assert played[2]["spread"][family] == 0
