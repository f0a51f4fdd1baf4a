"""From runs to rows, columns and cells: what shares a row, what shares a ranking, and what is left out and said."""

import json

import pytest

from saddlepoint.comparison.layout import seeds
from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.published import Published
from saddlepoint.comparison.runs import gather
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.errors import RequestError
from tests.comparison.made_runs import make_run, score

R1 = {"trick": ["r1"]}


def table(path, published=(), **asked):
    return tabulate(gather([path]).runs, Question(**asked), published)


def said(path, **asked) -> str:
    gathered = gather([path])
    return "\n".join(notes(tabulate(gathered.runs, Question(**asked)), gathered))


def means(of) -> list[list[float | None]]:
    return [[cell and cell.summary.mean for cell in row.cells] for row in of.rows]


def seeded(path, values, images=48000, protocol=None, first_seed=0, **more):
    for seed, value in enumerate(values, first_seed):
        make_run(path / f"{path.name}{seed}", score(value=value, images=images, **(protocol or {})), seed=seed,
                 images=images, **more)


def test_seeds_share_a_row_and_what_only_looks_makes_no_row(tmp_path):
    make_run(tmp_path / "a", score(value=10.0), seed=0)
    make_run(tmp_path / "b", score(value=14.0), seed=1, threads=2, callbacks={}, logger={}, data__root="/data",
             tricks__r1__gamma=5.0, choices={"logger": "none", "callbacks": "none"})
    [row] = table(tmp_path).rows
    assert (row.cells[0].summary.mean, row.cells[0].summary.count, row.settings) == (12.0, 2, ())


def test_rows_are_named_by_what_differs_and_not_by_what_a_choice_brings_along(tmp_path):
    resnet = {"model": {"generator": {"_target_": "R", "blocks": 3}, "discriminator": {"_target_": "S"}}}
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", **R1)
    make_run(tmp_path / "c", choices={"model": "resnet"}, **resnet)
    differences = table(tmp_path).differences
    assert differences.settings == ("model", "trick")
    assert differences.values == (("dcgan_small", "[]"), ("dcgan_small", "[r1]"), ("resnet", "[]"))
    assert set(differences.brought_along) >= {"model.generator.blocks", "model.generator.width"}
    assert "Rows also differ in what comes with the choices above" in said(tmp_path)


def test_a_setting_typed_beside_a_choice_is_shown_though_it_differs_just_as_the_choice_does(tmp_path):
    """loss=hinge with another learning rate: which of both made the difference?"""
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", choices={"loss": "hinge"}, loss__reduction="mean", optimizer__generator__lr=0.0001)
    differences = table(tmp_path).differences
    assert differences.settings == ("loss", "optimizer.generator.lr")
    assert differences.values[1] == ("hinge", "0.0001")


def test_a_setting_of_both_players_is_one_column_where_it_is_the_same(tmp_path):
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", optimizer__generator__lr=0.001, optimizer__discriminator__lr=0.001)
    assert table(tmp_path).differences.settings == ("optimizer.*.lr",)
    assert [row.settings for row in table(tmp_path).rows] == [("0.0002",), ("0.001",)]
    make_run(tmp_path / "c", optimizer__generator__lr=0.001)
    assert table(tmp_path).differences.settings == ("optimizer.discriminator.lr", "optimizer.generator.lr")


def test_of_tricks_only_those_that_play_count(tmp_path):
    make_run(tmp_path / "a", tricks__r1__gamma=1.0, seed=0)
    make_run(tmp_path / "b", tricks__r1__gamma=5.0, seed=1)
    make_run(tmp_path / "c", tricks__r1__gamma=1.0, **R1)
    make_run(tmp_path / "d", tricks__r1__gamma=5.0, **R1)
    found = table(tmp_path)
    assert [len(row.runs) for row in found.rows] == [2, 1, 1]
    assert [row.settings for row in found.rows] == [("[]", "–"), ("[r1]", "1"), ("[r1]", "5")]


