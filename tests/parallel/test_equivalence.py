"""Two processes with half a batch each are one process with the whole batch."""

import json
import sys
from pathlib import Path

import pytest
import torch

from tests.composing import settings
from tests.parallel.played import COMMON, FAMILIES, STEPS
from tests.processes import ROOT
from tests.warm import alone, shared


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[int, Path]:
    """Where played.py wrote, by the number of processes"""
    folders = {1: tmp_path_factory.mktemp("one"), 2: tmp_path_factory.mktemp("two")}
    composed = {family: settings(*COMMON, *typed) for family, typed in FAMILIES.items()}  # once, for three processes
    (file := tmp_path_factory.mktemp("settings") / "families.json").write_text(json.dumps(composed))
    for count, folder in folders.items():
        command = [sys.executable, "-m", "tests.parallel.played", file, folder]
        for done in shared(command, ROOT, count) if count > 1 else [alone(command, ROOT)]:
            assert done.returncode == 0, done.stdout + done.stderr
    return folders


@pytest.fixture(scope="module")
def played(folders) -> dict[int, dict]:
    return {count: torch.load(folder / "played.pt", weights_only=True) for count, folder in folders.items()}


@pytest.mark.skipif(sys.platform != "linux", reason="native threads have names on Linux")
def test_no_thread_of_the_group_is_left_when_a_process_ends(folders):
    for number in range(2):
        during, left = json.loads((folders[2] / f"threads-{number}.json").read_text())
        assert during and not left


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
