"""From runs to rows, columns and cells: what shares a row, what shares a ranking, and what is left out and said."""

import pytest

from saddlepoint.comparison.layout import seeds
from saddlepoint.errors import RequestError
from tests.comparison.tables import R1, means, said, seeded, table
from tests.runs.made_runs import make_run, score


def test_seeds_share_a_row_and_what_only_looks_makes_no_row(tmp_path):
    make_run(tmp_path / "a", score(value=10.0), seed=0)
    make_run(tmp_path / "b", score(value=14.0), seed=1, threads=2, callbacks={}, logger={}, data__root="/data",
             tricks__r1__gamma=5.0, choices={"logger": "none", "callbacks": "none"})
    [row] = table(tmp_path).rows
    assert (row.cells[0].summary.mean, row.cells[0].summary.count, row.settings) == (12.0, 2, ())


def test_seeds_share_a_row_where_all_draw_their_data_by_the_same_seed(tmp_path):
    for seed in (0, 1, 2):
        make_run(tmp_path / f"of_0_{seed}", seed=seed, data__seed=0)
        make_run(tmp_path / f"of_2_{seed}", seed=seed, data__seed=2)
    found = table(tmp_path)
    assert found.differences.settings == ("data.seed",)
    assert [(row.settings, [run.seed for run in row.runs]) for row in found.rows] == [
        (("0",), [0, 1, 2]), (("2",), [0, 1, 2])]


def test_a_run_whose_data_follow_its_seed_stays_with_those_of_other_seeds_whose_data_do(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / f"following_{seed}", seed=seed)
        make_run(tmp_path / f"of_0_{seed}", seed=seed + 2, data__seed=0)
    assert [[run.seed for run in row.runs] for row in table(tmp_path).rows] == [[0, 1], [2, 3]]


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


def test_labels_that_follow_from_the_seed_do_not_keep_values_apart_but_how_many_they_are_does(tmp_path):
    for seed, (value, digest) in enumerate(((0.1, "ab" * 32), (0.3, "cd" * 32))):
        known = {"labelled_per_class": 10, "labelling_seed": seed, "labelling": digest}
        make_run(tmp_path / str(seed), score("classification_error", value, **known), seed=seed)
    make_run(tmp_path / "more", score("classification_error", 0.01, labelled_per_class=20), seed=2)
    assert means(table(tmp_path)) == [[pytest.approx(0.2), 0.01]]


def test_across_puts_them_in_one_column_and_says_so(tmp_path):
    seeded(tmp_path / "a", [10.0])
    seeded(tmp_path / "b", [8.0], protocol={"ema": True}, images=90000, **R1)
    assert means(table(tmp_path, across=["ema", "images_seen"])) == [[10.0], [8.0]]
    assert "values of one column may differ in ema, images_seen" in said(tmp_path, across=["ema", "images_seen"])
    make_run(tmp_path / "c", score("kid_digits", 1.0, settings={"degree": 2}), seed=1)
    make_run(tmp_path / "d", score("kid_digits", 3.0, settings={"degree": 3}), seed=2)
    assert [column.title for column in table(tmp_path, metric=["kid"], across=["settings.degree"]).columns] == [
        "kid_digits"]
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
    assert "Gathered: 1 run; 1 empty, 1 duplicate.\nNote: " in said(tmp_path)


def test_times_of_unlike_devices_do_not_compare(tmp_path):
    for seed, devices in enumerate((["CPU"], [], ["CPU"])):  # of the second run they are not recorded
        make_run(tmp_path / str(seed), seed=seed, environment={"device": {"devices": devices}})
    assert "Times do not compare" not in said(tmp_path)
    make_run(tmp_path / "card", seed=3, environment={"device": {"devices": ["A card"]}})
    assert "Times do not compare: runs had different machines, devices or numbers of threads." in said(tmp_path)


def test_a_row_whose_runs_all_failed_stays(tmp_path):
    seeded(tmp_path / "a", [10.0])
    make_run(tmp_path / "x", state="collapsed", **R1)
    found = table(tmp_path)
    assert [seeds(row) for row in found.rows] == ["1", "0 of 1, 1 collapsed"] and found.rows[1].cells == (None,)


