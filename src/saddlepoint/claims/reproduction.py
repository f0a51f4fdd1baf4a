"""Reads which published tables are repeated here (reproductions/*.yaml): the lines to type for each row, how long their
runs are, and how many there are to be. What papers report stands in conf/published.yaml."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from saddlepoint.claims.entries import Entry, is_count, refuse_equal, refuse_unknown_metric
from saddlepoint.claims.measures import LastValue, Measure, ValueAt
from saddlepoint.claims.typed_words import Words, of_recipe
from saddlepoint.comparison.published_tables import PublishedTable
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError

KEYS = ("number", "title", "table", "page", "metrics", "ordered_by", "compared_with", "settings", "lengths",
        "discussion")
KEYS_OF_A_LENGTH = ("title", "steps", "direction_only", "metrics", "settings", "along", "rows")
PAGE = "reproductions"
OTHER_PAGES = ("claims",)


@dataclass(frozen=True)
class RowOfRuns:
    """A row of a table as it is repeated here."""

    name: str  # as the published table has it
    words: Words  # of its runs, as they are typed, without the seed
    seeds: int  # 0 to seeds - 1; 0: not run here


@dataclass(frozen=True)
class Length:
    """Runs of one length: the paper's, or shorter ones, which can only show who is better."""

    name: str
    title: str
    steps: int  # updates of D
    direction_only: bool  # shorter than the paper's runs: no value is compared with the paper's, only the order of rows
    rows: tuple[RowOfRuns, ...]
    metrics: tuple[str, ...]
    along: tuple[int, ...] = ()  # images seen after which the first metric is read as well

    @property
    def measures(self) -> list[Measure]:
        """Returns what is read of each run."""
        return [*map(LastValue, self.metrics), *(ValueAt(self.metrics[0], images) for images in self.along)]


@dataclass(frozen=True)
class Reproduction:
    """A table and the runs that repeat it."""

    name: str  # of its file, without ending
    number: int  # its place on the page
    title: str
    table: PublishedTable | None  # None: nobody has published it
    page: str  # its file in docs/, without ending; of its own, or with the published tables
    metrics: tuple[str, ...]
    ordered_by: str  # the metric by which rows are ordered
    lengths: tuple[Length, ...]
    discussion: str = ""
    compared_with: str = ""  # on a page of its own, the row that others are divided by, of those lengths that have it


def read_reproductions(folder: Path, tables: Mapping[str, PublishedTable]) -> list[Reproduction]:
    """Returns the reproductions of a folder in the order of their numbers, none if there is no folder; raises a
    RequestError if any cannot be used.

    tables: those of conf/published.yaml
    """
    found = [_read(path, tables) for path in sorted(folder.glob("*.yaml"))]
    for each in found:
        if each.page != PAGE and [other.page for other in found].count(each.page) > 1:
            raise RequestError(f"{folder.name}/{each.name}.yaml: page={each.page} is that of another one too: give "
                               "each a page of its own")
    return sorted(found, key=lambda each: (each.number, each.name))


def _read(path: Path, tables: Mapping[str, PublishedTable]) -> Reproduction:
    entry = Entry.of_file(path, KEYS)
    table = _table(entry, tables)
    settings = entry.words("settings")
    metrics = _metrics(entry, settings)
    ordered_by = entry.text("ordered_by", metrics[0])
    if ordered_by not in metrics:
        raise RequestError(f"{entry.where}: ordered_by={ordered_by} must be one of metrics, {', '.join(metrics)}")
    names = [name for name, _ in entry.items("lengths")]
    lengths = entry.part("lengths", names)
    page = entry.text("page", PAGE)
    if page in OTHER_PAGES or not re.fullmatch(r"[\w-]+", page):
        raise RequestError(f"{entry.where}: page={page} must be the name of a page of its own in docs/, without .md, "
                           f"of letters, digits, _ and -, and none of {', '.join(OTHER_PAGES)}")
    read = tuple(_length(lengths, name, settings, table, metrics) for name in names)
    return Reproduction(path.stem, entry.count("number"), entry.text("title"), table, page, metrics, ordered_by, read,
                        entry.text("discussion", "").strip(), _compared_with(entry, page, read))


def _compared_with(entry: Entry, page: str, lengths: Sequence[Length]) -> str:
    row = entry.text("compared_with", "")
    there = dict.fromkeys(each.name for length in lengths for each in length.rows)
    if row and row not in there:
        raise RequestError(f"{entry.where}: compared_with={row} is no row{nearest(row, there)} (the rows are "
                           f"{', '.join(there)})")
    if row and page == PAGE:
        raise RequestError(f"{entry.where}: compared_with={row} is for a page of its own: add page=NAME, or leave it "
                           "out")
    return row


def _metrics(entry: Entry, words: Words) -> tuple[str, ...]:
    metrics = entry.content.get("metrics")
    if not isinstance(metrics, list) or not metrics:
        raise RequestError(f"{entry.where}: metrics must be a list of metrics with their extractors, e.g. "
                           "[modes_mixture]")
    for metric in metrics:
        refuse_unknown_metric(str(metric), f"{entry.where}: metrics={metric}", words)
    return tuple(metrics)


def _table(entry: Entry, tables: Mapping[str, PublishedTable]) -> PublishedTable | None:
    if "table" not in entry:
        return None
    name = entry.text("table")
    if name not in tables:
        raise RequestError(f"{entry.where}: table={name} is not in conf/published.yaml{nearest(name, tables)} (its "
                           f"tables are {', '.join(tables)})")
    return tables[name]


def _length(lengths: Entry, name: str, settings: Words, table: PublishedTable | None,
            metrics: tuple[str, ...]) -> Length:
    part = lengths.part(name, KEYS_OF_A_LENGTH)
    settings = (*settings, *part.words("settings", []))
    metrics = _metrics(part, settings) if "metrics" in part else metrics
    along = part.content.get("along", [])
    if not isinstance(along, list) or not all(is_count(images, 1) for images in along):
        raise RequestError(f"{part.where}: along={along} must be a list of numbers of images seen, e.g. [25000, 50000]")
    rows = []
    for row, _ in part.items("rows"):
        if table and row not in table.rows:
            raise RequestError(f"{part.where}: {row} is no row of the table {table.name}{nearest(row, table.rows)} "
                               f"(its rows are {', '.join(table.rows)})")
        content = part.part("rows", [each for each, _ in part.items("rows")]).part(row, ("words", "seeds"))
        rows.append(RowOfRuns(row, (*settings, *content.words("words")), content.count("seeds", least=0)))
    refuse_equal(part.where, ((row.name, of_recipe(row.words)) for row in rows))
    return Length(name, part.text("title"), part.count("steps"), part.flag("direction_only"), tuple(rows), metrics,
                  tuple(along))


def named(reproductions: Sequence[Reproduction]) -> dict[str, list[Length]]:
    """Returns what only= may name: a reproduction with all its lengths, or reproduction/length with one."""
    return {name: lengths for each in reproductions
            for name, lengths in ((each.name, [*each.lengths]),
                                  *((f"{each.name}/{length.name}", [length]) for length in each.lengths))}
