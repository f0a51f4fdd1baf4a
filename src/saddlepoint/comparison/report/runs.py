"""Every run of the page: how it ended, its exact command, and where its numbers come from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saddlepoint.comparison.report.axes import written
from saddlepoint.comparison.report.markup import Html, element, html, joined
from saddlepoint.comparison.report.rows import (
    PageRow,
    definitions,
    heading,
    paragraph,
    plural,
    scrolling,
    seed,
    setting,
    tag,
)
from saddlepoint.data.describing import classes
from saddlepoint.runs.data_identity import ASSUMED, digest
from saddlepoint.runs.record import Problem, Run, Score

WELL = ("completed", "running")
OF_THE_RUN = ("versions", "revision")   # of a protocol: told with the run


class Protocols:
    """Numbers the protocols of all scores; each is described once."""

    def __init__(self, rows: Sequence[PageRow]):
        scores = (score for row in rows for run in row.runs for score in (*run.metrics, *run.evaluations()))
        self.numbers = {text: number for number, text in enumerate(dict.fromkeys(map(self.text, scores)), start=1)}

    def text(self, score: Score) -> str:
        told = {name: value for name, value in score.protocol.items() if name not in OF_THE_RUN}
        return json.dumps(told, sort_keys=True, default=str)

    def link(self, score: Score) -> Html:
        number = self.numbers[self.text(score)]
        return element("a", f"protocol {number}", href=f"#protocol-{number}")

    def section(self) -> Html:
        if not self.numbers:
            return html("")
        described = [json.loads(text) for text in self.numbers]
        return heading("Protocols", "protocols", paragraph(
            "What a value depends on beside the run; what is marked is not the same in all. Values of unlike protocols "
            "are not compared."),
            element("div", *(self.described(number, protocol, described)
                             for number, protocol in enumerate(described, start=1)), class_="protocols"))

    @staticmethod
    def described(number: int, protocol: Mapping[str, Any], everyone: Sequence[Mapping[str, Any]]) -> Html:
        def value_of(name: str) -> object:
            value = said(protocol[name])
            same = all(other.get(name) == protocol[name] for other in everyone)
            return value if same else element("mark", value)

        return element("div", element("h3", f"Protocol {number}", id=f"protocol-{number}"),
                       definitions([(name.replace("_", " "), value_of(name)) for name in protocol]))


def said(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(inner)}" for name, inner in value.items()) or "none"
    return ", ".join(map(said, value)) if isinstance(value, list) else str(value)


def failures(rows: Sequence[PageRow], problems: Sequence[Problem]) -> Html:
    """Runs that did not reach their end, each with its reason, and what else is odd."""
    failed = [(row, run) for row in rows for run in row.runs if run.state not in WELL]
    if not failed and not problems:
        return heading("Failures", "failures", paragraph("Every run reached its end, and nothing about them is odd."))
    names = ("Run", "Ended as", "After images", "Reason")
    table = scrolling("Runs that failed", element(
        "table", element("thead", element("tr", *(element("th", name, scope="col") for name in names))),
        element("tbody", *(failure(row, run) for row, run in failed)))) if failed else ""
    notes = element("ul", *(element("li", problem.text) for problem in problems)) if problems else ""
    return heading("Failures", "failures", table, element("h3", "Of note") if problems else "", notes)


def failure(row: PageRow, run: Run) -> Html:
    link = element("a", f"#{row.number}, {seed(run)}", href=f"#{place(row, run)}")
    return element("tr", element("td", link, element("small", row.label)),
                   element("td", run.state, class_="state bad"),
                   element("td", "not said" if run.images_seen is None else f"{run.images_seen:,}", class_="number"),
                   element("td", run.reason or "no reason was recorded"), data_row=row.number)


def place(row: PageRow, run: Run) -> str:
    return f"run-{row.number}-{row.runs.index(run) + 1}"


def runs(rows: Sequence[PageRow], protocols: Protocols) -> Html:
    buttons = [element("button", f"{word} all", type="button", data_open=str(word == "Open").lower())
               for word in ("Open", "Close")]
    return heading("Runs", "runs", paragraph("The exact command and the provenance of every run."),
                   element("div", *buttons, class_="controls"),
                   *(details(row, run, protocols) for row in rows for run in row.runs))


def details(row: PageRow, run: Run, protocols: Protocols) -> Html:
    state = element("span", run.state, class_="state" if run.state in WELL else "state bad")
    return element("details",
                   element("summary", tag(row), f" {row.label}, {seed(run)}: ", state),
                   element("div", command(run), definitions([*outcome(run, protocols), *provenance(row, run)])),
                   id=place(row, run), data_row=row.number)


def command(run: Run) -> Html:
    if not run.command:
        return paragraph("No command was recorded.")
    line = f"python {run.command}" if run.command.split()[0].endswith(".py") else run.command
    return element("div", element("pre", element("code", line)), element("button", "Copy", type="button",
                   class_="plain", aria_label="Copy the command"), class_="command")


def outcome(run: Run, protocols: Protocols) -> list[tuple[object, object]]:
    best = [(f"best {run.best.name}", score_text(run.best))] if run.best else []
    return [("ended as", f"{run.state}: {run.reason}" if run.reason else run.state),
            ("images seen", "not recorded" if run.images_seen is None else f"{run.images_seen:,}"),
            *((score.name, joined(score_text(score), ", ", protocols.link(score))) for score in run.metrics), *best,
            *((score.name, joined(score_text(score), ", by evaluate.py, ", protocols.link(score)))
              for score in run.evaluations())]


def score_text(score: Score) -> str:
    value = f"none: {score.reason or 'not finite'}" if score.value is None else written(score.value, 4)
    interval = f" ({written(score.interval[0], 4)} to {written(score.interval[1], 4)}, 95 % over fakes)" \
        if score.interval else ""
    return f"{value}{interval}" + (f" after {plural(score.images_seen, 'image')}" if score.images_seen else "")


def trained_on(data: Mapping[str, Any]) -> str:
    """The identity of a run's data, in words"""
    if not data or data.get(ASSUMED):
        return "not recorded"
    earlier = ", other data before" if data.get("earlier") else ""
    return f"{plural(data['images'], 'image')}{classes(data['classes'])}, digest {digest(data)[:8]}{earlier}"


def provenance(row: PageRow, run: Run) -> list[tuple[object, object]]:
    cost = run.cost
    parts = [f"{cost.seconds:,.0f} s" if cost.seconds is not None else "",
             f"{written(cost.images_per_second)} images/s" if cost.images_per_second else "",
             f"{cost.peak_memory_bytes / 2**20:,.0f} MiB at most" if cost.peak_memory_bytes else ""]
    parameters = ", ".join(f"{network} {number:,}" for network, number in cost.parameters.items())
    machine = ", ".join(filter(None, [run.host, plural(run.threads, "thread") if run.threads else ""]))
    libraries = ", ".join(f"{library} {version}" for library, version in run.versions.items())
    return [*((name, setting(row, name)) for name in row.settings),
            ("seed", "not recorded" if run.seed is None else run.seed),
            ("trained on", trained_on(run.data)),
            ("took", ", ".join(filter(None, parts)) or "not recorded"), ("parameters", parameters or "not recorded"),
            ("machine", machine or "not recorded"), ("directory", Path(run.path)),
            ("code revision", run.revision or "not recorded"), ("versions", libraries or "not recorded")]
