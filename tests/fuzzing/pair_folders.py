"""Folders of high- and low-resolution images under all sorts of names: each high one gets its own low one, or words.

Every high image is one grey level, and so is the low one that was made of it: what a batch shows says who was paired.
"""

import math
import tempfile
import unicodedata
from pathlib import Path
from typing import NamedTuple

import torch
from hypothesis import strategies
from PIL import Image

from saddlepoint.data.pairs import PairFolder
from saddlepoint.errors import RequestError
from tests.data.pair_data import pair_folder, paired_batches
from tests.fuzzing.words import is_named, words_of_the_log

SCALE, SIZE, LEVELS = 4, 16, tuple(range(10, 250, 10))
STEMS = ("cat", "cat.1", "cat.10", "Cat", "cats", "cat_1", "cat 1", "catx4", "cat_x4", "cat_HR", "cat_LR", "x4", "1",
         "01", "0001", "0001x4", "cafe\u0301", "caf\u00e9", "\u732b", "a [1]", "a*", "cat.png", "cat.json", "-a", "~a",
         "a,b=c", "${x}", "\udcff", "x" * 200)
ALONE = ("dog", "dog.1", "dog.png", "dogs", "d\u00f6g")  # stems of images without the other one
SCHEMES = (("", ""), ("", "x4"), ("", "_x4"), ("", "X4"), ("", "x4m"), ("", "-4x"), ("", "_LR"), ("", "_LR4"),
           ("_HR", "_LR4"), ("_hr", ""), ("_x1", "_x4"), ("-GT", "-LQ"), ("_HR_x4", "_LRBI_x4"), ("_HR", "x4"),
           ("_SRF_4_HR", "_SRF_4_LR"))
ENDINGS = ("png", "bmp", "PNG")
FORMS = {"as it is": str, "composed": lambda name: unicodedata.normalize("NFC", name), "upper": str.upper,
         "decomposed": lambda name: unicodedata.normalize("NFD", name), "lower": str.lower}
DECOYS = ("{}.json", "{}.txt", "{}.png.txt", ".{}.png", "{}")


class Scene(NamedTuple):
    stem: str
    folder: str
    scheme: tuple[str, str]  # what is added to the high and to the low name
    endings: tuple[str, str]
    present: tuple[bool, bool]


class Folders(NamedTuple):
    scenes: list[Scene]
    form: str  # of the low names
    low: str  # the folder of the low ones, relative to that of the high ones
    decoys: list[tuple[str, str]]


def scenes(scheme: tuple[str, str], endings: tuple[str, str]) -> strategies.SearchStrategy[list[Scene]]:
    """Most of one scheme, and with both their images; of those that have one, no name can be that of another's."""
    folders = strategies.sampled_from(["", "", "", "b"])
    whole = strategies.builds(
        Scene, strategies.sampled_from(STEMS), folders,
        strategies.one_of(*[strategies.just(scheme)] * 4, strategies.sampled_from(SCHEMES)),
        strategies.one_of(*[strategies.just(endings)] * 4, strategies.tuples(*[strategies.sampled_from(ENDINGS)] * 2)),
        strategies.just((True, True)))
    half = strategies.builds(Scene, strategies.sampled_from(ALONE), folders, strategies.just(scheme),
                             strategies.just(endings), strategies.sampled_from([(True, False), (False, True)]))
    return strategies.lists(strategies.one_of(whole, whole, whole, half), min_size=1, max_size=8,
                            unique_by=lambda scene: (scene.stem, scene.folder))


FOLDERS = strategies.tuples(strategies.sampled_from(SCHEMES),
                            strategies.tuples(*[strategies.sampled_from(ENDINGS)] * 2)).flatmap(
    lambda chosen: strategies.builds(
        Folders, scenes(*chosen), strategies.sampled_from(["as it is"] * 3 + list(FORMS)),
        strategies.sampled_from(["../low", "../low", ".", "low"]),
        strategies.lists(strategies.tuples(strategies.sampled_from(DECOYS), strategies.sampled_from(STEMS)),
                         max_size=2)))


class Written(NamedTuple):
    high: dict[Path, int]  # grey level of each
    low: dict[Path, int]


def written(place: Path, folders: Folders) -> Written:
    """Scenes of which a name is taken already are left out."""
    high, low = place / "high", (place / "high" / folders.low).resolve()
    all_of_it, named = Written({}, {}), set()
    for root in (high, low):
        root.mkdir(exist_ok=True)
    for level, scene in zip(LEVELS, folders.scenes, strict=False):
        names = [scene.stem + added for added in scene.scheme]
        names[1] = FORMS[folders.form](names[1])
        paths = [root / scene.folder / f"{name}.{ending}"
                 for root, name, ending in zip((high, low), names, scene.endings, strict=True)]
        if named & {*paths} or len({*paths}) < 2:
            continue
        named |= {*paths}
        for path, present, size, levels in zip(paths, scene.present, (SIZE, SIZE // SCALE), all_of_it, strict=True):
            if present:
                path.parent.mkdir(exist_ok=True)
                Image.new("RGB", (size, size), (level,) * 3).save(path)
                levels[path] = level
    for pattern, stem in folders.decoys:
        decoy = high / pattern.format(stem)
        if decoy not in named:
            decoy.write_bytes(b"{}")
    return all_of_it


def each_has_its_own_or_is_named(folders: Folders) -> None:
    with tempfile.TemporaryDirectory() as place, words_of_the_log() as words:
        images = written(Path(place), folders)
        try:
            data = pair_folder(Path(place) / "high", low_root=str(Path(place) / "high" / folders.low), scale=SCALE,
                               image_size=SIZE, extensions=["png", "bmp"])
            shown = levels_shown(data)
        except RequestError as refusal:
            assert not images.high or any(is_named(path, str(refusal)) for path in [*images.high, *images.low])
            return
    assert all(high == low for high, low in shown), f"the low image of another: {shown}"
    missing = {path: level for path, level in images.high.items() if (level, level) not in shown}
    assert all(is_named(path, "".join(words)) for path in missing), f"left out without a word: {missing}"


def levels_shown(data: PairFolder) -> set[tuple[int, int]]:
    """Of two epochs, each high level with its low one"""
    batches = paired_batches(data, math.ceil(2 * data.num_images / data.batch_size) + 1)
    high = torch.cat([(batch.real + 1) * 127.5 for batch in batches]).round().int().flatten(1)
    low = torch.cat([batch.low * 255 for batch in batches]).round().int().flatten(1)
    assert (high == high[:, :1]).all() and (low == low[:, :1]).all()
    return {*zip(high[:, 0].tolist(), low[:, 0].tolist(), strict=True)}
