"""A run as its directory tells of it: settings, state, scores, curves, pictures. Needs no torch, writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from saddlepoint.runs import reading


@dataclass(frozen=True)
class Score:
    """A number of metrics.json."""

    name: str  # with the extractor: fid_digits
    value: float | None  # None: there is none
    interval: tuple[float, float] | None  # 95 %, for the choice of fakes
    images_seen: int | None
    protocol: Mapping[str, Any]
    reason: str = ""  # why there is no value, or no interval


def scores(content: Mapping[str, Any]) -> tuple[Score, ...]:
    """Of metrics.json, or of a file that evaluate.py wrote."""
    listed = [each for part in ("metrics", "image_quality") if isinstance(content.get(part), list)
              for each in content[part]]
    return tuple(each for each in map(score, listed) if each)


def score(content: Any) -> Score | None:
    if not isinstance(content, Mapping) or not reading.text(content, "name"):
        return None
    interval = content.get("interval")
    try:
        interval = (float(interval[0]), float(interval[1]))
    except (TypeError, ValueError, IndexError, KeyError):
        interval = None
    return Score(content["name"], reading.finite(content, "value"), interval,
                 reading.count(content, "images_seen"), reading.mapping(content, "protocol"),
                 reading.text(content, "reason"))


@dataclass(frozen=True)
class Cost:
    """What the run took; None where it has not said."""

    seconds: float | None = None  # of training and measuring
    images_per_second: float | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)  # of each network
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, eq=False)
class Run:
    path: Path
    name: str  # relative to the folder that holds all runs gathered with it
    settings: Mapping[str, Any]  # config.yaml, without the choices
    choices: Mapping[str, str | None]  # e.g. {"model": "dcgan", "data": "mnist5k"}
    state: str  # completed, running, stopped, diverged, collapsed, failed, killed (it died while running), unknown, ...
    reason: str  # why it ended so; empty where completed
    images_seen: int | None  # None: the run has not said
    seed: int | None
    command: str
    versions: Mapping[str, str]  # of each library
    revision: str  # of the code; empty: outside a checkout
    host: str
    threads: int | None
    data: Mapping[str, Any] = field(default_factory=dict)  # identity of what it was trained on; {}: it has not said
    metrics: tuple[Score, ...] = ()  # the newest of each
    best: Score | None = None  # of the first metric: what checkpoints/best.ckpt scored
    cost: Cost = field(default_factory=Cost)

    @cached_property
    def _curves(self) -> dict[str, list[tuple[int, float]]]:
        return reading.curves(self.path / "metrics.csv")

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Column of metrics.csv -> (images seen, value), by images seen; read when first asked for. Values that are
        not finite are left out."""
        return self._curves

    @cached_property
    def _evaluations(self) -> tuple[Score, ...]:
        return tuple(score for content in reading.json_files(self.path / "evaluations") for score in scores(content))

    def evaluations(self) -> tuple[Score, ...]:
        """What evaluate.py measured of it; read when first asked for. Files that cannot be read are left out."""
        return self._evaluations

    def pictures(self) -> dict[str, list[tuple[int, Path]]]:
        """Name (images, by_class, or a photograph's) -> (images seen, PNG file), by images seen"""
        return reading.pictures(self.path / "samples")


@dataclass(frozen=True)
class Problem:
    """Something about the runs gathered that whoever reads their table should know."""

    kind: str  # a word for counting: missing, empty, unreadable, incomplete, duplicate, of another version
    text: str  # a sentence
    paths: tuple[Path, ...] = ()  # the directories it is about


@dataclass(frozen=True)
class Gathered:
    runs: tuple[Run, ...]  # each recipe with each seed once, by path
    problems: tuple[Problem, ...]
    duplicates: tuple[Run, ...] = ()  # same settings and seed as one of `runs`, and set aside

    def counted(self) -> dict[str, int]:
        """How many directories each kind of problem is about."""
        counts: dict[str, int] = {}
        for problem in self.problems:
            counts[problem.kind] = counts.get(problem.kind, 0) + max(len(problem.paths), 1)
        return counts

