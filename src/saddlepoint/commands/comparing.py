"""What compare.py does."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saddlepoint.comparison import formats, published
from saddlepoint.comparison.layout import sheet
from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.numbers import as_csv
from saddlepoint.comparison.report.page import page
from saddlepoint.comparison.report.writing import PAGE, published_file, title, write
from saddlepoint.comparison.table import Question, Table
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Gathered

WIDTH = 160  # characters, where the terminal does not say
ENDINGS = (".md", ".csv", ".tex")


def compare(settings: Mapping[str, Any]) -> Table:
    """Prints the comparison that was asked for, writes it where asked, and returns its table."""
    outputs = _outputs(settings["output"], settings["overwrite"])
    shown_in = _page(settings["page"], settings["overwrite"])
    known = published.read(expanded(settings["published"], "published") if settings["published"] else published_file())
    gathered = gathered_from(settings["runs"])
    table = tabulate(gathered.runs, question(settings), known)
    said = notes(table, gathered)
    print(formats.terminal(sheet(table), said, shutil.get_terminal_size((WIDTH, 24)).columns), flush=True)
    for path, text in zip(outputs, written(table, said), strict=False):
        write(path, text, "output")
    if shown_in:
        write(shown_in, page(title(settings["runs"], gathered), table, gathered), "page")
    if outputs or shown_in:
        print(f"\n{', '.join(map(str, [*outputs, *([shown_in] if shown_in else [])]))}")
    return table


def gathered_from(asked: str | Sequence[str] | None) -> Gathered:
    """At least one run, or a refusal that says what is there instead."""
    if not asked:
        raise RequestError("runs=null: name what to compare, e.g. runs=multirun, or 'runs=[runs/a,runs/b]'")
    paths = [asked] if isinstance(asked, str) else asked
    gathered = gather(paths)
    if not gathered.runs:
        typed = _typed(asked)
        found = "".join(f"\n  - {problem.text}" for problem in gathered.problems)
        several = (f"\nSeveral directories are written as a list: 'runs=[{asked}]'"
                   if isinstance(asked, str) and "," in asked else "")
        raise RequestError(f"runs={typed} holds no run: name a directory with runs of train.py at or below it{several}"
                           + found)
    return gathered


def _typed(asked: str | Sequence[str]) -> str:
    return asked if isinstance(asked, str) else f"[{','.join(asked)}]"


def question(settings: Mapping[str, Any]) -> Question:
    return Question(settings["value"], settings["metric"], settings["baseline"], tuple(settings["across"]),
                    settings["evaluations"])


def written(table: Table, said: Sequence[str]) -> tuple[str, ...]:
    """The contents of the files, in the order of ENDINGS."""
    return formats.markdown(sheet(table), said), as_csv(table), formats.latex(sheet(table), said)


def _outputs(asked: str | None, overwrite: bool) -> list[Path]:
    """Refused before anything is read."""
    if asked is None:
        return []
    home = expanded(asked, "output")
    if home.suffix in ENDINGS:
        raise RequestError(f"output={asked} is written without its ending: type output={home.with_suffix('')}")
    if not home.name or is_taken(home) and home.is_dir():
        raise RequestError(f"output={asked} is a directory: type output={home / 'table'}")
    outputs = [home.with_name(home.name + ending) for ending in ENDINGS]
    there = [str(path) for path in outputs if is_taken(path)]
    if there and not overwrite:
        raise RequestError(f"{', '.join(there)} exists: choose another output=, or add overwrite=true")
    for path in outputs:
        require_writable(path, f"output={asked}")
    return outputs


def _page(asked: str | None, overwrite: bool) -> Path | None:
    if asked is None:
        return None
    path = expanded(asked, "page")
    is_folder = is_taken(path) and path.is_dir()
    if path.suffix != ".html" or is_folder:
        instead = path / PAGE if is_folder else path.with_suffix(".html")
        raise RequestError(f"page={asked} must be the name of an HTML file: type page={instead}")
    if is_taken(path) and not overwrite:
        raise RequestError(f"{path} exists: choose another page=, or add overwrite=true")
    require_writable(path, f"page={asked}")
    return path
