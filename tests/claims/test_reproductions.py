"""Published tables beside runs: which agree, in which order rows stand, and what the page says."""

from dataclasses import replace

import pytest

from saddlepoint.claims.repeated_rows import DIRECTION_ONLY, FAILED_THERE, NOT_RUN, order, repeated, verdict
from saddlepoint.claims.reproduction import named, read_reproductions
from saddlepoint.claims.reproductions_page import reproductions_page
from saddlepoint.claims.results import Result
from saddlepoint.claims.typed_words import effective
from saddlepoint.comparison.published import AGREES, DIFFERS, ONE_WITHIN
from saddlepoint.comparison.published_tables import read_tables
from saddlepoint.errors import RequestError

TABLES = """tables:
  rings:
    source: A paper
    data: ring
    where: {}
    runs: 10
    protocol: {}
    rows:
      GAN: {where: {}, values: {rarest_class_digits: [6.3, 0.5], fid_digits: [0.45, 0.09]}}
      packed: {where: {}, values: {rarest_class_digits: [7.9, 0.1], fid_digits: [0.07, 0.03]}}
      lost: {where: {}, values: {rarest_class_digits: fails}}
"""
RINGS = """number: 1
title: Rings
table: rings
metrics: [rarest_class_digits, fid_digits]
settings: [experiment=ring]
lengths:
  full:
    title: As long as the paper's
    steps: 400
    rows:
      GAN: {words: [budget.images=4000], seeds: 5}
      packed: {words: ["trick=[packing]", budget.images=8000], seeds: 5}
  short:
    title: A tenth of it
    steps: 40
    direction_only: true
    rows:
      GAN: {words: [budget.images=400], seeds: 2}
      packed: {words: ["trick=[packing]", budget.images=800], seeds: 2}
      lost: {words: ["trick=[r1]", budget.images=400], seeds: 2}
discussion: |
  Both agree.
"""


@pytest.fixture
def rings(tmp_path):
    return read(tmp_path, RINGS)


def read(folder, text):
    (folder / "published.yaml").write_text(TABLES)
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / "rings.yaml").write_text(text)
    [one] = read_reproductions(folder / "files", read_tables(folder / "published.yaml"))
    return one


CODE = {"revision": "0" * 40, "changes": ()}  # that can be had again


def runs(row, *modes, floor=0.1, **more):
    return [Result(effective(row.words), seed, values={"rarest_class_digits": mode, "fid_digits": 10 - mode},
                   floors={"rarest_class_digits": floor}, minutes=120.0, **{**CODE, "state": "completed", **more})
            for seed, mode in enumerate(modes)]


def rows_of(length, **modes):
    return {row.name: runs(row, *modes[row.name]) for row in length.rows if row.name in modes}


def test_a_reproduction_is_named_with_all_its_lengths_or_with_one(rings):
    full, short = rings.lengths
    assert full.rows[0].words == ("experiment=ring", "budget.images=4000")
    assert [*named([rings])] == ["rings", "rings/full", "rings/short"] and named([rings])["rings/short"] == [short]


def test_a_row_agrees_by_welchs_t_and_one_seed_by_what_a_single_run_may_show(rings):
    full, short = rings.lengths
    made = rows_of(full, GAN=[6.0, 7.0, 6.0, 6.5, 7.0], packed=[5.0, 5.5, 5.0, 5.2, 5.3])
    for metric, verdicts in (("rarest_class_digits", [AGREES, DIFFERS]), ("fid_digits", [DIFFERS, DIFFERS])):
        rows = repeated(full, [*made["GAN"], *made["packed"]])
        assert [verdict(rings, full, row, metric) for row in rows] == verdicts
    one = repeated(full, made["GAN"][:1])
    assert [verdict(rings, full, row, "rarest_class_digits") for row in one] == [ONE_WITHIN, NOT_RUN]
    assert one[0].floor("rarest_class_digits") == 0.1 and one[1].floor("rarest_class_digits") is None
    shown = repeated(short, runs(short.rows[0], 6.0, 6.5))
    assert verdict(rings, short, shown[0], "rarest_class_digits") == DIRECTION_ONLY


def test_runs_count_whatever_watched_them_and_whatever_they_ran_on(rings):
    full = rings.lengths[0]
    words = effective((*full.rows[0].words, "threads=8", "trainer=gpu", "callbacks.health.every_images=9"))
    other = effective((*full.rows[0].words, "loss=hinge"))
    rows = repeated(full, [Result(words, 0, "completed", **CODE), Result(other, 1, "completed", **CODE),
                           Result(words, 5, "completed", **CODE), Result(words, 2, "stopped", **CODE)])
    assert [*rows[0].runs] == [0]