@pytest.mark.parametrize(("field", "value", "words"), [
    ("num_fake", 10000, "number of fakes (10,000, not 2,000)"), ("num_real", 500, "number of real images"),
    ("digest", "ef" * 32, "extractor's weights (efefefef, not abababab)"), ("batchnorm", "standing", "BatchNorm"),
    ("ema", True, "averaged weights (EMA) (yes, not no)"), ("reference_digest", "ef" * 32, "real images"),
    ("split", "test", "split (test, not train)"), ("quantisation", "none", "quantisation"),
    ("settings", {"degree": 2}, "settings.degree (2, not none)"), ("image_size", 32, "image size"),
])
def test_values_of_unlike_protocol_are_in_columns_of_their_own_and_the_difference_is_named(tmp_path, field, value,
                                                                                          words):
    seeded(tmp_path / "a", [10.0, 12.0])
    seeded(tmp_path / "b", [1.0], protocol={field: value}, **R1)
    found = table(tmp_path)
    assert [column.title for column in found.columns] == ["fid_digits [A]", "fid_digits [B]"]
    assert means(found) == [[11.0, None], [None, 1.0]]
    assert all(cell.rank is None for row in found.rows for cell in row.cells if cell)
    assert "Columns of fid_digits do not compare: [B] differs from [A] in " in said(tmp_path)
    assert words in said(tmp_path)


def test_seed_versions_revision_and_a_generator_without_batchnorm_do_not_keep_values_apart(tmp_path):
    seeded(tmp_path / "a", [10.0])
    seeded(tmp_path / "b", [8.0], protocol={"seed": 5, "versions": {}, "revision": "x", "batchnorm": "none"}, **R1)
    found = table(tmp_path)
    assert means(found) == [[10.0], [8.0]] and [row.cells[0].rank for row in found.rows] == [2, 1]


def test_across_puts_them_in_one_column_and_says_so(tmp_path):
    seeded(tmp_path / "a", [10.0])
    seeded(tmp_path / "b", [8.0], protocol={"ema": True}, images=90000, **R1)
    assert means(table(tmp_path, across=["ema", "images_seen"])) == [[10.0], [8.0]]
    assert "values of one column may differ in ema, images_seen" in said(tmp_path, across=["ema", "images_seen"])
    with pytest.raises(RequestError, match="across=emma is not a part.*did you mean ema"):
        table(tmp_path, across=["emma"])


def test_a_mean_never_mixes_protocols_even_within_a_row(tmp_path):
    make_run(tmp_path / "a", score(value=10.0), seed=0)
    make_run(tmp_path / "b", score(value=30.0, num_fake=500), seed=1)
    assert means(table(tmp_path)) == [[10.0, 30.0]]


def test_values_after_other_numbers_of_images_are_kept_apart_beyond_a_batch(tmp_path):
    seeded(tmp_path / "a", [10.0], images=48000)
    seeded(tmp_path / "b", [9.0], images=48064, **R1)
    seeded(tmp_path / "c", [5.0], images=96000, trick=["ema"])
    assert means(table(tmp_path)) == [[10.0, None], [9.0, None], [None, 5.0]]
    assert "images seen (96,000, not 48,000 to 48,064)" in said(tmp_path)


def test_what_did_not_complete_is_counted_and_named_and_not_averaged(tmp_path):
    seeded(tmp_path / "a", [10.0, 12.0])
    make_run(tmp_path / "x", score(value=900.0, images=20000), seed=2, state="diverged", reason="not finite")
    make_run(tmp_path / "y", score(value=900.0, images=20000), seed=3, state="failed")
    [row] = table(tmp_path).rows
    assert (row.cells[0].summary.mean, row.cells[0].summary.count) == (11.0, 2)
    assert seeds(row) == "2 of 4, 1 diverged, 1 failed"
    assert "Row 1, seed 2 (x) diverged: not finite." in said(tmp_path) and "seed 3 (y) failed." in said(tmp_path)


