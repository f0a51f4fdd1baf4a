"""Matches the images of two folders by their names, and finds the folder of validation images beside one of training.

Imports no torch.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from saddlepoint.data.listing import ImageFile
from saddlepoint.errors import RequestError

VALIDATION = ("val", "valid", "validation", "test", "testing")  # what stands instead of `train`, best first
MOST_NAMED = 3  # files in a message


def sources_of(targets: Sequence[ImageFile], sources: Sequence[ImageFile], target_place: str, source_place: str,
               ) -> dict[Path, ImageFile]:
    """Returns the source of each target, by the target's path: the file of the same name, below the same folder, else
    of the same name with another ending, else in another case. Refuses files that are left over on either side, and
    names that fit twice. The places are the settings of the folders, for messages."""
    found = {target.path: source for target, source in _by_name(targets, sources, target_place, source_place)}
    used = {source.path for source in found.values()}
    left_over = ([target for target in targets if target.path not in found],
                 [source for source in sources if source.path not in used])
    if not any(left_over):
        return found
    places = (target_place, source_place)
    counts = f"{target_place} has {len(targets):,} images and {source_place} {len(sources):,}"
    if not found:
        raise RequestError(f"{counts}, and no two have the same name ({targets[0].name}, ... and {sources[0].name}, "
                           "...): name two folders in which the two images of a pair are called alike, or, for images "
                           "that are no pairs, type data=unpaired_folders")
    named = [f"{_listed(files)} of {place}" for files, place in zip(left_over, places, strict=True) if files]
    raise RequestError(f"{counts}. Without an image of the same name in the other folder: {'; '.join(named)}. Remove "
                       "these, or name the folders in which every image has its partner")


def _by_name(targets: Sequence[ImageFile], sources: Sequence[ImageFile], target_place: str, source_place: str,
             ) -> list[tuple[ImageFile, ImageFile]]:
    by_name = {source.name: source for source in sources}
    by_stem, by_lower_stem = defaultdict(list), defaultdict(list)
    for source in sources:
        by_stem[_stem(source)].append(source)
        by_lower_stem[_stem(source).lower()].append(source)
    pairs, owners = [], {}  # owners: path of a source -> the name of its target
    for target in targets:
        fitting = [by_name[target.name]] if target.name in by_name else (
            by_stem.get(_stem(target)) or by_lower_stem.get(_stem(target).lower(), []))
        if len(fitting) > 1:
            raise RequestError(f"{fitting[0].name} and {fitting[1].name} of {source_place} both fit {target.name} of "
                               f"{target_place} as its source: keep one of them")
        for source in fitting:
            if (owner := owners.setdefault(source.path, target.name)) != target.name:
                raise RequestError(f"{owner} and {target.name} of {target_place} have one source, {source.name} of "
                                   f"{source_place}: keep one of them, or give each a source of its name")
            pairs.append((target, source))
    return pairs


def _stem(file: ImageFile) -> str:
    return str(PurePosixPath(file.name).with_suffix(""))


def _listed(files: Sequence[ImageFile]) -> str:
    names = ", ".join(file.name for file in files[:MOST_NAMED])
    return names + (f" and {len(files) - MOST_NAMED:,} more" if len(files) > MOST_NAMED else "")


def folder_beside(training: Path) -> Path | None:
    """Returns the folder of validation images that stands beside one of training images: facades/val or facades/test
    beside facades/train, testA beside trainA. None if there is none, or the folder is not called so."""
    if not training.name.lower().startswith("train"):
        return None
    rest = re.sub(r"(?i)^train(ing)?", "", training.name)
    beside = {path.name.lower(): path for path in training.parent.iterdir() if path.is_dir()}
    return next((beside[name] for word in VALIDATION if (name := f"{word}{rest}".lower()) in beside), None)


def sequences(files: Sequence[ImageFile], length: int) -> dict[Path, tuple[Path, ...]]:
    """Returns, for each file that has enough others before it in its folder, these and itself: `length` paths in the
    order of their names, in which frame_2 comes before frame_10."""
    folders = defaultdict(list)
    for file in files:
        folders[PurePosixPath(file.name).parent].append(file)
    found = {}
    for of_folder in folders.values():
        paths = [file.path for file in sorted(of_folder, key=lambda file: _as_counted(file.name))]
        found |= {paths[last]: tuple(paths[last - length + 1:last + 1]) for last in range(length - 1, len(paths))}
    return found


def _as_counted(name: str) -> list:
    """Returns a key to sort by, in which numbers count as numbers."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