def test_a_run_of_an_installed_package_counts_for_a_row(rings):
    [installed] = runs(rings.lengths[0].rows[0], 6.0, revision="", changes=None)
    assert repeated(rings.lengths[0], [installed])[0].runs == {0: installed}


@pytest.mark.parametrize("code", [{"changes": ("src/a.py",)}, {"changes": None}])
def test_a_run_of_code_that_cannot_be_had_again_counts_for_no_row(rings, code):
    full = rings.lengths[0]
    [changed, whole] = (runs(full.rows[0], 6.0, **{**CODE, **each})[0] for each in (code, {"changes": ("README.md",)}))
    assert not repeated(full, [changed])[0].runs and repeated(full, [whole])[0].runs == {0: whole}


def test_a_run_that_was_measured_otherwise_is_another(rings):
    full = rings.lengths[0]
    for word in ("callbacks.sample_quality.num_fake=100", "callbacks.health.on_nonfinite=roll_back"):
        [row, *_] = repeated(full, [Result(effective((*full.rows[0].words, word)), 0, "completed", **CODE)])
        assert not row.runs
    for word in ("callbacks.sample_quality.every_images=null", "callbacks.image_grid.columns=3", "logger=none"):
        [row, *_] = repeated(full, [Result(effective((*full.rows[0].words, word)), 0, "completed", **CODE)])
        assert [*row.runs] == [0]


def test_a_row_is_compared_with_all_that_are_alike_and_come_next(rings):
    table = replace(rings.table, rows={name: replace(row, values=rings.table.rows["GAN"].values) if name == "lost"
                                       else row for name, row in rings.table.rows.items()})
    alike = replace(rings, table=table)
    made = rows_of(rings.lengths[1], GAN=[4.0, 4.2], packed=[8.0, 8.1], lost=[6.0, 6.0])
    pairs = order(alike, repeated(rings.lengths[1], sum(made.values(), [])))
    assert sorted((pair.better, pair.worse) for pair in pairs) == [("packed", "GAN"), ("packed", "lost")]


def test_the_order_of_rows_is_told_with_its_interval(rings):
    short = rings.lengths[1]
    made = rows_of(short, GAN=[4.0, 4.2], packed=[8.0, 8.1], lost=[6.0, 6.0])
    pairs = order(rings, repeated(short, sum(made.values(), [])))
    assert [(pair.better, pair.worse, pair.as_published) for pair in pairs] == [
        ("packed", "GAN", True), ("GAN", "lost", False)]
    assert pairs[0].difference == pytest.approx(3.95)
    assert pairs[0].interval[0] > 0 and pairs[1].interval[1] < 0


def test_of_a_metric_that_is_better_when_less_the_less_comes_first(tmp_path):
    rings = read(tmp_path, RINGS + "ordered_by: fid_digits\n")
    short = rings.lengths[1]
    made = rows_of(short, GAN=[4.0, 4.2], packed=[8.0, 8.1])  # fid 6 and 2, in the paper 0.45 and 0.07
    [pair] = order(rings, repeated(short, sum(made.values(), [])))
    assert (pair.better, pair.as_published) == ("packed", True) and pair.difference < 0


def test_the_page_has_paper_ours_seeds_floor_and_verdict_and_says_what_was_not_run(rings):
    full, short = rings.lengths
    made = [*runs(full.rows[0], 6.0, 7.0, 6.0, 6.5, 7.0), *runs(full.rows[1], 8.0, state="diverged")]
    page = reproductions_page([rings], made)
    assert page == reproductions_page([rings], made[::-1])
    assert ("| rarest_class_digits | GAN | 6.3 ± 0.5 [5.17, 7.43] | 6.5 [5.88, 7.12] | 5 | 0.1 | agrees |"
            in page.replace("\\", ""))
    assert "| rarest_class_digits | packed | 7.9 ± 0.1 \\[7.67, 8.13\\] | – | 0 | – | no run has a value |" in page
    assert "400 updates of D. 5 runs, 10.0 hours" in page and "packed, seed 0: diverged" in page
    assert "40 updates of D, direction only. Not run here; `only=[rings/short]` would make these runs:" in page
    assert "    # GAN\n    python train.py experiment=ring budget.images=4000 seed=0\n    # packed\n" in page
    assert page.endswith("Both agree.\n")
    assert "400 updates of D. 1 run, 2.0 hours" in reproductions_page([rings], [*runs(full.rows[0], 6.0)])


