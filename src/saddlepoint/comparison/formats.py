"""Formats a sheet and its notes for a terminal, as Markdown and as LaTeX."""

import re
from collections.abc import Sequence

from saddlepoint.comparison.layout import Sheet, Text

GAP = "  "
MARK = "*"  # after the best value of a column, in a terminal
SYMBOLS = str.maketrans({  # what pandas leaves, and the fonts of LaTeX lack or show as something else
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--",
    "±": r"$\pm$", "Δ": r"$\Delta$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"})
MARKDOWN = re.compile(r"([\\`*|>\[\]])")  # characters that Markdown would read as markup
TAG = re.compile(r"<(?=[A-Za-z/!?])")     # so begins what it would read as HTML. Not every reader of Markdown knows \<


def terminal(sheet: Sheet, notes: Sequence[str], width: int) -> str:
    """Returns the sheet as plain text, lines at most `width` characters long where columns permit.

    A sheet that is too wide becomes several tables below each other. Each begins with the columns that identify a row,
    or with the row's number alone where these leave no room. Scores and what stands beside them stay in one table
    unless they are too wide for one.
    """
    lines = [_with_marks(line) for line in (sheet.header, *sheet.body)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(sheet.header))]
    blocks = _blocks(widths, sheet, width)
    tables = ["\n".join(GAP.join(_align(line[place], widths[place], sheet.header[place]) for place in block).rstrip()
                        for line in lines) for block in blocks]
    return "\n\n".join([*tables, "\n".join(notes)])


def markdown(sheet: Sheet, notes: Sequence[str]) -> str:
    """Returns the sheet as a Markdown table, the notes as a list below it.

    pandas writes Markdown through tabulate, which is one more package and leaves | in a cell as it is.
    """
    rule = ["---:" if title.number else ":---" for title in sheet.header]
    rows = [[f"**{_markdown(cell.words)}**" if cell.best else _markdown(cell.words) for cell in line]
            for line in (sheet.header, *sheet.body)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))
    return "\n\n".join([table, "\n".join(f"- {_markdown(note)}" for note in notes)]) + "\n"


def latex(sheet: Sheet, notes: Sequence[str]) -> str:
    r"""Returns the sheet as a tabular that needs \usepackage{booktabs}; the notes precede it as comments, for a
    caption."""
    import pandas as pd  # takes 0.4 seconds, for which a table on a terminal does not wait

    titles = [_one_line(title.words) for title in sheet.header]
    # pandas wants names that differ, and two scores have a p each. LaTeX does not show spaces at the end of a cell.
    names = [title + " " * titles[:place].count(title) for place, title in enumerate(titles)]
    texts = pd.DataFrame([[_one_line(cell.words) for cell in line] for line in sheet.body], columns=names)
    bold = pd.DataFrame([["textbf:--rwrap;" if cell.best else "" for cell in line] for line in sheet.body],
                        columns=names)
    style = texts.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    tabular = style.apply(lambda _: bold, axis=None).to_latex(
        hrules=True, column_format="".join("r" if title.number else "l" for title in sheet.header))
    comments = [f"% {' '.join(note.split())}" for note in (r"\usepackage{booktabs}", *notes)]
    return "\n".join([*comments, tabular.translate(SYMBOLS)])


def _with_marks(line: Sequence[Text]) -> list[str]:
    return [_one_line(cell.words) + (MARK if cell.best else "") for cell in line]


def _align(words: str, width: int, title: Text) -> str:
    return words.rjust(width) if title.number else words.ljust(width)


def _blocks(widths: Sequence[int], sheet: Sheet, width: int) -> list[list[int]]:
    """Returns the indices of the columns of each table; all begin with the same columns, which identify the row."""
    def fits(places: Sequence[int]) -> bool:
        return sum(widths[place] + len(GAP) for place in places) - len(GAP) <= width

    leading = [*range(sheet.fixed)]
    if not fits([*leading, max(range(sheet.fixed, len(widths)), key=widths.__getitem__)]):
        leading = [0]  # the row's number
    groups: list[list[int]] = []
    for place in range(len(leading), len(widths)):
        if sheet.header[place].companion and fits([*leading, *groups[-1], place]):
            groups[-1].append(place)
        else:
            groups.append([place])
    blocks = [[*leading]]
    for group in groups:
        if len(blocks[-1]) > len(leading) and not fits([*blocks[-1], *group]):
            blocks.append([*leading])
        blocks[-1] += group
    return blocks


def _markdown(words: str) -> str:
    return TAG.sub("&lt;", MARKDOWN.sub(r"\\\1", _one_line(words)))


def _one_line(words: str) -> str:
    return " ".join(words.split())
