"""Shows what an audit found: as lines for a terminal, and near duplicates side by side in a picture."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
from PIL import Image, ImageDraw, ImageFont

from saddlepoint.data.decoding import Limits, Unreadable, decode
from saddlepoint.data.describing import classes, counted, listed
from saddlepoint.files.atomic import write_atomically
from saddlepoint.preparing.duplicates import MOST_PAIRS
from saddlepoint.preparing.findings import Picture, Twins

PAIRS, SIDE, GAP, TEXT = 24, 144, 12, 12  # pairs in the picture; pixels of an image, between pairs, and of letters
COLUMNS = 4  # pairs side by side
UNBALANCED = 10  # times as many images as the smallest class has
PAPER, INK = (250, 250, 248), (40, 40, 40)


def lines(report: Mapping[str, Any]) -> list[str]:
    """Returns the sentences of a report."""
    found = [sentence for name, each in report["sets"].items() for sentence in of_set(name, each)]
    return found + [*of_duplicates(report["duplicates"])]


def of_set(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Yields sentences about the files of one set."""
    yield (f"{name}: {counted(found['images'], 'image')}{classes(found['classes'])}" if found["images"]
           else f"{name}: no image that can be read")
    if found["unreadable"]["count"]:
        reasons = [f"{file} ({reason})" for file, reason in found["unreadable"]["files"].items()]
        yield f"  {counted(found['unreadable']['count'], 'file')} cannot be read: {named(reasons, found['unreadable'])}"
    if not found["images"]:
        return
    yield f"  kinds: {', '.join(f'{kind} {count:,}' for kind, count in found['kinds'].items())}"
    sizes = [f"{size} ({count:,})" for size, count in [*found["sizes"].items()][:3]]
    if found["num_sizes"] == 1:
        yield f"  size: all {next(iter(found['sizes']))} pixels"
    else:
        width, height = found["width"], found["height"]
        yield (f"  {found['num_sizes']:,} sizes, {width['min']} to {width['max']} pixels wide and {height['min']} to "
               f"{height['max']} high; most frequent {', '.join(sizes)}")
        sides = [f"{side}: {count:,}" for side, count in found["shorter_side"].items()]
        yield f"  shorter side in pixels: {', '.join(sides)}"
    if found["not_square"]:
        yield f"  {counted(found['not_square'], 'image')} {is_or_are(found['not_square'])} not square"
    for key, what in (("turned_by_exif", "turned or mirrored by EXIF, which training follows"),
                      ("several_pictures", "animated or of several pages, of which the first picture is used"),
                      ("of_one_colour", "of one colour")):
        if count := found[key]["count"]:
            yield f"  {counted(count, 'image')} {is_or_are(count)} {what}: {named(found[key]['files'], found[key])}"
    yield from of_classes(found["classes"])


def of_classes(counts: Mapping[str, int]) -> Iterator[str]:
    empty = [name for name, count in counts.items() if not count]
    if empty:
        yield f"  no image that can be read: {listed(empty)}"
    full = {name: count for name, count in counts.items() if count}
    if full and max(full.values()) >= UNBALANCED * min(full.values()):
        small, large = min(full, key=full.get), max(full, key=full.get)
        yield f"  classes are unequal: {large} has {full[large] / full[small]:.0f} times as many images as {small}"


def of_duplicates(found: Mapping[str, Any]) -> Iterator[str]:
    """Yields sentences about pictures that are there more than once."""
    exact, near = found["exact"], found["near"]
    if not exact["groups"] and not near["groups"]:
        yield "No image is there twice."
        return
    if exact["groups"]:
        yield (f"The same pixels: {counted(exact['images'], 'file')} in {counted(exact['groups'], 'group')}, e.g. "
               f"{' = '.join(exact['examples'][0][:3])}")
    if near["groups"]:
        yield (f"Near duplicates: {counted(near['images'], 'file')} in {counted(near['groups'], 'group')}, e.g. "
               f"{' ~ '.join(near['examples'][0][:3])}")
    if not found["all_near_looked_for"]:
        yield (f"  not all: after {MOST_PAIRS:,} pairs no more were looked for. Leave out what is one film or one "
               "picture, or type a smaller distance=, and audit again")
    if mixed := found["of_two_classes"]["groups"]:
        yield (f"{counted(mixed, 'of these groups has', 'of these groups have')} images of more than one class, e.g. "
               f"{' ~ '.join(found['of_two_classes']['examples'][0][:3])}")
    for each in found["between"]:
        if each["exact"] or each["near"]:
            yield (f"Overlap: of {each['images_of']}, {counted(each['exact'], 'image')} "
                   f"{is_or_are(each['exact'])} in {each['also_in']} too, and {each['near']:,} nearly so, e.g. "
                   f"{' ~ '.join(each['examples'][0])}")
        elif found["all_near_looked_for"]:
            yield f"No overlap: no image of {each['images_of']} is in {each['also_in']}"
        else:
            yield (f"No image of {each['images_of']} has the same pixels as one of {each['also_in']}; whether any is "
                   "nearly the same is not known")


def is_or_are(count: int) -> str:
    return "is" if count == 1 else "are"


def named(names: Sequence[str], found: Mapping[str, Any]) -> str:
    """Returns the first names, and how many more there are."""
    more = found["count"] - len(names[:3])
    return ", ".join(names[:3]) + (f" and {more:,} more" if more else "")


def write_picture(path: Path, pictures: Sequence[Picture], places: Sequence[Path], twins: Twins,
                  limits: Limits) -> bool:
    """Draws pairs of near duplicates side by side, those that differ most first, and returns whether there are any. An
    older picture is deleted then."""
    order = numpy.argsort(-twins.pairs.distance.astype(int), kind="stable")[:PAIRS].tolist()
    if not order:
        path.unlink(missing_ok=True)
        return False
    rows = -(-len(order) // COLUMNS)
    columns = min(len(order), COLUMNS)
    cell_width, cell_height = 2 * SIDE + 2 + GAP, SIDE + 3 * TEXT + GAP
    canvas = Image.new("RGB", (columns * cell_width + GAP, rows * cell_height + GAP), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(TEXT - 2)
    for place, pair in enumerate(order):
        left = GAP + place % COLUMNS * cell_width
        top = GAP + place // COLUMNS * cell_height
        for number, shift in ((int(twins.pairs.first[pair]), 0), (int(twins.pairs.second[pair]), SIDE + 2)):
            canvas.paste(shown(places[number], limits), (left + shift, top))
            line = top + SIDE + 2 + (TEXT if shift else 0)
            draw.text((left, line), shortened(pictures[number].name, draw, font, cell_width - GAP), INK, font)
    write_atomically(path, lambda temporary: canvas.save(temporary, format="PNG"), durably=False)
    return True


def shown(path: Path, limits: Limits) -> Image.Image:
    """Returns a picture in a square; a grey one where it cannot be read any more."""
    square = Image.new("RGB", (SIDE, SIDE), (225, 225, 225))
    try:
        image = decode(path, 3, limits)
    except (Unreadable, OSError):
        return square
    scale = SIDE / max(image.size)
    small = image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)),
                         Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.BICUBIC)
    square.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    return square


def shortened(name: str, draw: ImageDraw.ImageDraw, font: Any, width: int) -> str:
    """Returns as much of the end of a name as has room."""
    printable = name.encode("ascii", "replace").decode()
    for begin in range(len(printable)):
        text = printable if not begin else f"...{printable[begin:]}"
        if draw.textlength(text, font) <= width:
            return text
    return ""
