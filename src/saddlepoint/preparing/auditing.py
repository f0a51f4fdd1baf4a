"""Audits folders of images, for saddlepoint-audit."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import class_folders
from saddlepoint.data.listing import ImageFile
from saddlepoint.environment import revision
from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import write_json
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.preparing import audit_report, findings
from saddlepoint.preparing.encoding import Workers
from saddlepoint.preparing.findings import Picture
from saddlepoint.preparing.looking import Look, Looker
from saddlepoint.preparing.sources import folder_of, images_of, limits_of, workers_of
from saddlepoint.progress.bars import make_bar

Settings = Mapping[str, Any]
ENDING = "_audit"  # of the folder of the results, beside the input's
REPORT, PICTURE = "audit.json", "duplicates.png"
LINE_SECONDS = 10.0  # between two lines of progress, where there is no terminal


def audit(settings: Settings) -> dict[str, Any]:
    """Looks at all images, prints what was found, writes it, and returns what audit.json has."""
    folders = [folder_of(settings, "input")]
    if settings["against"] is not None:
        folders.append(folder_of(settings, "against"))
        if folders[0].resolve() == folders[1].resolve():
            raise RequestError(f"against={folders[1]} is the folder of input= itself: leave against= out, or name "
                               "another one")
    output = output_folder(settings, folders[0])
    listings = [images_of(folder, settings, setting).files
                for folder, setting in zip(folders, ("input", "against"), strict=False)]
    pictures, places = look_at_all(listings, folders, settings)
    sets = {name: findings.describe_set([each for each in pictures if each.set == name]) for name in order_of(pictures)}
    twins = findings.find_twins(pictures, settings["distance"])
    report = {"made_by": "saddlepoint-audit", "sets": sets,
              "duplicates": findings.describe_twins(pictures, twins, [*sets]),
              "settings": {name: settings[name] for name in ("distance", "max_pixels", "white")},
              "revision": revision()}
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / REPORT, report)
    drawn = audit_report.write_picture(output / PICTURE, pictures, places, twins, limits_of(settings))
    print("\n".join([*audit_report.lines(report), f"In full: {output / REPORT}" + (
        f"; duplicates side by side: {output / PICTURE}" if drawn else "")]))
    return report


def output_folder(settings: Settings, root: Path) -> Path:
    """Returns the folder of the results. Refuses one that was typed and has an audit, or that cannot be written."""
    if settings["output"]:
        output = expanded(settings["output"], "output")
        if is_taken(output / REPORT) and not settings["overwrite"]:
            raise RequestError(f"output={output} has an audit already: choose another folder or add overwrite=true")
    else:
        named = root if root.name not in ("", "..") else root.resolve()  # the folder . or ..
        output = named.parent / f"{named.name or 'images'}{ENDING}"
    require_writable(output / REPORT, f"output={output}")
    return output


def look_at_all(listings: Sequence[Sequence[ImageFile]], folders: Sequence[Path],
                settings: Settings) -> tuple[list[Picture], list[Path]]:
    """Looks at every file, and returns what was seen in the order of folders and names, and where the files are."""
    places = [file.path for files in listings for file in files]
    with Workers(workers_of(settings)) as workers:
        looks = [*with_progress(workers.each(Looker(limits_of(settings)), places), len(places))]
    pictures, rest = [], iter(looks)
    for files, folder in zip(listings, folders, strict=True):
        names = [file.name for file in files]
        for set_name, name, class_name in zip(*sets_of(names, folder, len(folders) > 1), strict=True):
            pictures.append(Picture(set_name, name, class_name, next(rest)))
    return pictures, places


def with_progress(looks: Iterator[Look], count: int) -> Iterator[Look]:
    """Yields what was seen of each file, and shows how many are done."""
    time_of_line = time.monotonic()
    with make_bar(total=count, desc="looked at", unit=" files", unit_scale=True) as bar:
        for number, look in enumerate(looks, start=1):
            yield look
            bar.update()
            if bar.disable and time.monotonic() - time_of_line >= LINE_SECONDS:
                time_of_line = time.monotonic()
                print(f"looked at: {number:,} of {count:,} files", file=sys.stderr, flush=True)


def order_of(pictures: Sequence[Picture]) -> list[str]:
    """Returns the names of the sets, each once; of several parts of a data set the one for training first."""
    sets = list(dict.fromkeys(each.set for each in pictures))
    parts = [name.rpartition("/")[2] for name in sets]
    if not class_folders.are_parts(parts):
        return sets
    first = sets[parts.index(class_folders.first_part(parts))]
    return [first, *(name for name in sets if name != first)]


def sets_of(names: Sequence[str], folder: Path, is_one_of_two: bool) -> tuple[list[str], list[str], list[str]]:
    """Returns for each file the set that it belongs to, its name in the report and its class. A folder with the parts
    of a data set in it (train, test) is several sets; else it is one, called after the folder."""
    parts = class_folders.names(names)
    shown = [f"{folder.name}/{name}" if is_one_of_two else name for name in names]
    if len(parts) < 2 or not class_folders.are_parts(parts):
        return [str(folder)] * len(names), shown, findings.classes_in(names)
    sets = [f"{folder}/{name.split('/', 1)[0]}" if "/" in name else str(folder) for name in names]
    classes = {}
    for part in dict.fromkeys(sets):
        own = [number for number, each in enumerate(sets) if each == part]
        inside = [names[number].split("/", 1)[1] if "/" in names[number] else names[number] for number in own]
        classes |= dict(zip(own, findings.classes_in(inside), strict=True))
    return sets, shown, [classes[number] for number in range(len(names))]
