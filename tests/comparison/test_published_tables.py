"""Tables of papers with standard errors: Welch's t and prediction intervals, and what a comparison shows of them."""

import numpy as np
import pytest
from scipy import stats

from saddlepoint import build
from saddlepoint.comparison import published, yardsticks
from saddlepoint.comparison.frame import as_frame
from saddlepoint.comparison.layout import sheet
from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.published import AGREES, DIFFERS, NO_SPREAD, ONE_OUTSIDE, ONE_WITHIN, agreement
from saddlepoint.comparison.published_tables import read_tables
from saddlepoint.comparison.report.page import page
from saddlepoint.comparison.statistics import (
    Summary,
    difference_of_means,
    of_standard_error,
    range_of_another,
    summarise,
)
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.errors import RequestError
from saddlepoint.runs.gathering import gather
from tests.comparison.tables import said
from tests.composing import CONF, settings
from tests.runs.made_runs import make_run, score

FILE = """published: []
tables:
  rings:
    source: A paper
    data: mnist5k
    where: {experiment: ring}
    runs: 10
    protocol: {num_fake: 2000}
    rows:
      GAN: {where: {trick: []}, images: 48000, values: {fid_digits: [6.3, 0.5]}}
      packed: {where: {trick: [r1]}, values: {fid_digits: [7.9, 0.1]}}
      ALI: {values: {fid_digits: 6.6, kid_digits: fails}}
"""


@pytest.mark.parametrize("shift, spread", [(0.0, 1.0), (0.4, 1.0), (2.0, 0.3), (-3.0, 2.0)])
def test_the_interval_of_a_difference_is_welchs(shift, spread):
    random = np.random.default_rng(3)
    one, other = random.normal(shift, spread, 5), random.normal(size=9)
    test = stats.ttest_ind(one, other, equal_var=False)
    interval = difference_of_means(summarise(one), summarise(other))
    assert interval == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (interval[0] <= 0 <= interval[1]) == (test.pvalue >= 0.05)


def test_a_mean_with_its_standard_error_is_as_good_as_the_values():
    values = np.random.default_rng(4).normal(size=7)
    told = of_standard_error(values.mean(), stats.sem(values), 7)
    assert (told.count, told.mean) == (7, values.mean())
    assert told.deviation == pytest.approx(values.std(ddof=1))
    assert told.interval == pytest.approx(stats.t.interval(0.95, 6, values.mean(), stats.sem(values)))


def test_one_more_value_lies_in_its_range_in_95_percent_of_cases():
    random = np.random.default_rng(5)
    inside = 0
    for _ in range(4000):
        *values, another = random.normal(3, 2, 5)
        low, high = range_of_another(summarise(values))
        inside += low <= another <= high
    assert abs(inside / 4000 - 0.95) < 0.015  # four standard errors


def test_values_that_are_all_alike_agree_only_if_they_are_equal():
    same = summarise([1000.0, 1000.0])
    assert agreement(same, of_standard_error(1000, 0, 10)) == AGREES
    assert agreement(same, of_standard_error(999, 0, 10)) == DIFFERS
    assert agreement(same, Summary(10, 1000.0, None, None)) == NO_SPREAD


def test_one_seed_is_compared_with_the_range_of_one_more_run():
    theirs = of_standard_error(6.3, 0.5, 10)  # deviation 1.58, t 2.262: 6.3 +- 3.75
    assert [agreement(summarise([value]), theirs) for value in (2.5, 2.6, 10.0, 10.1)] == [
        ONE_OUTSIDE, ONE_WITHIN, ONE_WITHIN, ONE_OUTSIDE]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "published.yaml").write_text(FILE)
    return tmp_path / "published.yaml"


def rings(path, *runs):
    for number, (value, more) in enumerate(runs):
        make_run(path / f"run{number}", score(value=value, images=more.get("images", 48000),
                                              **more.pop("protocol", {})),
                 seed=number, choices={"experiment": "ring"}, **more)
    return gather([path])


def test_a_row_of_ours_shows_the_papers_value_and_interval_and_agrees_or_differs(file, tmp_path):
    gathered = rings(tmp_path / "runs", (6.0, {}), (7.0, {}), (6.4, {}), (9.0, {"trick": ["r1"]}),
                     (9.1, {"trick": ["r1"]}))
    known = published.read(file)
    table = tabulate(gathered.runs, Question(), known)
    cells = {row.settings: row.cells[0] for row in table.rows}
    assert [cell.published.words for cell in cells.values()] == ["6.3 ± 0.5 [5.17, 7.43]", "7.9 ± 0.1 [7.67, 8.13]"]
    assert [cell.verdict for cell in cells.values()] == [AGREES, DIFFERS]
    assert sheet(table).header[-1].words == "published fid_digits ↓"
    shown = [line[-1].words for line in sheet(table).body]
    assert shown == ["6.3 ± 0.5 [5.17, 7.43] (agrees)", "7.9 ± 0.1 [7.67, 8.13] (differs)"]
    html = page("title", table, gathered, yardsticks.yardsticks_of(table, yardsticks.read(file)))
    assert "published 6.3 ± 0.5 [5.17, 7.43]: agrees" in html and "<td>ALI</td>" in html
    frame = as_frame(table)
    assert frame["fid_digits.published"].tolist() == [6.3, 7.9]
    assert frame["fid_digits.published_low"].tolist() == pytest.approx([5.169, 7.674], abs=1e-3)
    assert frame["fid_digits.verdict"].tolist() == [AGREES, DIFFERS]


