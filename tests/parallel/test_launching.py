"""Processes that a launcher started are taken by the numbers that this launcher gave them."""

import pytest
from pytorch_lightning.plugins.environments import SLURMEnvironment

from saddlepoint.errors import RequestError
from saddlepoint.parallel import first, launching

OF_LAUNCHERS = (*first.NUMBERS, "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", "SLURM_JOB_NAME",
                "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES")
SETTINGS = {"trainer": {"devices": None, "num_nodes": None, "accelerator": "cpu"}}  # as trainer=ddp has them


def arguments(variables, monkeypatch):
    for name in OF_LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return launching.trainer_arguments(SETTINGS)


def test_processes_of_slurm_have_the_numbers_of_slurm(monkeypatch):
    taken = arguments({"SLURM_NTASKS": "16", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "8"}, monkeypatch)
    assert (taken["devices"], taken["num_nodes"]) == (8, 2)
    assert [type(each) for each in taken["plugins"]] == [SLURMEnvironment]


@pytest.mark.parametrize("of_slurm", [
    {"SLURM_NTASKS": "1"},  # sbatch --ntasks=1
    {"SLURM_NTASKS": "2", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "1"}])
def test_processes_that_torchrun_started_in_a_slurm_job_have_the_numbers_of_torchrun(of_slurm, monkeypatch):
    taken = arguments({"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", **of_slurm}, monkeypatch)
    assert (taken["devices"], taken["num_nodes"], taken["plugins"]) == (4, 2, None)


def test_slurm_has_to_be_told_how_many_processes_each_machine_runs(monkeypatch):
    with pytest.raises(RequestError, match="SLURM started 16 processes .* --ntasks-per-node 16"):
        arguments({"SLURM_NTASKS": "16"}, monkeypatch)
