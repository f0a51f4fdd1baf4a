"""A table as a DataFrame, and as CSV."""

import csv
import io

import pandas as pd
import pytest

from saddlepoint.comparison.frame import as_frame
from tests.comparison.tables import R1, seeded, table
from tests.runs.made_runs import make_run, score

NASTY = 'a "b", c;\nd'


@pytest.fixture
def made(tmp_path):
    for seed, value in enumerate((10.0, 14.0, 12.0)):
        make_run(tmp_path / f"a{seed}", score(value=value), score("is_digits", 8.0), seed=seed, seconds=3725)
        make_run(tmp_path / f"b{seed}", score(value=value + 1, num_fake=7), seed=seed, **R1,
                 state="completed" if seed else "diverged")
    return as_frame(table(tmp_path, baseline="1"), ["one", "two"])


def test_a_row_is_a_recipe_and_its_numbers_are_numbers(made):
    assert [*made.index] == [1, 2] and made.index.name == "row" and [*made["trick"]] == ["[]", "[r1]"]
    first = made.loc[1]
    assert (first["fid_digits [A].mean"], first["fid_digits [A].deviation"]) == (12.0, 2.0)
    half = 4.302653 * 2 / 3**0.5  # of the t distribution with two degrees of freedom, from a printed table
    assert (first["fid_digits [A].low"], first["fid_digits [A].high"]) == pytest.approx((12 - half, 12 + half))
    assert (first["runs"], first["seeds"], first["completed"]) == (3, "0 1 2", 3)
    assert (first["seconds"], first["parameters.generator"], first["images_seen"]) == (3725, 1000, 48000)
    assert made.attrs["notes"] == ["one", "two"]


def test_whole_numbers_stay_whole_beside_missing_ones(made):
    assert [*made["fid_digits [B].seeds"]] == [pd.NA, 2] and str(made["fid_digits [B].seeds"].dtype) == "Int64"
    assert [*made["diverged"]] == [pd.NA, 1] and made["fid_digits [A].mean"].isna().tolist() == [False, True]


def test_what_identifies_a_row_comes_first_then_its_scores(made):
    names = [*made.columns]
    assert names[:4] == ["trick", "runs", "seeds", "fid_digits [A].mean"]
    groups = [name.split(".")[0] for name in names if name.startswith(("fid", "is"))]
    assert [*dict.fromkeys(groups)] == ["fid_digits [A]", "fid_digits [B]", "is_digits"] == sorted({*groups})
    assert names.index("seconds") > names.index("is_digits.mean")


def test_a_setting_whose_values_are_numbers_is_a_column_of_numbers(tmp_path):
    for place, rate in enumerate((1e-5, 2e-4, 0.01)):
        make_run(tmp_path / str(place), optimizer__generator__lr=rate)
    assert as_frame(table(tmp_path))["optimizer.generator.lr"].tolist() == [1e-5, 2e-4, 0.01]


def test_values_that_no_column_of_numbers_holds_are_there_all_the_same(tmp_path):
    run = make_run(tmp_path / "run", score("runs", 1.0))
    (run / "status.json").write_text('{"state": "completed", "images_seen": 1%s}' % ("0" * 30))
    assert as_frame(table(tmp_path))["images_seen"].tolist() == [10**30]


def test_csv_holds_unrounded_numbers_and_every_value(made):
    first, second = csv.DictReader(io.StringIO(made.to_csv()))
    assert (first["row"], first["trick"], first["seeds"], first["completed"]) == ("1", "[]", "0 1 2", "3")
    assert first["fid_digits [A].values"] == "10.0 14.0 12.0" and first["fid_digits [B].mean"] == ""
    assert (second["completed"], second["diverged"], second["fid_digits [B].seeds"]) == ("2", "1", "2")
    third = 1 / 3
    assert float(pd.DataFrame({"x": [third]}).to_csv().splitlines()[1].split(",")[1]) == third


def test_a_text_with_quotes_commas_and_lines_is_one_cell(tmp_path):
    seeded(tmp_path / "a", [1.0])
    seeded(tmp_path / "b", [2.0], loss__reduction=NASTY)
    frame = as_frame(table(tmp_path))
    lines = [*csv.DictReader(io.StringIO(frame.to_csv()))]
    assert NASTY[-1] in frame["loss.reduction"][2]
    assert [line["loss.reduction"] for line in lines] == [*frame["loss.reduction"]]
