"""Builds the page of a comparison: one HTML file that can be read without network, without other files and without
its script."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from string import Template

from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.report.curves import losses_section, scores_section
from saddlepoint.comparison.report.markup import Html, element, html, join
from saddlepoint.comparison.report.rows import PageRow, page_rows, plural
from saddlepoint.comparison.report.run_details import Protocols, failures_section, runs_section
from saddlepoint.comparison.report.samples import pictures_section
from saddlepoint.comparison.report.table import results_section
from saddlepoint.comparison.table import Table
from saddlepoint.runs.record import Gathered

SECTIONS = {"results": "Results", "scores": "Scores", "losses": "Losses", "pictures": "Pictures",
            "failures": "Failures", "runs": "Runs", "protocols": "Protocols"}


def page(title: str, table: Table, gathered: Gathered) -> str:
    """Returns the page's HTML. Sections without content are left out, of the contents as well."""
    rows = page_rows(table)
    protocols = Protocols(rows)
    sentences = notes(table, replace(gathered, problems=()))  # problems stand in the section of failures
    sections = [results_section(rows, table, sentences, protocols),
                scores_section(rows, table.question.across, protocols), losses_section(rows), pictures_section(rows),
                failures_section(rows, gathered.problems), runs_section(rows, protocols), protocols.section()]
    links = [element("li", element("a", name, href=f"#{place}"))
             for (place, name), section in zip(SECTIONS.items(), sections, strict=True) if section]
    script = read_part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(read_part("page.html")).substitute(
        title=html(title), facts=facts(rows), contents=join(*links), sections="\n".join(filter(None, sections)),
        style=read_part("page.css"), script=script, script_digest=f"sha256-{digest}")


def read_part(name: str) -> str:
    return files("saddlepoint.comparison.report").joinpath(name).read_text(encoding="utf-8")


def facts(rows: Sequence[PageRow]) -> Html:
    """Returns the line under the title: how many runs ended in which state, and the date."""
    states = Counter(run.state for row in rows for run in row.runs)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return html(f"{plural(states.total(), 'run')} ({counted or 'none'}) of {plural(len(rows), 'recipe')}. "
                f"Written on {datetime.now():%Y-%m-%d at %H:%M}.")
