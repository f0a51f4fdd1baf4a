"""Builds the page of a comparison: one HTML file that loads nothing. Its tables and pictures can be read without its
scripts; these sort, filter and draw the charts."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.report.curves import loss_panels, score_charts
from saddlepoint.comparison.report.results import results
from saddlepoint.comparison.report.rows import PageRow, page_rows, plural
from saddlepoint.comparison.report.run_details import Protocols, run_details
from saddlepoint.comparison.report.samples import pictures
from saddlepoint.comparison.table import Table
from saddlepoint.comparison.yardsticks import Yardsticks
from saddlepoint.runs.record import Gathered

PACKAGE, TEMPLATES = "saddlepoint.comparison.report", "templates"


def page(title: str, table: Table, gathered: Gathered, yardsticks: Sequence[Yardsticks] = ()) -> str:
    """Returns the page's HTML. Sections without content are left out, of the contents as well."""
    rows = page_rows(table)
    protocols = Protocols(rows)
    runs = run_details(rows, protocols)
    charts, panels = score_charts(rows, table.question.across, protocols), loss_panels(rows)
    scripts = [read_part("page.js")]
    if charts or panels:
        scripts = [get_plotlyjs(), read_part("charts.js"), *scripts]
    return environment().get_template("page.html").render(
        title=title, facts=facts(rows), results=results(rows, table, protocols), yardsticks=yardsticks,
        notes=notes(table, replace(gathered, problems=())),  # problems stand in the section of failures
        charts=charts, panels=panels, pictures=pictures(rows), failures=[each for each in runs if each.failed],
        problems=gathered.problems, runs=runs, protocols=protocols.described(), style=read_part("page.css"),
        scripts=scripts, digests=[digest(script) for script in scripts])


def environment() -> Environment:
    """Returns Jinja as the templates expect it: whatever they do not call safe is escaped, so that a run's name stays
    text."""
    made = Environment(loader=PackageLoader(PACKAGE, TEMPLATES), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True)
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    made.filters["plural"] = plural
    return made


def read_part(name: str) -> str:
    return files(PACKAGE).joinpath(TEMPLATES, name).read_text(encoding="utf-8")


def digest(script: str) -> str:
    """Returns what the page's policy calls a script by, so that the browser runs no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def facts(rows: Sequence[PageRow]) -> str:
    """Returns the line under the title: how many runs ended in which state, and the date."""
    states = Counter(run.state for row in rows for run in row.runs)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return (f"{plural(states.total(), 'run')} ({counted or 'none'}) of {plural(len(rows), 'recipe')}. "
            f"Written on {datetime.now():%Y-%m-%d at %H:%M}.")
