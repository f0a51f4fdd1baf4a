"""Runs on other data are other rows, wherever the data lie; runs that have not said compare by their settings."""

from typing import Any

import pytest

from saddlepoint.comparison.report.writing import write_page
from saddlepoint.runs.gathering import gather
from tests.comparison.tables import said, table
from tests.runs.made_runs import make_run, score

OLD_FOLDER = ["png", "jpg", "jpeg", "jfif", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pbm"]
OLD_PAIRS = ["png", "jpg", "jpeg", "jfif", "webp", "bmp", "tif", "tiff", "ppm"]
CATS = {"name": "image_folder", "images": 12, "classes": {"cat": 12}, "names": "aa", "contents": "bb"}
DOGS = CATS | {"contents": "cc"}


def trained_on(data: dict[str, Any] | None, root: str | None = None) -> dict[str, Any]:
    return {"environment": {"data": data}, "data__root": root}


def test_two_folders_with_the_same_settings_are_two_rows_named_by_their_folders(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / f"cats{seed}", seed=seed, **trained_on(CATS, "/data/cats"))
        make_run(tmp_path / f"dogs{seed}", seed=seed, **trained_on(DOGS, "/data/dogs"))
    found = table(tmp_path)
    assert gather([tmp_path]).problems == ()
    assert found.differences.settings == ("data.root",)
    assert [(row.settings, len(row.runs)) for row in found.rows] == [(("/data/cats",), 2), (("/data/dogs",), 2)]


def test_one_set_at_two_places_is_one_row(tmp_path):
    make_run(tmp_path / "a", seed=0, **trained_on(CATS, "/here"))
    make_run(tmp_path / "b", seed=1, **trained_on(CATS | {"validation": {"images": 1}}, "/there"))
    [row] = table(tmp_path).rows
    assert len(row.runs) == 2 and row.settings == ()
    make_run(tmp_path / "c", seed=1, **trained_on(CATS, "/elsewhere"))
    assert [run.name for run in gather([tmp_path]).duplicates] == ["c"]


def test_a_folder_whose_content_changed_is_told_by_its_digest(tmp_path):
    make_run(tmp_path / "a", **trained_on(CATS, "/data"))
    make_run(tmp_path / "b", **trained_on(DOGS | {"images": 13}, "/data"))
    found = table(tmp_path)
    assert found.differences.settings == ("data.images", "data.digest")
    assert [row.settings[0] for row in found.rows] == ["12", "13"]


def test_a_run_that_recorded_less_of_its_data_is_of_the_only_set_that_is_equal_in_the_rest(tmp_path):
    make_run(tmp_path / "former", seed=0, **trained_on(CATS, "/data"))
    make_run(tmp_path / "now", seed=1, **trained_on(CATS | {"labels": "dd", "spread": "ee"}, "/data"))
    make_run(tmp_path / "other", seed=2, **trained_on(DOGS | {"labels": "ff"}, "/data"))
    rows = table(tmp_path).rows
    assert sorted([run.name for run in row.runs] for row in rows) == [["former", "now"], ["other"]]
    make_run(tmp_path / "relabelled", seed=3, **trained_on(CATS | {"labels": "ff", "spread": "ee"}, "/data"))
    rows = table(tmp_path).rows
    assert sorted([run.name for run in row.runs] for row in rows) == [["former"], ["now"], ["other"], ["relabelled"]]


def test_where_the_same_set_lay_is_no_difference_between_recipes(tmp_path):
    make_run(tmp_path / "a", **trained_on(CATS, "/here"))
    make_run(tmp_path / "b", loss__reduction="mean", **trained_on(CATS, "/there"))
    assert table(tmp_path).differences.settings == ("loss.reduction",)


def test_a_run_that_went_on_with_other_data_is_a_row_of_its_own(tmp_path):
    make_run(tmp_path / "a", **trained_on(DOGS, "/dogs"))
    make_run(tmp_path / "b", **trained_on(DOGS | {"earlier": [CATS]}, "/dogs"))
    assert len(table(tmp_path).rows) == 2


def test_runs_that_have_not_said_compare_as_before_with_a_note(tmp_path):
    make_run(tmp_path / "old", seed=0, **trained_on(None, "/a"))
    make_run(tmp_path / "older", seed=1, **trained_on(None, "/b"))
    [row] = table(tmp_path).rows
    assert len(row.runs) == 2 and "not recorded of old, older: compared by settings alone" in said(tmp_path)
    make_run(tmp_path / "new", seed=2, **trained_on(CATS, "/c"))
    [row] = table(tmp_path).rows
    assert len(row.runs) == 3 and "not recorded of old, older" in said(tmp_path)
    page = write_page(tmp_path).read_text()
    assert "12 images in 1 class: cat 12" in page and page.count("not recorded") >= 2


def test_nor_is_the_note_lost_where_one_of_two_such_runs_is_set_aside(tmp_path):
    make_run(tmp_path / "old", seed=0, **trained_on(None, "/a"))
    make_run(tmp_path / "older", seed=0, **trained_on(None, "/b"))
    assert len(gather([tmp_path]).runs) == 1 and "not recorded of old, older" in said(tmp_path)


@pytest.mark.parametrize("endings", [OLD_FOLDER, OLD_PAIRS])
def test_settings_that_an_earlier_version_lacked_or_spelt_out_are_no_difference(endings, tmp_path):
    folder = {"data___target_": "saddlepoint.data.folders.ImageFolder"}
    make_run(tmp_path / "old", seed=0, data__extensions=endings, **folder, **trained_on(None, "/a"))
    make_run(tmp_path / "new", seed=1, data__extensions=None, data__white=None, **folder, **trained_on(CATS, "/a"))
    [row] = table(tmp_path).rows
    assert len(row.runs) == 2
    make_run(tmp_path / "typed", seed=1, data__extensions=["png"], data__white=255.0, **folder,
             **trained_on(CATS, "/a"))
    assert table(tmp_path).differences.settings == ("data.extensions", "data.white")


def test_runs_that_have_not_said_join_none_of_several_sets(tmp_path):
    make_run(tmp_path / "old", seed=0, **trained_on(None, "/a"))
    make_run(tmp_path / "cats", seed=0, **trained_on(CATS, "/a"))
    make_run(tmp_path / "dogs", seed=0, **trained_on(DOGS, "/b"))
    gathered = gather([tmp_path])
    assert len(gathered.runs) == 3 and gathered.duplicates == ()
    assert [len(row.runs) for row in table(tmp_path).rows] == [1, 1, 1]


def test_of_sets_without_a_place_nothing_is_noted(tmp_path):
    make_run(tmp_path / "a", seed=0)
    make_run(tmp_path / "b", seed=1)
    assert "not recorded" not in said(tmp_path)


def test_a_completed_run_without_scores_is_complete(tmp_path):
    (make_run(tmp_path / "a", seed=0) / "metrics.json").write_text('{"metrics": []}')
    make_run(tmp_path / "b", seed=1)
    [row] = table(tmp_path).rows
    assert row.states == {"completed": 2} and "incomplete" not in said(tmp_path)
    assert "a is completed, and no score was measured" in said(tmp_path)


def test_photographs_of_one_name_and_other_pixels_are_other_columns(tmp_path):
    """PSNR of runs that were judged by different files of the same names; an older run has no digest."""
    def psnr(value: float, **protocol: Any) -> dict[str, Any]:
        return score("psnr_y", value) | {"protocol": {"images": ["1.png"], "scale": 4, **protocol}}

    make_run(tmp_path / "old", psnr(20.0), seed=0)
    make_run(tmp_path / "a", psnr(21.0, reference_digest="aa"), seed=1)
    [column] = table(tmp_path).columns
    assert len(column.values) == 2
    make_run(tmp_path / "b", psnr(22.0, reference_digest="bb"), seed=2)
    assert sorted(len(column.values) for column in table(tmp_path).columns) == [1, 1, 1]


def test_pairs_are_told_by_their_choice_and_not_by_what_comes_with_it(tmp_path):
    for pair, share in (("edges", {}), ("holes", {"share": 0.4})):
        target = f"saddlepoint.data.pair_making.{pair.title()}"
        make_run(tmp_path / pair, choices={"data/pair": pair}, data__pair={"_target_": target, **share},
                 data__source_channels=1 if pair == "edges" else 3, **trained_on(CATS, "/here"))
    found = table(tmp_path)
    assert found.differences.settings == ("data/pair",)
    assert [row.settings for row in found.rows] == [("edges",), ("holes",)]


def test_translations_from_two_folders_of_sources_are_two_rows(tmp_path):
    for name in ("lines", "labels"):
        source = {"source": {"images": 12, "names": name, "contents": name}}
        make_run(tmp_path / name, data__source_root=f"/{name}", **trained_on(CATS | source, "/here"))
    assert table(tmp_path).differences.settings == ("data.source_root",)
