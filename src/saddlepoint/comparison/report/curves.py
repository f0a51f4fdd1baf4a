"""Builds the page's sections of curves: a chart of all rows for each score, and small charts of each row's losses."""

from collections.abc import Mapping, Sequence

from saddlepoint.comparison.columns import Column, Measurement, describe_difference, group_into_columns
from saddlepoint.comparison.report.axes import format_number
from saddlepoint.comparison.report.charts import MANY, SMALL, Line, chart, style_of
from saddlepoint.comparison.report.markup import Html, element, html, join
from saddlepoint.comparison.report.rows import DIRECTIONS, PageRow, paragraph, plural, section, tag
from saddlepoint.comparison.report.run_details import Protocols
from saddlepoint.comparison.report.seed_bands import BandPoint, seed_band
from saddlepoint.comparison.tabulating import direction
from saddlepoint.comparison.values import curve

MOST_STYLED = 12   # lines that one chart can tell apart; the others are grey
BANDS = "Lines are means over seeds, bands reach from the lowest seed to the highest."
PANELS = {  # title of a chart -> column of metrics.csv -> (tag, name, style) of its line
    "Losses": {"discriminator/total": ("D", "discriminator", "discriminator"),
               "generator/total": ("G", "generator", "generator")},
    "Mean score of D": {"score/real": ("real", "real images", "discriminator"),
                        "score/fake": ("fake", "fakes", "generator")},
}

Curves = Mapping[str, list[list[tuple[int, float]]]]   # column of metrics.csv -> the curve of each seed


def curves_of(row: PageRow) -> Curves:
    """Returns the curves of all runs of a row."""
    columns: dict[str, list] = {}
    for run in row.runs:
        for column, points in run.curve_points().items():
            columns.setdefault(column, []).append(points)
    return columns


def scores_section(rows: Sequence[PageRow], across: Sequence[str], protocols: Protocols) -> Html:
    """Returns the section with a chart for each metric and protocol, or nothing if there are no scores.

    `across` names fields of the protocol that may differ within a chart.
    """
    columns = group_into_columns(
        (Measurement(run, score, None) for row in rows for run in row.runs for score in run.metrics), across)
    first = {column.metric: column for column in reversed(columns)}
    differences = [describe_difference(first[column.metric], column, across) for column in columns]
    charts = [*filter(None, (score_chart(rows, column, protocols, difference)
                             for column, difference in zip(columns, differences, strict=True)))]
    return section("Scores over training", "scores", paragraph(
        f"{BANDS} The number at the end of a line is that of its row; choosing a name beside a chart sets its line "
        "apart."), *charts) if charts else html("")


def score_chart(rows: Sequence[PageRow], column: Column, protocols: Protocols, difference: str) -> Html | None:
    """Returns a chart of one column's scores, or None if no row has a point in it.

    `difference` says in which fields its protocol differs from that of the metric's first chart; empty: in none.
    """
    scores = {each.run.path: each.score for each in column.values}
    lines = []
    for row in rows:
        points = seed_band([curve(run, scores[run.path]) for run in row.runs if run.path in scores])
        if points:
            style = style_of(row.number - 1) if row.number <= MOST_STYLED else MANY
            lines.append((row, Line(points, f"{row.number}", f"#{row.number} {row.label}", row.number, style)))
    if not lines:
        return None
    remarks = join(DIRECTIONS[direction(column)], ", ", protocols.link(column.values[0].score),
                     f"; not to be compared with the first: other {difference}" if difference else "")
    return element("div", element("h3", column.metric, " ", element("small", remarks)),
                   chart([line for _, line in lines], column.metric, may_be_logarithmic=True), legend(lines),
                   class_="curves")


def legend(lines: Sequence[tuple[PageRow, Line]]) -> Html:
    """Returns the names of the lines, sorted as the lines end from top to bottom; grey lines are folded away."""
    lines = sorted(lines, key=lambda each: -each[1].points[-1].mean)
    styled = [legend_entry(row, line) for row, line in lines if line.style != MANY]
    others = [legend_entry(row, line) for row, line in lines if line.style == MANY]
    more = element("details", element("summary", f"{plural(len(others), 'grey line')}"),
                   element("ul", *others, class_="legend"))
    return element("div", element("ul", *styled, class_="legend"), more if others else "")


def legend_entry(row: PageRow, line: Line) -> Html:
    swatch = Html(f'<svg class="line {line.style}" viewBox="0 0 32 12" aria-hidden="true">'
                  '<path class="middle" d="M1 6H31"/></svg>')
    number = element("b", f"#{row.number}", class_=line.style)
    return element("li", element("button", swatch, number, element("span", row.label),
                                 element("span", format_number(line.points[-1].mean), class_="number"),
                                 type="button", aria_pressed="false"), data_row=row.number)


def losses_section(rows: Sequence[PageRow]) -> Html:
    """Returns the section with a panel for each row that wrote losses, or nothing if no row did."""
    columns = [column for panel in PANELS.values() for column in panel]
    rows_with_losses = [(row, curves) for row in rows
                        if any(column in (curves := curves_of(row)) for column in columns)]
    if not rows_with_losses:
        return html("")
    return section("Losses", "losses", paragraph(
        f"Of each row by itself, since losses of different kinds have different scales. {BANDS}"),
        element("div", *(panel_of(row, curves) for row, curves in rows_with_losses), class_="panels"))


def panel_of(row: PageRow, curves: Curves) -> Html:
    charts = [small_chart(row, curves, title, columns) for title, columns in PANELS.items()]
    return element("div", element("h3", tag(row), f" {row.label}"), *charts, class_="panel", data_row=row.number)


def small_chart(row: PageRow, curves: Curves, title: str, columns: Mapping[str, tuple[str, str, str]]) -> Html:
    """Returns a chart of some columns of a row's curves, see PANELS; nothing if the row has none of them."""
    bands: list[tuple[tuple, list[BandPoint]]] = [
        (names, seed_band(curves[column])) for column, names in columns.items() if column in curves]
    lines = [Line(points, short, name, row.number, style) for (short, name, style), points in bands if points]
    if not lines:
        return html("")
    return join(element("h4", title), chart(lines, f"{title} of row {row.number}", SMALL, cut_spikes=True))
