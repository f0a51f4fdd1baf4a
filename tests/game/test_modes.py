"""How exactly a GPU multiplies, which is a state of torch that a machine without one keeps as well."""

import pytest
import torch

from saddlepoint.game.modes import exact_float32, tf32

HOLDERS = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn,
           torch.backends.mkldnn.matmul)


def old_words() -> tuple[bool, bool, str]:
    return (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32,
            torch.get_float32_matmul_precision())


def new_words() -> list[str]:
    return [holder.fp32_precision for holder in HOLDERS]


def test_inside_both_ways_of_torch_say_the_same_and_outside_they_say_what_they_said():
    before = old_words(), new_words()
    with exact_float32():
        assert old_words() == (False, False, "highest") and new_words()[:3] == ["ieee"] * 3
        with tf32(True):
            assert old_words() == (True, True, "high") and new_words()[:3] == ["tf32"] * 3
        assert old_words() == (False, False, "highest")
    assert (old_words(), new_words()) == before


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_precision_that_a_notebook_has_set_stays_its_own(precision):
    before = torch.get_float32_matmul_precision(), new_words()
    torch.set_float32_matmul_precision(precision)
    try:
        set_by_the_notebook = old_words(), new_words()
        with pytest.raises(KeyError), exact_float32():
            assert old_words()[2] == "highest"
            raise KeyError
        assert (old_words(), new_words()) == set_by_the_notebook
    finally:
        torch.set_float32_matmul_precision(before[0])
        for holder, value in zip(HOLDERS, before[1], strict=True):
            holder.fp32_precision = value


def test_what_was_set_in_torchs_newer_way_is_set_again():
    before = new_words()
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # the older way cannot say this: RNNs stay at TF32
    try:
        with exact_float32():
            assert old_words() == (False, False, "highest")
        assert new_words() == [before[0], "ieee", *before[2:]]
    finally:
        torch.backends.cudnn.conv.fp32_precision = before[1]
    assert new_words() == before
