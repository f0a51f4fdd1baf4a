"""Builds the page's sections about single runs: failures, all runs with command and provenance, and protocols."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saddlepoint.comparison.report.axes import format_number
from saddlepoint.comparison.report.markup import Html, element, html, join
from saddlepoint.comparison.report.rows import (
    PageRow,
    definitions,
    paragraph,
    plural,
    scrolling,
    section,
    seed,
    setting,
    tag,
)
from saddlepoint.data.describing import classes
from saddlepoint.runs.data_identity import ASSUMED, digest
from saddlepoint.runs.record import Problem, Run, Score

NO_FAILURES = ("completed", "running")  # states
OF_THE_RUN = ("versions", "revision")   # fields of a protocol that the section of runs shows


class Protocols:
    """The different protocols of all scores of a page, numbered from 1. Each is described once and linked to."""

    def __init__(self, rows: Sequence[PageRow]):
        scores = (score for row in rows for run in row.runs for score in (*run.metrics, *run.evaluations()))
        self.numbers = {text: number for number, text in enumerate(dict.fromkeys(map(self.text, scores)), start=1)}

    def text(self, score: Score) -> str:
        """Returns a score's protocol as JSON; scores of one protocol have equal texts."""
        fields = {name: value for name, value in score.protocol.items() if name not in OF_THE_RUN}
        return json.dumps(fields, sort_keys=True, default=str)

    def link(self, score: Score) -> Html:
        number = self.numbers[self.text(score)]
        return element("a", f"protocol {number}", href=f"#protocol-{number}")

    def section(self) -> Html:
        if not self.numbers:
            return html("")
        protocols = [json.loads(text) for text in self.numbers]
        return section("Protocols", "protocols", paragraph(
            "What a value depends on beside the run; what is marked is not the same in all. Values of unlike protocols "
            "are not compared."),
            element("div", *(self.description(number, protocol, protocols)
                             for number, protocol in enumerate(protocols, start=1)), class_="protocols"))

    @staticmethod
    def description(number: int, protocol: Mapping[str, Any], protocols: Sequence[Mapping[str, Any]]) -> Html:
        """Returns the fields of one protocol; values that not all protocols share are marked."""
        def value_of(name: str) -> object:
            value = format_field(protocol[name])
            same = all(other.get(name) == protocol[name] for other in protocols)
            return value if same else element("mark", value)

        return element("div", element("h3", f"Protocol {number}", id=f"protocol-{number}"),
                       definitions([(name.replace("_", " "), value_of(name)) for name in protocol]))


def format_field(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_field(inner)}" for name, inner in value.items()) or "none"
    return ", ".join(map(format_field, value)) if isinstance(value, list) else str(value)


def failures_section(rows: Sequence[PageRow], problems: Sequence[Problem]) -> Html:
    """Returns the section of runs that did not reach their end, with the reasons, and of problems with directories."""
    failed = [(row, run) for row in rows for run in row.runs if run.state not in NO_FAILURES]
    if not failed and not problems:
        return section("Failures", "failures", paragraph("Every run reached its end, and nothing about them is odd."))
    names = ("Run", "Ended as", "After images", "Reason")
    table = scrolling("Runs that failed", element(
        "table", element("thead", element("tr", *(element("th", name, scope="col") for name in names))),
        element("tbody", *(failure(row, run) for row, run in failed)))) if failed else ""
    notes = element("ul", *(element("li", problem.text) for problem in problems)) if problems else ""
    return section("Failures", "failures", table, element("h3", "Of note") if problems else "", notes)


def failure(row: PageRow, run: Run) -> Html:
    link = element("a", f"#{row.number}, {seed(run)}", href=f"#{place(row, run)}")
    return element("tr", element("td", link, element("small", row.label)),
                   element("td", run.state, class_="state bad"),
                   element("td", "not said" if run.images_seen is None else f"{run.images_seen:,}", class_="number"),
                   element("td", run.reason or "no reason was recorded"), data_row=row.number)


def place(row: PageRow, run: Run) -> str:
    """Returns the id that links to a run lead to."""
    return f"run-{row.number}-{row.runs.index(run) + 1}"


