"""What processes agree on a step later, in a group of one that does not know that it is alone."""

import pytest
import torch.distributed as distributed

from saddlepoint.parallel import collectives
from saddlepoint.parallel.collectives import Agreement


@pytest.fixture
def group(tmp_path, monkeypatch):
    distributed.init_process_group("gloo", f"file://{tmp_path}/meeting", rank=0, world_size=1)
    monkeypatch.setattr(collectives, "is_alone", lambda: False)
    yield
    distributed.destroy_process_group()


def test_a_process_that_is_alone_knows_at_once():
    agreement = Agreement()
    assert [agreement.name(number) for number in (0, 15, 2)] == [0, 15, 2]
    agreement.end()


@pytest.mark.usefixtures("group")
def test_others_are_heard_in_the_step_after():
    agreement = Agreement()
    assert [agreement.name(number) for number in (0, 15, 2, 0)] == [0, 0, 15, 2]
    agreement.end()
    assert agreement.name(7) == 0  # nothing is left of before
    agreement.end()
