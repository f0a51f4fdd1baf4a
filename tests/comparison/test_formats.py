"""A table on a terminal, as Markdown and as LaTeX."""

import html
import itertools
import re

import markdown
import pytest

from saddlepoint.comparison import formats
from saddlepoint.comparison.layout import Sheet, Text, decimals, figures, sheet
from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.statistics import Summary
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.runs.gathering import gather
from tests.runs.made_runs import make_run, score

NASTY = r"a_b & 50% $x$ #1 {y} ~ ^ \z <w> | `c` *d*"


@pytest.fixture
def made(tmp_path):
    for seed, value in enumerate((10.0, 14.0, 12.0)):
        make_run(tmp_path / f"a{seed}", score(value=value), score("is_digits", 8.0), seed=seed, seconds=3725)
        make_run(tmp_path / f"b{seed}", score(value=value + 1, num_fake=7), seed=seed, trick=["r1"],
                 state="completed" if seed else "diverged", reason=NASTY)
    gathered = gather([tmp_path])
    table = tabulate(gathered.runs, Question(baseline="1"))
    return table, notes(table, gathered)


@pytest.mark.parametrize(("mean", "deviation", "shown"), [
    (12.0654, 3.2315, "12.1 (3.2) [11.1, 13.1]"), (95.21, 22.6, "95 (23) [94, 96]"),
    (0.123456, 0.00123, "0.1235 (0.0012) [-0.8765, 1.1235]"), (1234.5, 321.0, "1234 (321) [1234, 1236]"),
])
def test_numbers_show_two_digits_of_the_deviation(mean, deviation, shown):
    assert figures(Summary(3, mean, deviation, (mean - 1, mean + 1)), decimals(deviation)) == shown


def test_numbers_of_a_column_have_the_same_decimals_unless_one_would_lose_its_deviation(tmp_path):
    for row, spread in enumerate((2.0, 3.0, 0.5, 0.004)):
        for seed in (0, 1, 2):
            make_run(tmp_path / f"{row}{seed}", score(value=20 + spread * seed), seed=seed, budget__images=row + 1)
    shown = [line[-1].words for line in sheet(tabulate(gather([tmp_path]).runs, Question())).body]
    assert [words.split("[")[0] for words in shown] == ["22.0 (2.0) ", "23.0 (3.0) ", "20.5 (0.5) ", "20.004 (0.004) "]


def test_one_seed_shows_four_digits_and_no_interval():
    assert figures(Summary(1, 12.06544, None, None), 1) == "12.07"
    assert decimals(0.0) == 4 and decimals(1e-30) == 6


def test_markdown_has_a_cell_for_each_title_and_marks_the_best(made):
    lines = formats.markdown(sheet(made[0]), made[1]).splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    assert len(rows) == 4 and len({len(row) for row in rows}) == 1
    assert "2 of 3, 1 diverged" in lines[3] and "12.0 (2.0) \\[7.0, 17.0\\]" in lines[2] and "1:02:05" in lines[2]
    assert "48,000" in lines[2] and "1,000 + 500" in lines[2]


def test_the_best_mean_is_marked_in_each_format():
    bold = Sheet((Text("row"), Text("x")), ((Text("a"), Text("1", best=True)), (Text("b"), Text("2"))), 1)
    assert "**1**" in formats.markdown(bold, []) and "**2**" not in formats.markdown(bold, [])
    assert r"\textbf{1}" in formats.latex(bold, []) and r"\textbf{2}" not in formats.latex(bold, [])
    assert "1*" in formats.terminal(bold, [], 80) and "2*" not in formats.terminal(bold, [], 80)


def test_what_means_something_to_latex_is_escaped():
    """Every special character is behind a backslash or part of a command; without commands the text is as it was."""
    lines = formats.latex(Sheet((Text(NASTY),), ((Text("a\nb"),), (Text(NASTY),)), 1), []).splitlines()
    header, text, cell = (line.removesuffix(r" \\") for line in lines if line.endswith(r" \\"))
    assert text == "a b" and header == cell
    assert not re.search(r"(?<!\\)[&%$#_]|[~^<>|]", cell)
    characters = {"textasciitilde": "~", "textasciicircum": "^", "textbackslash": "\\", "textless": "<",
                  "textgreater": ">", "textbar": "|", "space": " "}
    plain = re.sub(r"\\([a-z]+)(\{\}| )", lambda match: characters[match[1]], re.sub(r"\\([&%$#_{}])", r"\1", cell))
    assert plain == NASTY


