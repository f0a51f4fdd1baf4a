"""What sample.py refuses before it draws, where it writes, and which files it replaces."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from saddlepoint.commands import drawing_requests
from saddlepoint.config.composing import settings_of
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
        drawing_requests.refuse_files_beside(tmp_path / "shapes.png", generator, settings)
    drawing_requests.refuse_files_beside(None, generator, settings)  # in the run's folder pictures are replaced


@pytest.mark.parametrize(("setting", "value"), [("code_range", "[0,1]"), ("concept_strength", "[2]"),
                                                ("direction_range", "[-1,1]")])
def test_how_columns_are_filled_is_refused_where_there_are_none(setting, value):
    """Beside what has them the defaults are as good as typed."""
    partner = drawing_requests.PARTNERS[setting][0]
    with pytest.raises(RequestError, match=f"{setting}=.* type {partner}= as well, or leave {setting}= out"):
        drawing_requests.refuse_contradictions(settings_of(["run=some", f"{setting}={value}"], "sample"))
    drawing_requests.refuse_contradictions(settings_of(["run=some"], "sample"))
    drawing_requests.refuse_contradictions(settings_of(
        ["run=some", f"{setting}={value}", f"{partner}={'a.npz' if partner == 'concept' else 1}"], "sample"))
