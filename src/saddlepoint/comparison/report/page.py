"""One HTML file that shows a comparison and needs nothing else: no network, no other file, no script to be read."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from string import Template

from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.report.curves import loss_curves, score_curves
from saddlepoint.comparison.report.markup import Html, element, html, joined
from saddlepoint.comparison.report.rows import PageRow, page_rows, plural
from saddlepoint.comparison.report.runs import Protocols, failures, runs
from saddlepoint.comparison.report.samples import samples
from saddlepoint.comparison.report.table import results
from saddlepoint.comparison.table import Table
from saddlepoint.runs.record import Gathered

SECTIONS = {"results": "Results", "scores": "Scores", "losses": "Losses", "pictures": "Pictures",
            "failures": "Failures", "runs": "Runs", "protocols": "Protocols"}


def page(title: str, table: Table, gathered: Gathered) -> str:
    rows, said = page_rows(table), notes(table, replace(gathered, problems=()))  # problems stand among the failures
    protocols = Protocols(rows)
    sections = [results(rows, table, said, protocols), score_curves(rows, table.question.across, protocols),
                loss_curves(rows), samples(rows), failures(rows, gathered.problems), runs(rows, protocols),
                protocols.section()]
    links = [element("li", element("a", name, href=f"#{place}"))
             for (place, name), section in zip(SECTIONS.items(), sections, strict=True) if section]
    script = part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(part("page.html")).substitute(
        title=html(title), facts=facts(rows), contents=joined(*links), sections="\n".join(filter(None, sections)),
        style=part("page.css"), script=script, script_digest=f"sha256-{digest}")


def part(name: str) -> str:
    return files("saddlepoint.comparison.report").joinpath(name).read_text(encoding="utf-8")


def facts(rows: Sequence[PageRow]) -> Html:
    states = Counter(run.state for row in rows for run in row.runs)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return html(f"{plural(states.total(), 'run')} ({counted or 'none'}) of {plural(len(rows), 'recipe')}. "
                f"Written on {datetime.now():%Y-%m-%d at %H:%M}.")
