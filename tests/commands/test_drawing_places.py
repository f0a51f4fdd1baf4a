"""Where sample.py writes, and which files it replaces."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from saddlepoint.commands import drawing
from saddlepoint.errors import RequestError


@pytest.mark.parametrize(("made", "typed", "there", "refused"), [
    ({"edge": 8}, {}, "shapes.npy", True), ({"edge": 8}, {"mesh": "obj"}, "shapes/000003.obj", True),
    ({"edge": 8}, {"mesh": "ply"}, "shapes/000003.obj", False), ({"dimensions": 2}, {}, "shapes.npy", True),
    ({"standardisation": "some"}, {}, "shapes.npy", True), ({}, {}, "shapes.npy", False),
    ({"edge": 8}, {"overwrite": True}, "shapes.npy", False)])
def test_files_beside_the_picture_are_not_replaced_unless_that_is_typed(made, typed, there, refused, tmp_path):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).touch()
    generator = SimpleNamespace(**{"edge": None, "dimensions": None, "standardisation": None, **made})
    settings = {"overwrite": False, "mesh": None, "output": "shapes.png", "format": None, **typed}
    with pytest.raises(RequestError, match=f"{there}, which belongs to it, exists") if refused else nullcontext():
        drawing.refuse_files_beside(tmp_path / "shapes.png", generator, settings)
    drawing.refuse_files_beside(None, generator, settings)  # a place in the run's folder, where pictures are replaced