def test_symbols_that_latex_fonts_lack_are_commands():
    cell = formats.latex(Sheet((Text("Δ ↓"),), ((Text("1 ± 2 – 3"),),), 1), [])
    assert r"$\Delta$ $\downarrow$" in cell and r"1 $\pm$ 2 -- 3" in cell


def test_columns_of_one_title_stay_two_in_latex():
    twice = Sheet((Text("p"), Text("p")), ((Text("1"), Text("2", best=True)),), 1)
    assert "p & p  \\\\\n\\midrule\n1 & \\textbf{2} \\\\" in formats.latex(twice, [])


def test_a_note_in_latex_stays_a_comment():
    lines = formats.latex(Sheet((Text("x"),), (), 1), ["one\n\\end{document} two"]).splitlines()
    assert r"% one \end{document} two" in lines and not any(line.startswith(r"\end{document}") for line in lines)


def test_latex_is_a_booktabs_tabular_with_a_column_for_each_title(made):
    lines = formats.latex(sheet(made[0]), made[1]).splitlines()
    begin = next(line for line in lines if line.startswith(r"\begin{tabular}"))
    columns = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", begin)[1]
    rows = [line for line in lines if line.endswith(r" \\")]
    assert len(rows) == 3 and {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
    assert [line for line in lines if line in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}")] == [
        r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"]
    assert all(line.startswith("%") for line in lines[:lines.index(begin)])


def test_what_means_something_to_markdown_is_escaped():
    made = formats.markdown(Sheet((Text("a|b\n*c* [d](e) <f>"),), (), 1), [])
    assert made.splitlines()[0] == r"| a\|b \*c\* \[d\](e) &lt;f\> |"


def test_a_reader_of_markdown_shows_what_was_meant():
    """Python-Markdown, which makes the site of docs/, shows the backslash of \\<."""
    texts = ("p < 0.0001", "<b>x</b> > y", "a|b", NASTY)
    made = formats.markdown(Sheet((Text("x"),), tuple((Text(each),) for each in texts), 1), [])
    shown = re.findall("<td[^>]*>(.*?)</td>", markdown.markdown(made, extensions=["tables"]))
    assert [html.unescape(each) for each in shown] == list(texts) and not any("<" in each for each in shown)


def test_a_narrow_terminal_gets_several_tables_that_each_name_their_rows(made):
    wide, narrow = (formats.terminal(sheet(made[0]), (), width) for width in (1000, 60))
    assert len(wide.strip().split("\n\n")) == 1
    blocks = narrow.strip().split("\n\n")
    assert len(blocks) > 1 and all(block.startswith("row") for block in blocks)
    assert all(len(line) <= 60 for line in narrow.splitlines())
    assert all(title.words in narrow for title in sheet(made[0]).header)


@pytest.mark.parametrize("width, blocks", [
    (34, [["row", "a", "b", "p"]]), (33, [["row", "a"], ["row", "b", "p"]]),  # 3, 2 + 10, 2 + 10 and 2 + 5 wide
    (22, [["row", "a"], ["row", "b", "p"]]), (21, [["row", "a"], ["row", "b"], ["row", "p"]])])
def test_what_stands_beside_a_column_moves_with_it_unless_both_are_too_wide(width, blocks):
    titles = (Text("row"), Text("a"), Text("b"), Text("p", companion=True))
    shown = formats.terminal(Sheet(titles, (tuple(map(Text, ("1", "9" * 10, "8" * 10, "7" * 5))),), 1), (), width)
    assert [block.splitlines()[0].split() for block in shown.strip().split("\n\n")] == blocks


def test_differences_and_their_p_belong_to_the_column_before(tmp_path):
    for run, images in itertools.product(range(2), (1, 2)):
        make_run(tmp_path / f"{run}{images}", score(value=10.0 + run * images), seed=run, budget__images=images)
    header = sheet(tabulate(gather([tmp_path]).runs, Question(baseline="1"))).header
    assert [title.words for title in header[-3:]] == ["fid_digits ↓", "Δ", "p"]
    assert [title.companion for title in header] == [False] * (len(header) - 2) + [True, True]
