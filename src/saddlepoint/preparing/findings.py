"""Puts together what an audit found in one or several sets of images, as numbers and names that JSON can hold."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy

from saddlepoint.data import class_folders
from saddlepoint.preparing.duplicates import FLAT, MOST_PAIRS, Pairs, groups_of, near_pairs
from saddlepoint.preparing.looking import Look

EXAMPLES = 20  # files or groups that are named of each kind; the counts are of all
SIZES = 20  # of images that are listed, the most frequent


class Picture(NamedTuple):
    """A file with what an audit saw in it."""

    set: str  # the folder or part that it is in
    name: str  # relative to the folder that was typed
    class_name: str  # empty: there are no classes
    look: Look


class Twins(NamedTuple):
    """Which of several pictures are the same. Numbers are places in a list of pictures."""

    exact: list[numpy.ndarray]  # groups of files with the same pixels
    near: list[numpy.ndarray]  # groups that near duplicates connect, with those of the same pixels
    pairs: Pairs  # of near duplicates; of files with the same pixels only the first is in them

    @property
    def are_all(self) -> bool:
        """Whether near duplicates were looked for among all pictures."""
        return len(self.pairs.first) < MOST_PAIRS


def describe_set(pictures: Sequence[Picture]) -> dict[str, Any]:
    """Returns what the files of one set are."""
    unreadable = [each for each in pictures if each.look.reason]
    readable = [each for each in pictures if not each.look.reason]
    sizes = Counter(each.look.size for each in readable)
    found = {"files": len(pictures), "images": len(readable),
             "unreadable": named({each.name: each.look.reason for each in unreadable}),
             "kinds": dict(Counter(each.look.kind for each in readable).most_common()),
             "turned_by_exif": named([each.name for each in readable if each.look.is_turned]),
             "several_pictures": named([each.name for each in readable if each.look.has_several]),
             "of_one_colour": named([each.name for each in readable if is_flat(each.look)]),
             "sizes": {f"{width} x {height}": count for (width, height), count in sizes.most_common(SIZES)},
             "num_sizes": len(sizes), "not_square": sum(count for size, count in sizes.items() if size[0] != size[1])}
    if readable:
        for name, place in (("width", 0), ("height", 1)):
            values = [each.look.size[place] for each in readable]
            found[name] = {"min": min(values), "median": statistics.median(values), "max": max(values)}
        shorter = Counter(1 << (min(each.look.size).bit_length() - 1) for each in readable)
        found["shorter_side"] = {f"{low} to {2 * low - 1}": shorter[low] for low in sorted(shorter)}
    classes = Counter(each.class_name for each in pictures if each.class_name)
    usable = Counter(each.class_name for each in readable if each.class_name)
    found["classes"] = {name: usable[name] for name in sorted(classes)}
    return found


def named(files: Mapping[str, str] | Sequence[str]) -> dict[str, Any]:
    """Returns how many files there are, and the names of the first."""
    first = dict([*files.items()][:EXAMPLES]) if isinstance(files, Mapping) else list(files)[:EXAMPLES]
    return {"count": len(files), "files": first}


def is_flat(look: Look) -> bool:
    return numpy.frombuffer(look.thumbnail, numpy.uint8).std() < FLAT


def classes_in(names: Sequence[str]) -> list[str]:
    """Returns the class of each file of a set, the folder below the set's that it lies in; empty texts if the files lie
    in no folders of classes."""
    folders = class_folders.names(names)
    has_classes = len(folders) > 1 and all("/" in name for name in names) and not class_folders.are_parts(folders)
    return [name.split("/", 1)[0] if has_classes else "" for name in names]


def find_twins(pictures: Sequence[Picture], distance: int) -> Twins:
    """Finds the pictures that are the same or nearly so. Leaves out those of one colour, which are all alike."""
    same = defaultdict(list)
    for number, each in enumerate(pictures):
        if not each.look.reason and not is_flat(each.look):
            same[each.look.picture].append(number)
    exact = [numpy.array(group) for group in same.values() if len(group) > 1]
    one_of_each = numpy.array([group[0] for group in same.values()], numpy.int64)
    thumbnails = numpy.frombuffer(b"".join(pictures[number].look.thumbnail for number in one_of_each.tolist()),
                                  numpy.uint8).reshape(-1, 16, 16)
    pairs = near_pairs(thumbnails, distance)
    pairs = Pairs(one_of_each[pairs.first], one_of_each[pairs.second], pairs.distance)
    first = numpy.concatenate([pairs.first, *(numpy.repeat(group[:1], len(group) - 1) for group in exact)])
    second = numpy.concatenate([pairs.second, *(group[1:] for group in exact)])
    connected = groups_of(len(pictures), first, second) if len(first) else []
    in_a_pair = {*pairs.first.tolist(), *pairs.second.tolist()}
    near = [group for group in connected if not in_a_pair.isdisjoint(group.tolist())]
    return Twins(sorted(exact, key=lambda group: (-len(group), group[0])), near, pairs)


def describe_twins(pictures: Sequence[Picture], twins: Twins, sets: Sequence[str]) -> dict[str, Any]:
    """Returns how many pictures are the same, within sets and between them, and of which classes."""
    found: dict[str, Any] = {"exact": {}, "near": {}, "all_near_looked_for": twins.are_all, "of_two_classes": {},
                             "between": []}
    for kind, groups in (("exact", twins.exact), ("near", twins.near)):
        names = [[pictures[number].name for number in group[:EXAMPLES].tolist()] for group in groups[:EXAMPLES]]
        found[kind] = {"groups": len(groups), "images": sum(map(len, groups)), "examples": names}
    groups = twins.exact + twins.near
    mixed = [group for group in groups if len({pictures[number].class_name for number in group.tolist()} - {""}) > 1]
    found["of_two_classes"] = {"groups": len(mixed), "examples": [
        [pictures[number].name for number in group[:EXAMPLES].tolist()] for group in mixed[:EXAMPLES]]}
    for later, name in enumerate(sets):
        for earlier in sets[:later]:
            found["between"].append(overlap(pictures, twins, name, earlier))
    return found


def overlap(pictures: Sequence[Picture], twins: Twins, name: str, other: str) -> dict[str, Any]:
    """Returns how many images of the set `name` are in the set `other` too."""
    counts, examples = {}, []
    for kind, groups in (("exact", twins.exact), ("near", twins.near)):
        own: set[int] = set()
        for group in groups:
            members = group.tolist()
            there = [number for number in members if pictures[number].set == other]
            here = [number for number in members if pictures[number].set == name]
            if there and here:
                own.update(here)
                examples.append([pictures[here[0]].name, pictures[there[0]].name])
        counts[kind] = own
    return {"images_of": name, "also_in": other, "exact": len(counts["exact"]),
            "near": len(counts["near"] - counts["exact"]), "examples": examples[:EXAMPLES]}
