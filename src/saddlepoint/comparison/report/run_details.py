"""Prepares the page's sections about single runs: failures, all runs with command and provenance, and protocols."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saddlepoint.comparison.report.rows import PageRow, place, plural, rounded, seed
from saddlepoint.data.describing import classes
from saddlepoint.metrics.comparable import perfect_value
from saddlepoint.runs.data_identity import ASSUMED, digest
from saddlepoint.runs.record import Run, Score

NO_FAILURES = ("completed", "running")  # states
OF_THE_RUN = ("versions", "revision")   # fields of a protocol that the section of runs shows
OVER_REAL = ("recall_", "coverage_")    # how scores begin whose intervals are for the choice of real images


@dataclass(frozen=True)
class Fact:
    """A name with what is to be said, e.g. a field of a protocol or the place of a run."""

    name: str
    text: object
    marked: bool = False          # it is not the same in all
    protocol: int | None = None   # number of the protocol that the text is followed by a link to


@dataclass(frozen=True)
class RunDetails:
    """A run as the sections of failures and of all runs show it."""

    row: PageRow
    run: Run
    link: str              # id of its place on the page
    command: str           # empty: not recorded
    facts: Sequence[Fact]

    @property
    def seed(self) -> str:
        return seed(self.run)

    @property
    def failed(self) -> bool:
        return self.run.state not in NO_FAILURES


class Protocols:
    """The different protocols of all scores of a page, numbered from 1. Each is described once and linked to."""

    def __init__(self, rows: Sequence[PageRow]):
        scores = (score for row in rows for run in row.runs for score in (*run.metrics, *run.evaluations()))
        self.numbers = {text: number for number, text in enumerate(dict.fromkeys(map(self.text, scores)), start=1)}

    def text(self, score: Score) -> str:
        """Returns a score's protocol as JSON; scores of one protocol have equal texts."""
        fields = {name: value for name, value in score.protocol.items() if name not in OF_THE_RUN}
        return json.dumps(fields, sort_keys=True, default=str)

    def number(self, score: Score) -> int:
        return self.numbers[self.text(score)]

    def described(self) -> list[list[Fact]]:
        """Returns the fields of each protocol; those that not all protocols share are marked."""
        protocols = [json.loads(text) for text in self.numbers]
        return [[Fact(name.replace("_", " "), format_field(value), any(other.get(name) != value for other in protocols))
                 for name, value in protocol.items()] for protocol in protocols]


def format_field(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_field(inner)}" for name, inner in value.items()) or "none"
    return ", ".join(map(format_field, value)) if isinstance(value, list) else str(value)


def run_details(rows: Sequence[PageRow], protocols: Protocols) -> list[RunDetails]:
    return [RunDetails(row, run, place(row, run), command(run), [*outcome(run, protocols), *provenance(row, run)])
            for row in rows for run in row.runs]


def command(run: Run) -> str:
    """Returns the command line that a run was started with."""
    command = run.first_command
    return f"python {command}" if command and command.split()[0].endswith(".py") else command


def outcome(run: Run, protocols: Protocols) -> list[Fact]:
    """Returns how a run ended and what was measured of it."""
    best = [Fact(f"best {run.best.name}", score_text(run.best))] if run.best else []
    return [Fact("ended as", f"{run.state}: {run.reason}" if run.reason else run.state),
            Fact("images seen", "not recorded" if run.images_seen is None else f"{run.images_seen:,}"),
            *(Fact(score.name, score_text(score), protocol=protocols.number(score)) for score in run.metrics), *best,
            *(Fact(score.name, f"{score_text(score)}, by evaluate.py", protocol=protocols.number(score))
              for score in run.evaluations())]


def score_text(score: Score) -> str:
    """Returns a score with its interval, what a perfect generator would have, and images seen; or why it has no value.
    """
    value = f"none: {score.reason or 'not finite'}" if score.value is None else rounded(score.value)
    choice = "" if score.name.startswith(OVER_REAL) else " over fakes"
    interval = f" ({' to '.join(map(rounded, score.interval))}, 95 %{choice})" if score.interval else ""
    perfect = perfect_value(score.details)
    beside = "" if perfect is None else f", of a perfect generator {rounded(perfect)}"
    return f"{value}{interval}{beside}" + (f" after {plural(score.images_seen, 'image')}" if score.images_seen else "")


def trained_on(data: Mapping[str, Any]) -> str:
    """Returns what a run was trained on in words: how many images, their classes, and a digest. `data`: its
    identity."""
    if not data or data.get(ASSUMED):
        return "not recorded"
    earlier = ", other data before" if data.get("earlier") else ""
    if kind := data.get("kind"):  # points
        counted = f"{data['images']:,} {kind}" if data["images"] else kind
        return f"{counted}{earlier}, digest {digest(data)[:8]}"
    return f"{plural(data['images'], 'image')}{classes(data['classes'])}, digest {digest(data)[:8]}{earlier}"


def provenance(row: PageRow, run: Run) -> list[Fact]:
    """Returns where a run's numbers come from: settings, data, cost, machine, code."""
    cost = run.cost
    parts = [f"{cost.seconds:,.0f} s" if cost.seconds is not None else "",
             f"{rounded(cost.images_per_second)} images/s" if cost.images_per_second else "",
             *(f"at most {count / 2**20:,.0f} MiB of {where}" for where, count in
               (("memory", cost.peak_host_memory_bytes), ("the GPU's", cost.peak_device_memory_bytes)) if count)]
    parameters = ", ".join(f"{network} {number:,}" for network, number in cost.parameters.items())
    cards = [f"{run.devices.count(card)} x {card}" for card in sorted({*run.devices} - {"CPU"})]
    machine = ", ".join(filter(None, [run.host, plural(run.threads, "thread") if run.threads else "", *cards]))
    libraries = ", ".join(f"{library} {version}" for library, version in run.versions.items())
    return [*(Fact(name, value, name in row.unlike) for name, value in row.settings.items()),
            Fact("seed", "not recorded" if run.seed is None else run.seed),
            Fact("trained on", trained_on(run.data)),
            Fact("took", ", ".join(filter(None, parts)) or "not recorded"),
            Fact("parameters", parameters or "not recorded"),
            Fact("machine", machine or "not recorded"), Fact("directory", run.path),
            Fact("code revision", run.revision or "not recorded"), Fact("versions", libraries or "not recorded")]
