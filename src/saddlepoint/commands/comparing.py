"""Compares runs for compare.py and saddlepoint.compare: gathers them, prints or returns their table, writes it to
files."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saddlepoint.comparison import formats, published, yardsticks
from saddlepoint.comparison.frame import as_frame
from saddlepoint.comparison.layout import sheet
from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.report.writing import PAGE, published_file, title, write, write_page_of
from saddlepoint.comparison.table import Question, Table
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.comparison.yardsticks import Yardsticks
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Gathered

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 160  # characters, where the terminal does not say
ENDINGS = (".md", ".csv", ".tex")


def compare(settings: Mapping[str, Any]) -> None:
    """Prints the comparison that the settings ask for, and writes it to the files of output= and page=."""
    files = Files(settings)
    answer = find_answer(settings)
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    print(formats.terminal(sheet(answer.table), [*answer.notes, *yardsticks.lines(answer.yardsticks)], width),
          flush=True)
    files.write(answer)
    if files.paths:
        print(f"\n{', '.join(map(str, files.paths))}")


def compare_as_frame(settings: Mapping[str, Any]) -> "pd.DataFrame":
    """Returns the comparison that the settings ask for as a DataFrame, and writes it to the files of output= and
    page=."""
    files = Files(settings)
    answer = find_answer(settings)
    files.write(answer)
    frame = as_frame(answer.table, answer.notes)
    frame.attrs["published"] = [asdict(entry) | {"as_ours": entry in group.as_ours} for group in answer.yardsticks
                                for entry in group.entries]
    return frame


@dataclass(frozen=True)
class Answer:
    """A table of gathered runs, and the notes on it."""

    title: str
    gathered: Gathered
    table: Table
    notes: Sequence[str]
    yardsticks: Sequence[Yardsticks]  # published values on the same data


class Files:
    """The files of output= and page=. Making it refuses those that cannot be written, before a run is read."""

    def __init__(self, settings: Mapping[str, Any]):
        self.outputs = _outputs(settings["output"], settings["overwrite"])
        self.page = _page(settings["page"], settings["overwrite"])

    @property
    def paths(self) -> list[Path]:
        return [*self.outputs, *([self.page] if self.page else [])]

    def write(self, answer: Answer) -> None:
        if self.outputs:
            for path, text in zip(self.outputs, file_contents(answer), strict=True):
                write(path, text, "output")
        if self.page:
            write_page_of(self.page, answer.title, answer.table, answer.gathered, answer.yardsticks)


def find_answer(settings: Mapping[str, Any]) -> Answer:
    """Gathers the runs that the settings name and tabulates them; raises a RequestError for what they do not have."""
    path = expanded(settings["published"], "published") if settings["published"] else published_file()
    known, others = published.read(path), yardsticks.read(path)
    gathered = gather_runs(settings["runs"])
    table = tabulate(gathered.runs, question(settings), known)
    return Answer(title(settings["runs"], gathered), gathered, table, notes(table, gathered),
                  yardsticks.yardsticks_of(table, others))


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


def file_contents(answer: Answer) -> tuple[str, ...]:
    """Returns the contents of the files of output=, in the order of ENDINGS."""
    texts, others = sheet(answer.table), [*map(yardsticks.sheet, answer.yardsticks)]
    return ("\n".join([formats.markdown(texts, answer.notes), *(formats.markdown(each, ()) for each in others)]),
            as_frame(answer.table).to_csv(lineterminator="\n"),
            "\n".join([formats.latex(texts, answer.notes), *(formats.latex(each, ()) for each in others)]))


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
