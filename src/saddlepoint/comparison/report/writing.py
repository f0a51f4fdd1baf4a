"""Writes the page of a sweep, and files that a comparison puts at typed places."""

from collections.abc import Sequence
from pathlib import Path

from saddlepoint.comparison import published, yardsticks
from saddlepoint.comparison.table import Question, Table
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.config.folders import settings_folder
from saddlepoint.errors import RequestError
from saddlepoint.files import disk_space
from saddlepoint.files.atomic import write_atomically
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Gathered

PAGE = "comparison.html"


def write_page(directory: Path) -> Path | None:
    """Writes comparison.html into the directory of a sweep that has ended, and returns its path; None if no job left a
    run. An older page is replaced, since a sweep may be continued in its directory."""
    gathered = gather([directory])
    if not gathered.runs:
        return None
    path, published_path = directory / PAGE, published_file()
    # beside a user's own script there may be no such file
    entries, others = ((published.read(published_path), yardsticks.read(published_path))
                       if published_path.exists() else ((), ()))
    table = tabulate(gathered.runs, Question(), entries)
    write_page_of(path, title(str(directory), gathered), table, gathered, yardsticks.yardsticks_of(table, others))
    return path


def write_page_of(path: Path, heading: str, table: Table, gathered: Gathered,
                  published_beside: Sequence[yardsticks.Yardsticks] = ()) -> None:
    """Writes the page of a table of gathered runs, with published values on the same data."""
    from saddlepoint.comparison.report.page import page  # Jinja, and Plotly's script: only where a page is written
    write(path, page(heading, table, gathered, published_beside), "page")


def published_file() -> Path:
    """Returns the file of published values that comes with this project."""
    return settings_folder() / "published.yaml"


def title(compared: str | Sequence[str], gathered: Gathered) -> str:
    """Returns the page's title. `compared`: what was typed, one directory or a list of them."""
    return f"Comparison of {compared if isinstance(compared, str) else f'{len(gathered.runs)} runs'}"


def write(path: Path, text: str, setting: str) -> None:
    """Writes a text to the path that `setting` names. Raises a RequestError if the path cannot be written to, and
    DiskFull if the disk is full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)

        def write_to(file: Path) -> None:
            file.write_text(text, encoding="utf-8", errors="backslashreplace")
        if path.exists() and not path.is_file():  # a pipe
            write_to(path)
        else:
            write_atomically(path.resolve(), write_to)  # a link stays one
    except OSError as error:
        if disk_space.find_full_disk(error):
            raise
        raise RequestError(f"{setting}={path} cannot be written: {error.strerror or error}. "
                           "Choose a place you may write to") from error
