"""What sample.py refuses before it draws, where it writes, and which files it replaces."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from saddlepoint.commands import drawing, drawing_requests
from saddlepoint.config.composing import settings_of
from saddlepoint.errors import RequestError
from saddlepoint.sampling import concepts, pictures
from tests.painting import Studio, painting_generator


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


FILM = ("interpolate=[1,2]", "format=gif", "count=2", "steps=2")


@pytest.mark.parametrize(("one", "other"), [
    (("count=4",), ("count=4", "columns=1")),
    (("count=4", "columns=4"), ("count=4", "columns=1")),
    (FILM, (*FILM, "columns=1")),
    (FILM, (*FILM, "fps=5")),
    (("training=images", "format=gif"), ("training=images", "format=gif", "fps=5")),
    (("concept=one/bright.npz",), ("concept=other/bright.npz",)),
    (("count=4", "upscale=one/sharp.pth"), ("count=4", "upscale=other/sharp.pth")),
])
def test_no_request_replaces_the_file_of_another_that_shows_something_else(one, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    studio, generator = Studio(tmp_path, monkeypatch), painting_generator(0)
    pictures.write_png(tmp_path / "samples" / "images_0000000000.png", torch.zeros(1, 2, 2, dtype=torch.uint8))
    for number, folder in enumerate(("one", "other")):
        concepts.write(Path(folder, "bright.npz"), concepts.Concept(torch.eye(3)[number], {}))
    monkeypatch.setattr(drawing, "ImageUpscaler", Doubling)
    for typed in (one, other, one, other):
        studio.draw(generator, *typed)
    assert len([*(tmp_path / "drawn").iterdir()]) == 2


class Doubling:
    """Stands in for a network that enlarges images."""

    def __init__(self, weights: str):
        self.name, self.source = Path(weights).stem, weights

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_shapes_of_another_threshold_have_another_file(tmp_path, monkeypatch):
    run = Studio(tmp_path, monkeypatch).run

    def output(*typed: str) -> str:
        return drawing_requests.default_output(settings_of([f"run={run}", *typed], "sample"), "seed0_count16").name

    assert output("threshold=0.3") != output() == "last_seed0_count16.png"


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
