"""Writes the page of a comparison, and the files beside it."""

from collections.abc import Sequence
from pathlib import Path

from saddlepoint.comparison import published
from saddlepoint.comparison.report.page import page
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.config.folders import settings_folder
from saddlepoint.errors import RequestError
from saddlepoint.files import disk_space
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Gathered

PAGE = "comparison.html"


def write_page(directory: Path) -> Path | None:
    """comparison.html of a sweep that has ended -> where it stands, or None if no job left a run. The page that was
    there is replaced: a sweep's directory may be gone on with. A script of one's own has no conf/published.yaml."""
    gathered = gather([directory])
    if not gathered.runs:
        return None
    path, known = directory / PAGE, published_file()
    table = tabulate(gathered.runs, Question(), published.read(known) if known.exists() else ())
    write(path, page(title(str(directory), gathered), table, gathered), "page")
    return path


def published_file() -> Path:
    """Returns the file of published values that comes with this project."""
    return settings_folder() / "published.yaml"


def title(asked: str | Sequence[str], gathered: Gathered) -> str:
    return f"Comparison of {asked if isinstance(asked, str) else f'{len(gathered.runs)} runs'}"


def write(path: Path, text: str, setting: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with disk_space.naming(path):
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        if disk_space.behind(error):
            raise
        raise RequestError(f"{setting}={path} cannot be written: {error.strerror or error}. "
                           "Choose a place you may write to") from error