def runs_section(rows: Sequence[PageRow], protocols: Protocols) -> Html:
    """Returns the section of all runs, each folded into one line."""
    buttons = [element("button", f"{word} all", type="button", data_open=str(word == "Open").lower())
               for word in ("Open", "Close")]
    return section("Runs", "runs", paragraph("The exact command and the provenance of every run."),
                   element("div", *buttons, class_="controls"),
                   *(details(row, run, protocols) for row in rows for run in row.runs))


def details(row: PageRow, run: Run, protocols: Protocols) -> Html:
    state = element("span", run.state, class_="state" if run.state in NO_FAILURES else "state bad")
    return element("details",
                   element("summary", tag(row), f" {row.label}, {seed(run)}: ", state),
                   element("div", command(run), definitions([*outcome(run, protocols), *provenance(row, run)])),
                   id=place(row, run), data_row=row.number)


def command(run: Run) -> Html:
    """Returns the command line that a run was started with, and a button that copies it."""
    if not run.command:
        return paragraph("No command was recorded.")
    line = f"python {run.command}" if run.command.split()[0].endswith(".py") else run.command
    return element("div", element("pre", element("code", line)), element("button", "Copy", type="button",
                   class_="plain", aria_label="Copy the command"), class_="command")


def outcome(run: Run, protocols: Protocols) -> list[tuple[object, object]]:
    """Returns how a run ended and what was measured of it, as pairs of a name and a text."""
    best = [(f"best {run.best.name}", score_text(run.best))] if run.best else []
    return [("ended as", f"{run.state}: {run.reason}" if run.reason else run.state),
            ("images seen", "not recorded" if run.images_seen is None else f"{run.images_seen:,}"),
            *((score.name, join(score_text(score), ", ", protocols.link(score))) for score in run.metrics), *best,
            *((score.name, join(score_text(score), ", by evaluate.py, ", protocols.link(score)))
              for score in run.evaluations())]


def score_text(score: Score) -> str:
    """Returns a score with its interval and images seen, or why it has no value."""
    value = f"none: {score.reason or 'not finite'}" if score.value is None else format_number(score.value, 4)
    interval = f" ({format_number(score.interval[0], 4)} to {format_number(score.interval[1], 4)}, 95 % over fakes)" \
        if score.interval else ""
    return f"{value}{interval}" + (f" after {plural(score.images_seen, 'image')}" if score.images_seen else "")


def trained_on(data: Mapping[str, Any]) -> str:
    """Returns what a run was trained on in words: how many images, their classes, and a digest. `data`: its
    identity."""
    if not data or data.get(ASSUMED):
        return "not recorded"
    earlier = ", other data before" if data.get("earlier") else ""
    return f"{plural(data['images'], 'image')}{classes(data['classes'])}, digest {digest(data)[:8]}{earlier}"


def provenance(row: PageRow, run: Run) -> list[tuple[object, object]]:
    """Returns where a run's numbers come from (settings, data, cost, machine, code), as pairs of a name and a text."""
    cost = run.cost
    parts = [f"{cost.seconds:,.0f} s" if cost.seconds is not None else "",
             f"{format_number(cost.images_per_second)} images/s" if cost.images_per_second else "",
             *(f"at most {count / 2**20:,.0f} MiB of {where}" for where, count in
               (("memory", cost.peak_host_memory_bytes), ("the GPU's", cost.peak_device_memory_bytes)) if count)]
    parameters = ", ".join(f"{network} {number:,}" for network, number in cost.parameters.items())
    cards = [f"{run.devices.count(card)} x {card}" for card in sorted({*run.devices} - {"CPU"})]
    machine = ", ".join(filter(None, [run.host, plural(run.threads, "thread") if run.threads else "", *cards]))
    libraries = ", ".join(f"{library} {version}" for library, version in run.versions.items())
    return [*((name, setting(row, name)) for name in row.settings),
            ("seed", "not recorded" if run.seed is None else run.seed),
            ("trained on", trained_on(run.data)),
            ("took", ", ".join(filter(None, parts)) or "not recorded"), ("parameters", parameters or "not recorded"),
            ("machine", machine or "not recorded"), ("directory", Path(run.path)),
            ("code revision", run.revision or "not recorded"), ("versions", libraries or "not recorded")]
