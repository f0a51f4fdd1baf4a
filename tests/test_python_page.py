"""Every example of docs/python.md runs as it stands there, in the order of the page; only budgets are smaller, and so
is the network that measures."""

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas
import pytest
from PIL import Image

import saddlepoint
from saddlepoint.commands import interface
from saddlepoint.config.composing import settings_of
from saddlepoint.networks import RRDBNet
from saddlepoint.upscaling import weights

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SMALLER = {
    "train": ["trainer=cpu", "logger=none", "data.batch_size=8", "extractor=random"],
    "evaluate": ["extractor=random", "num_fake=200", "num_real=200", "resamples=0", "remember=false",
                 "metrics.kid.subset_size=100"],
}
IMAGES = 3000  # of the page, for one here


def smaller_settings_of(typed: Sequence[str], command: str) -> dict:
    settings = settings_of([*typed, *SMALLER.get(command, ())], command)
    if command == "sample" and settings["interpolate"]:
        settings["steps"] = 3
    if command == "train":
        settings["budget"]["images"] = max(settings["budget"]["images"] // IMAGES, 2)
        looking = {name: settings["callbacks"][name] for name in ("image_grid", "sample_quality")
                   if name in settings["callbacks"]}
        settings["callbacks"] = settings_of(["callbacks=none"])["callbacks"] | looking
        if "sample_quality" in looking:
            looking["sample_quality"] |= {"metric": ["fid"], "num_fake": 140, "num_real": 140}
    return settings


def test_every_example_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(interface, "settings_of", smaller_settings_of)
    network = RRDBNet(channels=3, scale=2, width=4, growth=2, num_blocks=1)
    monkeypatch.setattr(weights, "load", lambda name: weights.Weights(network, name, "a test"))
    matplotlib.use("agg")
    (tmp_path / "photos").mkdir()
    for path in ("photo.png", "photos/a.png", "photos/b.png"):
        Image.new("RGB", (8, 8), "teal").save(tmp_path / path)
    names: dict = {}
    for block in BLOCKS:
        exec(compile(block.replace("fid_digits", "fid_random"), "docs/python.md", "exec"), names)
    assert names["record"].images_seen == 96_000 // IMAGES
    assert isinstance(names["curves"], pandas.DataFrame) and names["walk"].shape == (30, 1, 32, 32)
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"photo_x2.png", "walk.png", "walk.gif", "grid.png", "training.mp4", "photos_translated"}
    assert sorted(path.name for path in (tmp_path / "photos_translated").iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("function", sorted({*saddlepoint.__all__}))
def test_every_function_stands_in_the_table(function):
    assert f"| `{function}(" in PAGE