def test_seeds_are_those_of_a_metrics_values_and_who_lacks_one_is_named(rings):
    """The mean of a metric that the worst runs lack is not one of all runs."""
    full = rings.lengths[0]
    whole, other = runs(full.rows[0], 6.0, 7.0)
    lacking = {"fid_digits": "fid_digits has no value: no fakes"}
    page = reproductions_page([rings], [whole, replace(other, values={"rarest_class_digits": 7.0}, lacking=lacking)])
    assert "| 6.5 \\[0.147, 12.9\\] | 2 |" in page and "| 4 | 1 |" in page
    assert "Without a value: GAN, seed 1: fid_digits has no value: no fakes." in page
    unmeasured = reproductions_page([rings], [replace(other, values={"fid_digits": 3.0})])
    assert "Without a value: GAN, seed 1: rarest_class_digits was not measured." in unmeasured


def test_rows_that_were_measured_with_different_weights_are_called_not_comparable(rings):
    gan, packed, *_ = rings.lengths[0].rows
    made = [*runs(gan, 6.0, weights={"fid_digits": "aa"}), *runs(packed, 6.0, weights={"fid_digits": "bb"})]
    sentence = "**Not comparable**, as the weights of fid_digits differ: SHA-256 aa of GAN; SHA-256 bb of packed."
    assert sentence in reproductions_page([rings], made).splitlines()
    assert sentence not in reproductions_page([rings], made[:1])


def test_a_page_of_a_direction_says_which_row_is_better(rings):
    short = rings.lengths[1]
    made = rows_of(short, GAN=[4.0, 4.2], packed=[8.0, 8.1], lost=[7.0, 7.0])
    page = reproductions_page([rings], sum(made.values(), []))
    assert "packed against GAN: as in the paper (difference 3.95, 95 % [" in page
    assert "GAN against lost: **unlike in the paper** (difference -2.9, 95 % [" in page
    wide = rows_of(short, GAN=[4.0, 8.0], packed=[6.0, 8.1])
    assert "packed against GAN: **not told apart**, where the paper has the first ahead (difference 1.05, 95 % [" in (
        reproductions_page([rings], sum(wide.values(), [])))
    assert "| rarest_class_digits | lost | fails | 7 \\[7, 7\\] | 2 | 0.1 | direction only |" in page
    single = reproductions_page([rings], sum(rows_of(short, GAN=[4.0], packed=[8.0, 9.0], lost=[4.0]).values(), []))
    assert "packed against GAN: as in the paper (difference 4.5, of too few seeds to be tested)." in single
    assert "GAN against lost: alike, where the paper has the first ahead (difference 0, of too few seeds" in single


def test_a_row_that_fails_in_the_paper_has_no_value_to_agree_with(tmp_path):
    rings = read(tmp_path, RINGS.replace("    direction_only: true\n", ""))
    rows = repeated(rings.lengths[1], runs(rings.lengths[1].rows[2], 7.0, 7.1))
    assert verdict(rings, rings.lengths[1], rows[2], "rarest_class_digits") == FAILED_THERE
    assert verdict(rings, rings.lengths[1], rows[2], "fid_digits") == ""


def test_rows_of_the_same_runs_are_refused(tmp_path):
    with pytest.raises(RequestError, match="short: GAN and lost are the same runs, as their words are"):
        read(tmp_path, RINGS.replace('lost: {words: ["trick=[r1]", budget', "lost: {words: [threads=2, budget"))


def test_a_table_that_nobody_published_has_no_verdict(tmp_path):
    rings = read(tmp_path, RINGS.replace("table: rings\n", ""))
    full = rings.lengths[0]
    rows = repeated(full, runs(full.rows[0], 6.0, 7.0))
    assert verdict(rings, full, rows[0], "fid_digits") == "" and order(rings, rows) == []
    assert "No paper reports these values" in reproductions_page([rings], runs(full.rows[0], 6.0, 7.0))


@pytest.mark.parametrize("old, new, words", [
    ("table: rings", "table: ring", "table=ring is not in conf/published.yaml: did you mean rings"),
    ("      packed: {words", "      packet: {words", "packet is no row of the table rings: did you mean packed"),
    ("fid_digits]", "fid_digit]", "metrics=fid_digit is no metric: did you mean fid_digits"),
    ("title: Rings", "title: Rings\nordered_by: kid_digits", "ordered_by=kid_digits must be one of metrics"),
    ("    steps: 400\n", "", "full lacks steps"),
    ("seeds: 5}", "seeds: five}", "seeds=five must be a whole number of at least 0"),
    ("title: Rings", "title: Rings\npage: claims", "page=claims must be the name of a page of its own"),
    ("title: Rings", "title: Rings\npage: ../README", "page=../README must be the name of a page"),
    ("metrics: [", "metrics: fid_digits\nother: [", "other is not known"),
])
def test_what_a_reproduction_may_not_hold_is_refused(tmp_path, old, new, words):
    with pytest.raises(RequestError, match=rf"files/rings.yaml.*{words}"):
        read(tmp_path, RINGS.replace(old, new, 1))
