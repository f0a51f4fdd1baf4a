"""What train.py says of its data: how many images, of which classes, and what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saddlepoint.data.listing import Listing

MOST_CLASSES, MOST_ENDINGS = 10, 6  # that one line names


def classes(counts: Mapping[str, int]) -> str:
    """e.g. `2 classes: cat 5, dog 7`; of many, the smallest and the largest number and the first names"""
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
    return [name for name, count in counts.items() if not count]


def listed(names: list[str], most: int = MOST_CLASSES) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def losses(counts: Mapping[str, int]) -> str:
    """e.g. `CMYK became RGB (3 files); more than 8 bits a channel became 8 (1 file)`"""
    return "; ".join(f"{loss} ({counted(count, 'file')})" for loss, count in Counter(counts).most_common())


def passed_over(found: "Listing", ending: str = "not in data.extensions") -> list[str]:
    """What lies in a folder beside its images"""
    return list(filter(None, [
        other_files(found.others, ending), counted(len(found.hidden), "hidden file") if found.hidden else "",
        f"{listed(found.closed)}, which cannot be looked into" if found.closed else ""]))


def other_files(names: Iterable[str], is_not: str) -> str:
    """e.g. `135 files whose ending is {is_not} (.avif 130, .txt 4, without ending 1)`; empty: none"""
    endings = Counter(_ending(name) for name in names)
    if not endings:
        return ""
    ordered = sorted(endings.items(), key=lambda each: (-each[1], each[0]))
    told = listed([f"{ending} {count:,}" for ending, count in ordered], MOST_ENDINGS)
    return f"{counted(endings.total(), 'file')} whose ending is {is_not} ({told})"


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if stem and dot and ending else "without ending"


def counted(count: int, thing: str, things: str = "") -> str:
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"
