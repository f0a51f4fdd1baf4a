"""Holds what a run's directory says about the run: settings, state, scores, curves, pictures. Imports no torch and
writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saddlepoint.runs import reading

if TYPE_CHECKING:
    from pandas import DataFrame

PARTS = ("metrics", "image_quality", "translation", "representation")  # of metrics.json, which list scores


@dataclass(frozen=True)
class Score:
    """A measured value and how it was measured, as metrics.json has it."""

    name: str  # with the extractor, e.g. fid_digits
    value: float | None  # None: it could not be measured, or is not finite
    interval: tuple[float, float] | None  # 95 %, over other choices of fakes; of recall and coverage, of real images
    images_seen: int | None
    protocol: Mapping[str, Any]
    reason: str = ""  # why there is no value, or no interval
    details: Mapping[str, Any] = field(default_factory=dict)  # parts of the value, and what stands beside it, by name
    protocol_since: int = 0  # images seen from which the protocol holds; values before were measured by another


def scores(content: Mapping[str, Any]) -> tuple[Score, ...]:
    """Returns the scores in the content of metrics.json, or of a file that evaluate.py wrote; unreadable ones are left
    out."""
    parts = [content.get(part) for part in PARTS]
    listed = [each for part in parts if isinstance(part, list) for each in part]
    return tuple(each for each in map(score, listed) if each)


def score(content: Any) -> Score | None:
    """Returns the score that an entry of metrics.json describes, or None if the entry has no name."""
    if not isinstance(content, Mapping) or not reading.text(content, "name"):
        return None
    interval = content.get("interval")
    try:
        interval = (float(interval[0]), float(interval[1]))
    except (TypeError, ValueError, IndexError, KeyError):
        interval = None
    return Score(content["name"], reading.finite_number(content, "value"), interval,
                 reading.count(content, "images_seen"), reading.mapping(content, "protocol"),
                 reading.text(content, "reason"), reading.mapping(content, "details"),
                 reading.count(content, "protocol_since") or 0)


@dataclass(frozen=True)
class Cost:
    """Time and memory that a run took; None where it has not recorded them."""

    seconds: float | None = None  # training and measuring
    processor_seconds: float | None = None  # of the first process, of all its threads
    images_per_second: float | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)  # of each network
    peak_host_memory_bytes: int | None = None
    peak_device_memory_bytes: int | None = None  # None also where there was no GPU


@dataclass(frozen=True)
class Start:
    """A start of a run before its newest one."""

    command: str
    revision: str
    changes: tuple[str, ...] | None  # as of a Run


@dataclass(frozen=True, eq=False)
class Run:
    """A run as its files describe it. Curves, evaluations and pictures are read when they are first needed."""

    path: Path
    name: str  # path relative to the folder that holds all runs that are compared
    settings: Mapping[str, Any]  # config.yaml, without the choices, and with digests of first weights for their files
    choices: Mapping[str, str | None]  # e.g. {"model": "dcgan", "data": "mnist5k"}
    state: str  # completed, running, stopped, diverged, collapsed, failed, killed (it died while running), unknown, ...
    reason: str  # why it ended so; empty if completed
    images_seen: int | None  # None: not recorded
    seed: int | None
    command: str  # of its newest start
    versions: Mapping[str, str]  # library -> version
    revision: str  # of the code, from git; empty outside a checkout
    host: str
    threads: int | None
    changes: tuple[str, ...] | None = None  # files of the code that differed from the revision; None: not recorded
    extensions: Mapping[str, str] = field(default_factory=dict)  # name -> digest of its code
    started: str = ""  # when its first start was, in UTC, e.g. 2026-01-31T12:00:00+00:00
    processor: str = ""  # its model; empty: not recorded
    devices: tuple[str, ...] = ()  # of its processes: cards, or CPU; (): not recorded
    data: Mapping[str, Any] = field(default_factory=dict)  # identity of its data (data_identity.py); {}: not recorded
    metrics: tuple[Score, ...] = ()  # the newest of each metric
    best: Score | None = None  # of the first metric: what checkpoints/best.ckpt scored
    cost: Cost = field(default_factory=Cost)
    earlier_starts: tuple["Start", ...] = ()  # in order, those alike once; (): it was not resumed, or did not record it

    @property
    def first_command(self) -> str:
        """The command that the run was started with."""
        return self.earlier_starts[0].command if self.earlier_starts else self.command

    @cached_property
    def _curve_points(self) -> dict[str, list[tuple[int, float]]]:
        return reading.curves(self.path / "metrics.csv")

    def curve_points(self) -> dict[str, list[tuple[int, float]]]:
        """Returns column of metrics.csv -> points (images seen, value), sorted. Values that are not finite are left
        out."""
        return self._curve_points

    def curves(self) -> "DataFrame":
        """Returns the curves as a pandas DataFrame: a row for each number of images seen, the index, and a column for
        each curve, e.g. generator/total. NaN: the curve has no finite value there."""
        import pandas  # here, since comparisons need points only

        curves = {name: pandas.Series(dict(points)) for name, points in self._curve_points.items()}
        return pandas.DataFrame(curves, dtype=float).sort_index().rename_axis("images_seen")

    @cached_property
    def _evaluations(self) -> tuple[Score, ...]:
        return tuple(score for content in reading.json_files(self.path / "evaluations") for score in scores(content))

    def evaluations(self) -> tuple[Score, ...]:
        """Returns what evaluate.py measured of this run. Files that cannot be read are left out."""
        return self._evaluations

    def pictures(self) -> dict[str, list[tuple[int, Path]]]:
        """Returns name (images, by_class, or a photograph's) -> (images seen, PNG file), sorted."""
        return reading.pictures(self.path / "samples")


@dataclass(frozen=True)
class Problem:
    """Something about the gathered directories that a reader of their table should know."""

    kind: str  # missing, empty, unreadable, incomplete, duplicate, of another version; by which problems are counted
    text: str  # a sentence without its full stop
    paths: tuple[Path, ...] = ()  # the directories that have the problem


@dataclass(frozen=True)
class Gathered:
    """The runs of some directories, and the problems with them."""

    runs: tuple[Run, ...]  # each recipe with each seed once, sorted by path
    problems: tuple[Problem, ...]
    duplicates: tuple[Run, ...] = ()  # have the settings and the seed of one of `runs`

    def counted(self) -> dict[str, int]:
        """Returns how many directories have each kind of problem."""
        counts: dict[str, int] = {}
        for problem in self.problems:
            counts[problem.kind] = counts.get(problem.kind, 0) + max(len(problem.paths), 1)
        return counts

