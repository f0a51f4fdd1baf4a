"""Describes data in words: how many images, of which classes, and what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saddlepoint.data.listing import Listing

MOST_CLASSES, MOST_ENDINGS = 10, 6  # more are not named in one line


def classes(counts: Mapping[str, int]) -> str:
    """Returns e.g. ` in 2 classes: cat 5, dog 7`. Of many classes it names the first few and the last one, and says how
    many images the smallest and the largest have. `counts`: images of each class."""
    if not counts:
        return ""
    named = [f"{name} {count:,}" for name, count in counts.items()]
    if len(named) == 1:
        return f" in 1 class: {named[0]}"
    if len(named) <= MOST_CLASSES:
        return f" in {len(named)} classes: {', '.join(named)}"
    return (f" in {len(named):,} classes of {min(counts.values()):,} to {max(counts.values()):,} images: "
            f"{', '.join(named[:MOST_CLASSES // 2])}, ... {named[-1]}")


def empty(counts: Mapping[str, int]) -> list[str]:
    """Returns the names of the classes without an image."""
    return [name for name, count in counts.items() if not count]


def listed(names: list[str], most: int = MOST_CLASSES) -> str:
    """Returns e.g. `cat, dog and 1,200 more`, naming at most `most`."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def losses(counts: Mapping[str, int]) -> str:
    """Returns e.g. `CMYK became RGB (3 files); more than 8 bits a channel became 8 (1 file)`. `counts`: files of each
    loss."""
    return "; ".join(f"{loss} ({counted(count, 'file')})" for loss, count in Counter(counts).most_common())


def left_out(listing: "Listing", is_not: str = "not in data.extensions") -> list[str]:
    """Returns phrases for what a folder has besides its images, e.g. `1 hidden file`."""
    return list(filter(None, [
        other_files(listing.others, is_not), counted(len(listing.hidden), "hidden file") if listing.hidden else "",
        f"{listed(listing.closed)}, which cannot be looked into" if listing.closed else ""]))


def other_files(names: Iterable[str], is_not: str) -> str:
    """Returns e.g. `135 files whose ending is not in data.extensions (.avif 130, .txt 4, without ending 1)`; an empty
    string without names."""
    endings = Counter(_ending(name) for name in names)
    if not endings:
        return ""
    ordered = sorted(endings.items(), key=lambda each: (-each[1], each[0]))
    most_frequent = listed([f"{ending} {count:,}" for ending, count in ordered], MOST_ENDINGS)
    return f"{counted(endings.total(), 'file')} whose ending is {is_not} ({most_frequent})"


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if stem and dot and ending else "without ending"


def counted(count: int, thing: str, things: str = "") -> str:
    """Returns e.g. `1 file` or `2,000 files`. `things`: the plural, where it is not made with an s."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"