def test_a_value_that_there_is_none_of_is_left_out_with_its_reason(tmp_path):
    lost = score(value=None) | {"reason": "half of the real images have a copy"}
    make_run(tmp_path / "a", lost, score("is_digits", 5.0), seed=0)
    assert means(table(tmp_path)) == [[5.0]]
    assert "a has no fid_digits: half of the real images have a copy." in said(tmp_path)
    assert "Not finite" not in said(tmp_path)


@pytest.mark.parametrize("field", ["fake_framing", "reference_resize"])
def test_runs_from_before_a_field_was_written_compare_with_those_that_say_it_is_the_same(tmp_path, field):
    seeded(tmp_path / "a", [10.0])
    seeded(tmp_path / "b", [8.0], protocol={field: None}, **R1)
    assert len(table(tmp_path).columns) == 1


def test_the_name_of_a_protocol_divides_no_column_since_its_fields_do(tmp_path):
    named = score(value=8.0)
    named["protocol"]["name"] = "adm"
    make_run(tmp_path / "a", score(value=10.0))
    make_run(tmp_path / "b", named, **R1)
    assert len(table(tmp_path).columns) == 1


@pytest.mark.parametrize(("protocol", "words"), [
    ({"fake_framing": "short_side, center"}, "framing of fakes (short_side, center, not none)"),
    ({"reference_resize": "unknown"}, "resizing of the reference (unknown, not none)"),
    ({"settings": {"order": "mixed"}}, "order of the images (mixed, not none)")])
def test_values_of_other_framing_or_order_are_in_columns_of_their_own(tmp_path, protocol, words):
    seeded(tmp_path / "a", [10.0, 9.0])
    seeded(tmp_path / "b", [8.0], protocol=protocol, **R1)
    assert len(table(tmp_path).columns) == 2 and words in said(tmp_path)


def test_a_value_that_is_not_finite_is_left_out_and_named(tmp_path):
    make_run(tmp_path / "a", score(value=None), seed=0)
    make_run(tmp_path / "b", score(value=8.0), seed=1)
    assert means(table(tmp_path)) == [[8.0]]
    assert "Not finite, and left out: a (fid_digits)." in said(tmp_path)
    assert "Row 1 has fewer seeds of fid_digits than it has completed runs." in said(tmp_path)


def test_higher_is_better_where_the_metric_says_so(tmp_path):
    make_run(tmp_path / "a", score("fid_digits", 5.0), score("is_digits", 5.0))
    make_run(tmp_path / "b", score("fid_digits", 9.0), score("is_digits", 9.0), **R1)
    assert [[cell.rank for cell in row.cells] for row in table(tmp_path).rows] == [[1, 2], [2, 1]]


def test_tricks_that_all_rows_share_are_named_with_the_other_choices(tmp_path):
    make_run(tmp_path / "a", **R1)
    make_run(tmp_path / "b", choices={"loss": "hinge"}, **R1)
    assert "optimizer=adam, trick=[r1].\n" in said(tmp_path)
    make_run(tmp_path / "c")
    assert "optimizer=adam.\n" in said(tmp_path)


def test_what_a_perfect_generator_would_have_is_said_once_for_a_column(tmp_path):
    rule = {"extractor": "mixture", "settings": {"rule": "within 3", "shares_of_data": [0.5, 0.5]}}
    for seed, perfect in enumerate((7.9, 8.0)):
        details = {"perfect": perfect, "perfect_std": 0.1}
        make_run(tmp_path / str(seed), score("modes_mixture", 6.0, **rule) | {"details": details}, score(), seed=seed)
    assert "A perfect generator, measured on as many fakes, would have modes_mixture 7.95." in said(tmp_path)
    assert means(table(tmp_path)) == [[6.0, 10.0]]
    others = tmp_path / "others"
    make_run(others / "run", score())
    assert "perfect" not in said(others)


def test_shares_of_modes_divide_no_column_beside_the_real_images_that_they_follow_from(tmp_path):
    for place, shares in enumerate(([0.5, 0.5], [0.6, 0.4])):
        make_run(tmp_path / str(place), score("modes_mixture", reference_digest=str(place) * 64,
                                              settings={"rule": "within 3", "shares_of_data": shares}), seed=place)
    assert len(table(tmp_path).columns) == 2 and "shares" not in said(tmp_path)
    assert len(table(tmp_path, across=["reference_digest"]).columns) == 1
