"""Folders of images under odd names, through whole commands: each image has its result, or its name is said.

Every image is one grey level, and so is all that comes of it: what a result shows says whose it is.
"""

import io
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import torch
from hydra import compose, initialize_config_dir
from hypothesis import strategies
from PIL import Image

from saddlepoint.config.check import checked_settings
from saddlepoint.config.overrides import prepare
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.config.spelling import is_quoted, quoted, without_interpolation
from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.metrics.sources import open_source
from saddlepoint.upscaling import batch as command
from saddlepoint.upscaling import weights
from tests.composing import CONF
from tests.data.folder_data import batches, folder, levels
from tests.fuzzing.strategies import STEMS
from tests.fuzzing.words import is_named, words_of_the_log
from tests.upscaling.networks import Nearest

ENDINGS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF"}
LEVELS, SIZE, SCALE = range(10, 250, 10), 8, 2


class Odd(NamedTuple):
    """Names of files, each with its ending and whether it is an image after all; then what to type besides."""

    root: str
    files: list[tuple[str, str, bool]]
    kind: str | None
    compare: bool


FOLDERS = strategies.builds(
    Odd, STEMS, strategies.lists(strategies.tuples(
        STEMS, strategies.sampled_from([".png", ".png", ".PNG", ".bmp", ".tif"]),
        strategies.sampled_from([True] * 7 + [False])), min_size=1, max_size=5),
    strategies.sampled_from([None, None, "png", "tiff"]), strategies.booleans())


def all_are_enlarged_and_read(odd: Odd) -> None:
    with tempfile.TemporaryDirectory() as place, chdir(place):
        good, bad = written(Path(odd.root), odd)
        enlarged(odd, good, bad)
        one_is_enlarged(odd, next(iter(good), None), good)
        seen_in_training(Path(odd.root).absolute(), {path.absolute(): level for path, level in good.items()}, bad)
        seen_by_metrics(odd.root, good, bad)


def written(root: Path, odd: Odd) -> tuple[dict[Path, int], list[Path]]:
    """-> grey levels by file, and files that are no images"""
    good, bad = {}, []
    root.mkdir()
    for level, (stem, ending, is_image) in zip(LEVELS, odd.files, strict=False):
        path = root / f"{stem}{ending}"
        if path.exists():
            continue
        if is_image:
            Image.new("RGB", (SIZE, SIZE), (level,) * 3).save(root / "plain.png", ENDINGS[ending.lower()])
            (root / "plain.png").rename(path)
            good[path] = level
        else:
            path.write_bytes(b"no image")
            bad.append(path)
    return good, bad


def enlarged(odd: Odd, good: dict[Path, int], bad: list[Path]) -> None:
    typed = [f"input={typed_path(odd.root)}", f"format={odd.kind or 'null'}", f"compare={str(odd.compare).lower()}",
             "output=made/"]
    end, words = upscale(typed)
    assert (end is not None) == bool(bad), f"{end}: {words}"
    assert all(is_named(path, words) for path in [*good, *bad])
    results = levels_in(Path("made"))
    assert sorted(results) == sorted(good.values()), f"{results}, not {good}"
    assert len([*Path("made").glob("*")] if good else []) == len(good) * (1 + odd.compare)
    end, words = upscale(typed)
    assert end is not None and str(end).strip() and sorted(levels_in(Path("made"))) == sorted(good.values())


def one_is_enlarged(odd: Odd, file: Path | None, good: dict[Path, int]) -> None:
    if file is None:
        return
    before = {*Path(odd.root).iterdir()}
    end, words = upscale([f"input={typed_path(str(file))}", "format=png"])
    assert end is None, f"{end}: {words}"
    [made] = {*Path(odd.root).iterdir()} - before
    assert made.suffix.lower() == ".png" and Image.open(made).getpixel((0, 0)) == (good[file],) * 3
    made.unlink()


def seen_in_training(root: Path, good: dict[Path, int], bad: list[Path]) -> None:
    with words_of_the_log() as log:
        try:
            data = folder(root, image_size=SIZE, extensions=["png", "bmp", "tif"])
        except RequestError as refusal:
            assert not good and all(is_named(path, str(refusal)) for path in bad)
            return
        assert {*levels(torch.cat([batch.real for batch in batches(data, 4)]))} == {*good.values()}
        assert {*data.evaluation_images().files} == {*good}
    assert all(is_named(path, "".join(log)) for path in bad)


def seen_by_metrics(root: str, good: dict[Path, int], bad: list[Path]) -> None:
    settings = {"real": typed_plainly(root), "image_extensions": None, "max_pixels": 10**6, "white": None}
    with redirect_stderr(io.StringIO()):
        try:
            found = open_source(settings, "real")
        except RequestError as refusal:
            assert not good and str(refusal).strip()
            return
    assert {*found.files} == {*good} and {*found.unreadable} == {*map(str, bad)}


def upscale(typed: list[str]) -> tuple[EndOfRun | None, str]:
    """-> how it ended, None: well; and all it said"""
    said = io.StringIO()
    with (redirect_stdout(said), redirect_stderr(said), initialize_config_dir(str(CONF), version_base="1.3"),
          patch.object(weights, "load", lambda _: (Nearest(SCALE), "nearest", "a test"))):
        try:
            command.upscale(checked_settings(compose("upscale", prepare(typed, None)), OF_COMMANDS["upscale"]))
        except EndOfRun as end:
            return end, f"{said.getvalue()}{end}"
    return None, said.getvalue()


def typed_plainly(path: str) -> str:
    return f"./{path}" if path.startswith("~") or not path.strip() else path


def typed_path(path: str) -> str:
    """As it stands, where that is a path to Hydra and to us"""
    if "${" in path:
        return quoted(without_interpolation(typed_plainly(path)))
    return f"./{path}" if path == "???" or is_quoted(path) else typed_plainly(path)


def levels_in(place: Path) -> list[int]:
    """Of the results in a folder; comparisons, which are larger, apart"""
    pictures = [Image.open(path) for path in place.glob("*")]
    return [picture.getpixel((0, 0))[0] for picture in pictures if picture.size == (SIZE * SCALE,) * 2]