def test_what_is_odd_about_the_runs_is_counted_and_named_under_the_table(tmp_path):
    make_run(tmp_path / "a")
    make_run(tmp_path / "b")
    (tmp_path / "empty").mkdir()
    assert "Gathered: 1 runs; 1 empty, 1 duplicate.\nNote: " in said(tmp_path)


def test_a_row_whose_runs_all_failed_stays(tmp_path):
    seeded(tmp_path / "a", [10.0])
    make_run(tmp_path / "x", state="collapsed", **R1)
    found = table(tmp_path)
    assert [seeds(row) for row in found.rows] == ["1", "0 of 1, 1 collapsed"] and found.rows[1].cells == (None,)


def test_a_value_that_is_not_finite_is_left_out_and_named(tmp_path):
    make_run(tmp_path / "a", score(value=None), seed=0)
    make_run(tmp_path / "b", score(value=8.0), seed=1)
    assert means(table(tmp_path)) == [[8.0]]
    assert "Not finite, and left out: a (fid_digits)." in said(tmp_path)
    assert "Row 1 has fewer seeds of fid_digits than it has completed runs." in said(tmp_path)


CURVE = [{"images_seen": images, "quality/fid_digits": value} for images, value in
         ((10000, 30.0), (20032, 7.0), (30000, 20.0), (48000, 25.0))]


@pytest.mark.parametrize(("value", "mean"), [("last", 25.0), ("best", 7.0), (20000, 7.0), (10000, 30.0), (48000, 25.0)])
def test_the_value_asked_for_is_the_one_shown(tmp_path, value, mean):
    make_run(tmp_path / "a", score(value=25.0), best=score(value=7.0, images=20032), curve=CURVE)
    assert means(table(tmp_path, value=value)) == [[mean]]


def test_best_without_a_best_checkpoint_is_the_best_of_the_first_metrics_curve(tmp_path):
    curve = [{"images_seen": images, "quality/psnr_y": value, "quality/niqe": value / 10} for images, value in
             ((100, 20.0), (200, 31.0), (300, 25.0))]
    psnr, niqe = ({"name": name, "value": value, "images_seen": 300, "protocol": {"scale": 4}}
                  for name, value in (("psnr_y", 25.0), ("niqe", 2.5)))
    make_run(tmp_path / "a", psnr, niqe, curve=curve)
    assert means(table(tmp_path, value="best")) == [[31.0, 3.1]]


def test_a_moment_without_a_measurement_is_said_with_the_nearest(tmp_path):
    make_run(tmp_path / "a", score(value=25.0), curve=CURVE)
    assert means(table(tmp_path, value=21000)) == [[]]
    assert "Row 1 was not measured after 21,000 images; nearest were 20,032 and 30,000." in said(tmp_path, value=21000)


def test_a_run_that_diverged_later_has_its_value_at_a_number_of_images(tmp_path):
    make_run(tmp_path / "a", score(value=25.0), curve=CURVE[:2], state="diverged")
    assert means(table(tmp_path, value=20000)) == [[7.0]] and means(table(tmp_path)) == [[]]


def test_metrics_may_be_chosen_with_or_without_their_extractor(tmp_path):
    make_run(tmp_path / "a", score("fid_digits"), score("is_digits"), score("fid_random", extractor="random"))
    titles = {asked: [column.metric for column in table(tmp_path, metric=[asked]).columns]
              for asked in ("fid", "is_digits")}
    assert titles == {"fid": ["fid_digits", "fid_random"], "is_digits": ["is_digits"]}
    with pytest.raises(RequestError, match=r"metric=fid_digit was measured of none.*did you mean fid_digits"):
        table(tmp_path, metric=["fid_digit"])


def test_evaluations_of_the_checkpoint_asked_for_stand_beside_training(tmp_path):
    folder = make_run(tmp_path / "a", score(value=25.0)) / "evaluations"
    folder.mkdir()
    for name, images, value in (("last", 48000, 24.0), ("other", 20000, 3.0)):
        (folder / f"{name}.json").write_text(
            json.dumps({"metrics": [score(value=value, images=images, num_fake=10000)]}))
    assert means(table(tmp_path)) == [[25.0, 24.0]] and means(table(tmp_path, evaluations=False)) == [[25.0]]


