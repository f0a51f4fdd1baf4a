"""What compare.py does."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saddlepoint import disk_space
from saddlepoint.comparison import formats, published
from saddlepoint.comparison.layout import sheet
from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.numbers import as_csv
from saddlepoint.comparison.run import Gathered
from saddlepoint.comparison.runs import gather
from saddlepoint.comparison.table import Question, Table
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.errors import RequestError

WIDTH = 160  # characters, where the terminal does not say
ENDINGS = (".md", ".csv", ".tex")


def compare(settings: Mapping[str, Any]) -> None:
    outputs = _outputs(settings["output"], settings["overwrite"])
    known = published.read(Path(settings["published"]).expanduser() if settings["published"] else published_file())
    gathered = gathered_from(settings["runs"])
    table = tabulate(gathered.runs, question(settings), known)
    said = notes(table, gathered)
    print(formats.terminal(sheet(table), said, shutil.get_terminal_size((WIDTH, 24)).columns))
    for path, text in zip(outputs, written(table, said), strict=False):
        _write(path, text)
    if outputs:
        print(f"\n{', '.join(map(str, outputs))}")


def published_file() -> Path:
    """Beside the script that was started, as Hydra's conf/ is."""
    return Path(sys.argv[0]).resolve().parent / "conf" / "published.yaml"


def gathered_from(asked: str | Sequence[str] | None) -> Gathered:
    """At least one run, or a refusal that says what is there instead."""
    if not asked:
        raise RequestError("runs=null: name what to compare, e.g. runs=multirun, or 'runs=[runs/a,runs/b]'")
    paths = [asked] if isinstance(asked, str) else asked
    gathered = gather(paths)
    if not gathered.runs:
        typed = asked if isinstance(asked, str) else f"[{','.join(asked)}]"
        found = "".join(f"\n  - {problem.text}" for problem in gathered.problems)
        several = (f"\nSeveral directories are written as a list: 'runs=[{asked}]'"
                   if isinstance(asked, str) and "," in asked else "")
        raise RequestError(f"runs={typed} holds no run: name a directory with runs of train.py at or below it{several}"
                           + found)
    return gathered


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
    home = Path(asked).expanduser()
    if home.suffix in ENDINGS:
        raise RequestError(f"output={asked} is written without its ending: type output={home.with_suffix('')}")
    if not home.name or home.is_dir():
        raise RequestError(f"output={asked} is a directory: type output={home / 'table'}")
    outputs = [home.with_name(home.name + ending) for ending in ENDINGS]
    there = [str(path) for path in outputs if path.exists()]
    if there and not overwrite:
        raise RequestError(f"{', '.join(there)} exists: choose another output=, or add overwrite=true")
    return outputs


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with disk_space.naming(path):
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        if disk_space.behind(error):
            raise
        raise RequestError(f"output={path} cannot be written: {error.strerror or error}. "
                           "Choose a place you may write to") from error
