"""Compares runs for compare.py: gathers them, prints their table and writes it to files."""

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
    """Prints the comparison of the settings, writes it to the files of output= and page=, and returns its table."""
    outputs = _outputs(settings["output"], settings["overwrite"])
    page_path = _page(settings["page"], settings["overwrite"])
    known = published.read(expanded(settings["published"], "published") if settings["published"] else published_file())
    gathered = gather_runs(settings["runs"])
    table = tabulate(gathered.runs, question(settings), known)
    sentences = notes(table, gathered)
    print(formats.terminal(sheet(table), sentences, shutil.get_terminal_size((WIDTH, 24)).columns), flush=True)
    for path, text in zip(outputs, file_contents(table, sentences), strict=False):
        write(path, text, "output")
    if page_path:
        write(page_path, page(title(settings["runs"], gathered), table, gathered), "page")
    if outputs or page_path:
        print(f"\n{', '.join(map(str, [*outputs, *([page_path] if page_path else [])]))}")
    return table


def gather_runs(places: str | Sequence[str] | None) -> Gathered:
    """Returns the runs at or below the places typed in runs=; refuses places without any run."""
    if not places:
        raise RequestError("runs=null: name what to compare, e.g. runs=multirun, or 'runs=[runs/a,runs/b]'")
    gathered = gather([places] if isinstance(places, str) else places)
    if not gathered.runs:
        typed = places if isinstance(places, str) else f"[{','.join(places)}]"
        problems = "".join(f"\n  - {problem.text}" for problem in gathered.problems)
        several = (f"\nSeveral directories are written as a list: 'runs=[{places}]'"
                   if isinstance(places, str) and "," in places else "")
        raise RequestError(f"runs={typed} holds no run: name a directory with runs of train.py at or below it{several}"
                           + problems)
    return gathered


def question(settings: Mapping[str, Any]) -> Question:
    return Question(settings["value"], settings["metric"], settings["baseline"], tuple(settings["across"]),
                    settings["evaluations"])


def file_contents(table: Table, sentences: Sequence[str]) -> tuple[str, ...]:
    """Returns the contents of the files of output=, in the order of ENDINGS; `sentences` are the notes on the table."""
    return formats.markdown(sheet(table), sentences), as_csv(table), formats.latex(sheet(table), sentences)


def _outputs(typed: str | None, overwrite: bool) -> list[Path]:
    """Returns the files of output=; refuses one that cannot be written, before anything is read."""
    if typed is None:
        return []
    stem = expanded(typed, "output")
    if stem.suffix in ENDINGS:
        raise RequestError(f"output={typed} is written without its ending: type output={stem.with_suffix('')}")
    if not stem.name or is_taken(stem) and stem.is_dir():
        raise RequestError(f"output={typed} is a directory: type output={stem / 'table'}")
    outputs = [stem.with_name(stem.name + ending) for ending in ENDINGS]
    existing = [str(path) for path in outputs if is_taken(path)]
    if existing and not overwrite:
        raise RequestError(f"{', '.join(existing)} exists: choose another output=, or add overwrite=true")
    for path in outputs:
        require_writable(path, f"output={typed}")
    return outputs


def _page(typed: str | None, overwrite: bool) -> Path | None:
    if typed is None:
        return None
    path = expanded(typed, "page")
    is_folder = is_taken(path) and path.is_dir()
    if path.suffix != ".html" or is_folder:
        instead = path / PAGE if is_folder else path.with_suffix(".html")
        raise RequestError(f"page={typed} must be the name of an HTML file: type page={instead}")
    if is_taken(path) and not overwrite:
        raise RequestError(f"{path} exists: choose another page=, or add overwrite=true")
    require_writable(path, f"page={typed}")
    return path
