"""Keeps what was measured of each run in a file of one line a run (claims/results.jsonl), so that pages can be written
where the runs are not. A recipe has a line of its own before its first run, since all of its seeds share it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from saddlepoint.claims.measures import Values
from saddlepoint.claims.typed_words import Words
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.files.outputs import refusing_unwritable

COMPLETED = "completed"
FAILED = "failed"
RUNNING = "running"  # its process is there
OVER = (COMPLETED, "diverged", "collapsed", FAILED)
CODE = ("src/", "conf/")  # a run whose code had changes there cannot be made again from its revision


@dataclass(frozen=True)
class Result:
    """What a run came to, and what it ran on."""

    words: Words  # effective ones, sorted, without the seed
    seed: int
    state: str  # completed, diverged, failed, ...
    reason: str = ""  # why it is not completed
    images_seen: int | None = None
    started: str = ""  # in UTC
    revision: str = ""  # of the code
    changes: Words | None = None  # files that differed from the revision; None: not recorded
    minutes: float | None = None  # of training and measuring
    processor_minutes: float | None = None  # of the first process, whatever else the machine does
    processor: str = ""
    devices: Words = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Values] = field(default_factory=dict)  # by the keys of measures, e.g. fid_digits
    lacking: Mapping[str, str] = field(default_factory=dict)  # key of a value that it lacks -> why
    floors: Mapping[str, float] = field(default_factory=dict)  # metric -> what a perfect generator scores
    recipe: Mapping[str, Any] = field(default_factory=dict)  # the settings that change what is learnt; {}: not recorded
    earlier_revisions: Words = ()  # of the code with which it was begun, if it was resumed with another one
    weights: Mapping[str, str] = field(default_factory=dict)  # metric -> SHA-256 of its extractor's; {}: not recorded

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def stands(self) -> bool:
        """Whether another start would end alike: a run follows its seed, unless the machine failed."""
        return self.is_over and self.state != FAILED

    @property
    def order(self) -> tuple:
        """Returns what tells runs apart, and the order in which they are written."""
        return self.words, self.seed, self.started, self.revision


def code_refusal(result: Result, decides: Callable[[str], bool] = lambda name: name.startswith(CODE),
                 installed: bool = False) -> str:
    """Returns why a run cannot be made again from the revision of its code; an empty text if it can.

    decides: whether a run may change with a file of the repository
    installed: whether runs of an installed package count, which has no revision
    """
    if installed and not result.revision and not result.changes:
        return ""
    if result.changes is None:
        return "its code differed from its revision, and it has not recorded where"
    if not result.revision:
        return "it has not recorded the git revision of its code"
    changed = [name for name in result.changes if decides(name)]
    return (f"its code differed from its revision in {', '.join(changed[:3])}{', ...' * (len(changed) > 3)}"
            if changed else "")


def read_results(path: Path) -> list[Result]:
    """Returns the results in a file, none if there is no file; raises a RequestError that names a line that cannot be
    used."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"results={path} cannot be read: {error}. Choose the file that this command has "
                           "written") from error
    recipes: dict[str, Mapping[str, Any]] = {}
    read = [_result(line, f"results={path}: line {number}", recipes) for number, line in enumerate(lines, 1)]
    return [each for each in read if each]


def _result(line: str, where: str, recipes: dict[str, Mapping[str, Any]]) -> Result | None:
    """Returns the run of a line; None for the line of a recipe, which is added to `recipes`."""
    try:
        content = json.loads(line)
        if "settings" in content:
            if _digest(content["settings"]) != content["recipe"]:
                raise ValueError("it is not the recipe that its name says")
            recipes[content["recipe"]] = content["settings"]
            return None
        if "recipe" in content:
            if content["recipe"] not in recipes:
                raise ValueError(f"no line before it has its recipe, {content['recipe']}; if one was deleted, take it "
                                 "back from the git history instead")
            content["recipe"] = recipes[content["recipe"]]
        for name in ("words", "devices", "changes", "earlier_revisions"):
            if isinstance(content.get(name), list):
                content[name] = tuple(map(str, content[name]))
        result = Result(**content)
        if type(result.seed) is not int or not isinstance(result.state, str) or not isinstance(content["words"], tuple):
            raise ValueError("words must be a list, seed a whole number and state a text")
        if not all(isinstance(each, Mapping) for each in (result.values, result.lacking, result.floors,
                                                          result.versions, result.weights)):
            raise ValueError("values, lacking, floors, versions and weights must be names with values")
        return result
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise RequestError(f"{where} cannot be used ({error}): delete the line, and the run is looked for and made "
                           "again") from error


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Writes the results, a line each, in an order that does not depend on when they were found."""
    lines: dict[str, None] = {}  # in order, a recipe once
    for each in sorted(results, key=lambda each: each.order):
        if each.recipe:
            of_recipe = {"recipe": _digest(each.recipe), "settings": each.recipe}
            lines[json.dumps(of_recipe, ensure_ascii=False, sort_keys=True)] = None
        lines[json.dumps(_content(each), ensure_ascii=False)] = None
    with refusing_unwritable(f"results={path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8"))


def _content(result: Result) -> dict:
    """Returns the entries of a line; those that are as a result has them by default are left out."""
    defaults = {each.name: each.default_factory() if callable(each.default_factory) else each.default
                for each in fields(Result)}
    content = {name: value for name, value in asdict(result).items() if value != defaults[name]}
    return content | ({"recipe": _digest(result.recipe)} if result.recipe else {})


def _digest(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def merged(before: Iterable[Result], found: Iterable[Result]) -> list[Result]:
    """Returns the results of both, each run once: what a run's files say now, else what was written of it before, with
    the values of both."""
    runs = {each.order: each for each in before}
    for each in found:
        old = runs.get(each.order)
        values = {**old.values, **each.values} if old else each.values
        lacking = {name: why for name, why in each.lacking.items() if name not in values}
        weights = {**old.weights, **each.weights} if old else each.weights
        runs[each.order] = replace(each, values=values, lacking=lacking, weights=weights)
    return sorted(runs.values(), key=lambda each: each.order)


def first_of_each_seed(results: Iterable[Result]) -> dict[int, Result]:
    """Returns seed -> the run that is over and stands for it: of several the one that began first, so that nobody can
    choose; one that failed only if there is no other."""
    found: dict[int, Result] = {}
    for each in sorted(results, key=lambda each: (not each.stands, each.started, each.words)):
        if each.is_over:
            found.setdefault(each.seed, each)
    return found
