"""Builds the page's section of results: a table that can be sorted and filtered, with an interval for each mean."""

from collections.abc import Sequence
from statistics import fmean

from saddlepoint.comparison.layout import NOTHING, decimals_in, sheet
from saddlepoint.comparison.report.markup import Html, element, html, join
from saddlepoint.comparison.report.rows import DIRECTIONS, PageRow, paragraph, plural, scrolling, section, setting
from saddlepoint.comparison.report.run_details import Protocols, place
from saddlepoint.comparison.table import Cell, Row, Table
from saddlepoint.comparison.tabulating import direction
from saddlepoint.runs.record import Run

MOST_CHOICES = 12   # values that a setting may have to get a menu of its own
LEGEND = ("Marked settings differ from those of the baseline, or of row 1 where no baseline was chosen.",
          "Numbers are mean ± standard deviation; beneath is the 95 % interval of the mean.")


def results_section(rows: Sequence[PageRow], table: Table, notes: Sequence[str], protocols: Protocols) -> Html:
    """Returns the section with the table, its controls above and its notes below."""
    if not rows:
        return section("Results", "results", paragraph("There is no run to show."))
    texts = sheet(table)  # of which seeds, images seen, time and parameters are taken
    words = [[line[place].words for place in range(texts.fixed - 1, texts.fixed + 3)] for line in texts.body]
    body = element("tbody", *(table_row(*each, table) for each in zip(rows, table.rows, words, strict=True)))
    return section("Results", "results", controls(rows),
                   scrolling("Results", element("table", element("thead", header(table, protocols)), body,
                                                class_="results")),
                   element("ul", *(element("li", note) for note in [*LEGEND, *notes]), class_="notes"))


def controls(rows: Sequence[PageRow]) -> Html:
    """Returns a search field and a menu for each setting with few values; nothing for a single row."""
    if len(rows) < 2:
        return html("")
    search = element("label", "Filter by any word", element("input", type="search", data_filter="text",
                                                            autocomplete="off", spellcheck="false"))
    values = {name: list(dict.fromkeys(row.settings[name] for row in rows)) for name in rows[0].settings}
    choices = [choice(name, several) for name, several in values.items() if 1 < len(several) <= MOST_CHOICES]
    return element("div", search, *choices, element("button", "Show all", type="button", data_reset=True),
                   element("output", f"all {len(rows)} rows", data_shown=True, role="status"), class_="controls")


def choice(name: str, values: Sequence[str]) -> Html:
    """Returns a menu of a setting's values, by which rows are filtered."""
    return element("label", name, element("select", element("option", "any", value=""), *(
        element("option", value, value=value) for value in sorted(values)), data_filter=name))


def header(table: Table, protocols: Protocols) -> Html:
    metrics = [title(column.title, join(DIRECTIONS[direction(column)], ", ",
                                          protocols.link(column.values[0].score))) for column in table.columns]
    return element("tr", title("row"), *(title(name, numeric=False) for name in table.differences.settings),
                   title("seeds"), *metrics, title("images seen"), title("time", html("mean")), title("parameters"))


def title(name: str, below: Html | None = None, numeric: bool = True) -> Html:
    """Returns the title of a column, a button that sorts by it. `below`: a remark in small print."""
    return element("th", element("button", name, type="button"), element("small", below) if below else "",
                   scope="col", class_="number" if numeric else None, data_numeric=numeric)


def table_row(page_row: PageRow, row: Row, words: Sequence[str], table: Table) -> Html:
    """Returns a row of the table. `words`: the texts of its seeds, images seen, time and parameters."""
    number = element("th", element("a", f"#{row.number}", href=f"#{place(page_row, row.runs[0])}"),
                     element("small", "baseline") if row is table.baseline else "", scope="row", class_="number",
                     data_value=row.number)
    settings = [element("td", setting(page_row, name), data_value=value, data_column=name)
                for name, value in page_row.settings.items()]
    scores = [score_cell(table, row, index) for index in range(len(row.cells))]
    seeds, *costs = map(number_cell, words, [row.states["completed"], *sorting_costs(row.runs)])
    searchable = " ".join([f"#{row.number}", page_row.label, *(run.name for run in row.runs), *row.states])
    return element("tr", number, *settings, seeds, *scores, *costs, data_row=row.number, data_text=searchable)


def number_cell(words: str, value: float | None) -> Html:
    """Returns a cell with a text, and the number by which rows are sorted there."""
    first, _, more = words.partition(", ")  # seeds may be `2 of 3, 1 diverged`
    return element("td", first, element("small", more, class_="bad") if more else "", class_="number",
                   data_value="" if value is None else value)


def sorting_costs(runs: Sequence[Run]) -> list[float | None]:
    """Returns images seen, mean seconds and parameters of a row's runs, the numbers that rows are sorted by."""
    seconds = [run.cost.seconds for run in runs if run.cost.seconds is not None]
    return [max((run.images_seen for run in runs if run.images_seen is not None), default=None),
            fmean(seconds) if seconds else None,
            max((sum(run.cost.parameters.values()) for run in runs), default=None)]


def score_cell(table: Table, row: Row, index: int) -> Html:
    """Returns a cell with mean and deviation; below are interval, seeds if some lack a value, difference and published
    score."""
    cell = row.cells[index]
    if cell is None:
        return element("td", NOTHING, class_="number", data_value="")
    mean, deviation, interval = cell.summary.mean, cell.summary.deviation, cell.summary.interval
    digits = decimals_in(table, index, cell)
    value = f"{mean:,.{digits}f}" + (f" ± {deviation:,.{digits}f}" if deviation is not None else "")
    fewer = plural(cell.summary.count, "seed") if cell.summary.count != row.states["completed"] else ""
    details = [f"{interval[0]:,.{digits}f} to {interval[1]:,.{digits}f}" if interval else "", fewer,
               difference_text(cell, digits), published_text(cell)]
    return element("td", value, *(element("small", text) for text in details if text),
                   class_="number starred best" if cell.rank == 1 else "number starred", data_value=mean)


def difference_text(cell: Cell, digits: int) -> str:
    difference = cell.difference
    return f"Δ {difference.mean:+,.{digits}f}, p {difference.p:.2g}" if difference else ""


def published_text(cell: Cell) -> str:
    published = cell.published
    if not published:
        return ""
    return f"published {published.value:g}: {published.verdict(cell.summary.mean, cell.values[0].score.protocol)}"
