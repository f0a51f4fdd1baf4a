"""Each process knows its number from what started it."""

import pytest

from saddlepoint.parallel import first


@pytest.mark.parametrize(("variables", "number"), [
    ({}, "0"),
    ({"RANK": "3", "LOCAL_RANK": "1"}, "3"),  # torchrun
    ({"RANK": "0", "LOCAL_RANK": "0", "SLURM_PROCID": "1"}, "0"),  # torchrun on the second machine of a SLURM job
    ({"RANK": "1", "LOCAL_RANK": "1", "SLURM_PROCID": "0"}, "1"),
    ({"SLURM_PROCID": "5"}, "5"),
    ({"NODE_RANK": "0", "LOCAL_RANK": "1"}, "1"),  # Lightning
    ({"NODE_RANK": "2", "LOCAL_RANK": "0"}, "0 of machine 2")])
def test_the_number_of_a_process_and_who_is_first(variables, number, monkeypatch):
    for name in first.NUMBERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert first.process_number() == number and first.is_first() == (number == "0")


def test_a_process_that_lightning_starts_beside_the_one_that_is_numbered_0_is_not_the_first(monkeypatch):
    for name in first.NUMBERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")  # by the cluster
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not first.is_first()
