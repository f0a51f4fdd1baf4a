"""Which settings are of a recipe."""

import pytest

from saddlepoint.claims.recipes import recorded
from saddlepoint.runs.recipe import recipe, recipe_key
from tests.composing import settings


@pytest.mark.parametrize("place", ["root", "low_root", "source_root", "validation_root", "validation_source_root"])
def test_where_data_lie_is_no_part_of_it(place):
    one, other = ({"data": {place: where, "batch_size": 8}} for where in ("here", "there"))
    assert recipe(one) == recipe(other) == {"data.batch_size": 8}


def test_batchnorm_of_each_process_alone_is_a_recipe_of_its_own():
    alone = settings("trainer=ddp", "trainer.devices=2", "trainer.synchronise_batchnorm=false")
    whole_batch, one_process = settings("trainer=ddp", "trainer.devices=2"), settings("trainer=cpu")
    assert recipe_key(whole_batch) == recipe_key(one_process)
    assert set(recipe_key(alone)) - set(recipe_key(one_process)) == {("trainer.synchronise_batchnorm", "False")}
    assert recipe(recorded(alone)) == recipe(recorded(one_process)) | {"trainer.synchronise_batchnorm": False}


@pytest.mark.parametrize(("trainer", "is_one"), [
    ({"devices": 1, "num_nodes": 1}, True), ({"devices": 1}, True), ({"devices": 1, "num_nodes": 2}, False),
    ({"devices": None, "num_nodes": None}, False)])  # as many as a launcher has started
def test_batchnorm_of_one_process_is_that_of_the_batch(trainer, is_one):
    made = {"trainer": {"synchronise_batchnorm": False, **trainer}}
    assert (recipe(made) == {}) == is_one