def test_shorter_runs_and_other_protocols_are_not_compared(file, tmp_path):
    known = published.read(file)
    short = rings(tmp_path / "short", (6.0, {"images": 4800, "budget__images": 4800}))
    [row] = tabulate(short.runs, Question(), known).rows
    assert row.cells[0].verdict == "not compared: 4,800 of 48,000 images"
    other = rings(tmp_path / "other", (6.0, {"protocol": {"num_fake": 50}}))
    [row] = tabulate(other.runs, Question(), known).rows
    assert row.cells[0].verdict == "not compared: other num fake"


def test_what_is_told_of_one_metric_binds_its_values_alone(file, tmp_path):
    file.write_text(FILE.replace("protocol: {num_fake: 2000}",
                                 "protocol: {num_fake: 2000, fid_digits: {settings.logarithm: natural}}"))
    table = read_tables(file)["rings"]
    assert table.protocol_of("fid_digits") == {"num_fake": 2000, "settings.logarithm": "natural"}
    assert table.protocol_of("modes_digits") == {"num_fake": 2000}
    [ali] = [each for each in yardsticks.read(file) if each.system == "ALI" and each.metric == "fid_digits"]
    assert ali.protocol == table.protocol_of("fid_digits")
    verdicts = []
    for base in ("natural", 10):
        gathered = rings(tmp_path / str(base), (6.0, {"protocol": {"settings": {"logarithm": base}}}))
        [row] = tabulate(gathered.runs, Question(), published.read(file)).rows
        verdicts.append(row.cells[0].verdict)
    assert verdicts == [ONE_WITHIN, "not compared: other settings.logarithm"]


def test_the_notes_say_what_the_numbers_behind_a_published_value_are(file, tmp_path):
    rings(tmp_path / "runs", (6.0, {}))
    gathered = gather([tmp_path / "runs"])
    told = "\n".join(notes(tabulate(gathered.runs, Question(), published.read(file)), gathered))
    assert ("Published fid_digits 6.3 ± 0.5 [5.17, 7.43] (mean ± standard error [95 % interval of the mean] of 10 "
            "runs; num fake 2000): A paper, GAN.") in told
    assert "Published" not in said(tmp_path / "runs")


@pytest.mark.parametrize("old, new, words", [
    ("source: A paper", "sauce: A paper", "must have exactly data, protocol, rows, runs, source, where"),
    ("num_fake: 2000", "fid_digits: 2000", "protocol, fid_digits must be a value, or names with values under"),
    ("num_fake: 2000", "num_fakes: {a: 1}", "protocol, num_fakes must be a value, or names with values under"),
    ("runs: 10", "runs: ten", "runs how many there were"),
    ("[6.3, 0.5]", "[6.3, -0.5]", r"rings, GAN, fid_digits must be a mean, or \[mean, standard error\] of several"),
    ("[6.3, 0.5]", "failed", "rings, GAN, fid_digits must be a mean"),
    ("images: 48000, values", "value", "rings, GAN must have values, and may have where and images"),
])
def test_a_table_that_cannot_be_used_is_refused_with_its_place(file, old, new, words):
    file.write_text(FILE.replace(old, new))
    with pytest.raises(RequestError, match=words):
        read_tables(file)


@pytest.mark.parametrize("data", ["ring", "grid"])
def test_pacgans_rule_is_the_one_that_our_points_are_measured_by(data):
    made = settings(f"experiment=pacgan_{data}")
    rule = build.extractor(made).mode_rule.words
    table = read_tables(CONF / "published.yaml")[f"pacgan_{data}"]
    assert {table.protocol_of(metric)["settings.rule"] for metric in table.metrics} == {rule}


def test_those_that_come_with_the_project_have_all_rows_of_pacgan():
    tables = read_tables(CONF / "published.yaml")
    assert {"pacgan_ring", "pacgan_grid", "pacgan_stacked_digits"} <= set(tables)
    for name in ("pacgan_ring", "pacgan_grid"):
        rows = tables[name].rows
        assert [rows[f"PacGAN{packing}"].images for packing in (2, 3, 4)] == [80_000_000, 120_000_000, 160_000_000]
        assert all(len(row.values) == 3 for row in rows.values())
        shares = [row.values["high_quality_mixture"].mean for row in rows.values()]
        assert all(0.9 < share < 0.98885 for share in shares)  # below a perfect generator's 1 - exp(-4.5)
