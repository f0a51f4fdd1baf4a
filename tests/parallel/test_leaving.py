"""The group's threads end before the interpreter does, whatever ended the training."""

import sys

import pytest
import torch
import torch.distributed as distributed

from saddlepoint.errors import RequestError
from saddlepoint.parallel.collectives import leaving
from tests.parallel.threads import of_the_group

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="native threads have names on Linux")


def form_group() -> None:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    distributed.all_reduce(torch.ones(3))
    assert of_the_group()


def test_the_groups_threads_end_with_the_block():
    with leaving():
        form_group()
    assert not of_the_group() and not distributed.is_initialized()


def test_they_end_too_while_somebody_keeps_the_error_of_a_collective():
    with pytest.raises(RuntimeError, match="invalid tensor size") as kept, leaving():
        form_group()
        distributed.all_gather([torch.ones(2)], torch.ones(3))
    assert not of_the_group() and kept.traceback


def test_they_end_too_after_an_error_that_stands_for_another():
    with pytest.raises(RequestError) as kept, leaving():
        form_group()
        try:
            distributed.all_gather([torch.ones(2)], torch.ones(3))
        except RuntimeError as error:
            raise RequestError("it cannot be") from error
    assert not of_the_group() and kept.value.__cause__


def test_who_did_not_form_the_group_does_not_end_it():
    with leaving():
        form_group()
        with leaving():
            pass
        assert distributed.is_initialized()
        with pytest.raises(RequestError), leaving():
            raise RequestError("refused")
        distributed.all_reduce(torch.ones(3))
    assert not distributed.is_initialized()
