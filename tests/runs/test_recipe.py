"""Which settings are of a recipe."""

import pytest

from saddlepoint.runs.recipe import recipe


@pytest.mark.parametrize("place", ["root", "low_root", "source_root", "validation_root", "validation_source_root"])
def test_where_data_lie_is_no_part_of_it(place):
    one, other = ({"data": {place: where, "batch_size": 8}} for where in ("here", "there"))
    assert recipe(one) == recipe(other) == {"data.batch_size": 8}