def test_higher_is_better_where_the_metric_says_so(tmp_path):
    make_run(tmp_path / "a", score("fid_digits", 5.0), score("is_digits", 5.0))
    make_run(tmp_path / "b", score("fid_digits", 9.0), score("is_digits", 9.0), **R1)
    assert [[cell.rank for cell in row.cells] for row in table(tmp_path).rows] == [[1, 2], [2, 1]]


def test_differences_are_paired_where_the_seeds_agree(tmp_path):
    seeded(tmp_path / "a", [10.0, 20.0, 30.0])
    seeded(tmp_path / "b", [11.0, 21.0, 31.0], **R1)
    seeded(tmp_path / "c", [11.0, 21.0, 31.0], first_seed=1, trick=["ema"])
    first, paired, unpaired = (row.cells[0].difference for row in table(tmp_path, baseline="trick=[]").rows)
    assert first is None and paired.mean == unpaired.mean == 1.0
    assert (paired.paired, paired.p, paired.smallest_p) == (True, 0.25, 0.25)  # three differences of one sign: 2 / 2^3
    assert not unpaired.paired and unpaired.smallest_p == 0.1 and unpaired.p > 0.5
    text = said(tmp_path, baseline="1")
    assert "smallest p possible with these seeds is 0.1 or 0.25: no difference can reach 0.05" in text
    assert "2 differences were tested, and p is not corrected" in text


def test_no_difference_is_tested_across_protocols(tmp_path):
    seeded(tmp_path / "a", [10.0, 20.0])
    seeded(tmp_path / "b", [11.0, 21.0], protocol={"num_fake": 10}, **R1)
    assert all(cell.difference is None for row in table(tmp_path, baseline="1").rows for cell in row.cells if cell)
    assert "No row compares with the baseline, row 1" in said(tmp_path, baseline="1")


@pytest.mark.parametrize(("baseline", "words"), [
    ("7", "baseline=7 must be the number of a row, from 1 to 3"), ("los=a", "must name a setting that rows differ in"),
    ("trick=[emma]", r"fits no row: trick is \[\], \[r1\]"),
    ("trick=[r1]", "fits rows 2, 3: type one of these numbers"),
])
def test_a_baseline_that_is_no_row_is_refused(tmp_path, baseline, words):
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", **R1)
    make_run(tmp_path / "c", budget__images=9, **R1)
    with pytest.raises(RequestError, match=words):
        table(tmp_path, baseline=baseline)


def test_a_published_value_is_compared_only_where_name_and_protocol_agree(tmp_path):
    known = Published({"experiment": "sngan", "trick": []}, "fid_inception", 20.0, 2.0, {"num_fake": 2000}, "a paper")
    here = {"extractor": "inception"}
    make_run(tmp_path / "a", score("fid_inception", 21.9, **here), choices={"experiment": "sngan"})
    make_run(tmp_path / "b", score("fid_inception", 22.1, **here), choices={"experiment": "sngan"}, budget__images=5)
    make_run(tmp_path / "c", score("fid_inception", 20.0, num_fake=10, **here), choices={"experiment": "sngan"},
             budget__images=6)
    make_run(tmp_path / "d", score("fid_inception", 20.0, **here), choices={"experiment": "sngan"}, **R1)
    make_run(tmp_path / "e", score("fid_digits", 20.0), choices={"experiment": "sngan"}, budget__images=7)
    cells = [next(cell for cell in row.cells if cell) for row in table(tmp_path, [known]).rows]
    verdicts = [cell.published and cell.published.verdict(cell.summary.mean, cell.values[0].score.protocol)
                for cell in cells]
    assert verdicts == ["within tolerance", "outside tolerance", "not compared: other num fake", None, None]
